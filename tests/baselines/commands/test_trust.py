"""A folder that somebody sends runs no code, whatever command gets it, unless the user says so by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.commands import COMMANDS
from baselines.core.start import worker_environment
from baselines.core.trust import VARIABLE
from tests.attack import _folders
from tests.attack.foreign_code import PLACES, attempts
from tests.baselines.processes import DEADLINE, ROOT
from tests.baselines.without_torch import answers

PAYLOAD = "import pathlib\npathlib.Path('RAN').touch()\nC = 3\n"


@pytest.fixture(autouse=True)
def nobody_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A current directory with the payload."""
    (tmp_path / "sent.py").write_text(PAYLOAD)
    return tmp_path


@pytest.mark.parametrize("place", PLACES)
def test_a_name_in_a_file_is_answered_in_a_line_without_torch(place: str, here: Path) -> None:
    (here / "folder").mkdir()
    words = PLACES[place](here / "folder", "sent:C")
    ((code, out, err),) = answers([words], here)
    assert (code, out) == (1, "")
    assert err.startswith(f"python -m baselines: error: {here / 'folder'}")
    assert "names code of others, 'sent:C', which is imported only if you trust it: add --trust sent:C (" in err
    assert err.count("\n") == 1
    assert not (here / "RAN").exists()


@pytest.mark.parametrize("place", PLACES)
def test_it_is_imported_once_it_is_trusted(place: str, here: Path) -> None:
    """The object is no cell and no agent, so the command is refused later, or where it needs torch to say so."""
    (here / "folder").mkdir()
    words = PLACES[place](here / "folder", "sent:C")
    ((code, _, err),) = answers([[*words, "--trust", "other:Cell", "--trust", "sent:C"]], here)
    assert code in (1, 2)
    assert "names code of others" not in err
    assert (here / "RAN").exists()


def test_what_is_typed_is_trusted(here: Path) -> None:
    run = str(_folders.config(here / "run", "train", "sent:C"))
    ((code, _, err),) = answers([["train", "--resume", run, "--cell", "sent:C"]], here)
    assert "names code of others" not in err
    assert code in (1, 2)
    assert (here / "RAN").exists()


def test_a_name_that_is_none_is_a_mistake_of_the_command_line(here: Path) -> None:
    ((code, _, err),) = answers([["evaluate", "nowhere", "--trust", "payload.py"]], here)
    assert code == 2
    assert err.endswith("argument --trust: trust must be package.module:ClassName, got 'payload.py'\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_option(command: str, tmp_path: Path) -> None:
    ((code, out, _),) = answers([[command, "--help"]], tmp_path)
    assert code == 0
    assert "--trust NAME" in out


def test_attempts_are_refused() -> None:
    broken = [what for what, held in attempts(3, 40) if not held]
    assert not broken


def shell(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    known = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=cwd, env=known, capture_output=True, text=True, timeout=DEADLINE)


def test_files_of_the_current_directory_are_not_taken_for_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("signal", "argparse", "json", "numpy", "gymnasium", "torch", "rich", "tomllib", "memory_envs"):
        (tmp_path / f"{name}.py").write_text(PAYLOAD)
    done = shell("baselines", "sweep", "--seed", "0", cwd=tmp_path)
    assert done.returncode == 2
    assert "argument --seed: a sweep must have an axis" in done.stderr
    monkeypatch.chdir(tmp_path)
    if sys.version_info >= (3, 11):
        done = shell("baselines.benchmark.climb", "nowhere", "x", cwd=tmp_path, **worker_environment())
        assert "nowhere/settings.json cannot be read: No such file" in done.stdout + done.stderr
    assert not (tmp_path / "RAN").exists()


CELL = """
from baselines.cells import RateRNN
from a_neighbour import VALUE

class C(RateRNN):
    def readings(self):
        import another_neighbour
        return {}
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["typed", "option"])
def test_the_runs_of_a_sweep_are_handed_what_is_trusted(how: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CELL)
    for name in ("a_neighbour", "another_neighbour"):
        (tmp_path / f"{name}.py").write_text("VALUE = 1\n")
    few = [
        "--n-max",
        "2",
        "--units",
        "4",
        "--batch-size",
        "4",
        "--max-updates",
        "5",
        "--episodes",
        "2",
        "--seed",
        "0",
        "1",
        "--workers",
        "2",
    ]
    words = ["--cell", "mine:C", "--out", "out"]
    if how == "option":
        (tmp_path / "out.toml").write_text('cell = "mine:C"\n')
        refused = shell("baselines", "sweep", "out.toml", *few, cwd=tmp_path)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "out.toml names code of others, 'mine:C'" in refused.stderr
        words = ["out.toml", "--out", "out", "--trust", "mine:C"]
    done = shell("baselines", "sweep", *words, *few, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    again = shell("baselines", "sweep", "out", cwd=tmp_path)
    assert "sweep.json names code of others, 'mine:C'" in again.stderr
    again = shell("baselines", "sweep", "out", "--trust", "mine:C", cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
