"""Files of results: written atomically, never outside their folder, and read; the versions that a folder records."""

from __future__ import annotations

import errno
import io
import json
import os
import platform
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

PART = re.compile(r"\.part-[0-9a-f]{16}")
"""The names of files that are being written, beside the file that they will replace."""

LONGEST_NAME = 255
"""Bytes of a file's name, which is as much as common file systems allow."""

SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags that open no link, wait for no pipe, and keep the file from the programs that this process starts."""


class RunError(Exception):
    """A file or folder of results cannot be read or written; the message names it and says why."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within the block, every ``OSError`` becomes a ``RunError`` that names ``path``."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from None


def inside(folder: Path, *names: str) -> Path:
    """The path of an entry in a folder of results, once it is sure that the entry lies in this folder.

    The folder itself may be a link, since its user named it. What it holds may not lead out of it.

    Args:
        folder: the folder of results.
        names: the name of each folder on the way, and of the entry, which need not exist.

    Raises:
        RunError: a name is not that of a single entry (such as ``..``, or one with a slash), or an entry is a link.
    """
    path = folder
    for name in names:
        if name in ("", ".", "..") or "/" in name or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
            shown = name if len(name) <= 100 else f"{name[:100]}..."
            raise RunError(f"{folder} must hold files whose names are printable, short and without /, got {shown!r}")
        path = path / name
        if path.is_symlink():
            raise RunError(f"{path} must not be a link: nothing is written outside {folder}")
    return path


def make_folder(folder: Path, *names: str) -> Path:
    """The folder ``inside(folder, *names)``, made where it is missing; errors are as there."""
    path = inside(folder, *names)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def special(path: Path) -> str | None:
    """What is at ``path``, in words, if writing a file there would harm it; None for a regular file or nothing."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISREG(mode):
        return None
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file atomically: at any moment, ``path`` holds its old content or all of ``data``.

    The permissions of a file that is replaced stay, and other names of it (hard links) keep the old content.

    Raises:
        RunError: the file cannot be written, or ``path`` is a link, a folder, a device or a pipe.
    """
    replace_files({path: data})


def replace_files(files: Mapping[Path, bytes]) -> None:
    """Replace several files, each as ``replace_file`` does. All are written before the first of them is replaced.

    So a full disk leaves all the old files. Only a process that is killed between two renamings leaves some of both.

    Raises:
        RunError: see ``replace_file``.
    """
    parts = dict[Path, Path]()
    try:
        for path, data in files.items():
            with writing(path):
                part = path.with_name(f".part-{secrets.token_hex(8)}")
                file = _new_file(part, like=path)
                parts[path] = part
                with open(file, "wb") as opened:
                    opened.write(data)
                    opened.flush()
                    os.fsync(file)  # otherwise a crash of the machine could keep the new name without the content
        for path, part in parts.items():
            with writing(path):
                os.replace(part, path)
    except BaseException:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)
        raise


def _new_file(part: Path, like: Path) -> int:
    """The descriptor of a new file with the permissions of the file ``like``, where there is one."""
    _refuse_special(like)
    file = os.open(part, os.O_WRONLY | os.O_EXCL | os.O_CREAT | SAFELY, 0o666)
    with suppress(FileNotFoundError):
        os.fchmod(file, stat.S_IMODE(like.lstat().st_mode) & 0o777)
    return file


def _refuse_special(path: Path) -> None:
    if kind := special(path):
        raise OSError(errno.EINVAL, f"it is {kind}, and must be a regular file or new")


def open_own(path: Path, flags: int) -> int:
    """Open a file of results to change it in place, so that no other file is changed with it.

    Where the file has a second name (a hard link, as some copies of folders are made of), a copy takes its place first.

    Args:
        path: the file; made where it is missing. The folder it is in must have been checked (``inside``).
        flags: the flags of ``os.open``.

    Returns:
        A file descriptor, which children do not inherit.

    Raises:
        OSError: the file cannot be opened, or is a link, a folder, a device or a pipe.
    """
    _refuse_special(path)
    with suppress(FileNotFoundError):
        if path.lstat().st_nlink > 1:
            replace_file(path, path.read_bytes())
    return os.open(path, flags | os.O_CREAT | SAFELY, 0o666)


def foreign_entry(folder: Path, *own: str) -> str | None:
    """The name of an entry that no process of ours left in a folder where its work had not begun; None without one.

    Args:
        folder: the folder; it need not exist.
        own: names of entries that may be there, besides a lock and what a killed process was just writing.

    Raises:
        OSError: the folder cannot be read.
    """
    names = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    return next((name for name in names if name not in ("lock", *own) and not PART.fullmatch(name)), None)


def remove_leftovers(folder: Path) -> None:
    """Remove the files that killed processes were just writing. The caller holds the lock of the folder."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if PART.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)


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


def read_text(path: Path) -> str:
    """The text of a regular file, with its line ends as they are; see ``read_bytes``."""
    return read_bytes(path).decode("utf-8")


def open_text(path: Path) -> io.StringIO:
    """``read_text`` as a file whose lines can be read one by one."""
    return io.StringIO(read_text(path), newline="")


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


def read_format(path: Path, *known: int) -> dict[str, Any]:
    """The JSON object in a file whose entry ``format`` must be one of ``known``.

    Raises:
        RunError: the file cannot be read, or has another format.
    """
    content = read_json(path)
    if content.get("format") not in known:
        raise RunError(f"{path} has the format {content.get('format')!r}; known: {', '.join(map(str, known))}")
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
