"""The sequential test: how often it passes a network that should not pass, and fails one that should."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.training.passing import SequentialTest, bounds


def passes(accuracy: float, answers: int, correlation: float, seed: int, tests: int = 400) -> float:
    """The share of tests that pass a network whose trials' accuracies are beta-distributed around ``accuracy``."""
    generator = np.random.default_rng(seed)
    passed = 0
    for _ in range(tests):
        test = SequentialTest(0.98)
        for _ in range(20):
            own = np.full(64, accuracy)
            if correlation:
                spread = (1 - correlation) / correlation
                own = generator.beta(accuracy * spread, (1 - accuracy) * spread, 64)
            test.add([answers] * 64, generator.binomial(answers, own).tolist())
            if test.decided:
                break
        passed += test.passed
    return passed / tests


@pytest.mark.parametrize("correlation", [0.0, 0.02, 0.2])
@pytest.mark.parametrize("answers", [2, 10, 100])
def test_a_network_at_97_percent_rarely_passes_and_one_at_985_nearly_always(answers: int, correlation: float) -> None:
    # With 400 tests a true rate of 5 % stays below 7.5 % in 98 of 100 cases.
    assert passes(0.97, answers, correlation, seed=1) <= 0.075
    assert passes(0.985, answers, correlation, seed=2) >= 0.925


def test_the_bounds_lie_around_the_threshold() -> None:
    assert bounds(0.98) == pytest.approx((0.97, 0.985))
    assert bounds(0.9) == pytest.approx((0.85, 0.925))
    assert all(0 < low < threshold < high < 1 for threshold in (0.01, 0.3, 0.999) for low, high in [bounds(threshold)])


def test_guessing_does_not_pass_a_low_threshold() -> None:
    low, high = bounds(0.55)
    assert 0.5 < low < 0.55 < high
    generator = np.random.default_rng(0)
    passed = 0
    for _ in range(50):
        test = SequentialTest(0.55)
        while not test.decided:
            test.add([10] * 64, generator.binomial(10, 0.5, 64).tolist())
        passed += test.passed
    assert passed <= 5


def test_one_trial_decides_nothing() -> None:
    test = SequentialTest(0.98)
    test.add([1000], [1000])
    assert not test.decided
    test.add([1000], [1000])
    assert test.decided


def test_the_evidence_is_the_ratio_of_the_likelihoods() -> None:
    test = SequentialTest(0.98)
    test.add([1] * 100, [1] * 98 + [0, 0])
    expected = 98 * np.log(0.985 / 0.97) + 2 * np.log(0.015 / 0.03)
    assert test.evidence == pytest.approx(expected / test.design_effect)
    assert 1 <= test.design_effect < 1.02
    assert test.accuracy == pytest.approx(0.98)


def test_errors_that_come_together_count_less() -> None:
    spread, clustered = SequentialTest(0.98), SequentialTest(0.98)
    spread.add([20] * 50, [19] * 20 + [20] * 30)
    clustered.add([20] * 50, [0] + [20] * 49)
    assert spread.accuracy == clustered.accuracy
    assert abs(clustered.evidence) < abs(spread.evidence) / 3
