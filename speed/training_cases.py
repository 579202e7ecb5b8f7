"""The cases that ``speed.training`` measures: sizes, cells and recipes. It needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baselines.training import recipes

SECTIONS = ("recurrence", "gated", "update")
OURS = ("fast", "trials", "lean")
"""The recipes that are for every cell."""
CELLS = ("leaky", "rate", "gru", "lstm", "plrnn")


@dataclass(frozen=True)
class Case:
    """What one process measures: a row of a table.

    Attributes:
        section: one of ``SECTIONS``.
        subject: fused, plain or torch.nn; in the section update: ours or plain.
        cell: the name of the cell in ``baselines.cells``.
        units: the number of units of the cell.
        batch: the number of trials in a batch.
        steps: T, the number of steps in a trial.
        n: the largest N of an update.
        recipe: the recipe of an update.
        stock: leave the memory allocator as it is.
    """

    section: str
    subject: str
    cell: str
    units: int
    batch: int
    steps: int
    n: int = 0
    recipe: str = ""
    stock: bool = False


def typical_steps(n: int) -> int:
    """The mean length in steps of the published trials for this N, rounded down."""
    return (5 * n + 3) // 2


def cases_of(sections: Sequence[str], quick: bool) -> list[Case]:
    """The cases of these sections, in the order of the tables' rows."""
    large, cases = [] if quick else [(500, 256)], []
    ns = (10,) if quick else (10, 30)
    for units, batch in [*large, (128, 64)]:
        for steps in map(typical_steps, ns):
            cases += [Case("recurrence", way, "leaky", units, batch, steps) for way in ("fused", "plain", "torch.nn")]
    sizes = [(100, 64, 20)] if quick else [(100, 64, 200), (128, 64, typical_steps(10)), (500, 64, typical_steps(10))]
    for units, batch, steps in sizes:
        for cell in ("gru", "lstm"):
            cases += [Case("gated", way, cell, units, batch, steps) for way in ("fused", "plain", "torch.nn")]
    trials = recipes.find("trials", "parity", "leaky")
    for n in ns:
        if not quick:
            shape = (500, 256, typical_steps(n), n, "paper")
            cases += [
                Case("update", way, "leaky", *shape, stock) for way in ("ours", "plain") for stock in (False, True)
            ]
        cases += [
            Case("update", "ours", "leaky", trials.units, trials.batch_size, 2 * n, n, "trials", stock)
            for stock in (False, True)
        ]
    return [case for case in cases if case.section in sections]
