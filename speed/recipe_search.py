"""Search for better settings of recipe ``trials``: try a few values of one setting after another and keep the best.

    python -m speed.recipe_search --task dms --cell gru --n-max 12 --budget 60 --seed 0 1 --out runs/search-dms-gru

The search starts from the present recipe ``trials`` of the task and the cell. For each setting it runs one sweep: a run
for each value and seed, with all other settings at their best values so far. The better of two values is the one with
which the seeds solve the larger N within the budget (by the median). If they are equal, it is the one with fewer CPU
seconds of training (by the median). The search prints a table for each setting, and at the end the lines for
``baselines/training/recipes.py``. Give the same command again to continue a stopped search: finished runs are kept.

CPU seconds are those of each run's own process. Even so, compare on an idle machine with at most one worker per core.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from baselines.cells import CELLS
from baselines.core.files import RunError
from baselines.core.jobs import LocalEngine, available_cores
from baselines.core.settings import SettingsError
from baselines.training import recipes
from baselines.training.curriculum import CURRICULA
from baselines.training.sweep import Sweep, SweepFolder
from memory_envs import TASKS, make_task

FACTORS: dict[str, tuple[float, ...]] = {
    "learning_rate": (0.3, 0.6, 1, 1.7, 3),
    "clip_norm": (0.1, 0.3, 1, 3, 10),
    "trial_length": (0.7, 1, 2),
    "units": (0.5, 1, 2),
    "batch_size": (0.5, 1, 2),
    "decay_from": (0, 0.5, 1, 2),
    "last_head": (0, 0.3, 1, 3),
    "test_every": (0.5, 1, 2),
}
"""Setting -> the factors of its present value that are tried; the settings are searched in this order."""


def main() -> int:
    """Read the options, search, and print the best settings. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0], allow_abbrev=False)
    parser.add_argument("--task", choices=list(TASKS), default="parity")
    parser.add_argument("--cell", choices=list(CELLS), default="leaky")
    parser.add_argument("--curriculum", choices=list(CURRICULA), help="default: multi-head if the task has heads")
    parser.add_argument("--n-max", type=int, default=12, help="N of the last stage")
    parser.add_argument("--step", type=int, default=1, help="how much N grows from stage to stage")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of training of each run")
    parser.add_argument("--seed", nargs="+", default=["0"], help="seeds; 0..2 is 0, 1 and 2")
    parser.add_argument("--settings", nargs="+", choices=list(FACTORS), default=list(FACTORS), help="search only these")
    parser.add_argument("--workers", type=int, default=available_cores(), help="runs at once")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the search")
    asked = parser.parse_args()
    if asked.workers < 1:
        parser.error(f"argument --workers: must be at least 1, got {asked.workers}")
    task = make_task(asked.task)
    usual = "multi-head" if "heads" in task.parameters() else "single-head"
    seeds = [int(seed) if seed.isdigit() else seed for seed in asked.seed]
    fixed = {name: getattr(asked, name) for name in ("task", "cell", "n_max", "step", "budget")}
    fixed |= {"curriculum": asked.curriculum or usual, "seed": seeds, "episodes": 100, "recipe": "trials"}
    best = {
        name: value for name, value in asdict(recipes.find("trials", asked.task, asked.cell)).items() if name in FACTORS
    }
    try:
        for name in asked.settings:
            if name == "trial_length" and not task.free_length:
                continue
            best[name] = _best(asked.out / name, name, fixed | best, asked.workers)
    except (SettingsError, RunError) as error:
        parser.error(str(error))
    print("\n" + ", ".join(f"{name}={value!r}" for name, value in best.items()))
    return 0


def _best(path: Path, name: str, given: dict[str, Any], workers: int) -> Any:
    """Run the sweep over one setting with all others as given, print its table, and return the best value."""
    now = given[name]
    values = [type(now)(float(f"{now * factor:.2g}")) for factor in FACTORS[name]]
    if name in ("trial_length", "units", "batch_size", "test_every"):
        values = [max(value, 1) for value in values]
    values = sorted(set(values))
    folder = SweepFolder(path, Sweep.of(given | {name: values}))
    try:
        for _ in folder.run(LocalEngine(workers)):
            pass
        rows = [folder.row(run) for run in folder.sweep.runs]
    finally:
        folder.close()
    if unfinished := [row["run"] for row in rows if "updates" not in row]:
        raise RunError(f"{path}: {unfinished[0]} has not ended: see its log")
    print(f"\n{name:>14}  largest N  CPU seconds   updates  (medians over {len(rows) // len(values)} seeds)")
    ranks = {}
    for value in values:
        own = [row for row in rows if row[name] == value]
        largest = median(row["largest_n"] or 0 for row in own)
        seconds = median(row["cpu_seconds"] for row in own)
        ranks[value] = (-largest, seconds)
        print(f"{value:>14}  {largest:>9g}  {seconds:>11.1f}  {median(row['updates'] for row in own):>8g}", flush=True)
    return min(ranks, key=ranks.__getitem__)


if __name__ == "__main__":
    sys.exit(main())
