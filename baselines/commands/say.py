"""Plain lines on standard output and standard error."""

from __future__ import annotations

import os
import sys

from baselines.core.text import printable


class OutputClosedError(BrokenPipeError):
    """Nobody reads the standard output any more, as after ``| head``: the command ends without a word."""


def say(words: str) -> None:
    """Print text on standard output, at once and as it is: what names and paths hold never steers the terminal."""
    try:
        print(printable(words), flush=True)
    except BrokenPipeError:
        raise closed() from None


def closed() -> OutputClosedError:
    """The error to raise where nobody reads the standard output any more. What is left of the output is dropped."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes it at its end, and would complain
    return OutputClosedError()


def complain(words: str) -> None:
    """Print text on standard error, as ``say`` does."""
    print(printable(words), file=sys.stderr, flush=True)
