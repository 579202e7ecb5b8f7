"""Intervals over trials and over networks: known cases, SciPy's, and how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from baselines.core.statistics import Z, mean_interval, over_networks, share_intervals, student, wilson
from baselines.core.tables import Column, Table


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_wilson_is_scipys() -> None:
    for right, count in ((0, 10), (3, 10), (50, 50), (812, 1000)):
        theirs = stats.binomtest(right, count).proportion_ci(method="wilson")
        assert tuple(wilson(right / count, count)) == pytest.approx((theirs.low, theirs.high), abs=1e-8)


def test_wilsons_interval_has_the_published_values() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    for right, count, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert tuple(wilson(right / count, count)) == pytest.approx((low, high), abs=5e-5)
    assert tuple(wilson(1 / 29, 29)) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(("right", "low"), [(10_000, 0.99962), (9_999, 0.99943), (9_990, 0.99816)])
@pytest.mark.parametrize("trials", [10, 100, 10_000])
def test_the_same_answers_have_the_same_interval_however_they_come(right: int, low: float, trials: int) -> None:
    """Wrong answers that come one by one are independent, or nothing shows that they are not."""
    parts = np.full((trials, 1), 10_000 / trials)
    parts[: 10_000 - right] -= 1 if trials > 10 else 0
    if trials == 10:
        parts -= (10_000 - right) / 10  # spread evenly
    ((least, most),) = share_intervals(parts, np.full((trials, 1), 10_000 / trials))
    assert (least, most) == pytest.approx(tuple(wilson(right / 10_000, 10_000)), abs=4e-5)
    assert least == pytest.approx(low, abs=5e-5)


@pytest.mark.parametrize(("right", "count"), [(0, 10), (3, 10), (49, 50), (812, 1000)])
def test_trials_of_one_answer_are_independent_answers(right: int, count: int) -> None:
    parts = np.zeros((count, 1))
    parts[:right] = 1
    theirs = stats.binomtest(right, count).proportion_ci(method="wilson")
    assert share_intervals(parts, np.ones((count, 1)))[0] == pytest.approx((theirs.low, theirs.high), abs=1e-8)


def test_answers_that_go_together_count_as_fewer() -> None:
    """Ten trials of 1,000 answers, in one of which 500 are wrong: little more than ten answers are known."""
    parts, wholes = np.full((10, 1), 1000.0), np.full((10, 1), 1000.0)
    parts[0] = 500
    share, n = 0.95, 10_000
    variance = 10 / 9 * ((parts - share * wholes) ** 2).sum() / n**2  # 0.0025
    assert variance == pytest.approx(0.05**2)
    answers = share * (1 - share) / variance * (Z / 2.262157) ** 2  # Student's quantile for 9 degrees of freedom
    assert answers == pytest.approx(14.26, abs=0.01)
    ((low, high),) = share_intervals(parts, wholes)
    assert (low, high) == pytest.approx(tuple(wilson(share, answers)))
    assert low < 0.75


def test_an_interval_does_not_depend_on_its_neighbours() -> None:
    random = generator(3)
    wholes = random.integers(0, 9, (60, 2)).astype(float)
    parts = random.binomial(wholes.astype(int), 0.7).astype(float)
    both = share_intervals(parts, wholes)
    np.testing.assert_allclose(both[1:], share_intervals(parts[:, 1:], wholes[:, 1:]))
    np.testing.assert_allclose(both, share_intervals(parts[::-1], wholes[::-1]))


@pytest.mark.parametrize("right", [0.0, 0.5, 1.0])
def test_where_nothing_shows_that_answers_go_together_each_counts(right: float) -> None:
    wholes = np.full((40, 1), 8.0)
    wholes[30:] = 0  # ten trials without an answer say nothing
    ((low, high),) = share_intervals(right * wholes, wholes)
    assert (low, high) == pytest.approx(tuple(wilson(right, 240)))
    assert high - low > 0.015
    assert low <= right <= high
    parts, wholes = np.zeros((50, 1)), np.zeros((50, 1))
    parts[7], wholes[7] = 3, 4  # one trial alone
    assert share_intervals(parts, wholes)[0] == pytest.approx(wilson(0.75, 4))


def test_an_end_at_0_or_1_is_exact() -> None:
    for n in (1, 3, 7, 49, 1000, 123_457):
        assert wilson(1, n)[1] == 1
        assert wilson(0, n)[0] == 0


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
@pytest.mark.parametrize(("share", "trials"), [(0.55, 10), (0.9, 10), (0.55, 50), (0.9, 200), (0.99, 50), (0.99, 200)])
@pytest.mark.parametrize("together", [1e9, 20.0], ids=["independent", "together"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(share: float, trials: int, together: float) -> None:
    """Answers of a trial may go together: each trial has a share of its own around the true one."""
    random, held = generator(), 0
    for _ in range(3000):
        counted = random.integers(5, 30, trials).astype(float)
        own = random.beta(together * share, together * (1 - share), trials)
        right = random.binomial(counted.astype(int), own).astype(float)
        ((low, high),) = share_intervals(right[:, None], counted[:, None])
        assert 0 <= low < high <= 1
        held += low <= share <= high
    assert 0.92 < held / 3000 < 0.98
