"""What our PPO learns: environment steps and CPU seconds until fresh trials are answered well enough, for each seed.

    python -m speed.ppo_learning --seeds 3
    python -m speed.ppo_learning --seeds 1 --tasks dms --cells lstm

Each row of ``ROWS`` is trained with the settings of the ladder, those of ``baselines.benchmark.cell_settings``. After
every few rollouts the likeliest answers to 500 fresh trials are scored. A run passes when the answers for the last N
meet the criterion: more than 95 % right, or a score above 0.8 for real-valued answers. The table shows the steps and
CPU seconds until then, evaluations included. "not in" marks a run that did not pass within its limit of steps.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from memory_envs import TASKS
from speed.report import whole

# Whatever needs torch is imported inside the functions, so that --help answers at once.


class Row(NamedTuple):
    """A task, the N to learn, the cells, and the limit of environment steps."""

    task: str
    n: int
    cells: tuple[str, ...]
    limit: int = 250_000


THREE = ("lstm", "gru", "leaky")
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
    """How a run ended: whether it passed, its steps and CPU seconds, and its last accuracy or score."""

    passed: bool
    steps: int
    cpu_seconds: float
    result: float


def learn(row: Row, cell: str, seed: int, folder: Path) -> Learned:
    """Train until the criterion is met or all steps are used."""
    from baselines.benchmark.cell_settings import ppo_ladder
    from baselines.ppo.run import RLRun
    from baselines.training.ppo_settings import RLSettings

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
        else:  # with several heads the head of N; with several channels the worst one
            result = correct[-1] if run.curriculum.stage.heads else min(correct)
        last = row.n == run.curriculum.stage.N
        passed = last and result > (SCORE if TASKS[row.task].real_valued else ACCURACY)
        if passed or run.steps >= row.limit:
            break
    return Learned(passed and run.steps <= row.limit, run.steps, time.process_time() - began, result if last else 0.0)


def main() -> None:
    """Read the options, run the rows and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=whole, default=3, help="the number of seeds (3)")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS), help="only rows of these tasks")
    parser.add_argument("--cells", nargs="+", help="these cells instead of the rows' own")
    parser.add_argument("--N", type=whole, nargs="+", help="only rows of these N")
    asked = parser.parse_args()
    import torch

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
