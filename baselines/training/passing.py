"""When has a network passed a stage? A sequential test on fresh trials, which a lucky fluctuation does not pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

PASS, FAIL = 4.0, 3.0
"""The evidence that passes a network and that fails it, in nats. To pass takes more: the variance of few trials is
found too small now and then. ``tests/baselines/training/test_passing.py`` has the shares that this leads to."""


def bounds(threshold: float) -> tuple[float, float]:
    """The accuracy that must not pass and the one that must: for a threshold of 0.98 they are 0.97 and 0.985.

    Where the threshold is above 0.5, which guessing one of two labels has, so are they.
    """
    margin = min(1 - threshold, threshold - 0.5 if threshold > 0.5 else threshold) / 4
    return threshold - 2 * margin, threshold + margin


@dataclass
class SequentialTest:
    """Wald's sequential probability ratio test (1945) of an accuracy between the two of ``bounds``.

    The answers within a trial are correlated. So the evidence, the logarithm of the ratio of the binomial likelihoods,
    is divided by the design effect: the variance of the trials' accuracies over what it would be if all answers were
    independent.

    Attributes:
        threshold: the accuracy that is asked for.
        answers: the answers that each trial so far has given.
        right: how many of them were right.
    """

    threshold: float
    answers: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)

    def add(self, answers: Sequence[int], right: Sequence[int]) -> None:
        """Add further trials: of each, the answers that count and how many of them are right. At least two in all."""
        self.answers += answers
        self.right += right

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return sum(self.right) / max(sum(self.answers), 1)

    @property
    def design_effect(self) -> float:
        """By how much correlation within trials multiplies the variance of the accuracy; at least 1."""
        if len(self.answers) < 2:
            return 1.0
        answers, right = np.array(self.answers, np.float64), np.array(self.right, np.float64)
        p = (right.sum() + 0.5) / (answers.sum() + 1)
        between = np.square(right - answers * self.accuracy).sum() * len(answers) / (len(answers) - 1)
        return max(1.0, float(between / max(answers.sum() * p * (1 - p), 1e-12)))

    @property
    def evidence(self) -> float:
        """The logarithm of the ratio of the two likelihoods, in nats; positive where the upper accuracy is likelier."""
        low, high = bounds(self.threshold)
        right, wrong = sum(self.right), sum(self.answers) - sum(self.right)
        return (right * math.log(high / low) + wrong * math.log((1 - high) / (1 - low))) / self.design_effect

    @property
    def decided(self) -> bool:
        """Whether the evidence is enough to pass or to fail."""
        return len(self.answers) > 1 and not -FAIL <= self.evidence <= PASS

    @property
    def passed(self) -> bool:
        """Whether the upper accuracy is likelier."""
        return self.evidence > 0
