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

    All shares are taken from the same resamples of the trials (Efron & Tibshirani 1993). Where every trial has the
    same share, resampling finds no spread: the interval is then Wilson's with one answer a trial, so that it never has
    no width. With fewer than some 20 trials behind a share intervals are too narrow. SciPy's ``bootstrap`` would gather
    every resample of every share: here a resample is a row of counts, and all of them are one matrix product.

    Args:
        parts: (B, K), from 0 to the whole.
        wholes: (B, K), at least 0; each column has one above 0.
        generator: draws the resamples.

    Returns:
        (K, 2), lower and upper ends, within [0, 1].
    """
    part, whole = np.asarray(parts, np.float64), np.asarray(wholes, np.float64)
    trials, shares = len(part), part.sum(axis=0) / whole.sum(axis=0)
    both = np.concatenate([part, whole], axis=1)
    sums = np.concatenate([counts @ both for counts in _resamples(trials, generator)])
    with np.errstate(invalid="ignore"):  # a resample without any of the trials that count says nothing
        drawn = sums[:, : len(shares)] / sums[:, len(shares) :]
    intervals = np.clip(np.nanpercentile(drawn, ENDS, axis=0).T, 0.0, 1.0)
    for k in np.flatnonzero(np.abs(part - shares * whole).max(axis=0) < 1e-9):
        intervals[k] = wilson(float(np.clip(shares[k], 0.0, 1.0)), float((whole[:, k] > 0).sum()))
    return np.asarray(intervals)


def _resamples(trials: int, generator: np.random.Generator) -> Iterator[Floats]:
    """How often each trial is drawn, (r, B) at a time; ``RESAMPLES`` rows in all."""
    block = max(1, _CELLS // trials)
    for first in range(0, RESAMPLES, block):
        rows = min(block, RESAMPLES - first)
        drawn = generator.integers(0, trials, (rows, trials)) + trials * np.arange(rows)[:, None]
        yield np.bincount(drawn.reshape(-1), minlength=rows * trials).reshape(rows, trials).astype(np.float64)


def wilson(share: float, answers: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of this many independent answers."""
    middle = (share + Z**2 / (2 * answers)) / (1 + Z**2 / answers)
    reach = Z / (1 + Z**2 / answers) * np.sqrt(share * (1 - share) / answers + Z**2 / (4 * answers**2))
    return max(middle - float(reach), 0.0), min(middle + float(reach), 1.0)


def accuracy_interval(correct: Floats, counted: Floats) -> tuple[float, float]:
    """95 % interval of the share of right answers, in closed form.

    Wilson's interval with the number of answers that, were they independent, would have the standard error found
    between trials (that of a ratio of sums, Cochran 1977); where all answers are right or all wrong there is none to
    find, and a trial counts as one answer. So it is never of width 0 and stays within [0, 1].

    Args:
        correct: right answers in each trial, (B,).
        counted: answers that counted in each trial, (B,).
    """
    trials, share = len(correct), float(correct.sum() / counted.sum())
    variance = float(((correct - share * counted) ** 2).sum()) * trials / (trials - 1) / float(counted.sum()) ** 2
    # Not more than there are: by chance the trials may differ less than independent answers would.
    return wilson(share, min(share * (1 - share) / variance, float(counted.sum())) if variance else float(trials))
