"""What a paper says, as statements that data can agree with or not. Verdicts follow from the numbers by a rule alone.

The rule of all that compare: the difference is taken within networks of one seed, and the statement is

- ``agrees`` where the 95 % interval of its mean over networks (Student's t) lies on the published side of 0,
- ``differs`` where it lies on the other side, or all differences are 0,
- ``undecided`` where it holds 0: so few networks do not settle it,
- ``out of reach here`` where fewer than two networks came so far, or all runs of both ended where they were told to: at
  the largest N, or update, asked for; or where what the statement rests on does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from baselines.analysis.intervals import mean_interval
from baselines.reproduction.observations import Observed, Series, differences, number

AGREES, DIFFERS, UNDECIDED, UNREACHED = "agrees", "differs", "undecided", "out of reach here"

Published = Mapping[str, Mapping[str, Mapping[float | None, Sequence[float]]]]
"""Quantity -> case -> x -> published values, of one network each or a mean over them."""


@dataclass(frozen=True)
class Verdict:
    """What became of a statement.

    Attributes:
        words: the statement.
        verdict: agrees, differs, undecided or out of reach here.
        reason: the numbers that decide.
    """

    words: str
    verdict: str
    reason: str


class Statement(Protocol):
    """Something that a paper says."""

    @property
    def words(self) -> str:
        """The statement."""

    @property
    def quantities(self) -> set[str]:
        """What it is about."""

    def judge(self, observed: Observed, published: Published) -> Verdict:
        """What the data say to it."""


def decide(words: str, seeds: Sequence[int], found: Sequence[float], at: str) -> Verdict:
    """The rule of all statements about differences: positive ones are published."""
    if len(found) < 2:
        return Verdict(words, UNREACHED, f"{len(found)} networks came so far, and two are needed")
    mean, low, high = mean_interval(found)
    verdict = AGREES if low > 0 else DIFFERS if high < 0 or not any(found) else UNDECIDED
    return Verdict(
        words,
        verdict,
        f"{at}: {number(mean, '+')} [{number(low, '+')}, {number(high, '+')}] over {len(seeds)} networks",
    )


@dataclass(frozen=True, kw_only=True)
class Larger:
    """One series lies above another.

    Attributes:
        words: the statement.
        of, than: the series.
        x: where; None: they are one number a network; ``"last"``: at the largest x that two networks of both have.
        premise: what the statement rests on; where it does not agree, the statement is out of reach.
    """

    words: str
    of: Series
    than: Series
    x: float | str | None = None
    premise: Larger | None = None

    @property
    def quantities(self) -> set[str]:
        return {self.of[0], self.than[0]}

    def judge(self, observed: Observed, published: Published) -> Verdict:
        if self.premise is not None:
            premise, own = self.premise.judge(observed, published), replace(self, premise=None)
            if premise.verdict != AGREES:
                reason = (
                    f"here it is not so that {premise.words}: {premise.reason}; {own.judge(observed, published).reason}"
                )
                return Verdict(self.words, UNREACHED, reason)
        x = self.x
        if x == "last":
            shared = observed.xs(self.of, self.than, networks=2)
            if not shared:
                return Verdict(self.words, UNREACHED, "no two networks of both came to the same N")
            x = shared[-1]
        assert not isinstance(x, str)
        seeds, found = differences(observed, self.of, x, self.than, x)
        ends = [observed.at(series, x)[seed].bound for series in (self.of, self.than) for seed in seeds]
        if ends and all(ends) and not any(found):
            return Verdict(self.words, UNREACHED, "all runs of both end where they were told to")
        return decide(self.words, seeds, found, _place(x))


@dataclass(frozen=True, kw_only=True)
class Changes:
    """A series rises, or falls, from one x to the last that two networks have.

    Attributes:
        words: the statement.
        of: the series.
        rises: it falls where not.
        since: the x to start from; None: the first that two networks have.
        until: the last x is to be at least this; otherwise the statement is out of reach.
    """

    words: str
    of: Series
    rises: bool
    since: float | None = None
    until: float = 0.0

    @property
    def quantities(self) -> set[str]:
        return {self.of[0]}

    def judge(self, observed: Observed, published: Published) -> Verdict:
        xs = [x for x in observed.xs(self.of, networks=2) if self.since is None or x >= self.since]
        if len(xs) < 2 or xs[-1] < self.until:
            came = f"two networks came to N = {xs[-1]:g}" if xs else "fewer than two networks came so far"
            return Verdict(self.words, UNREACHED, f"{came}; at least {max(self.until, self.since or 0):g} is needed")
        first, last = (xs[0], xs[-1]) if self.rises else (xs[-1], xs[0])
        seeds, found = differences(observed, self.of, last, self.of, first)
        return decide(self.words, seeds, found, f"from {xs[0]:g} to {xs[-1]:g}{'' if self.rises else ', the fall'}")


@dataclass(frozen=True, kw_only=True)
class Turns:
    """A series falls to a minimum and rises after.

    It agrees where the mean over networks has its minimum at ``between`` and the rise from there to the last x that two
    networks have passes the rule. With a rise from a minimum elsewhere it differs, and so it does without a rise where
    networks came 3 beyond ``between``.

    Attributes:
        words: the statement.
        of: the series.
        between: smallest and largest x of the minimum that still agree.
    """

    words: str
    of: Series
    between: tuple[float, float]

    @property
    def quantities(self) -> set[str]:
        return {self.of[0]}

    def judge(self, observed: Observed, published: Published) -> Verdict:
        xs, (low, high) = observed.xs(self.of, networks=2), self.between
        if len(xs) < 3:
            return Verdict(self.words, UNREACHED, "fewer than three N were solved by two networks")
        lowest = min(xs, key=lambda x: observed.mean(self.of, x)[0])
        if lowest == xs[-1]:
            verdict = DIFFERS if lowest > high + 3 else UNREACHED
            return Verdict(self.words, verdict, f"it falls as far as two networks came, to N = {lowest:g}")
        seeds, found = differences(observed, self.of, xs[-1], self.of, lowest)
        rise = decide(self.words, seeds, found, f"the minimum is at N = {lowest:g}; the rise from there to {xs[-1]:g}")
        if rise.verdict == AGREES and not low <= lowest <= high:
            return Verdict(self.words, DIFFERS, f"{rise.reason} (published: the minimum between {low:g} and {high:g})")
        return rise


@dataclass(frozen=True, kw_only=True)
class Close:
    """Every published value that was measured lies in the interval over our networks, or within a share of our mean.

    Attributes:
        words: the statement.
        quantity: whose values.
        share: of the published value.
    """

    words: str
    quantity: str
    share: float = 0.1

    @property
    def quantities(self) -> set[str]:
        return {self.quantity}

    def judge(self, observed: Observed, published: Published) -> Verdict:
        met, missed = 0, []
        for case, points in published.get(self.quantity, {}).items():
            for x, values in points.items():
                if observed.at((self.quantity, case), x):
                    theirs = sum(values) / len(values)
                    mean, low, high, _, bound = observed.mean((self.quantity, case), x)
                    if abs(mean - theirs) <= self.share * abs(theirs) or low <= theirs <= high:
                        met += 1
                    else:
                        ours = f"{'at least ' if bound else ''}{number(mean)}"
                        missed.append(f"{case}{_of(x)} {ours}, published {theirs:.3g}")
        if not met and not missed:
            return Verdict(self.words, UNREACHED, "nothing that was published was measured")
        reason = f"{met} of {met + len(missed)} values within {self.share:.0%} or the interval over networks"
        return Verdict(self.words, DIFFERS if missed else AGREES, "; ".join([reason, *missed[:4]]))


def overall(verdicts: Sequence[Verdict]) -> str:
    """The verdict on an experiment, from those on its statements."""
    found = [one.verdict for one in verdicts]
    if not found:
        return "nothing published to compare with"
    for word in (AGREES, DIFFERS, UNDECIDED, UNREACHED):
        if all(one == word for one in found):
            return word
    if DIFFERS in found:
        return "differs in part" if AGREES in found else DIFFERS
    return "agrees in part" if AGREES in found else UNDECIDED


def _place(x: float | None) -> str:
    return "difference" if x is None else f"difference at {x:g}"


def _of(x: float | None) -> str:
    return "" if x is None else f" at {x:g}"
