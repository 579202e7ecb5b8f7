"""A run folder in which something is a link to elsewhere: training goes on, or is refused, and nothing else changes."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from baselines.commands.main import main
from baselines.training.run_files import check_empty

OPTIONS = ["--n-max", "3", "--units", "16", "--batch-size", "16", "--episodes", "10", "--keep-every", "10"]
WRITTEN = {
    "config.json": 1,
    "metrics.csv": 1,
    "checkpoint.safetensors": 1,
    "summary.json": 0,  # it is removed, which removes the link
    "training.png": 1,
    "lock": 1,
    "events": 1,
    "checkpoints": 1,
}
"""What a run that goes on writes -> the exit code where it is a link."""


@pytest.fixture(scope="module")
def halfway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "halfway"
    assert main(["train", "--out", str(path), *OPTIONS, "--steps", "6000"]) == 0
    return path


def tree(folder: Path) -> dict[Path, tuple[int, bytes]]:
    paths = [folder, *folder.rglob("*")]
    return {path: (stat.S_IMODE(path.stat().st_mode), path.read_bytes() if path.is_file() else b"") for path in paths}


def test_everything_that_is_written_is_tried(halfway: Path) -> None:
    assert {entry.name for entry in halfway.iterdir()} == set(WRITTEN)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_link_leads_nowhere(name: str, halfway: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, victim = shutil.copytree(halfway, tmp_path / "run"), tmp_path / "elsewhere" / "victim"
    victim.parent.mkdir()
    (run / name).rename(victim)
    if victim.is_file():
        victim.chmod(0o600)
    else:
        (victim / ".part-0123456789abcdef").touch()  # not ours to remove
    (run / name).symlink_to(victim)
    before = tree(victim.parent)
    assert main(["train", "--resume", str(run), "--steps", "12000"]) == WRITTEN[name]
    assert tree(victim.parent) == before
    if WRITTEN[name]:
        said = capsys.readouterr().err
        assert said.startswith(f"python -m baselines: error: {run / name} ")
        assert said.count("\n") == 1


@pytest.mark.parametrize("name", [name for name in WRITTEN if name not in ("events", "checkpoints")])
def test_the_other_name_of_a_file_keeps_its_content(name: str, halfway: Path, tmp_path: Path) -> None:
    run, backup = shutil.copytree(halfway, tmp_path / "run"), tmp_path / "backup"
    backup.hardlink_to(run / name)
    before = backup.read_bytes()
    assert main(["train", "--resume", str(run), "--steps", "9000"]) == 0
    assert backup.read_bytes() == before


def test_the_folder_itself_may_be_a_link(halfway: Path, tmp_path: Path) -> None:
    disk = shutil.copytree(halfway, tmp_path / "disk")
    (tmp_path / "run").symlink_to(disk)
    assert main(["train", "--resume", str(tmp_path / "run"), "--steps", "9000"]) == 0


@pytest.mark.parametrize("name", ["metrics.csv", "config.json", "checkpoint.safetensors", "lock"])
def test_a_pipe_is_not_waited_for(name: str, halfway: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = shutil.copytree(halfway, tmp_path / "run")
    (run / name).unlink()
    os.mkfifo(run / name)
    assert main(["train", "--resume", str(run), "--steps", "9000"]) == 1
    said = capsys.readouterr().err
    assert f"{run / name} " in said
    assert said.count("\n") == 1


def test_what_a_killed_beginning_left_is_no_hindrance(tmp_path: Path) -> None:
    for name in ("lock", "config.json.part", ".part-0123456789abcdef"):
        (tmp_path / name).touch()
    check_empty(tmp_path)
    assert main(["train", "--out", str(tmp_path), *OPTIONS, "--steps", "1"]) == 0
    assert not list(tmp_path.glob(".part*"))
