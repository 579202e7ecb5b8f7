"""What an experiment measures: a tidy table of numbers of single networks, and means over networks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from baselines.core.statistics import mean_interval
from baselines.core.tables import Column, Table

OBSERVED = (
    Column("quantity", "what was measured"),
    Column("case", "the kind of network"),
    Column("x", "what it was measured at: N, or the size of a perturbation; empty where it is one number a network"),
    Column("seed", "seed of the network"),
    Column("value", "the number"),
    Column("bound", "at least: a lower bound, for the run ended at the largest N, or update, that it was asked for"),
    Column("run", "the run: its folder under runs/, or its condition"),
)

Series = tuple[str, str]
"""A quantity and a case."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One number of one network; the fields are the columns ``OBSERVED``."""

    quantity: str
    case: str
    x: float | None = None
    seed: int
    value: float
    bound: str = ""
    run: str = ""


class Observed:
    """Observations, and what follows from them.

    Args:
        rows: the observations.
    """

    def __init__(self, rows: Iterable[Observation]) -> None:
        self.rows = list(rows)

    def cases(self, quantity: str) -> list[str]:
        """The cases of a quantity, in order of appearance."""
        return list(dict.fromkeys(row.case for row in self.rows if row.quantity == quantity))

    def at(self, series: Series, x: float | None) -> dict[int, Observation]:
        """Seed -> the observation of its network at ``x``."""
        return {row.seed: row for row in self.rows if (row.quantity, row.case) == series and row.x == x}

    def xs(self, *series: Series, networks: int = 1) -> list[float]:
        """Every x at which so many networks, with the same seeds, were measured in each of the series."""
        found = sorted({row.x for row in self.rows if (row.quantity, row.case) == series[0] and row.x is not None})
        return [x for x in found if len(set.intersection(*(set(self.at(one, x)) for one in series))) >= networks]

    def mean(self, series: Series, x: float | None) -> tuple[float, float, float, int, bool]:
        """Mean over networks, its 95 % interval by Student's t, networks, and whether one of them is a lower bound."""
        rows = self.at(series, x).values()
        mean, low, high = mean_interval([row.value for row in rows])
        return mean, low, high, len(rows), any(row.bound for row in rows)

    def table(self) -> Table:
        """As a tidy table."""
        plain = [asdict(row) | {"x": np.nan if row.x is None else float(row.x)} for row in self.rows]
        return Table(OBSERVED, plain)


def number(value: float, sign: str = "") -> str:
    """A number with three digits, whole from 100 on; with ``sign`` = ``"+"`` positive numbers have theirs."""
    return f"{value:{sign}.0f}" if abs(value) >= 100 else f"{value:{sign}.3g}"


def differences(
    observed: Observed, of: Series, x: float | None, than: Series, other: float | None
) -> tuple[list[int], list[float]]:
    """The seeds that two series share, and by how much ``of`` at ``x`` exceeds ``than`` at ``other`` for each."""
    ours, theirs = observed.at(of, x), observed.at(than, other)
    seeds = sorted(set(ours) & set(theirs))
    return seeds, [ours[seed].value - theirs[seed].value for seed in seeds]
