"""Writing files of results: atomically, through no link, and never outside their folder."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from baselines.core.files import (
    RunError,
    foreign_entry,
    inside,
    make_folder,
    open_own,
    read_json,
    remove_leftovers,
    replace_file,
    replace_files,
    special,
)

LEFTOVER = ".part-0123456789abcdef"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_that_is_replaced_keeps_its_permissions_and_its_other_names_their_content(tmp_path: Path) -> None:
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_bytes(b"old")
    file.chmod(0o600)
    other.hardlink_to(file)
    replace_file(file, b"new")
    assert (file.read_bytes(), mode(file)) == (b"new", 0o600)
    assert other.read_bytes() == b"old"
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "c", b"new")
    finally:
        os.umask(before)
    assert mode(tmp_path / "c") == 0o640
    assert {entry.name for entry in tmp_path.iterdir()} == {"a", "b", "c"}


SPECIAL: dict[str, Callable[[Path], object]] = {
    "a link": lambda path: path.symlink_to(path.with_name("victim")),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_what_is_no_regular_file_is_left_alone(kind: str, tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "path"
    victim.write_bytes(b"precious")
    victim.chmod(0o600)
    SPECIAL[kind](path)
    assert special(path) == kind
    with pytest.raises(RunError, match=f"path cannot be written: it is {kind}, and must be a regular file or new"):
        replace_file(path, b"new")
    with pytest.raises(OSError, match=f"it is {kind}"):
        open_own(path, os.O_WRONLY)
    assert special(path) == kind
    assert (victim.read_bytes(), mode(victim)) == (b"precious", 0o600)
    assert {entry.name for entry in tmp_path.iterdir()} == {"victim", "path"}


def test_a_device_is_left_alone() -> None:
    assert special(Path("/dev/null")) == "a device"
    with pytest.raises(RunError, match="it is a device"):
        replace_file(Path("/dev/null"), b"")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_several_files_are_replaced_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").mkdir()
    with pytest.raises(RunError, match="b cannot be written"):
        replace_files({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert (tmp_path / "a").read_bytes() == b"old"
    assert {entry.name for entry in tmp_path.iterdir()} == {"a", "b"}


def test_a_temporary_file_has_a_name_that_nobody_can_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    replace = os.replace

    def note(source: Path, target: Path) -> None:
        seen.append(source.name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", note)
    for _ in range(20):
        replace_file(tmp_path / "a", b"")
    assert len(set(seen)) == 20
    assert all(re.fullmatch(r"\.part-[0-9a-f]{16}", name) for name in seen)


def test_a_temporary_file_never_takes_the_place_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    monkeypatch.setattr("secrets.token_hex", lambda size: "0123456789abcdef")
    for plant in (Path.symlink_to, Path.hardlink_to):
        plant(tmp_path / LEFTOVER, tmp_path / "victim")
        with pytest.raises(RunError, match="a cannot be written: File exists"):
            replace_file(tmp_path / "a", b"new")
        assert (tmp_path / "victim").read_bytes() == b"precious"
        (tmp_path / LEFTOVER).unlink()


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from pathlib import Path; from baselines.core.files import RunError, replace_file\n"
        "try: replace_file(Path(sys.argv[1]), bytes(1001))\n"
        "except RunError as error: print(error)"
    )
    file = tmp_path / "figure.png"
    file.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{file} cannot be written: File too large\n"
    assert file.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["figure.png"]


BAD_NAMES = ["", ".", "..", "a/b", "/etc", "../x", "a\0b", "a\nb", "\x1b[2J", "bad\udcff", "x" * 256, "ä" * 128]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_none_leads_nowhere(name: str, tmp_path: Path) -> None:
    for names in ((name,), ("folder", name), (name, "file")):
        with pytest.raises(RunError, match="must hold files whose names are printable, short and without /") as told:
            inside(tmp_path, *names)
        assert "\n" not in str(told.value)
        assert len(str(told.value)) < 1000
    assert inside(tmp_path, "x" * 255) == tmp_path / ("x" * 255)


def test_a_folder_may_be_a_link_and_what_it_holds_may_not(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "elsewhere").mkdir()
    run = tmp_path / "run"
    run.symlink_to(tmp_path / "disk")
    assert make_folder(run, "logs").is_dir()
    replace_file(inside(run, "logs", "a"), b"new")
    assert (tmp_path / "disk" / "logs" / "a").read_bytes() == b"new"
    (run / "events").symlink_to(tmp_path / "elsewhere")
    (run / "dangling").symlink_to(tmp_path / "nowhere")
    for names in (("events",), ("events", "a"), ("dangling",), ("dangling", "a")):
        with pytest.raises(RunError, match=f"{names[0]} must not be a link: nothing is written outside {run}"):
            make_folder(run, *names)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not (tmp_path / "nowhere").exists()


def test_a_file_with_another_name_is_changed_in_a_copy(tmp_path: Path) -> None:
    file, other = tmp_path / "metrics.csv", tmp_path / "backup.csv"
    file.write_bytes(b"1\n")
    file.chmod(0o640)
    other.hardlink_to(file)
    with open(open_own(file, os.O_WRONLY | os.O_APPEND), "ab") as opened:
        opened.write(b"2\n")
    assert (file.read_bytes(), other.read_bytes(), mode(file)) == (b"1\n2\n", b"1\n", 0o640)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(RunError, match=r"config.json cannot be read: .*it is not a regular file"):
        read_json(tmp_path / "config.json")


def test_only_what_killed_processes_of_ours_left_is_removed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    kept = {"config.json.part", ".part-short", f"{LEFTOVER}0", ".part-0123456789abcdeg", "victim"}
    for name in kept - {"victim"}:
        (tmp_path / name).touch()
    for end, plant in (("1", Path.touch), ("2", Path.mkdir), ("3", lambda path: path.symlink_to(victim))):
        plant(tmp_path / (LEFTOVER[:-1] + end))
    assert foreign_entry(tmp_path, *kept) is None
    assert foreign_entry(tmp_path, *(kept - {"victim"})) == "victim"
    remove_leftovers(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == kept | {LEFTOVER[:-1] + "2", LEFTOVER[:-1] + "3"}
    assert victim.read_bytes() == b"precious"
    remove_leftovers(tmp_path / "nowhere")
