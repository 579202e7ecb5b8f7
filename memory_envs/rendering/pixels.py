"""A trial so far as an RGB picture, drawn with NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from memory_envs.rendering import tiles
from memory_envs.rendering.font import HEIGHT, Mask, fit, mask
from memory_envs.rendering.tiles import FUTURE, INK, LINE, NOW, PALE, PAPER, Colour, Pixels
from memory_envs.rendering.view import (
    TrialView,
    is_signed,
    left_out,
    needs_decimals,
    progress,
    rows_to_draw,
    score,
)

_MARGIN, _LEFT, _NAME = 16, 248, 126
_TITLE, _QUESTION, _STATUS, _RULER, _TOP = 10, 44, 72, 108, 134
_MIN_WIDTH, _GRID_WIDTH, _WIDEST = 720, 960, 48
_MAX_ROWS = 6
_MARK = 28


@dataclass(frozen=True)
class _Layout:
    """Where everything lies, in pixels.

    Attributes:
        columns: How many steps are drawn.
        cell: The width of a step.
        channels: Which channels are drawn.
        channel_tops: Where the row of each drawn channel begins; one entry more for the end of the last.
        heads: Which heads are drawn.
        head_tops: Where the rows of each drawn head begin; one entry more for the end of the last.
        answer_height: The height of what was asked, and of what was answered.
        legend: Where the legend begins.
        shape: The shape of the picture: height, width, 3.
    """

    columns: int
    cell: int
    channels: tuple[int, ...]
    channel_tops: tuple[int, ...]
    heads: tuple[int, ...]
    head_tops: tuple[int, ...]
    answer_height: int
    legend: int
    shape: tuple[int, int, int]


@lru_cache(maxsize=64)
def _layout(
    signed: tuple[bool, ...], active: tuple[bool, ...], num_steps: int, real_valued: bool, decimals: bool
) -> _Layout:
    # Decimals need wider cells, but what has been shown must not change the size of the picture: its width
    # depends on the number of steps alone.
    columns = min(num_steps, 24 if decimals else 32)
    channels = rows_to_draw([True] * len(signed), _MAX_ROWS)
    heads = rows_to_draw(active, _MAX_ROWS)
    heights = [(56 if len(channels) <= 3 else 44) if signed[i] else 36 for i in channels]
    channel_tops = tuple(_TOP + sum(heights[:row]) for row in range(len(channels) + 1))
    answer_height = 56 if real_valued else 32
    head_tops = tuple(channel_tops[-1] + 12 + (2 * answer_height + _MARK + 8) * row for row in range(len(heads) + 1))
    legend = head_tops[-1] + 8 + (26 if len(channels) < len(signed) or len(heads) < len(active) else 0)
    width = max(_MIN_WIDTH, _LEFT + min(num_steps * _WIDEST, _GRID_WIDTH) + _MARGIN)
    return _Layout(
        columns=columns,
        cell=min(_GRID_WIDTH // columns, _WIDEST),
        channels=channels,
        channel_tops=channel_tops,
        heads=heads,
        head_tops=head_tops,
        answer_height=answer_height,
        legend=legend,
        # Video encoders want whole blocks of 16 pixels.
        shape=(-(-(legend + 2 * HEIGHT + 12) // 16) * 16, -(-width // 16) * 16, 3),
    )


def to_pixels(view: TrialView) -> Pixels:
    """Draws a trial as a picture: (height, width, 3) uint8, a new array.

    All pictures of one task have the same size, in whole blocks of 16 pixels. The last 32 steps are drawn (24
    where values need decimals); a line above the names tells how many came before. Of many channels or heads
    the first and the last few are drawn.
    """
    known = view.signed or (False,) * len(view.channels)
    layout = _layout(known, view.active, view.num_steps, view.real_valued, needs_decimals(view))
    picture: Pixels = _page(layout, view.title, view.question, view.channels, view.heads, view.active).copy()
    stop = len(view.inputs)
    steps = range(max(0, stop - layout.columns), stop)
    answered = range(steps.start, len(view.answers))

    result = mask(score(view))
    beside = picture.shape[1] - _MARGIN - result.shape[1]
    _stamp(picture, _MARGIN, _STATUS, fit(progress(view), beside - 2 * _MARGIN), INK)
    _stamp(picture, beside, _STATUS, result, INK)
    if steps.start:
        _write(picture, _MARGIN, _RULER + 5, f"< {steps.start} earlier steps", PALE)
    if omitted := left_out(view, layout.channels, layout.heads):
        _write(picture, _MARGIN, layout.head_tops[-1] + 6, omitted, PALE)

    end, bottom = _LEFT + len(steps) * layout.cell, layout.head_tops[-1] - 4
    picture[_RULER:bottom, _LEFT:end] = 255  # by far faster than a colour of three parts
    if not view.over:
        picture[_RULER:bottom, end - layout.cell : end] = NOW
    every = 1 if mask("8" * len(str(view.num_steps - 1))).shape[1] + 12 <= layout.cell else 5
    for t in steps:
        if t % every == 0:
            number = mask(str(t))
            left = _LEFT + (t - steps.start) * layout.cell + (layout.cell - number.shape[1] + 1) // 2
            _stamp(picture, min(left, picture.shape[1] - number.shape[1]), _RULER + 5, number, PALE)
    for i, top, below in zip(layout.channels, layout.channel_tops, layout.channel_tops[1:], strict=False):
        _put(picture, top, _shown(view, i, steps, layout.cell, below - top))
    for h, top in zip(layout.heads, layout.head_tops, strict=False):
        _put_answers(picture, view, h, answered, layout, top)
    _rule(picture, layout)
    return picture


def _shown(view: TrialView, channel: int, steps: range, width: int, height: int) -> list[Pixels]:
    """The tiles of what a channel showed."""
    signed, full, row = is_signed(view, channel), _full_bar(view.inputs[:, channel]), []
    for t, value in zip(steps, view.inputs[steps.start :, channel].tolist(), strict=True):
        back = PAPER if t < len(view.answers) else NOW
        if value != int(value):
            row.append(tiles.bar(value, full, width, height, True, back))
        elif signed:
            row.append(tiles.pulse(int(value), width, height, back))
        else:
            row.append(tiles.label(int(value), width, height, True, back))
    return row


def _put_answers(picture: Pixels, view: TrialView, head: int, answered: range, layout: _Layout, top: int) -> None:
    """The three rows of a head: what was asked, what was answered, and the marks."""
    width, height = layout.cell, layout.answer_height
    steps = slice(answered.start, answered.stop)
    counts = (view.counted[steps] & view.active[head]).tolist()

    def tile(value: float, on: bool) -> Pixels:
        if view.real_valued:
            return tiles.bar(value, 1.0, width, height, on, PAPER)
        return tiles.label(int(value), width, height, on, PAPER)

    unpaid = tiles.word("\u00b7", width, height, LINE, PAPER)
    asked = [tile(x, True) if on else unpaid for x, on in zip(view.targets[steps, head].tolist(), counts, strict=True)]
    given = [tile(x, on) for x, on in zip(view.answers[steps, head].tolist(), counts, strict=True)]
    right = view.correct[steps, head].tolist()
    marks = [tiles.mark(on, hit, width, _MARK, PAPER) for hit, on in zip(right, counts, strict=True)]
    if not view.over:
        given.append(tiles.word("?", width, height, INK, NOW))
    for row, y in ((asked, top), (given, top + height), (marks, top + 2 * height)):
        _put(picture, y, row)


@lru_cache(maxsize=4)
def _page(
    layout: _Layout,
    title: str,
    question: str,
    channels: tuple[str, ...],
    heads: tuple[str, ...],
    active: tuple[bool, ...],
) -> Pixels:
    """What does not change in the course of a trial."""
    page = np.full(layout.shape, 255, np.uint8)
    large, width = mask(title, 3), layout.shape[1] - 2 * _MARGIN
    _stamp(page, _MARGIN, _TITLE, large if large.shape[1] <= width else fit(title, width), INK)
    _write(page, _MARGIN, _QUESTION, question, INK)
    page[_RULER : layout.head_tops[-1] - 4, _LEFT : _LEFT + layout.columns * layout.cell] = FUTURE
    for i, top, below in zip(layout.channels, layout.channel_tops, layout.channel_tops[1:], strict=False):
        _name(page, top, below - top, channels[i], "shown", INK)
    height = layout.answer_height
    for h, top in zip(layout.heads, layout.head_tops, strict=False):
        ink = INK if active[h] else PALE
        _name(page, top, height, heads[h], "asked" if active[h] else "unpaid", ink)
        _name(page, top + height, height, "", "answered", ink)
        _name(page, top + 2 * height, _MARK, "", "right?", ink)
    x = _MARGIN
    for tile, meaning in (
        (tiles.mark(True, True, 28, 28, PAPER), "right"),
        (tiles.mark(True, False, 28, 28, PAPER), "wrong"),
        (tiles.mark(False, False, 28, 28, PAPER), "does not count"),
        (tiles.word("?", 28, 28, INK, NOW), "to be answered"),
    ):
        page[layout.legend - 5 : layout.legend + 23, x : x + 28] = tile
        x = _write(page, x + 36, layout.legend + 2, meaning, INK) + 28
    page.setflags(write=False)
    return page


def _full_bar(values: npt.NDArray[np.float32]) -> float:
    """The value of a full bar: the power of two, at least 0.5, that no value of a channel so far exceeds."""
    return 2.0 ** math.ceil(math.log2(max(0.5, float(np.abs(values).max()))))


def _rule(picture: Pixels, layout: _Layout) -> None:
    """The lines above the rows of each head."""
    for top in layout.head_tops[:-1]:
        picture[top - 7 : top - 5, _MARGIN : _LEFT + layout.columns * layout.cell] = LINE


def _name(page: Pixels, top: int, height: int, name: str, role: str, ink: Colour) -> None:
    """The name of a row and what it tells, to the left of the steps."""
    y, letters = top + height // 2 - 7, mask(role)
    _stamp(page, _MARGIN, y, fit(name, _NAME), ink)
    _stamp(page, _LEFT - 10 - letters.shape[1], y, letters, PALE)


def _write(picture: Pixels, x: int, y: int, text: str, ink: Colour) -> int:
    """Writes a line and returns where it ends."""
    letters = fit(text, picture.shape[1] - _MARGIN - x)
    _stamp(picture, x, y, letters, ink)
    return x + int(letters.shape[1])


def _stamp(picture: Pixels, x: int, y: int, letters: Mask, ink: Colour) -> None:
    height, width = letters.shape
    picture[y : y + height, x : x + width][letters] = ink


def _put(picture: Pixels, top: int, row: Sequence[Pixels]) -> None:
    """Lays tiles side by side from the first step on."""
    if row:
        strip = np.concatenate(row, axis=1)
        picture[top : top + strip.shape[0], _LEFT : _LEFT + strip.shape[1]] = strip
