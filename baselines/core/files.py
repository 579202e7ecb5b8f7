"""Files written all at once, folders held by one process, and the versions that a folder records."""

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
    """A folder of runs that cannot be written or read; the message says which, and why."""


def lock(owner: object, path: Path) -> weakref.finalize[[int], Any]:
    """Hold the file at ``path`` for as long as ``owner`` lives, and call what is returned to let go earlier.

    The lock is the kernel's: it ends with the process that holds it, so that none is ever stale.
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
    """Within the block what goes wrong is a ``RunError`` that names ``path``."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}") from None


def replace_file(path: Path, data: bytes) -> None:
    """Write a file all at once: whatever happens, ``path`` holds what it held or all of ``data``."""
    part = path.with_name(path.name + ".part")
    with writing(path):
        try:
            with open(part, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # or a machine that stops could keep the new name and not the content
            os.replace(part, path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} must hold a JSON object")
    return content


def read_format(path: Path, known: int) -> dict[str, Any]:
    """The JSON object in a file, whose ``format`` must be the known one."""
    content = read_json(path)
    if content.get("format") != known:
        raise RunError(f"{path} has the format {content.get('format')!r}; known: {known}")
    return content


def file_word(value: object) -> str:
    """A value as a part of a file's name."""
    return "".join(c if c.isalnum() or c in ".-+" else "-" for c in str(value))


def versions() -> dict[str, str]:
    """Versions of what decides a run's numbers."""
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
    """The kind of processor, as the system calls it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return " ".join(value.split())
    return platform.processor() or platform.machine()


def changed_versions(then: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What has another version now than ``then``: name -> (then, now)."""
    return {name: (then[name], now) for name, now in versions().items() if then.get(name, now) != now}
