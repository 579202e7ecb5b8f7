"""The standard output of a climb, which an agent may close or send elsewhere: it is put back after every rung."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from pathlib import Path

from baselines.core.files import open_own


class StandardOutput:
    """What the descriptors 1 and 2 and ``sys.stdout`` and ``sys.stderr`` are when this object is made.

    Args:
        log: the file that is appended to where a descriptor has been closed or leads elsewhere.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._streams = sys.stdout, sys.stderr
        self._files = {number: _file(number) for number in (1, 2)}

    def restore(self) -> None:
        """Put back what has changed."""
        for number, file in self._files.items():
            if _file(number) != file:
                with suppress(OSError):
                    self._log.parent.mkdir(parents=True, exist_ok=True)
                    opened = open_own(self._log, os.O_WRONLY | os.O_APPEND)
                    if opened != number:
                        os.dup2(opened, number)
                        os.close(opened)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(number, "w", closefd=False), errors="backslashreplace", write_through=True)
            if stream is not None and stream.closed
            else stream
            for number, stream in zip(self._files, self._streams, strict=True)
        )


def _file(number: int) -> tuple[int, int] | None:
    """The file that a descriptor leads to, as device and inode; None where it is closed."""
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino
