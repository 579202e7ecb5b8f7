"""Benchmarks as people run them: real processes, agents that harm theirs, a real ``kill -9``, a real Ctrl-C."""

import os
import re
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from baselines.benchmark import Budget
from baselines.benchmark.folder import BenchmarkFolder, climb_folder
from baselines.core.jobs import LocalEngine
from tests.attack.agents import HOSTILE, climbed
from tests.baselines.benchmark.test_folder import short, table
from tests.baselines.benchmark.whole import AGENTS, benchmark
from tests.baselines.core.test_jobs import wait_until_gone
from tests.baselines.processes import DEADLINE, python_module, until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("part", range(4))
def test_an_agent_that_harms_its_process_loses_its_own_rung_only(part: int, tmp_path: Path) -> None:
    names = sorted(HOSTILE)[part::4]
    found = climbed(names, tmp_path)
    assert found == {name: found[name] for name in names if re.fullmatch(HOSTILE[name], found[name])}
    assert list(found) == names


def climb_all(path: Path, *names: str, budget: Budget) -> dict[str, tuple[str, str, str]]:
    """The last rung of each agent: its N, its status, the reason."""
    folder = BenchmarkFolder(path, benchmark(*names, budget=budget))
    for _ in folder.run(LocalEngine(2)):
        pass
    assert folder.complete
    folder.close()
    return {row["agent"].removeprefix(f"{AGENTS}:"): (row["N"], row["status"], row["reason"]) for row in table(path)}


def test_the_rungs_before_a_fault_stay(tmp_path: Path) -> None:
    budget = Budget(steps=1_000, n_max=8, seeds=(0,), episodes=50, limit=60.0)
    found = climb_all(tmp_path, "IsKilled", "Crashes", "LeavesThreads", budget=budget)
    killed = "its process was killed by SIGKILL (3 times), as happens where memory runs out"
    assert found["IsKilled"] == ("4", "error", killed)
    assert found["LeavesThreads"] == ("8", "failed", "")
    assert (f"{AGENTS}:IsKilled", "parity", "2", "0", "solved") in short(tmp_path)
    log = next(climb_folder(tmp_path, name) / "log.txt" for name in os.listdir(tmp_path / "climbs") if "Crash" in name)
    assert "Segmentation fault" in log.read_text()  # and where it was


def test_an_agent_that_hangs_loses_its_rung(tmp_path: Path) -> None:
    """One that takes no error for an answer, and one that never lets go of the interpreter's lock."""
    budget = Budget(steps=200, n_max=4, seeds=(0,), episodes=20, limit=8.0)
    found = climb_all(tmp_path, "NeverStops", "HoldsTheLock", budget=budget)
    assert found == dict.fromkeys(found, ("2", "timeout", "took more than 8 s of wall time"))
    assert len(found) == 2
    for name in os.listdir(tmp_path / "climbs"):
        where = (climb_folder(tmp_path, name) / "hang.txt").read_text()
        assert re.search(r"agents.py\", line \d+ in (learn|predict)", where)


def running(path: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    return python_module("tests.baselines.benchmark.whole", str(path))


def rungs(path: Path) -> int:
    return len(list((path / "climbs").glob("*/N*.json")))


def climbers(path: Path) -> list[int]:
    """Processes that climb now, of the benchmark at ``path``."""
    said = subprocess.run(["ps", "-axwwo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in said.splitlines() if f"baselines.benchmark.climb {path}" in line]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_benchmark_that_is_stopped_goes_on_to_the_same_table(number: signal.Signals, tmp_path: Path) -> None:
    with running(tmp_path / "straight") as process:
        said, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, said
    path = tmp_path / "stopped"
    for least in (1, 3):
        with running(path) as process:
            until(lambda least=least: rungs(path) >= least)  # type: ignore[misc]
            mine = climbers(path)
            process.send_signal(number)
            said, _ = process.communicate(timeout=DEADLINE)
        wait_until_gone(mine)
        assert rungs(path) < rungs(tmp_path / "straight")
        if number == signal.SIGINT:
            assert said.endswith(f"Go on with: python -m baselines benchmark --out {path} --trust {AGENTS}:Slow\n")
        assert "error" not in (path / "results.csv").read_text()
    with running(path) as process:
        said, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, said
    assert table(path) == table(tmp_path / "straight")
    assert rungs(path) == rungs(tmp_path / "straight")
