"""The cases that ``speed.training`` measures: sizes, cells and recipes. It needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SECTIONS = ("recurrence", "gated", "update", "streams")
OURS = ("fast", "trials", "lean")
"""The recipes that are for every cell."""
CELLS = ("leaky", "rate", "gru", "lstm", "plrnn")

_OURS = {
    "trial_length": 2.0,
    "smoothing": 0.2,
    "last_head": 0.1,
    "heads_ahead": 2,
    "averaged": 50,
    "sequential_test": 20,
    "learning_rate": 3e-3,
    "decay_from": 20,
    "clip_norm": 0.03,
    "grow_to": 0,
}

UPDATES: dict[str, tuple[str, dict[str, Any]]] = {
    "paper": ("paper", {}),
    "whole trials": ("trials", _OURS | {"stream_steps": 0}),
    "streams": ("trials", _OURS | {"stream_steps": 8}),
}
"""Way of training -> recipe, and the settings that replace those of the recipe, besides units and batch size."""


@dataclass(frozen=True)
class Case:
    """What one process measures: a row of a table.

    Attributes:
        section: one of ``SECTIONS``.
        subject: fused, plain or torch.nn; of updates: ours or plain.
        cell: the name of the cell in ``baselines.cells``.
        units: the number of units of the cell.
        batch: the number of trials in a batch.
        steps: T, the number of steps that an update goes through.
        n: the largest N of an update.
        way: how an update trains, one of ``UPDATES``.
        stock: leave the memory allocator as it is.
    """

    section: str
    subject: str
    cell: str
    units: int
    batch: int
    steps: int
    n: int = 0
    way: str = ""
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
    for n in ns:
        if not quick:
            shape = (500, 256, typical_steps(n), n, "paper")
            cases += [
                Case("update", way, "leaky", *shape, stock) for way in ("ours", "plain") for stock in (False, True)
            ]
        cases += [Case("update", "ours", "leaky", 256, 64, 2 * n, n, "whole trials", stock) for stock in (False, True)]
    wide = 256 if quick else 512
    for way in ("whole trials", "streams"):
        for n in (10,) if quick else (10, 30, 50, 100):
            cases.append(Case("streams", "ours", "leaky", wide, 64, 8 if way == "streams" else 2 * n, n, way))
    if not quick:
        cases += [Case("streams", "ours", "leaky", units, 64, 8, 50, "streams") for units in (128, 256, 768)]
        cases += [Case("streams", "ours", cell, 256, 64, 8, 50, "streams") for cell in ("gru", "lstm")]
    return [case for case in cases if case.section in sections]
