"""Sweeps as people run them: real processes, a real ``kill -9``, a real Ctrl-C."""

import csv
import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from baselines.training import loading, run_files
from baselines.training.bptt_settings import Settings
from baselines.training.run import TrainingRun
from tests.baselines.core.test_jobs import is_alive, wait_until_gone
from tests.baselines.processes import DEADLINE, ROOT, python_module, until
from tests.baselines.training.test_resume import numbers

pytestmark = pytest.mark.slow

LONG = "n_max = 7\nunits = 64\nbatch_size = 32\nepisodes = 20\n"
ENDLESS = "n_max = 60\nthreshold = 0.9999\nunits = 64\nbatch_size = 32\n"


def rows(run: Path) -> int:
    return len(run_files.read_metrics(run)) if (run / "metrics.csv").exists() else 0


def table(path: Path) -> dict[str, dict[str, str]]:
    with open(path / "results.csv", newline="") as file:
        return {row["run"]: row for row in csv.DictReader(file)}


def holder(run: Path) -> int:
    return int((run / "lock").read_text().splitlines()[0])


def sweeping(folder: Path, text: str) -> AbstractContextManager[subprocess.Popen[str]]:
    (folder / "some.toml").write_text(text)
    return python_module("baselines", "sweep", "some.toml", "--out", "sweep", "--workers", "2", cwd=folder)


def test_a_killed_worker_goes_on_exactly_and_the_others_do_not_notice(tmp_path: Path) -> None:
    path = tmp_path / "sweep"
    with sweeping(tmp_path, LONG + 'seed = "0..1"\n') as process:
        victim = path / "seed=1"
        until(lambda: bool(run_files.kept_checkpoints(victim)) and rows(victim) % 3 == 0)
        killed = holder(victim)
        os.kill(killed, signal.SIGKILL)
        until(lambda: holder(victim) != killed)
        assert run_files.kept_checkpoints(victim) != [*range(2, 8)]  # it was not done
        said, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, said
    assert "seed=1: killed by signal 9, resumes from its folder\n" in said
    assert "2 runs: 2 solved." in said
    assert [row["status"] for row in table(path).values()] == ["solved"] * 2
    for seed in range(2):
        overrides = {"units": 64, "batch_size": 32}
        run = TrainingRun(Settings(n_max=7, episodes=20, seed=seed, overrides=overrides, out=tmp_path / f"alone{seed}"))
        for _ in run.train():
            pass
        run.play()
        summary = run.finish()
        assert numbers(path / f"seed={seed}") == numbers(tmp_path / f"alone{seed}")
        assert int(table(path)[f"seed={seed}"]["updates"]) == summary["updates"]
        assert run_files.read_summary(path / f"seed={seed}")["played"] == summary["played"]
        assert (path / "logs" / f"seed={seed}.log").read_text().count("$ ") == (2 if seed == 1 else 1)


def test_an_interrupted_sweep_saves_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "sweep"
    with sweeping(tmp_path, ENDLESS + 'seed = "0..2"\nbudget = 500\n') as process:
        until(lambda: rows(path / "seed=0") > 3 and rows(path / "seed=1") > 3)
        workers = [holder(path / f"seed={seed}") for seed in (0, 1)]
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130, said
    assert not any(map(is_alive, workers))
    assert "stopping: the runs save and end" in said
    assert said.endswith("Go on with: python -m baselines sweep sweep\n")
    assert [row["status"] for row in table(path).values()] == ["interrupted", "interrupted", "waiting"]
    updates = []
    for seed in (0, 1):
        summary = run_files.read_summary(path / f"seed={seed}")
        assert summary["status"] == "interrupted"
        assert loading.read_checkpoint(path / f"seed={seed}")[1]["update"] == summary["updates"]
        updates.append(summary["updates"])
    assert not (path / "seed=2").exists()
    command = [sys.executable, "-m", "baselines", "sweep", "sweep", "--budget", "1"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [row["status"] for row in table(path).values()] == ["unsolved"] * 3
    for seed in (0, 1):
        assert run_files.read_summary(path / f"seed={seed}")["updates"] >= updates[seed]


@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGKILL]], ids=str)
def test_no_worker_outlives_its_sweep(signals: list[signal.Signals], tmp_path: Path) -> None:
    """However it is stopped; and what it leaves behind can be gone on with."""
    path = tmp_path / "sweep"
    with sweeping(tmp_path, ENDLESS + 'seed = "0..2"\n') as process:
        until(lambda: rows(path / "seed=0") > 3 and rows(path / "seed=1") > 3)
        workers = [holder(path / f"seed={seed}") for seed in (0, 1)]
        for number in signals:
            process.send_signal(number)
            time.sleep(0.01)
        said, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == (130 if len(signals) == 2 else -signals[0]), said
    wait_until_gone(workers)
    assert [row["status"] for row in table(path).values()][2] == "waiting"
    # The leader of a killed process can be gone while its threads, and so the lock, are there for another moment.
    until(lambda: is_free(path / "seed=0" / "lock"))
    TrainingRun.resume(path / "seed=0").folder.close()


def is_free(file: Path) -> bool:
    with open(file) as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
