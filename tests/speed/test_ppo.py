"""Speed of PPO: rows and curves are written."""

import os
import sys
from pathlib import Path

import pytest

from tests.limits import run_limited

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_rows_and_curves_of_reinforcement_learning_are_written(tmp_path: Path) -> None:
    options = f"curves --N 2 --every 1024 --limit 2048 --seeds 1 --models same --to-limit --out {tmp_path}/rows.csv"
    command = [sys.executable, "-m", "speed.ppo", *options.split()]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = run_limited(command, cpu_seconds=600, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    assert rows[0] == "model,seed,CPU s,steps,accuracy"
    assert [row.split(",")[3] for row in rows[1:]] == ["1024", "2048"]
    assert (tmp_path / "rows.png").stat().st_size > 1000
