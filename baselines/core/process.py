"""The process that a command runs in: Ctrl-C as a request, memory that is kept, modules that users bring."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from importlib import import_module
from types import FrameType, ModuleType
from typing import Any


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


@contextmanager
def importing() -> Iterator[None]:
    """Within the block a Ctrl-C ends the process at once, unless a handler of its own is set.

    Importing takes up to seconds, and there is nothing to save. As an exception, the Ctrl-C would be a traceback out of
    the middle of some module.
    """
    is_main = threading.current_thread() is threading.main_thread()  # signals are the main thread's
    handler = signal.getsignal(signal.SIGINT) if is_main else None
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if handler is signal.default_int_handler:
            signal.signal(signal.SIGINT, handler)


def prepare_to_compute(*modules: str) -> None:
    """Import torch and the modules that a command works with; one thread for torch, and memory that is kept.

    The products are small (64 x 128 by 128 x 128): with a second thread, on two busy cores, the main job took ten times
    the CPU time and ten times as long.

    Args:
        modules: names of modules of ours.
    """
    with importing():
        import torch

        for module in modules:
            import_module(module)
    torch.set_num_threads(1)
    keep_freed_memory()


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


def import_module_of(package: str, module: str) -> ModuleType:
    """A module of a package of ours, imported when it is needed."""
    return import_module(f"{package}.{module}")


def lazy_exports(
    package: str, places: Mapping[str, str], others: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package (PEP 562) whose names are imported when they are used.

    So the package itself costs nothing, and importing a light module of it does not import a heavy one.

    Args:
        package: the ``__name__`` of the package.
        places: public name -> the module of the package that holds it.
        others: the public names that the package holds itself.
    """

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module_of(package, places[name]), name)

    def names() -> list[str]:
        return sorted([*places, *others])

    return get, names
