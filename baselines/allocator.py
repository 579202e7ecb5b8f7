"""How the process gets its memory from the system."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc's <malloc.h>


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, for the next tensor, instead of giving it back to the system.

    A training update frees its large buffers and asks for them anew in the next. glibc's malloc gives such memory back
    in between, and the kernel has to map and clear every page again in each update: docs/decisions/0005 has the
    numbers. Afterwards the process keeps the most memory that it ever needed at once.

    It changes the whole process, so it is for programs to call, where they start, and not for a library.

    Returns:
        Whether there was something to set: glibc alone has these switches, elsewhere nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # No block of its own for a large tensor (such a block goes back when freed), and no end of the heap cut off.
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
