"""The file of results: a row for each condition and seed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from baselines.core.files import open_own, read_text, writing
from baselines.reproduction.tcr.conditions import Condition

CONDITION = [f.name for f in fields(Condition)]
RESULT = ["seed", "status", "updates", "plateau", "loss", "tcr_term", "cpu_seconds"]


@dataclass(frozen=True)
class Run:
    """What came of one seed of a condition.

    Attributes:
        status: ``"solved"``, ``"limit"`` (was not solved within the limit) or ``"diverged"`` (no longer finite).
        updates: until it was solved; the limit where it was not.
        plateau: updates until the task's loss was first under half of what the best constant answer costs; the limit
            where it never was.
        loss, tcr_term: the task's loss and the unweighted TCR term, means over the last 25 updates.
        cpu_seconds: the CPU seconds of the run.
    """

    status: str
    updates: int
    plateau: int
    loss: float
    tcr_term: float
    cpu_seconds: float

    @property
    def solved(self) -> bool:
        return self.status == "solved"


Rows = Mapping[tuple[Condition, int], Run]


def read(path: Path) -> dict[tuple[Condition, int], Run]:
    """The runs in a file; none where there is no file. Half a last row, of a process killed in writing it, is ignored.

    Raises:
        ValueError: the file is not one of these.
    """
    if not path.exists():
        return {}
    text = read_text(path)
    lines = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
    if lines.fieldnames != CONDITION + RESULT:
        raise ValueError(f"must be new or a file of this benchmark, got {path}")
    rows = {}
    for row in lines:
        try:
            numbers = (float(row[name]) for name in RESULT[4:])
            run = Run(row["status"], int(row["updates"]), int(row["plateau"]), *numbers)
            rows[Condition.from_row(row), int(row["seed"])] = run
        except (KeyError, TypeError, ValueError, RecursionError):
            raise ValueError(f"must have whole rows, got {path}, whose line {lines.line_num} is none") from None
    return rows


def begin(path: Path) -> None:
    """Make the file where it is missing, and cut off half a last row.

    Raises:
        RunError: it cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(open_own(path, os.O_RDWR), "r+b") as file:
            data = file.read() or (",".join(CONDITION + RESULT) + "\n").encode()
            whole = data[: data.rfind(b"\n") + 1]
            file.seek(0)
            file.write(whole)
            file.truncate()


def append(path: Path, condition: Condition, seed: int, run: Run) -> None:
    """Add a row, in one piece: several processes may do so at the same time."""
    row: dict[str, Any] = condition.row() | {"seed": seed} | vars(run)
    row |= {name: f"{row[name]:.4g}" for name in ("loss", "tcr_term")} | {"cpu_seconds": f"{run.cpu_seconds:.1f}"}
    line = io.StringIO()
    csv.DictWriter(line, CONDITION + RESULT, lineterminator="\n").writerow(row)
    with writing(path), open(open_own(path, os.O_WRONLY | os.O_APPEND), "ab", buffering=0) as file:
        file.write(line.getvalue().encode())


def runs_of(condition: Condition, rows: Rows) -> dict[int, Run]:
    """The runs of a condition by seed."""
    return {seed: run for (other, seed), run in rows.items() if other == condition}
