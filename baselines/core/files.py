"""Files of results: written atomically, never outside their folder, and read; the versions that a folder records."""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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


def read_text(path: Path) -> str:
    """The text of a regular file, with its line ends as they are.

    Raises:
        OSError: it cannot be read, or is a pipe or a device, which might never end.
        ValueError: it is not UTF-8.
    """
    check_regular(path)
    return path.read_bytes().decode()


def check_regular(path: Path) -> None:
    """Refuse to read a pipe or a device, which might never end (``OSError``)."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


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


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        RunError: the file cannot be read, or holds something else.
    """
    try:
        content = json.loads(read_text(path))
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
