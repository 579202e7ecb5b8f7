"""Ctrl-C as a request: what is being done is brought to an end and saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
