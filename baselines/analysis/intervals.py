"""Means over networks and their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from baselines.analysis.tables import Column, Table

SUMMARY = (
    Column("mean", "mean over networks"),
    Column("low", "lower end of the 95 % interval of the mean over networks, Student's t; empty for one network"),
    Column("high", "upper end of it"),
    Column("networks", "networks in the mean"),
)


def mean_interval(values: npt.ArrayLike) -> tuple[float, float, float]:
    """Mean of independent values and its 95 % interval by Student's t (NaN where there is one value only)."""
    numbers = np.asarray(values, np.float64)
    mean, count = float(numbers.mean()), len(numbers)
    if count < 2:
        return mean, math.nan, math.nan
    reach = student(count - 1) * float(numbers.std(ddof=1)) / math.sqrt(count)
    return mean, mean - reach, mean + reach


def over_networks(table: Table, by: Sequence[str], value: str, per: str | None = None) -> Table:
    """Mean of a column over the runs that share the values of the columns ``by``, with its interval.

    Several rows of one run (repetitions) are averaged first: networks are what is independent.

    Args:
        table: with a column ``run``.
        by: columns whose combinations of values make the rows of the result.
        value: the column that is averaged.
        per: a column that it is divided by first.
    """
    known = {column.name: column for column in table.columns}
    summary = Table([*(known[name] for name in by), *SUMMARY])
    for case in table.distinct(*by):
        rows = table.where(**dict(zip(by, case, strict=True)))
        numbers = rows[value].astype(float) / (rows[per].astype(float) if per else 1.0)
        runs = rows["run"]
        means = [numbers[runs == run].mean() for run in dict.fromkeys(runs.tolist())]
        mean, low, high = mean_interval(means)
        summary.add(**dict(zip(by, case, strict=True)), mean=mean, low=low, high=high, networks=len(means))
    return summary


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t (Abramowitz & Stegun 26.7.3 and 26.7.4, inverted by bisection)."""
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < 0.95 else (low, middle)
    return low


def _within(t: float, freedom: int) -> float:
    """P(-t < T < t)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine**2 * (k - 1) / k
    return (angle + math.sin(angle) * total) * 2 / math.pi if odd else math.sin(angle) * total
