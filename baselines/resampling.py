"""Intervals over trials, where the answers within a trial go together: the bootstrap, and Wilson's.

Axes: B trials, K quantities, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

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
