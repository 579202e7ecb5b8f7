"""Intervals over trials, where the answers within a trial go together: the bootstrap, and Wilson's.

Axes: B trials, K quantities, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from baselines.core.tables import Column, Table

Floats = npt.NDArray[np.float64]

Z = 1.96
"""Standard errors to either side of a 95 % interval."""

RESAMPLES = 2000
"""Of the trials. The ends of an interval then move by some 0.05 of its standard error from seed to seed."""

ENDS = (2.5, 97.5)
"""Percentiles at the ends of a 95 % interval."""

_CELLS = 4_000_000  # numbers of a block of resamples: 32 MB


def bootstrap_shares(parts: npt.ArrayLike, wholes: npt.ArrayLike, generator: np.random.Generator) -> Floats:
    """95 % intervals of K shares, each a sum of parts over a sum of wholes: the percentile bootstrap over trials.

    All shares are taken from the same resamples of the trials (Efron & Tibshirani 1993). Near 0 and 1 few trials
    differ, resamples vary too little (of 50 trials with 99 % right the intervals held the truth 88 times in 100), and
    where all trials are alike they do not vary at all: so an interval reaches at least as far as ``share_intervals``.
    SciPy's ``bootstrap`` would gather every resample of every share: here a resample is a row of counts, and all of
    them are one matrix product.

    Args:
        parts: (B, K), from 0 to the whole.
        wholes: (B, K), at least 0; each column has one above 0.
        generator: draws the resamples.

    Returns:
        (K, 2), lower and upper ends, within [0, 1].
    """
    part, whole = np.asarray(parts, np.float64), np.asarray(wholes, np.float64)
    both = np.concatenate([part, whole], axis=1)
    sums = np.concatenate([counts @ both for counts in _resamples(len(part), generator)])
    with np.errstate(invalid="ignore"):  # a resample without any of the trials that count says nothing
        drawn = sums[:, : part.shape[1]] / sums[:, part.shape[1] :]
    low, high = np.clip(np.nanpercentile(drawn, ENDS, axis=0), 0.0, 1.0)
    least, most = share_intervals(part, whole).T
    return np.stack([np.minimum(low, least), np.maximum(high, most)], axis=1)


def _resamples(trials: int, generator: np.random.Generator) -> Iterator[Floats]:
    """How often each trial is drawn, (r, B) at a time; ``RESAMPLES`` rows in all."""
    block = max(1, _CELLS // trials)
    for first in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - first)
        drawn = generator.integers(0, trials, (rows, trials)) + trials * np.arange(rows)[:, None]
        yield np.bincount(drawn.reshape(-1), minlength=rows * trials).reshape(rows, trials).astype(np.float64)


def share_intervals(parts: Floats, wholes: Floats) -> Floats:
    """95 % intervals of K shares in closed form, (K, 2).

    Wilson's interval with the number of answers that, were they independent, would have the standard error found
    between trials (that of a ratio of sums, Cochran 1977); where all trials have the same share, such as all right,
    there is none to find, and a trial counts as one answer. So it is never of width 0 and stays within [0, 1].

    Args:
        parts: (B, K), from 0 to the whole.
        wholes: (B, K), at least 0; each column has one above 0.
    """
    total, trials = wholes.sum(axis=0), (wholes > 0).sum(axis=0)
    share = np.clip(parts.sum(axis=0) / total, 0.0, 1.0)
    spread = ((parts - share * wholes) ** 2).sum(axis=0)
    differ = spread > 1e-18 * total  # more than rounding
    variance = np.where(differ, spread, 1.0) * trials / np.maximum(trials - 1, 1) / total**2
    # Not more than there are: by chance the trials may differ less than independent answers would.
    answers = np.where(differ, np.minimum(share * (1 - share) / variance, total), trials)
    return wilson(share, answers)


def wilson(share: npt.ArrayLike, answers: npt.ArrayLike) -> Floats:
    """Wilson's 95 % intervals of shares (K,) of so many independent answers, (K, 2)."""
    p, n = np.asarray(share, np.float64), np.asarray(answers, np.float64)
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return np.clip(np.stack([middle - reach, middle + reach], axis=-1), 0.0, 1.0)


def accuracy_interval(correct: Floats, counted: Floats) -> tuple[float, float]:
    """``share_intervals`` of one share: right answers (B,) among those that counted (B,) in each trial."""
    ((low, high),) = share_intervals(correct[:, None], counted[:, None]).tolist()
    return low, high


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
