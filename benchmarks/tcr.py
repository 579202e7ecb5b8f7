"""Where temporal consistency regularisation (TCR) helps: training with and without it, over conditions and seeds.

    python benchmarks/tcr.py --group probes --seeds 0..4 --workers 2 --out tcr.csv
    python benchmarks/tcr.py --summarise --out tcr.csv              # tables and tcr.png, of what the file holds
    python benchmarks/tcr.py --quick --out quick.csv                # seconds: shows that it works, and nothing else

The conditions are those of ``tcr_conditions.GROUPS``; without --group, all. The file has a row for each condition and
seed; a row that is there is not run again, so a stopped measurement goes on where it was. A job is a process: one
condition with those of its seeds that are missing, on one thread. When a process dies, its finished seeds are kept and
the others are tried once more. Exit status 1: something is missing still.

A run is solved when, over 25 updates' fresh batches, the mean squared error is less than 0.01 (delayed addition) or the
accuracy at least 0.95 (the others). A run that is not solved within the condition's limit counts with that limit.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from threading import Lock
from typing import Any

from tcr_conditions import GROUPS, Condition
from tcr_summary import Run, draw, tables

HERE = Path(__file__).resolve().parent
CONDITION = [f.name for f in fields(Condition)]
RESULT = ["seed", "status", "updates", "plateau", "loss", "tcr_term", "cpu_seconds"]


class Results:
    """The CSV: rows by condition and seed. Written by one process, a whole row at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[tuple[Condition, int], Run] = {}
        self._lock = Lock()
        if path.exists():
            self._read()

    def _read(self) -> None:
        text = self.path.read_text()
        whole = text[: text.rfind("\n") + 1]  # a process killed while it wrote leaves half a row: run that again
        rows = csv.DictReader(whole.splitlines())
        if rows.fieldnames != CONDITION + RESULT:
            raise ValueError(f"--out must be new or a file of this benchmark, got {self.path}")
        for row in rows:
            self._keep(Condition.from_row(row), row)
        if whole != text:
            self.path.write_text(whole)

    def _keep(self, condition: Condition, row: dict[str, str]) -> None:
        seed = int(row["seed"])
        self.rows[condition, seed] = Run(
            row["status"], int(row["updates"]), int(row["plateau"]), float(row["loss"]), float(row["cpu_seconds"])
        )

    def add(self, condition: Condition, result: dict[str, str]) -> None:
        """Append a row."""
        with self._lock:
            fresh = not self.path.exists()
            with self.path.open("a", newline="") as file:
                writer = csv.DictWriter(file, CONDITION + RESULT, lineterminator="\n")
                if fresh:
                    writer.writeheader()
                writer.writerow(condition.row() | result)
            self._keep(condition, {name: str(value) for name, value in result.items()})


@dataclass(frozen=True)
class Job:
    """One process: a condition and the seeds that it is to be trained with."""

    condition: Condition
    seeds: tuple[int, ...]

    def run(self, results: Results) -> str:
        """Start the process, keep each row as it comes, try once more if it dies. Returns what went wrong, or ''."""
        error = ""
        for _ in range(2):
            missing = [seed for seed in self.seeds if (self.condition, seed) not in results.rows]
            if not missing:
                return ""
            error = self._attempt(missing, results)
        return error if any((self.condition, seed) not in results.rows for seed in self.seeds) else ""

    def _attempt(self, missing: list[int], results: Results) -> str:
        command = [sys.executable, str(HERE / "tcr_worker.py"), json.dumps(asdict(self.condition)), *map(str, missing)]
        paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]  # the checkout it lies in
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            assert process.stderr
            try:
                for line in process.stdout:
                    results.add(self.condition, json.loads(line))
                errors = process.stderr.read().strip().splitlines()
            finally:
                process.kill()
        last = errors[-1] if errors else "no message"
        return f"process ended with status {process.returncode}: {last}" if process.returncode else "rows are missing"


def run_all(jobs: Sequence[Job], workers: int, results: Results) -> list[str]:
    """Run the jobs in ``workers`` processes at a time; returns what went wrong."""
    wrong = []
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(job.run, results): job for job in jobs}
        try:
            for done, future in enumerate(as_completed(running), 1):
                job = running[future]
                updates = [
                    results.rows[job.condition, s].updates for s in job.seeds if (job.condition, s) in results.rows
                ]
                print(f"{done}/{len(jobs)}  {job.condition.label()}: {updates} updates", flush=True)
                if error := future.result():
                    wrong.append(f"{job.condition.label()}: {error}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return wrong


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
        results = Results(options.out)
    except (OSError, ValueError, KeyError) as error:
        parser.error(str(error))
    groups = {"quick": quick()} if options.quick else {name: GROUPS[name] for name in options.group}
    if options.summarise:
        print(tables(groups, results.rows))
        print(f"drawn in {draw(groups, results.rows, options.out.with_suffix('.png'))}")
        return
    wanted = dict.fromkeys(condition for conditions in groups.values() for condition in conditions)
    missing = {c: tuple(seed for seed in options.seeds if (c, seed) not in results.rows) for c in wanted}
    wrong = run_all([Job(c, seeds) for c, seeds in missing.items() if seeds], options.workers, results)
    for line in wrong:
        print(f"failed: {line}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
