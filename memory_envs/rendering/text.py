"""A trial so far as lines of plain ASCII."""

from __future__ import annotations

from collections.abc import Sequence

from memory_envs.rendering.view import (
    TrialView,
    is_signed,
    left_out,
    needs_decimals,
    paid,
    progress,
    rounded,
    rows_to_draw,
    score,
)

_WIDTH = 100
_MAX_STEPS = 32
_MAX_NAME = 12
_ROLE_WIDTH = len("answered")
_RIGHT, _WRONG, _UNPAID, _WAITING = "v", "X", ".", "?"
_LEGEND = f"{_RIGHT} right   {_WRONG} wrong   {_UNPAID} does not count   {_WAITING} to be answered"


def to_text(view: TrialView) -> str:
    """Draws a trial as aligned rows of at most 100 characters, without a line break at the end.

    The last 32 steps are drawn (about 28, in two blocks, where values need decimals); a ``<`` before them and
    a line at the end tell how many came before. Of many channels or heads the first and the last few are
    drawn.
    """
    wide = needs_decimals(view)
    limit = 3 if wide else 6
    channels = rows_to_draw([True] * len(view.channels), limit)
    heads = rows_to_draw(view.active, limit)
    cell = 6 if wide else 2
    name_width = min(_MAX_NAME, max(map(len, ["step", *view.channels, *view.heads])))
    columns = (_WIDTH - (name_width + _ROLE_WIDTH + 4)) // cell
    stop = len(view.inputs)
    start = max(0, stop - min(_MAX_STEPS, columns * (2 if wide else 1)))

    lines = [view.title[:_WIDTH], f"{progress(view)}, {score(view)}", ""]
    for first in range(start, stop, columns):
        steps = range(first, min(first + columns, stop))
        for name, role, entries in _rows(view, channels, heads, steps, wide):
            # A row without a role is the ruler, the only one to show where earlier steps are cut off.
            gap = "< " if not role and first == start > 0 else "  "
            label = f"{_shorten(name, name_width):<{name_width}}  {role:<{_ROLE_WIDTH}}"
            lines.append((label + gap + "".join(f"{entry:>{cell - 1}} " for entry in entries)).rstrip())
        lines.append("")
    if start:
        lines.append(f"< {start} earlier steps not drawn")
    if omitted := left_out(view, channels, heads):
        lines.append(omitted)
    return "\n".join([*lines, _LEGEND])


def _rows(
    view: TrialView, channels: Sequence[int], heads: Sequence[int], steps: range, wide: bool
) -> list[tuple[str, str, list[str]]]:
    """The rows of some neighbouring steps: a name, a role and an entry for each step."""
    answered = range(steps.start, min(steps.stop, len(view.answers)))
    waiting = [_WAITING] * (len(steps) - len(answered))
    counts = paid(view)
    rows = [("step", "", [str(t) for t in steps] if wide else [_ruler(steps)])]
    for i in channels:
        signs = not wide and is_signed(view, i)
        rows.append((view.channels[i], "shown", [_number(view.inputs[t, i], signs) for t in steps]))
    for h in heads:
        asked = [_answer(view, view.targets[t, h]) if counts[t, h] else _UNPAID for t in answered]
        given = [_answer(view, view.answers[t, h]) for t in answered]
        marks = [(_RIGHT if view.correct[t, h] else _WRONG) if counts[t, h] else _UNPAID for t in answered]
        rows.append((view.heads[h], "asked" if view.active[h] else "unpaid", asked))
        rows.append(("", "answered", given + waiting))
        rows.append(("", "right?", marks))
    return rows


def _ruler(steps: range) -> str:
    """The number of every fifth step, above the two characters of its column."""
    marks = [(t, 2 * (t - steps.start)) for t in steps if t % 5 == 0]
    ruler = ""
    for t, place in marks:
        ruler = ruler.ljust(place) + str(t)
    return ruler


def _answer(view: TrialView, value: float) -> str:
    return f"{rounded(value, 2):.2f}" if view.real_valued else str(int(value))


def _number(value: float, signs: bool) -> str:
    if signs:
        return "+" if value > 0 else "-" if value < 0 else "0"
    return str(int(value)) if value == int(value) else f"{rounded(value, 2):.2f}"


def _shorten(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "~"
