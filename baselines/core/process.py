"""The process that a command runs in: Ctrl-C as a request to stop, memory settings, and importing users' modules."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import reduce
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from types import FrameType, ModuleType
from typing import Any

from baselines.core.files import RunError
from baselines.core.trust import StoredName, check_trusted, is_code_name, trust


class Interrupt:
    """A request to stop.

    Attributes:
        requested: whether the user has pressed Ctrl-C.
    """

    requested = False


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Within the block, the first Ctrl-C only sets ``requested``; a second one stops at once, as usual.

    Raises:
        RunError: a ``KeyboardInterrupt`` came without a Ctrl-C: somebody's code has raised it.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():  # only the main thread handles signals
        yield interrupt
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        interrupt.requested = True
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    except KeyboardInterrupt as error:
        if interrupt.requested:
            raise
        raise RunError(f"{origin(error)} raised KeyboardInterrupt") from error
    finally:
        signal.signal(signal.SIGINT, before)


def origin(error: BaseException) -> str:
    """Where an error was raised, outside of Python's own library: ``mine:Cell.step (mine.py, line 12)``."""
    frames = [*walk_tb(error.__traceback__)]
    own = [one for one in frames if str(one[0].f_globals.get("__name__")).split(".")[0] not in sys.stdlib_module_names]
    frame, line = (own or frames)[-1]
    where = f"{frame.f_globals.get('__name__')}"
    if "self" in frame.f_locals:
        kind = type(frame.f_locals["self"])
        where = f"{kind.__module__}:{kind.__qualname__}"
    return f"{where}.{frame.f_code.co_name} ({Path(frame.f_code.co_filename).name}, line {line})"


_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc's <malloc.h>


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for later tensors instead of returning it to the system.

    Every training update frees large buffers, which the next update allocates again. By default, glibc's malloc returns
    such memory in between, and the kernel must map and clear every page again; docs/decisions/0005 has the numbers.
    After this call the process keeps the most memory that it ever needed at once.

    It changes the whole process. So only programs should call it, at their start, and libraries should not.

    Returns:
        Whether the settings were made. Only glibc has them; elsewhere nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # Large tensors come from the heap (a mapping of their own would be returned when freed), and it never shrinks.
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))


@contextmanager
def importing() -> Iterator[None]:
    """Within the block Ctrl-C ends the process at once, unless the process has a handler of its own.

    Importing takes seconds, and there is nothing to save yet. As an exception, Ctrl-C would print a traceback from
    inside some module.
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
    """Import torch and the modules of a command, let torch use one thread, and keep freed memory.

    One thread, because the matrix products are small (64 x 128 by 128 x 128): with two threads on two busy cores,
    training took ten times the CPU time and ten times as long.

    Args:
        modules: the full names of modules of this project.
    """
    with importing():
        import torch

        for module in modules:
            import_module(module)
    torch.set_num_threads(1)
    keep_freed_memory()


@contextmanager
def single_precision() -> Iterator[None]:
    """Within the block, new tensors are of type float32, whatever ``torch.set_default_dtype`` has set.

    The networks of runs are made in such a block, so that the numbers of a run follow from its settings alone and its
    checkpoints are read as what they are.
    """
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def import_object(name: str) -> object:
    """The object that ``package.module:attribute`` names.

    Modules of the current directory are found too, unless the name was read from a file. What could be imported is
    trusted from then on, here and in the processes started from here: its code has run.

    Raises:
        UntrustedError: the name was read from a file, and the user has not said to trust it.
        ImportError: there is no such module.
        AttributeError: the module has no such attribute.
        Exception: any error that the user's module raises when it is imported.
    """
    check_trusted(name)
    if isinstance(name, StoredName) and not is_code_name(name):
        raise ImportError(f"{str(name)!r} is not of the form package.module:attribute")
    module, _, attribute = name.partition(":")
    with nullcontext() if isinstance(name, StoredName) else _current_directory():
        found = reduce(getattr, attribute.split("."), import_module(module))
    trust(name)
    return found


def search_current_directory() -> bool:
    """Let modules of the current directory be imported, after all others. For programs: libraries leave the path alone.

    Returns:
        Whether the path was changed.
    """
    here = os.getcwd()
    if here in sys.path or "" in sys.path:
        return False
    sys.path.append(here)
    return True


@contextmanager
def _current_directory() -> Iterator[None]:
    """Within the block, modules of the current directory can be imported."""
    here, changed = os.getcwd(), search_current_directory()
    try:
        yield
    finally:
        if changed:
            sys.path.remove(here)


def import_module_of(package: str, module: str) -> ModuleType:
    """Import a module of a package of this project, by their names."""
    return import_module(f"{package}.{module}")


def lazy_exports(
    package: str, places: Mapping[str, str], others: Sequence[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package (PEP 562) whose names are imported when they are used.

    Importing the package or one of its light modules then does not import its heavy modules.

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
