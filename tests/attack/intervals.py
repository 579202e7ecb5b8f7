"""Intervals of the shares of random answers in trials: Wilson's, for the documented formula written out."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Random evaluations, most of them extreme: few trials, one answer, all right but one, all wrong.

    Args:
        seed: draws the evaluations.
        count: how many.

    Yields:
        The answers in words, and whether the interval lies in [0, 1], holds the share, has a width, is that of the
        formula in ``docs/guides/evaluation.md``, and does not depend on the order of the trials or on what else is
        measured.
    """
    from scipy import stats

    from baselines.core.statistics import share_intervals

    random = np.random.default_rng(seed)
    for _ in range(count):
        trials, most = int(random.choice([1, 2, 3, 10, 100])), int(random.choice([1, 2, 10, 1000]))
        answers = random.integers(0, most, trials, endpoint=True)
        answers[0] = max(answers[0], 1)
        own = random.choice([0.0, 0.5, 0.99, 1.0]) if random.random() < 0.5 else random.random(trials)
        right = random.binomial(answers, own)
        parts, wholes = right[:, None].astype(float), answers[:, None].astype(float)
        ((low, high),) = share_intervals(parts, wholes)
        order = random.permutation(trials)
        beside = [np.concatenate([values[order], random.integers(1, 9, (trials, 1))], 1) for values in (parts, wholes)]
        again = share_intervals(np.minimum(*beside), beside[1])[0]
        share, worth = _worth(right.tolist(), answers.tolist())
        # SciPy's interval wants whole numbers of answers: its ends are the roots of the score test at any.
        held = 0 <= low <= share <= high <= 1 and high > low and np.allclose(again, (low, high), atol=1e-9)
        for end in (low, high):
            if 0 < end < 1:
                score = (share - end) / math.sqrt(end * (1 - end) / worth)
                held = held and math.isclose(abs(score), stats.norm.ppf(0.975), rel_tol=1e-4)
        yield f"{sum(right)} of {sum(answers)} right in {trials} trials of at most {most} (seed {seed})", bool(held)


def _worth(right: list[int], answers: list[int]) -> tuple[float, float]:
    """The share of right answers, and how many independent answers these are worth, written out trial by trial."""
    from scipy import stats

    n, p = sum(answers), sum(right) / sum(answers)
    there = sum(w > 0 for w in answers)
    if there < 2 or p in (0.0, 1.0) or max(answers) < 2:
        return p, n
    squares = sum((x - p * w) ** 2 for x, w in zip(right, answers, strict=True))
    variance = there / (there - 1) * squares / n**2
    effect = variance * n / (p * (1 - p)) * (stats.t.ppf(0.975, there - 1) / stats.norm.ppf(0.975)) ** 2
    return p, n / max(1.0, effect)
