"""Folders that one process holds at a time."""

from __future__ import annotations

import fcntl
import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

from baselines.core.files import RunError, open_own, read_text, remove_leftovers, writing

_held = set[int]()
"""The descriptors of all locks of this process."""


def lock(owner: object, folder: Path) -> weakref.finalize[[int, list[int]], Any]:
    """Hold a folder for as long as ``owner`` lives.

    The kernel keeps the lock and releases it when the process ends, so that no lock is ever stale. Two things are
    locked, both by ``flock``: the folder itself, so that removing a file lets nobody in, and the file ``lock`` in it,
    which names the process. Over NFS a folder cannot be locked, and the file's lock holds alone: there, whoever
    removes the file can lock the folder a second time. A child that Python forks (as ``multiprocessing`` does) drops
    its share of the lock at once, for it would keep it after this process is killed.

    Files that a killed process was just writing into the folder are removed.

    Args:
        owner: the object whose life the lock is tied to.
        folder: the folder, which exists.

    Returns:
        A function without arguments that releases the lock earlier.

    Raises:
        RunError: another process holds the folder, or it cannot be written.
    """
    file, held = folder / "lock", list[int]()
    with writing(file):
        try:
            held.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            try:
                fcntl.flock(held[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if isinstance(error, BlockingIOError):
                    raise
            held.append(open_own(file, os.O_RDWR))
            fcntl.flock(held[1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Write, then truncate: a reader never sees an empty file.
            os.ftruncate(held[1], os.write(held[1], f"{os.getpid()}\n".encode()))
        except BlockingIOError:
            _close(held)
            raise RunError(f"{folder} is in use by process {_holder(file)}") from None
        except BaseException:
            _close(held)
            raise
    _held.update(held)
    remove_leftovers(folder)
    return weakref.finalize(owner, _release, os.getpid(), held)


def _holder(file: Path) -> str:
    """The process that a lock file names."""
    with suppress(OSError, ValueError):
        return read_text(file)[:32].strip() or "?"
    return "?"


def _release(process: int, held: list[int]) -> None:
    if process != os.getpid():  # in a child that was forked: the lock is not its own
        return
    for descriptor in held:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # even where a child still has the descriptor
    _close(held)


def _close(held: list[int]) -> None:
    _held.difference_update(held)
    for descriptor in held:
        os.close(descriptor)


def _drop() -> None:
    """In a child that was forked: close the descriptors of the parent's locks, which releases nothing."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_drop)
