"""Tries to break the suite, and counts.

    python -m tests.attack                          # every kind, 200 attempts each
    python -m tests.attack actions links --seed 7   # some kinds, other attempts
    python -m tests.attack --csv FILE.csv           # the rows of these kinds in a table, others stay

Ends with 1 if anything did not hold.
"""

from __future__ import annotations

import argparse
import csv
import faulthandler
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests import attack

LIMIT = 1_200.0
"""Seconds of one attempt after which it counts as one that does not come back."""

RESULTS = Path(__file__).with_name("results.csv")
"""The stored table of ``docs/results/reliability.md``."""

COLUMNS = ("kind", "what", "seed", "tried", "held", "seconds")


@dataclass
class Outcome:
    """What came of one kind of attempt.

    Attributes:
        kind: the name of its module.
        what: what is tried and what must happen, in words.
        seed: the seed of the attempts.
        tried: how many attempts were made.
        broken: the attempts that did not hold, each in words.
        seconds: the wall time.
    """

    kind: str
    what: str
    seed: int
    tried: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def row(self) -> dict[str, object]:
        """The outcome as a row of the table."""
        held = self.tried - len(self.broken)
        values = (self.kind, self.what, self.seed, self.tried, held, round(self.seconds))
        return dict(zip(COLUMNS, values, strict=True))


def kinds() -> list[str]:
    """The names of the kinds of attempt, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(attack.__path__) if not module.name.startswith("_"))


def described(kind: str) -> str:
    """What is tried and what must happen, in words."""
    return (importlib.import_module(f"tests.attack.{kind}").__doc__ or "").strip().splitlines()[0]


def make(kind: str, seed: int, count: int) -> Outcome:
    """Make the attempts of a kind in a process of its own: an attempt may kill it, or never come back."""
    outcome = Outcome(kind, described(kind), seed)
    begin = time.monotonic()
    command = [sys.executable, "-m", "tests.attack", kind, "--seed", str(seed), "--count", str(count), "--here"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout
        for line in process.stdout:
            what, held = json.loads(line)
            outcome.tried += 1
            if not held:
                outcome.broken.append(what)
    if process.returncode:
        outcome.tried += 1
        outcome.broken.append(f"the attempt after these ended its process with {process.returncode}")
    outcome.seconds = time.monotonic() - begin
    return outcome


def make_here(kind: str, seed: int, count: int) -> None:
    """Make the attempts of a kind in this process, and print each as a line of JSON when it is over."""
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an attempt prints does not come between
    module = importlib.import_module(f"tests.attack.{kind}")
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    for what, held in module.attempts(seed, count):
        print(json.dumps([what, bool(held)]), file=lines, flush=True)
        faulthandler.dump_traceback_later(LIMIT, exit=True)


def run(names: list[str], seed: int, count: int) -> Iterator[Outcome]:
    """Make the attempts of these kinds, and print what came of each."""
    for name in names:
        outcome = make(name, seed, count)
        held = outcome.tried - len(outcome.broken)
        print(f"{name:16} {held:>6,} of {outcome.tried:>6,} held  {outcome.seconds:6.0f} s  {outcome.what}", flush=True)
        for what in outcome.broken:
            print(f"{'':16} did not hold: {what}", flush=True)
        yield outcome


def write(path: Path, outcomes: list[Outcome]) -> None:
    """Write the table; rows of kinds that were not tried now stay as they are."""
    rows: dict[str, dict[str, object]] = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = {row["kind"]: dict(row) for row in csv.DictReader(file)}
    rows |= {outcome.kind: outcome.row() for outcome in outcomes}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[kind] for kind in sorted(rows))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description="Tries to break the suite, and counts.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"default: all; {', '.join(kinds())}")
    parser.add_argument("--seed", type=int, default=0, help="other attempts (default: %(default)s)")
    parser.add_argument("--count", type=int, default=200, help="attempts of each kind, about (default: %(default)s)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write these rows of the table to this file")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        make_here(given.kinds[0], given.seed, given.count)
        return 0
    if unknown := set(given.kinds) - set(kinds()):
        parser.error(f"KIND must be one of {', '.join(kinds())}, got {', '.join(sorted(unknown))}")
    if given.count < 1:
        parser.error(f"--count must be at least 1, got {given.count}")
    outcomes = list(run(given.kinds or kinds(), given.seed, given.count))
    if given.csv:
        write(given.csv, outcomes)
    return int(any(outcome.broken for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
