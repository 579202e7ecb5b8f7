"""95 % intervals: of proportions (Wilson's, over trials), and of means over networks (Student's t).

There is one interval for proportions, ``wilson``; ``share_intervals`` is the same for answers that come in trials.

Axes: B trials, K shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from baselines.core.tables import Column, Table

Floats = npt.NDArray[np.float64]

Z = 1.959964
"""Standard errors to either side of a 95 % interval, for many independent values."""


def wilson(share: npt.ArrayLike, answers: npt.ArrayLike) -> Floats:
    """Wilson's 95 % intervals (Wilson 1927), (K, 2), of the shares (K,) of ``answers`` (K,) independent answers.

    It holds the truth about as often as it says also near 0 and 1, always has a width and never leaves [0, 1] (Brown,
    Cai & DasGupta, Statistical Science 2001, recommend it and Jeffreys').
    """
    p, n = np.asarray(share, np.float64), np.asarray(answers, np.float64)
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    # The end at a share of 0 or 1 is that share itself: rounding must not move it.
    low, high = np.where(p == 0, 0.0, middle - reach), np.where(p == 1, 1.0, middle + reach)
    return np.clip(np.stack([low, high], axis=-1), 0.0, 1.0)


def share_intervals(parts: npt.ArrayLike, wholes: npt.ArrayLike) -> Floats:
    """95 % intervals, (K, 2), of K shares, each a sum of parts over a sum of wholes: right answers of all answers, say.

    Trials are independent of one another, the answers of one trial need not be. Wilson's interval is taken for the
    effective number of answers, n / D (for such intervals Franco, Little, Louis & Slud, Journal of Survey Statistics
    and Methodology 2019, recommend Wilson's or a Bayesian one). With x_b of w_b answers right in trial b of the B that
    have answers, n = sum of w_b and p = sum of x_b / n:

        v = B / (B - 1) sum over b of (x_b - p w_b)^2 / n^2      squared standard error of p (Cochran 1977)
        D = max(1, v n / (p (1 - p)) (t / z)^2)                  design effect; t: Student's quantile for B - 1

    The factor (t / z)^2, after Korn & Graubard (Survey Methodology 1998), pays for a v that comes from few trials.
    Where no trial has more than one answer, D is 1. So it is where v cannot be estimated, for all answers are right or
    all are wrong or there is one trial: nothing shows then whether answers of a trial go together, and the interval is
    that of n independent ones.

    Args:
        parts: the parts x, (B, K), each from 0 to its whole.
        wholes: the wholes w, (B, K), at least 0, and above 0 in one trial at least.
    """
    x, w = np.asarray(parts, np.float64), np.asarray(wholes, np.float64)
    n, trials = w.sum(axis=0), (w > 0).sum(axis=0)
    share = np.clip(x.sum(axis=0) / n, 0.0, 1.0)
    more = np.maximum(trials - 1, 1)
    quantiles = {freedom: student(freedom) for freedom in set(more.tolist())}
    t = np.array([quantiles[freedom] for freedom in more.tolist()])
    variance = trials / more * ((x - share * w) ** 2).sum(axis=0) / n**2
    alone = share * (1 - share)
    known = (trials > 1) & (alone > 0) & (w.max(axis=0) > 1)
    effect = np.divide(variance * n * (t / Z) ** 2, alone, out=np.ones_like(n), where=known)
    return wilson(share, n / np.maximum(effect, 1.0))


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


def over_networks(
    table: Table, by: Sequence[str], value: str, per: str | None = None, weight: str | None = None
) -> Table:
    """Mean of a column over networks and its 95 % interval, for each combination of values of some other columns.

    Several rows of one run (repetitions) are averaged first: networks are independent, repetitions are not. Rows
    without a value are left out, and so are runs that have no others.

    Args:
        table: the rows; its column ``run`` says which network a row is of.
        by: the columns whose combinations of values make the rows of the result.
        value: the column that is averaged.
        per: a column that ``value`` is divided by first; None: no division.
        weight: the column with the weights of rows in the mean of their run; None: all weigh the same.

    Returns:
        A table with the columns ``by`` and ``SUMMARY``.
    """
    known = {column.name: column for column in table.columns}
    summary = Table([*(known[name] for name in by), *SUMMARY])
    for case in table.distinct(*by):
        rows = table.where(**dict(zip(by, case, strict=True)))
        numbers = rows[value].astype(float) / (rows[per].astype(float) if per else 1.0)
        weights = rows[weight].astype(float) if weight else np.ones(len(numbers))
        there = np.isfinite(numbers)
        runs = rows["run"][there]
        means = [
            np.average(numbers[there][runs == run], weights=weights[there][runs == run])
            for run in dict.fromkeys(runs.tolist())
        ]
        mean, low, high = mean_interval(means) if means else (math.nan,) * 3
        summary.add(**dict(zip(by, case, strict=True)), mean=mean, low=low, high=high, networks=len(means))
    return summary


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t: how many standard errors a 95 % interval reaches to either side.

    Args:
        freedom: degrees of freedom, at least 1.
    """
    from scipy.special import stdtrit  # what scipy.stats.t.ppf calls; it takes a third of the time to import

    return float(stdtrit(freedom, 0.975))
