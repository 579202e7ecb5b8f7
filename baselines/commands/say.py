"""Plain lines on standard output and standard error."""

from __future__ import annotations

import sys

from baselines.core.text import printable


def say(words: str) -> None:
    """Print text on standard output, at once and as it is: what names and paths hold never steers the terminal."""
    print(printable(words), flush=True)


def complain(words: str) -> None:
    """Print text on standard error, as ``say`` does."""
    print(printable(words), file=sys.stderr, flush=True)
