"""Settings of the process that trains: threads, memory, and a polite way to be interrupted."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def tune() -> None:
    """One thread, and freed memory kept for the next buffer.

    One thread, because a product of 64 x 128 by 128 x 128 takes some 35 microseconds: handing half of it to a second
    thread costs as much as it saves, and rounds differently. glibc gives a freed buffer of a megabyte back to the
    system and has to fault its pages in anew for the next update, which costs a fifth of the CPU time; it is told
    to keep them. Elsewhere the second part does nothing.
    """
    torch.set_num_threads(1)
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that glibc allows
            mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)


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
