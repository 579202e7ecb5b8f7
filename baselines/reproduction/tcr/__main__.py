"""Where temporal consistency regularisation (TCR) helps: training with and without it, over conditions and seeds.

    python -m baselines.reproduction.tcr --group probes --seeds 0..4 --workers 2 --out tcr.csv
    python -m baselines.reproduction.tcr --summarise --out tcr.csv    # tables and tcr.png, of what the file holds
    python -m baselines.reproduction.tcr --quick --out quick.csv      # seconds: shows that it works, and nothing else

The conditions are those of ``GROUPS`` in ``conditions.py``; without --group, all. The file has a row for each condition
and seed; a row that is there is not run again, so a stopped measurement goes on where it was. A job is a
process: one condition with those of its seeds that are missing, on one thread. When a process is killed, its finished
seeds are kept and the others are tried once more. Exit status 1: something is missing still.

A run is solved when, over 25 updates' fresh batches, the mean squared error is less than 0.01 (delayed addition) or the
accuracy at least 0.95 (the others). A run that is not solved within the condition's limit counts with that limit.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from baselines.reproduction.tcr import run_all
from baselines.reproduction.tcr.conditions import GROUPS, Condition
from baselines.reproduction.tcr.results import begin, read
from baselines.reproduction.tcr.summary import draw, tables


def parse_seeds(text: str) -> tuple[int, ...]:
    """``"3"``, ``"0..4"`` or ``"0,2,5"``."""
    if span := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        seeds = tuple(range(int(span[1]), int(span[2]) + 1))
    else:
        seeds = tuple(int(part) for part in text.split(",")) if re.fullmatch(r"\d+(,\d+)*", text) else ()
    if not seeds:
        raise argparse.ArgumentTypeError(f"must be such as 3, 0..4 or 0,2,5, got {text!r}")
    return seeds


def quick() -> list[Condition]:
    """Small networks on short trials, with and without TCR, for two g."""
    small: dict[str, Any] = {"task_args": {"N": 4}, "units": 16, "learning_rate": 1e-2, "limit": 150}
    return [replace(condition, **small) for condition in GROUPS["probes"] if condition.tcr in (0.0, 1.0)][:4]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", nargs="+", choices=GROUPS, default=list(GROUPS), help="which conditions")
    parser.add_argument("--seeds", type=parse_seeds, default=parse_seeds("0..4"), help="3, 0..4 or 0,2,5")
    parser.add_argument("--workers", type=int, default=1, help="processes at a time")
    parser.add_argument("--out", type=Path, required=True, help="the CSV of results")
    parser.add_argument("--quick", action="store_true", help="four conditions that take seconds")
    parser.add_argument("--summarise", action="store_true", help="run nothing: print tables, draw the figure")
    options = parser.parse_args()
    if options.workers < 1:
        parser.error(f"--workers must be at least 1, got {options.workers}")
    try:
        rows = read(options.out)
    except (OSError, ValueError, KeyError) as error:
        parser.error(f"--out {error}")
    groups = {"quick": quick()} if options.quick else {name: GROUPS[name] for name in options.group}
    if options.summarise:
        print(tables(groups, rows))
        print(f"drawn in {draw(groups, rows, options.out.with_suffix('.png'))}")
        return
    begin(options.out)
    wanted = dict.fromkeys(condition for conditions in groups.values() for condition in conditions)
    missing = {c: [seed for seed in options.seeds if (c, seed) not in rows] for c in wanted}
    say = partial(print, flush=True)
    wrong = run_all({c: seeds for c, seeds in missing.items() if seeds}, options.workers, options.out, say)
    for line in wrong:
        print(f"failed: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
