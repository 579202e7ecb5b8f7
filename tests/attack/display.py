"""Text that would steer a display: markup, escape sequences and broken characters in names and paths are only shown."""

from __future__ import annotations

import io
import random
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

PIECES = (
    *("[/]", "[red]", "[/red]", "[bold", "[link=file:x]", "[@click=quit]", "\\[", "]", ":smile:", ":boom:"),
    *("\x1b[31m", "\x1b[2J", "\x1b]0;title\x07", "\x1b", "\x9b2J", "\r", "\b", "\x07", "\x0b", "\x0c", "\x7f", "\x85"),
    *("\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\udcff", "\ud800", "$x$", "$\\frac{$", "{0}", "%s", "%(x)s"),
    *("é", "漢字", "🙂", "a", "-", " ", "task.description", "0.5"),
)


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Random attempts: what was tried, and whether it held."""
    from baselines.core.text import printable

    drawn = random.Random(seed)
    places = _places()
    for _ in range(count):
        text = "".join(drawn.choices(PIECES, k=drawn.randint(1, 5)))
        place = drawn.choice(list(places))
        try:
            shown = places[place](text)
            wanted = " ".join(printable(text).split())
            held = wanted in " ".join(shown.split()) and not any(map(_acts, shown))
        except Exception as error:  # nothing may be raised
            held, place = False, f"{place}: {type(error).__name__}: {error}"
        yield f"{text!r} as {place}", held


def _acts(character: str) -> bool:
    return character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _places() -> dict[str, Callable[[str], str]]:
    """Name of a place -> what is shown there for a text; the text must be in it."""
    from matplotlib.figure import Figure
    from rich.table import Table

    from baselines.commands.display.console import PlainConsole
    from baselines.commands.display.jobs import JobsDisplay
    from baselines.commands.main import Parser, main
    from baselines.commands.say import complain, say
    from baselines.core.text import for_figure, printable

    def console(text: str, terminal: bool) -> tuple[Any, io.StringIO]:
        file = io.StringIO()
        return PlainConsole(file=file, force_terminal=terminal, width=len(printable(text)) * 2 + 200), file

    def printed(terminal: bool) -> Callable[[str], str]:
        def show(text: str) -> str:
            to, file = console(text, terminal)
            to.print(f"Saved in {text}: config.json", soft_wrap=True)
            return file.getvalue()

        return show

    def cell(text: str) -> str:
        to, file = console(text, False)
        table = Table("agent", "score")
        table.add_row(text, "1")
        to.print(table)
        return file.getvalue()

    def title(text: str) -> str:
        to, file = console(text, False)
        table = Table("a", "b" * 2 * len(printable(text)), title=text)
        to.print(table)
        return file.getvalue()

    class Jobs(JobsDisplay):
        STOPPING = ""
        text = ""

        def show(self, event: object) -> None: ...

        def _before(self) -> str:
            return self.text

        def _running(self) -> Iterable[tuple[str, str]]:
            return [("run", self.text)]

        def _footer(self) -> str:
            return self.text

    def jobs(text: str) -> str:
        to, file = console(text, False)
        display = Jobs(to)
        display.text = text
        with display:
            to.print(display)
        return file.getvalue()

    def errors(call: Callable[[str], object]) -> Callable[[str], str]:
        def show(text: str) -> str:
            out, err = io.StringIO(), io.StringIO()
            with redirect_stdout(out), redirect_stderr(err):
                try:
                    call(text)
                except SystemExit as left:
                    if left.code != 2:
                        raise ValueError(f"exit code {left.code}") from None
            return out.getvalue() + err.getvalue()

        return show

    def one_line(call: Callable[[str], object]) -> Callable[[str], str]:
        def show(text: str) -> str:
            said = errors(call)(text)
            if said.count("\n") != 1:
                raise ValueError(f"not one line: {said!r}")
            return said

        return show

    def quoted(show: Callable[[str], str]) -> Callable[[str], str]:
        """For messages that quote a value, as Python does."""

        def unquote(text: str) -> str:
            said, quote = show(text), repr(f"x{text}")
            if " ".join(quote.split()) not in said:
                raise ValueError(f"no {quote} in {said!r}")
            return f"{said} {printable(text)}"

        return unquote

    def figure(text: str) -> str:
        drawn = Figure(figsize=(1, 1))
        drawn.suptitle(for_figure(text))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a letter that the font lacks
            drawn.savefig(io.BytesIO(), format="svg")
        return for_figure(text).replace(r"\$", "$")

    return {
        "a line on a terminal": printed(True),
        "a line in a file": printed(False),
        "a cell of a table": cell,
        "the title of a table": title,
        "a running job": jobs,
        "a plain line": errors(say),
        "a plain complaint": errors(complain),
        "an error of the parser": one_line(lambda text: Parser(prog="x").error(f"argument --out: got {text}")),
        "a run that is not there": one_line(lambda text: main(["evaluate", f"x{text}"])),
        "a choice": quoted(one_line(lambda text: main(["train", "--task", f"x{text}"]))),
        "a figure's title": figure,
    }
