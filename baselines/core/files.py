"""Files that are replaced atomically, folders locked by one process, and the versions that a folder records."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


class RunError(Exception):
    """A file or folder of results cannot be read or written; the message names it and says why."""


def lock(owner: object, path: Path) -> weakref.finalize[[int], Any]:
    """Lock a file for as long as ``owner`` lives.

    The kernel holds the lock and releases it when the process ends, so that no lock is ever stale.

    Args:
        owner: the object whose life the lock is tied to.
        path: the lock file; the id of this process is written to it.

    Returns:
        A function without arguments that releases the lock earlier.

    Raises:
        RunError: another process holds the lock, or the file cannot be written.
    """
    with writing(path):
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Write, then truncate: a reader never sees an empty file.
            os.ftruncate(file, os.write(file, f"{os.getpid()}\n".encode()))
        except BlockingIOError:
            holder = os.read(file, 32).decode(errors="replace").strip()
            os.close(file)
            raise RunError(f"{path.parent} is in use by process {holder or '?'}") from None
        except OSError:
            os.close(file)
            raise
    return weakref.finalize(owner, os.close, file)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within the block, every ``OSError`` becomes a ``RunError`` that names ``path``."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}") from None


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file atomically: at any moment, ``path`` holds its old content or all of ``data``.

    Raises:
        RunError: the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    with writing(path):
        try:
            with open(part, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # otherwise a crash of the machine could keep the new name without the content
            os.replace(part, path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        RunError: the file cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} must hold a JSON object")
    return content


def read_format(path: Path, known: int) -> dict[str, Any]:
    """The JSON object in a file whose entry ``format`` must equal ``known``.

    Raises:
        RunError: the file cannot be read, or has another format.
    """
    content = read_json(path)
    if content.get("format") != known:
        raise RunError(f"{path} has the format {content.get('format')!r}; known: {known}")
    return content


def file_word(value: object) -> str:
    """A value as part of a file name: characters that may cause trouble become hyphens."""
    return "".join(c if c.isalnum() or c in ".-+" else "-" for c in str(value))


def versions() -> dict[str, str]:
    """The versions of everything that determines the numbers of a run, by name: packages, Python, the processor."""
    from importlib.metadata import PackageNotFoundError, version  # which takes long to import

    found = {"python": platform.python_version(), "machine": platform.machine(), "processor": processor()}
    for package in (
        *("memory-envs", "gymnasium", "numpy", "torch", "safetensors"),
        *("stable-baselines3", "sb3-contrib"),
    ):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # an extra, or run from a checkout that is not installed
            found[package] = "not installed"
    return found


def processor() -> str:
    """The model of the processor, as the system reports it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return " ".join(value.split())
    return platform.processor() or platform.machine()


def changed_versions(then: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The entries of ``then`` that have another version now: name -> (version then, version now)."""
    return {name: (then[name], now) for name, now in versions().items() if then.get(name, now) != now}
