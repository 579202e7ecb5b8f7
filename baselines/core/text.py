"""Text from code and files that are not ours: error messages, printed lines, names. Made safe where it enters."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 300
"""Characters that are kept of a text, unless more are asked for."""

_CONTROL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
"""What sets colours, moves the cursor or names the window (ECMA-48, sections 8.3 and 5.6: CSI and OSC)."""

_SHOWN = ("\n", "\t")
_ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""The Unicode categories of the characters that act."""


def printable(text: str) -> str:
    r"""The text with an escape such as ``\x1b`` in the place of each character that acts instead of being seen.

    These are control characters, which steer a terminal, marks that turn the direction of writing, and halves of
    surrogate pairs, which stand for the bytes of a file name that is not UTF-8 and cannot be written. Line ends and
    tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(c if c in _SHOWN or unicodedata.category(c) not in _ACTING else _escape(c) for c in text)


def printable_line(text: str, longest: int) -> str:
    """The text as ``printable``, in one line of at most ``longest`` characters. What was typed is shown as it is."""
    line = " ".join(printable(text).split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def one_line(text: str, longest: int = LONGEST) -> str:
    r"""A text as one line that any terminal, table or UTF-8 file can hold.

    White space becomes single spaces, and colours and cursor movements are left out. Every other character that is not
    printed is written as Python writes it (``\x1b``, ``\udcff``): control characters, halves of surrogate pairs, marks
    that turn the direction of writing.

    Args:
        text: what somebody else's code or file says.
        longest: characters that are kept, at least 3; a longer text ends in dots.
    """
    # Work grows with what is kept, not with what was said. Sequences and spaces are dropped, so more is looked at.
    whole = len(text) <= 20 * longest
    words = " ".join(_CONTROL_SEQUENCE.sub("", text[: 20 * longest]).split())
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words[: longest + 1])
    return line if whole and len(line) <= longest else f"{line[: longest - 3]}..."


def error_line(error: BaseException, longest: int = LONGEST) -> str:
    """An error that somebody else's code has raised, as one line: its type and what it says.

    Its class may answer ``str`` with another error, or with a string of a class of its own.
    """
    try:
        kind = str.__str__(type(error).__name__)
    except BaseException:  # a class whose name is a property of its metaclass
        kind = "an error without a name"
    try:
        said = str.__str__(str(error))
    except BaseException:
        said = ""
    return one_line(f"{kind}: {said[: 20 * longest]}".removesuffix(": "), longest)


def for_figure(text: str) -> str:
    """The text as ``printable``, for matplotlib, which would read what stands between dollar signs as a formula."""
    return printable(text).replace("$", r"\$")


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
