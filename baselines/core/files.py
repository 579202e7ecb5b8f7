"""Files that are replaced atomically, folders locked by one process, and the versions that a folder records."""

from __future__ import annotations

import fcntl
import io
import json
import os
import platform
import stat
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
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


MOST_BYTES = 64 * 2**20
"""The size of the largest JSON or TOML file that is read; ours have kilobytes."""

MOST_DEPTH = 32
"""How deep lists and objects of a JSON or TOML file may lie in each other; the arguments of cells need a few levels."""

MOST_BITS = 128
"""The size of the largest integer in a JSON or TOML file."""


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """The content of a regular file. A folder, a device or a pipe, which might never end, is refused.

    Args:
        path: the file.
        most: the largest size, in bytes; None: any.

    Raises:
        OSError: the file cannot be read; the error has no path in its text.
        ValueError: it is no regular file, or too large.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("it is not a regular file")
        if most is not None and about.st_size > most:
            raise ValueError(f"it has {about.st_size} bytes, and at most {most} are read")
        return file.read()


def open_text(path: Path) -> io.StringIO:
    """The text of a regular file, with its line ends as they are; see ``read_bytes``."""
    return io.StringIO(read_bytes(path).decode("utf-8"), newline="")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Names that come twice, and what lies too deep or is too large, are refused.

    Raises:
        ValueError: the text is not such JSON.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    return _parsed(partial(json.loads, object_pairs_hook=_unique), text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} comes twice")
    return found


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    too_deep = f"its lists and objects lie more than {MOST_DEPTH} deep in each other"
    try:
        value = parse(text)
    except RecursionError:
        raise ValueError(too_deep) from None
    level = [value]
    for _ in range(MOST_DEPTH + 1):  # level by level, so that no depth is too much for this
        if not level:
            return value
        for one in level:
            if isinstance(one, int) and one.bit_length() > MOST_BITS:
                raise ValueError(f"it has an integer of more than {MOST_BITS} bits")
        parts = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))]
        level = [one for part in parts for one in part]
    raise ValueError(too_deep)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        RunError: the file cannot be read, or holds something else.
    """
    content = _read(path, parse_json)
    if not isinstance(content, dict):
        raise RunError(f"{path} must hold a JSON object")
    return content


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        RunError: the file cannot be read, or holds something else.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:  # installed by an extra; imported only here, so that help works without it
        import tomli as tomllib

    content: dict[str, Any] = _read(path, lambda data: _parsed(tomllib.loads, data.decode("utf-8")))
    return content


def _read(path: Path, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(read_bytes(path, MOST_BYTES))
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise RunError(f"{path} cannot be read: {error}") from None


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
