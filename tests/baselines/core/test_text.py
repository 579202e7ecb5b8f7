"""Text from strangers, as a line of a table."""

import io
import unicodedata

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from baselines.core.text import LONGEST, error_line, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("no\n  licence", "no licence"),
        ("bad\udcff", r"bad\udcff"),
        ("a\x00b\x07", r"a\x00b\x07"),
        ("\x1b[31;1mred\x1b[0m and \x1b]0;title\x07plain", "red and plain"),
        ("\x1b[2J\x1b[1;1Hat the top", "at the top"),
        ("\x1b", r"\x1b"),
        ("right\u202eto left", r"right\u202eto left"),
        ("100 %\r\t[/] é 漢", "100 % [/] é 漢"),
        ("\u2028new\u2029line\x85", "new line"),
        ("", ""),
    ],
)
def test_a_line_holds_only_what_is_printed(text: str, line: str) -> None:
    assert one_line(text) == line


def test_a_long_text_is_cut() -> None:
    assert one_line("x" * LONGEST) == "x" * LONGEST
    assert one_line("x" * 10**8) == "x" * (LONGEST - 3) + "..."
    assert one_line("\n" * 10**7 + "end").endswith("...")
    assert one_line("\udcff" * LONGEST).endswith("...")
    assert len(one_line("\udcff" * LONGEST)) == LONGEST


def test_any_text_at_all_is_safe_to_write_and_to_show() -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    console = Console(file=io.StringIO(), force_terminal=True)
    for _ in range(300):
        top = int(generator.choice([128, 0x300, 0x11_0000]))
        text = "".join(map(chr, generator.integers(0, top, int(generator.integers(0, 600)))))
        line = one_line(text)
        assert len(line) <= LONGEST
        assert line.encode().decode() == line
        assert not {unicodedata.category(c) for c in line} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert one_line(line) == line or "\\" in line
        console.print(Text(line))


class Odd(str):
    """A string that is no ordinary one."""

    __slots__ = ()

    def __format__(self, how: str) -> str:
        raise RuntimeError

    def split(self, *_: object) -> list[str]:
        raise RuntimeError


class SpeaksOddlyError(Exception):
    def __str__(self) -> str:
        return Odd("odd")


class SaysNothingError(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class NotAStringError(Exception):
    def __str__(self) -> str:
        return 3  # type: ignore[return-value]


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise KeyboardInterrupt


class HasNoNameError(Exception, metaclass=Nameless):
    pass


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("bad\udcff\n"), r"ValueError: bad\udcff"),
        (ValueError(), "ValueError"),
        (SpeaksOddlyError(), "SpeaksOddlyError: odd"),
        (SaysNothingError(), "SaysNothingError"),
        (NotAStringError(), "NotAStringError"),
        (HasNoNameError("why"), "an error without a name: why"),
        (SystemExit(0), "SystemExit: 0"),
    ],
    ids=lambda value: type(value).__qualname__ if isinstance(value, BaseException) else "",
)
def test_an_error_of_any_kind_is_a_line(error: BaseException, line: str) -> None:
    assert error_line(error) == line
