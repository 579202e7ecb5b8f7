"""Intervals over trials and over networks: known cases, SciPy's, and how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from baselines.core.statistics import accuracy_interval, bootstrap_shares, mean_interval, over_networks, student, wilson
from baselines.core.tables import Column, Table


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_wilson_is_scipys() -> None:
    for right, count in ((0, 10), (3, 10), (50, 50), (812, 1000)):
        theirs = stats.binomtest(right, count).proportion_ci(method="wilson")
        assert tuple(wilson(right / count, count)) == pytest.approx((theirs.low, theirs.high), abs=1e-4)


def test_the_bootstrap_is_scipys() -> None:
    random = generator(1)
    wholes = random.integers(1, 30, 150).astype(float)
    parts = random.binomial(wholes.astype(int), random.beta(7, 3, 150)).astype(float)
    theirs = stats.bootstrap(
        (parts, wholes),
        lambda p, w, axis=-1: p.sum(axis=axis) / w.sum(axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=9999,
        random_state=generator(2),
    ).confidence_interval
    ours = bootstrap_shares(parts[:, None], wholes[:, None], generator())[0]
    assert ours == pytest.approx(theirs, abs=0.1 * (theirs.high - theirs.low))


def test_two_trials_have_the_four_resamples_that_there_are() -> None:
    """One trial with 1 of 1, one with 0 of 3: a quarter of the resamples each has the first or the second alone."""
    ends = bootstrap_shares([[1.0], [0.0]], [[1.0], [3.0]], generator())
    assert ends.tolist() == [[0.0, 1.0]]


def test_an_interval_reaches_as_far_as_the_closed_form() -> None:
    """One wrong answer of one in fifty trials: resamples never show less than some 0.92, Wilson's does."""
    parts = np.ones((50, 1))
    parts[0] = 0
    ((low, high),) = bootstrap_shares(parts, np.ones((50, 1)), generator())
    assert low == pytest.approx(wilson(0.98, 49)[0])
    assert high == 1.0


def test_intervals_repeat_with_the_seed_and_do_not_depend_on_their_neighbours() -> None:
    parts = generator(3).binomial(1, 0.7, (60, 2)).astype(float)
    both = bootstrap_shares(parts, np.ones((60, 2)), generator())
    alone = bootstrap_shares(parts[:, 1:], np.ones((60, 1)), generator())
    np.testing.assert_allclose(both[1:], alone)
    assert (both != bootstrap_shares(parts, np.ones((60, 2)), generator(1))).any()


@pytest.mark.parametrize("right", [0.0, 0.5, 1.0])
def test_where_all_trials_are_alike_a_trial_counts_as_one_answer(right: float) -> None:
    wholes = np.full((40, 1), 8.0)
    wholes[30:] = 0  # ten trials without an answer say nothing
    ((low, high),) = bootstrap_shares(right * wholes, wholes, generator())
    assert (low, high) == pytest.approx(tuple(wilson(right, 30)))
    assert high - low > 0.1
    assert low <= right <= high


def test_an_answer_that_one_trial_alone_gave_has_an_interval() -> None:
    parts, wholes = np.zeros((50, 1)), np.zeros((50, 1))
    parts[7], wholes[7] = 3, 4
    ((low, high),) = bootstrap_shares(parts, wholes, generator())
    assert (low, high) == pytest.approx(tuple(wilson(0.75, 1)))


def test_students_quantiles_are_scipys_and_those_of_printed_tables() -> None:
    for freedom in (1, 2, 3, 7, 30, 1000):
        assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-12)
    for freedom, printed in ((1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042)):
        assert student(freedom) == pytest.approx(printed, abs=5e-4)


def test_the_interval_of_a_mean_is_scipys() -> None:
    values = generator(4).standard_normal(6)
    theirs = stats.t.interval(0.95, 5, loc=values.mean(), scale=stats.sem(values))
    assert mean_interval(values) == pytest.approx((values.mean(), *theirs))
    assert np.isnan(mean_interval([2.0])[1:]).all()


def test_intervals_are_over_networks_not_repetitions() -> None:
    table = Table([Column("run", ""), Column("x", ""), Column("y", "")])
    for run, values in (("a", (1, 3)), ("b", (4, 4)), ("c", (6, 6))):
        table.add(run=run, x=1, y=values)
    summary = over_networks(table, ["x"], "y")
    assert summary["networks"].tolist() == [3]
    assert summary["mean"][0] == pytest.approx(4)
    assert summary["high"][0] - 4 == pytest.approx(4.3027 * 2 / np.sqrt(3), rel=1e-4)
    one = over_networks(table.where(run="a"), ["x"], "y")
    assert np.isnan(one["low"][0])


@pytest.mark.slow
@pytest.mark.parametrize(("share", "trials"), [(0.55, 50), (0.9, 200), (0.99, 50), (0.99, 200)])
def test_bootstrap_intervals_hold_the_truth_about_as_often_as_they_say(share: float, trials: int) -> None:
    """Answers of a trial go together: each trial has a share of its own around the true one."""
    random, held, closed = generator(), 0, 0
    for seed in range(400):
        counted = random.integers(5, 30, trials).astype(float)
        own = random.beta(20 * share, 20 * (1 - share), trials)
        right = random.binomial(counted.astype(int), own).astype(float)
        ((low, high),) = bootstrap_shares(right[:, None], counted[:, None], generator(seed))
        assert 0 <= low < high <= 1
        held += low <= share <= high
        low, high = accuracy_interval(right, counted)
        closed += low <= share <= high
    assert 0.92 < held / 400 < 0.99
    assert 0.9 < closed / 400 < 0.98
