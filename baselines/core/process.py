"""The process that a command runs in: Ctrl-C as a request, memory that is kept, modules that users bring."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from importlib import import_module
from types import FrameType


class Interrupt:
    """Whether the user has asked to stop."""

    requested = False


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Within the block the first Ctrl-C only sets ``requested``; a second one stops at once, as ever."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield interrupt
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        interrupt.requested = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


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


def import_object(name: str) -> object:
    """What ``package.module:attribute`` names. Modules are looked for where Python looks, and in the current directory.

    Raises:
        Exception: whatever a stranger's module may raise; ``ImportError``, ``AttributeError`` where there is none.
    """
    module, _, attribute = name.partition(":")
    with _current_directory():
        return reduce(getattr, attribute.split("."), import_module(module))


@contextmanager
def _current_directory() -> Iterator[None]:
    """Within the block modules of the current directory can be imported, as under ``python -m``."""
    here = os.getcwd()
    if here in sys.path or "" in sys.path:
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)
