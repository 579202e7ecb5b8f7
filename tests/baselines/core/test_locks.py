"""Folders that one process holds: what ends a lock, and what does not."""

import errno
import fcntl
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from baselines.core.files import RunError
from baselines.core.locks import lock


class Owner:
    """Something that can hold a lock."""


@contextmanager
def working(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the code; it is asked for a line, and killed at the end."""
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


HOLD = """
import os, sys, time
from pathlib import Path
from baselines.core.locks import lock
owner = type("Owner", (), {})()
release = lock(owner, Path(sys.argv[1]))
"""

FORK = (
    HOLD
    + """
if not os.fork():
    os.close(1)
    time.sleep(60)
    os._exit(0)
print("held", flush=True)
if sys.argv[2] == "release": release()
if sys.argv[2] == "exit": sys.exit()
sys.stdin.readline()
"""
)


def is_held(folder: Path) -> bool:
    try:
        lock(Owner(), folder)()
    except RunError:
        return True
    return False


def test_a_folder_is_held_once_and_until_it_is_released(tmp_path: Path) -> None:
    owner = Owner()
    release = lock(owner, tmp_path)
    with pytest.raises(RunError, match=rf"^{tmp_path} is in use by process {os.getpid()}$"):
        lock(Owner(), tmp_path)
    release()
    release()
    again = Owner()
    lock(again, tmp_path)
    assert is_held(tmp_path)
    del again
    gc.collect()
    assert not is_held(tmp_path)


def test_who_removes_the_lock_file_lets_nobody_in(tmp_path: Path) -> None:
    owner = Owner()
    release = lock(owner, tmp_path)
    (tmp_path / "lock").unlink()
    assert is_held(tmp_path)
    (tmp_path / "lock").write_text("1\n")
    with pytest.raises(RunError, match=r"in use by process 1$"):
        lock(Owner(), tmp_path)
    release()
    assert not is_held(tmp_path)


@pytest.mark.parametrize("how", ["release", "exit", "kill"])
def test_a_forked_child_does_not_keep_the_lock(how: str, tmp_path: Path) -> None:
    with working(FORK, str(tmp_path), how) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        if how == "kill":
            assert is_held(tmp_path)
            process.kill()
        if how != "release":
            process.wait()
        deadline = time.monotonic() + 20
        while is_held(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_held(tmp_path)


def test_a_forked_child_that_ends_does_not_release_the_lock(tmp_path: Path) -> None:
    owner = Owner()
    release = lock(owner, tmp_path)
    child = multiprocessing.get_context("fork").Process(target=release)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert is_held(tmp_path)
    release()
    assert not is_held(tmp_path)


def test_a_killed_process_holds_nothing_and_what_it_was_writing_goes(tmp_path: Path) -> None:
    with working(HOLD + "print('held', flush=True); time.sleep(60)", str(tmp_path)) as process:
        assert process.stdout
        process.stdout.readline()
        assert (tmp_path / "lock").read_text() == f"{process.pid}\n"
        assert is_held(tmp_path)
        (tmp_path / ".part-0123456789abcdef").touch()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    lock(Owner(), tmp_path)()
    assert [entry.name for entry in tmp_path.iterdir()] == ["lock"]


def test_a_lock_that_is_a_link_or_a_pipe_is_refused(tmp_path: Path) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "run"
    victim.write_text("precious\n")
    folder.mkdir()
    for plant, words in ((lambda path: path.symlink_to(victim), "a link"), (os.mkfifo, "a pipe")):
        plant(folder / "lock")
        with pytest.raises(RunError, match=f"lock cannot be written: it is {words}"):
            lock(Owner(), folder)
        (folder / "lock").unlink()
    (folder / "lock").hardlink_to(victim)
    lock(Owner(), folder)()
    assert victim.read_text() == "precious\n"


def test_where_a_folder_cannot_be_locked_its_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As over NFS, where the kernel wants a descriptor that can be written through."""
    flock = fcntl.flock

    def as_over_nfs(descriptor: int, how: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY and how != fcntl.LOCK_UN:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", as_over_nfs)
    owner = Owner()
    release = lock(owner, tmp_path)
    with pytest.raises(RunError, match=f"in use by process {os.getpid()}"):
        lock(Owner(), tmp_path)
    release()
    assert not is_held(tmp_path)


def test_a_folder_without_room_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="lock cannot be written: No such file or directory"):
        lock(Owner(), tmp_path / "nowhere")
