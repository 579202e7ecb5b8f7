"""95 % intervals: of shares over trials (the bootstrap, Wilson's), and of means over networks (Student's t).

Answers within a trial depend on one another, and so do repetitions of one network: intervals over trials take whole
trials for independent, those over networks whole networks.

Axes: B trials, K shares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from baselines.core.tables import Column, Table

Floats = npt.NDArray[np.float64]

Z = 1.96
"""Standard errors to either side of a 95 % interval, for many independent values."""

RESAMPLES = 2000
"""How often the trials are resampled. The ends of an interval then vary by some 0.05 standard errors with the seed."""

ENDS = (2.5, 97.5)
"""Percentiles at the ends of a 95 % interval."""

_CELLS = 4_000_000  # numbers of a block of resamples: 32 MB


def bootstrap_shares(parts: npt.ArrayLike, wholes: npt.ArrayLike, generator: np.random.Generator) -> Floats:
    """95 % intervals of K shares, each a sum of parts over a sum of wholes: the percentile bootstrap over trials.

    All shares are taken from the same resamples of the trials (Efron & Tibshirani 1993). Near 0 and 1 few trials
    differ and resamples vary too little (of 50 trials with 99 % right, 88 of 100 intervals held the truth); where all
    trials are alike they do not vary at all. So an interval always reaches at least as far as ``share_intervals``.
    SciPy's ``bootstrap`` gathers every resample of every share; here a resample is a row of counts, and all resamples
    are one matrix product, which is faster.

    Args:
        parts: the parts, (B, K), each from 0 to its whole: the right answers of a trial, say.
        wholes: the wholes, (B, K), at least 0, and above 0 in one trial at least: the answers of a trial.
        generator: draws the resamples.

    Returns:
        The lower and upper ends, (K, 2), within [0, 1].
    """
    part, whole = np.asarray(parts, np.float64), np.asarray(wholes, np.float64)
    both = np.concatenate([part, whole], axis=1)
    sums = np.concatenate([counts @ both for counts in _resamples(len(part), generator)])
    with np.errstate(invalid="ignore"):  # a resample may hold none of the trials that count: it is left out below
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

    The standard error over trials is that of a ratio of sums (Cochran 1977). Wilson's interval is taken for as many
    independent answers as would have that standard error. Where all trials have the same share, such as all right,
    no standard error can be estimated, and a trial counts as one answer. So an interval is never of width 0 and stays
    within [0, 1].

    Args:
        parts: the parts, (B, K), each from 0 to its whole.
        wholes: the wholes, (B, K), at least 0, and above 0 in one trial at least.
    """
    total, trials = wholes.sum(axis=0), (wholes > 0).sum(axis=0)
    share = np.clip(parts.sum(axis=0) / total, 0.0, 1.0)
    spread = ((parts - share * wholes) ** 2).sum(axis=0)
    differ = spread > 1e-18 * total  # more than rounding
    variance = np.where(differ, spread, 1.0) * trials / np.maximum(trials - 1, 1) / total**2
    # At most the answers that there are: by chance trials may differ less than independent answers would.
    answers = np.where(differ, np.minimum(share * (1 - share) / variance, total), trials)
    return wilson(share, answers)


def wilson(share: npt.ArrayLike, answers: npt.ArrayLike) -> Floats:
    """Wilson's 95 % intervals (Wilson 1927), (K, 2), of the shares (K,) of ``answers`` (K,) independent answers."""
    p, n = np.asarray(share, np.float64), np.asarray(answers, np.float64)
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return np.clip(np.stack([middle - reach, middle + reach], axis=-1), 0.0, 1.0)


def accuracy_interval(correct: Floats, counted: Floats) -> tuple[float, float]:
    """The 95 % interval of an accuracy, see ``share_intervals``.

    Args:
        correct: right answers in each trial, (B,).
        counted: answers that counted in each trial, (B,).
    """
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
    """Mean of a column over networks and its 95 % interval, for each combination of values of some other columns.

    Several rows of one run (repetitions) are averaged first: networks are independent, repetitions are not.

    Args:
        table: the rows; its column ``run`` says which network a row is of.
        by: the columns whose combinations of values make the rows of the result.
        value: the column that is averaged.
        per: a column that ``value`` is divided by first; None: no division.

    Returns:
        A table with the columns ``by`` and ``SUMMARY``.
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
    """The 97.5 % quantile of Student's t: how many standard errors a 95 % interval reaches to either side.

    Args:
        freedom: degrees of freedom, at least 1.
    """
    from scipy.special import stdtrit  # what scipy.stats.t.ppf calls; it takes a third of the time to import

    return float(stdtrit(freedom, 0.975))
