"""Verdicts: each rule on numbers made for it."""

import math

import numpy as np
import pytest

from baselines.reproduction.claims import (
    AGREES,
    DIFFERS,
    UNDECIDED,
    UNREACHED,
    Changes,
    Close,
    Larger,
    Statement,
    Turns,
    Verdict,
    overall,
)
from baselines.reproduction.measurements import Observation, Observed

Points = dict[float | None, list[float]]


def series(case: str, points: Points, bound: str = "") -> list[Observation]:
    """A value at each x for seeds 0, 1, ...; NaN where a seed has none."""
    return [
        Observation(quantity="q", case=case, x=x, seed=seed, value=value, bound=bound)
        for x, values in points.items()
        for seed, value in enumerate(values)
        if not math.isnan(value)
    ]


def judged(statement: Statement, **cases: Points) -> str:
    rows = [row for case, points in cases.items() for row in series(case, points)]
    return statement.judge(Observed(rows), {}).verdict


ABOVE = Larger(words="a above b", of=("q", "a"), than=("q", "b"))


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([5, 6, 7], [3, 4, 5], AGREES),  # the same difference in each, whatever their spread
        ([3, 4, 5], [5, 6, 7], DIFFERS),
        ([4, 4, 4], [4, 4, 4], DIFFERS),  # no difference is not the one that was published
        ([9, 9, 9], [4, 4, 4], AGREES),
        ([5, 5], [4, 4], UNDECIDED),  # two that happen to be the same have no spread to judge by
        ([4, 4], [4, 4], UNDECIDED),
        ([5, math.inf, 7], [3, 4, 5], UNDECIDED),
        ([5, 4, 6], [4, 5, 3], UNDECIDED),
        ([5], [4], UNREACHED),
        ([5, math.nan, 6], [math.nan, 4, math.nan], UNREACHED),  # no seed has both
    ],
)
def test_a_difference_is_judged_within_seeds(a: list[float], b: list[float], verdict: str) -> None:
    assert judged(ABOVE, a={None: a}, b={None: b}) == verdict


def test_two_that_end_at_the_largest_n_asked_for_cannot_be_told_apart() -> None:
    both = [row for case in "ab" for row in series(case, {None: [12, 12, 12]}, "at least")]
    assert ABOVE.judge(Observed(both), {}).verdict == UNREACHED
    one = [*series("a", {None: [12, 12, 12]}, "at least"), *series("b", {None: [9, 9, 9]})]
    assert ABOVE.judge(Observed(one), {}).verdict == AGREES
    some = [
        Observation(quantity="q", case=case, seed=seed, value=value, bound=bound)
        for case in "ab"
        for seed, (value, bound) in enumerate([(12, "at least"), (12, "at least"), (11, "")])
    ]
    assert ABOVE.judge(Observed(some), {}).verdict == UNDECIDED  # two of three pairs were cut off at the same N


def test_a_statement_whose_premise_does_not_hold_is_out_of_reach() -> None:
    below = Larger(words="c above d", of=("q", "c"), than=("q", "d"))
    premised = Larger(words="a above b", of=("q", "a"), than=("q", "b"), premise=below)
    above: dict[str, Points] = {"a": {None: [5, 6, 7]}, "b": {None: [3, 4, 5]}}
    assert judged(premised, **above, c={None: [2, 2, 2]}, d={None: [1, 1, 1]}) == AGREES
    assert judged(premised, **above, c={None: [1, 1, 1]}, d={None: [2, 2, 2]}) == UNREACHED
    assert judged(premised, **above) == UNREACHED


def test_the_last_place_is_that_of_two_networks_of_both() -> None:
    last = Larger(words="", of=("q", "a"), than=("q", "b"), x="last")
    nan = math.nan
    cases: dict[str, Points] = {
        "a": {2: [1, 1, 1], 3: [9, 9.1, 9], 4: [0, 0, 0]},
        "b": {2: [2, 2, 2], 3: [3, 3, nan], 4: [5, nan, nan]},
    }
    assert judged(last, **cases) == AGREES  # at 3; at 4 there is one pair only
    assert judged(last, a={2: [1, 1]}, b={3: [1, 1]}) == UNREACHED


@pytest.mark.parametrize(
    ("points", "rises", "verdict"),
    [
        ({2: [1, 2, 3], 9: [2, 3, 4]}, True, AGREES),
        ({2: [1, 2, 3], 9: [2, 3, 4]}, False, DIFFERS),
        ({2: [1, 2, 3], 9: [1, 3, 2]}, True, UNDECIDED),
        ({2: [1, 2, 3]}, True, UNREACHED),
    ],
)
def test_a_change_is_that_from_the_first_to_the_last(points: Points, rises: bool, verdict: str) -> None:
    assert judged(Changes(words="", of=("q", "a"), rises=rises), a=points) == verdict


def test_a_change_beyond_what_was_reached_is_out_of_reach() -> None:
    points: Points = {2: [1, 1], 9: [2, 2]}
    assert judged(Changes(words="", of=("q", "a"), rises=True, until=10), a=points) == UNREACHED


@pytest.mark.parametrize(
    ("means", "verdict"),
    [
        ([5, 4, 3, 4, 5], AGREES),  # the minimum at 14
        ([3, 4, 5, 6, 7], DIFFERS),  # it rises from the start
        ([7, 6, 5, 4, 3], DIFFERS),  # and here it never does, up to 22
        ([7, 6, 5, 4], UNREACHED),  # up to 18: it may yet
        ([7, 6], UNREACHED),
    ],
)
def test_a_turn_has_its_place_and_a_rise_after(means: list[float], verdict: str) -> None:
    xs = [6.0, 10.0, 14.0, 18.0, 22.0]
    points: Points = {x: [mean, mean + 0.1, mean - 0.1] for x, mean in zip(xs, means, strict=False)}
    assert judged(Turns(words="", of=("q", "a"), between=(10, 18)), a=points) == verdict


def test_a_flat_series_that_is_noise_does_not_turn() -> None:
    random, found = np.random.default_rng(0), list[str]()
    for _ in range(200):
        points: Points = {float(n): list(random.normal(size=3)) for n in range(2, 26, 2)}
        found.append(judged(Turns(words="", of=("q", "a"), between=(10, 18)), a=points))
    assert found.count(AGREES) <= 0.025 * len(found)


def test_a_turn_at_another_place_does_not_agree() -> None:
    means = {2.0: 5.0, 6.0: 1.0, 12.0: 2.0, 20.0: 3.0}  # it falls to 12 and rises from there, but was lower at 6
    points: Points = {x: [mean, mean + 0.1, mean - 0.2] for x, mean in means.items()}
    assert judged(Turns(words="", of=("q", "a"), between=(10, 18)), a=points) == UNDECIDED


def test_published_numbers_are_met_by_narrow_intervals_alone() -> None:
    close, rows = Close(words="", quantity="q"), Observed(series("a", {1: [10, 10.1, 9.9]}))
    assert close.judge(rows, {"q": {"a": {1: [10.5]}}}).verdict == AGREES
    far = close.judge(rows, {"q": {"a": {1: [12.0], 7: [0.0]}}})
    assert far.verdict == DIFFERS
    assert "of 2 published values 1 were measured" in far.reason
    assert "a at 1 10, published 12" in far.reason
    assert close.judge(rows, {"q": {"c": {1: [1.0]}}}).verdict == UNREACHED


@pytest.mark.parametrize("ours", [[1, 3], [9], [9, 9.5], [9, math.nan]])
def test_few_networks_meet_no_published_number(ours: list[float]) -> None:
    rows = Observed([Observation(quantity="q", case="a", seed=i, value=one) for i, one in enumerate(ours)])
    assert Close(words="", quantity="q").judge(rows, {"q": {"a": {None: [9.0]}}}).verdict == UNDECIDED


def test_a_lower_bound_below_a_published_number_does_not_miss_it() -> None:
    rows = Observed(series("a", {None: [40, 40, 40]}, "at least"))
    close = Close(words="", quantity="q")
    assert close.judge(rows, {"q": {"a": {None: [100.0]}}}).verdict == UNDECIDED
    assert close.judge(rows, {"q": {"a": {None: [30.0]}}}).verdict == DIFFERS


def test_next_to_0_a_share_is_nothing() -> None:
    rows = Observed(series("a", {None: [0.01, 0.012, 0.011]}))
    assert Close(words="", quantity="q").judge(rows, {"q": {"a": {None: [0.0]}}}).verdict == DIFFERS
    assert Close(words="", quantity="q", least=0.05).judge(rows, {"q": {"a": {None: [0.0]}}}).verdict == AGREES


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ([AGREES, AGREES], "agrees"),
        ([AGREES, UNREACHED], "agrees in part"),
        ([AGREES, DIFFERS, UNDECIDED], "agrees in part, differs in part"),
        ([DIFFERS, UNREACHED], "differs in part"),
        ([DIFFERS, DIFFERS], "differs"),
        ([UNREACHED, UNDECIDED], "undecided"),
        ([UNREACHED], "out of reach here"),
        ([], "nothing published to compare with"),
    ],
)
def test_the_verdict_on_an_experiment(words: list[str], verdict: str) -> None:
    assert overall([Verdict("", word, "") for word in words]) == verdict
