"""What our PPO learns: steps and CPU seconds until fresh trials are answered well enough, seed by seed.

    python -m speed.ppo_learning --seeds 3
    python -m speed.ppo_learning --seeds 1 --tasks dms --cells lstm

Each row of ``ROWS`` is trained as the ladder trains it (``baselines.benchmark.cells.ppo_ladder``). After every few
rollouts the likeliest answers to 500 fresh trials are scored; a run ends when those of the last N pass the criterion:
more than 95 % right, for real-valued answers a score above 0.8. The steps and CPU seconds are those up to there,
evaluations included. Runs that do not pass within the limit are shown as such.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch

from baselines.benchmark.cells import ppo_ladder
from baselines.ppo.run import RLRun
from baselines.training.ppo_settings import RLSettings
from memory_envs import TASKS


class Row(NamedTuple):
    """A task, the N that is to be learned, the cells and how many environment steps they have."""

    task: str
    n: int
    cells: tuple[str, ...]
    limit: int = 250_000


THREE, FIVE = ("lstm", "gru", "leaky"), ("leaky", "rate", "gru", "lstm", "plrnn")
ROWS = (
    Row("parity", 2, THREE, 20_000),
    Row("parity", 4, THREE),
    Row("parity", 8, THREE),
    Row("dms", 4, THREE),
    Row("dms", 8, THREE),
    Row("flip-flop", 8, THREE),
    Row("evidence-accumulation", 10, THREE),
    Row("delayed-addition", 10, THREE),
)
ACCURACY, SCORE, EVERY = 0.95, 0.8, 2


class Learned(NamedTuple):
    """Where a run ended, and how well it answered there."""

    passed: bool
    steps: int
    cpu_seconds: float
    result: float


def learn(row: Row, cell: str, seed: int, folder: Path) -> Learned:
    """Train until the criterion is met or the steps are used up."""
    wanted = ppo_ladder(row.task, cell, row.n)
    overrides = wanted.pop("overrides", {}) | {"report_every": EVERY}
    settings = RLSettings(**wanted, seed=seed, steps=row.limit, episodes=500, overrides=overrides, out=folder / "run")
    began = time.process_time()
    run, result, passed = RLRun(settings), 0.0, False
    for _ in run.train():
        assert run.played is not None
        correct = [*run.played.accuracy.values()]
        if TASKS[row.task].real_valued:
            result = run.played.score
        else:  # several heads: that of N; several channels: the worst
            result = correct[-1] if getattr(run.curriculum.stage, "heads", None) else min(correct)
        last = row.n == run.curriculum.stage.N
        passed = last and result > (SCORE if TASKS[row.task].real_valued else ACCURACY)
        if passed or run.steps >= row.limit:
            break
    return Learned(passed and run.steps <= row.limit, run.steps, time.process_time() - began, result if last else 0.0)


def main() -> None:
    """Read the options, run the rows and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--cells", nargs="+", help="these instead of the rows' own")
    parser.add_argument("--N", type=int, nargs="+", help="only rows of these N")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| task | N | cell | learned | steps, each seed | CPU s, median | accuracy or score at the end |")
    print("|---|---|---|---|---|---|---|")
    for row in ROWS:
        if row.task not in asked.tasks or (asked.N and row.n not in asked.N):
            continue
        for cell in asked.cells or row.cells:
            with tempfile.TemporaryDirectory() as folder:
                runs = [learn(row, cell, seed, Path(folder) / str(seed)) for seed in range(asked.seeds)]
            steps = ", ".join(f"{run.steps:,}" if run.passed else f"not in {run.steps:,}" for run in runs)
            ends = ", ".join(f"{run.result:.3f}" for run in runs)
            seconds = statistics.median(run.cpu_seconds for run in runs)
            cells = f"| {row.task} | {row.n} | {cell} | {sum(run.passed for run in runs)} of {asked.seeds} | {steps} "
            print(cells + f"| {seconds:.0f} | {ends} |", flush=True)


if __name__ == "__main__":
    main()
