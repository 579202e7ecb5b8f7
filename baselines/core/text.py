"""Text that others have written, made safe to show: on a terminal, in a log, in a figure."""

from __future__ import annotations

import unicodedata

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


def one_line(text: str) -> str:
    """The text as ``printable``, in one line."""
    return " ".join(printable(text).split())


def for_figure(text: str) -> str:
    """The text as ``printable``, for matplotlib, which would read what stands between dollar signs as a formula."""
    return printable(text).replace("$", r"\$")


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
