"""What a paper says, as statements that data can agree with or not. Verdicts follow from the numbers by a rule alone.

The difference is taken within networks of one seed, and a statement

- ``agrees`` where the 95 % interval of the mean difference over networks (Student's t) lies on the published side of 0,
- ``differs`` where it lies on the other side, or where three networks or more show no difference at all,
- is ``undecided`` where it holds 0, where only two networks are there and differ by the same, so that they have no
  spread, or where a number is not finite: this settles nothing, in either direction,
- is ``out of reach here`` where fewer than two networks were measured there, where all runs of both ended where they
  were told to (at the largest N, or update, asked for), or where what the statement rests on does not hold.

A published number is met where the whole interval over our networks lies within the share of it that the statement
names, and missed where the whole interval lies outside: few networks meet nothing. Such a statement agrees where all
that was measured is met, differs where something is missed, and is undecided otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from baselines.core.statistics import mean_interval
from baselines.reproduction.measurements import Observed, Series, differences, number

AGREES, DIFFERS, UNDECIDED, UNREACHED = "agrees", "differs", "undecided", "out of reach here"

Published = Mapping[str, Mapping[str, Mapping[float | None, Sequence[float]]]]
"""Quantity -> case -> x -> published values, of one network each or a mean over them."""


@dataclass(frozen=True)
class Verdict:
    """What the data say to a statement.

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
        """The names of the quantities that it is about."""

    def judge(self, observed: Observed, published: Published) -> Verdict:
        """What the data say to it."""


def decide(words: str, found: Sequence[float], at: str) -> Verdict:
    """The verdict on differences within networks, by the rule of this module; the published ones are positive.

    Args:
        words: the statement.
        found: the difference of each network.
        at: where it was measured, in words.
    """
    if len(found) < 2:
        return Verdict(words, UNREACHED, f"{at}: measured in {_networks(len(found))}, and two are needed")
    if wrong := sum(not math.isfinite(one) for one in found):
        return Verdict(words, UNDECIDED, f"{at}: not finite in {wrong} of {_networks(len(found))}")
    mean, low, high = mean_interval(found)
    verdict = AGREES if low > 0 else DIFFERS if high < 0 or not any(found) else UNDECIDED
    reason = f"{at}: {number(mean, '+')} [{number(low, '+')}, {number(high, '+')}] over {_networks(len(found))}"
    if len(found) < 3 and low == high:
        return Verdict(words, UNDECIDED, f"{reason}, which differ by the same: a spread needs three")
    return Verdict(words, verdict, reason)


@dataclass(frozen=True, kw_only=True)
class Larger:
    """One series lies above another.

    Attributes:
        words: the statement.
        of, than: the series that is larger, and the other one.
        x: where they are compared; None: they are one number a network; ``"last"``: the largest x that two networks of
            both have.
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
                return Verdict(self.words, UNREACHED, "nowhere were two networks of both measured")
            x = shared[-1]
        assert not isinstance(x, str)
        seeds, found = differences(observed, self.of, x, self.than, x)
        cut = [all(observed.at(series, x)[seed].bound for series in (self.of, self.than)) for seed in seeds]
        if cut and all(cut) and not any(found):
            return Verdict(self.words, UNREACHED, "all runs of both end where they were told to")
        verdict = decide(self.words, found, _place(x))
        if verdict.verdict == DIFFERS and not any(found) and any(cut):
            # Two runs that were cut off at the same place need not be the same.
            return replace(verdict, verdict=UNDECIDED)
        return verdict


@dataclass(frozen=True, kw_only=True)
class Changes:
    """A series rises, or falls, from the first x to the last that two networks have.

    Attributes:
        words: the statement.
        of: the series.
        rises: whether it rises; otherwise it falls.
        until: the least that the last x must be; below it the statement is out of reach.
    """

    words: str
    of: Series
    rises: bool
    until: float = 0.0

    @property
    def quantities(self) -> set[str]:
        return {self.of[0]}

    def judge(self, observed: Observed, published: Published) -> Verdict:
        xs = observed.xs(self.of, networks=2)
        if len(xs) < 2 or xs[-1] < self.until:
            return Verdict(self.words, UNREACHED, _came(xs, f"{self.until:g} or more" if self.until else "a second"))
        first, last = (xs[0], xs[-1]) if self.rises else (xs[-1], xs[0])
        _, found = differences(observed, self.of, last, self.of, first)
        return decide(self.words, found, f"from {xs[0]:g} to {xs[-1]:g}{'' if self.rises else ', the fall'}")


@dataclass(frozen=True, kw_only=True)
class Turns:
    """A series falls to a minimum and rises after.

    It agrees where two differences pass the rule: the fall from the first x to the mean over ``between``, and the rise
    from that mean to the last x. The place is the published one, not that of our own minimum, because every number lies
    above the least of many. Where our minimum lies elsewhere, the statement is at best undecided.

    Attributes:
        words: the statement.
        of: the series.
        between: the smallest and the largest x at which the minimum agrees.
    """

    words: str
    of: Series
    between: tuple[float, float]

    @property
    def quantities(self) -> set[str]:
        return {self.of[0]}

    def judge(self, observed: Observed, published: Published) -> Verdict:
        xs, (low, high) = observed.xs(self.of, networks=2), self.between
        place = [x for x in xs if low <= x <= high]
        if not place or xs[0] >= low or xs[-1] <= high:
            return Verdict(self.words, UNREACHED, _came(xs, f"one below {low:g} and one above {high:g}"))
        seen = {x: observed.at(self.of, x) for x in xs}
        seeds = [seed for seed in seen[xs[-1]] if all(seed in seen[x] for x in (xs[0], *place))]
        level = [sum(seen[x][seed].value for x in place) / len(place) for seed in seeds]
        where = f"{place[0]:g} to {place[-1]:g}"
        fall, rise = (
            decide(self.words, [seen[x][seed].value - least for seed, least in zip(seeds, level, strict=True)], words)
            for x, words in ((xs[0], f"the fall from {xs[0]:g} to {where}"), (xs[-1], f"the rise to {xs[-1]:g}"))
        )
        found = (fall.verdict, rise.verdict)
        verdict = next((word for word in (DIFFERS, UNREACHED, UNDECIDED) if word in found), AGREES)
        reason = f"{fall.reason}; {rise.reason}"
        shared = [x for x in xs if all(seed in seen[x] for seed in seeds)]
        lowest = min(shared, key=lambda x: sum(seen[x][seed].value for seed in seeds))
        if verdict == AGREES and not low <= lowest <= high:
            verdict, reason = UNDECIDED, f"{reason}; but the lowest mean is that at {lowest:g}"
        return Verdict(self.words, verdict, reason)


@dataclass(frozen=True, kw_only=True)
class Close:
    """Every published value that was measured is met: the interval over our networks lies within a share of it.

    Attributes:
        words: the statement.
        quantity: the quantity whose values are compared.
        share: the share of the published value by which ours may differ.
        least: the least by which ours may differ, for published values near 0.
    """

    words: str
    quantity: str
    share: float = 0.1
    least: float = 0.0

    @property
    def quantities(self) -> set[str]:
        return {self.quantity}

    def judge(self, observed: Observed, published: Published) -> Verdict:
        met, missed, unsettled, known = 0, [], 0, 0
        for case, points in published.get(self.quantity, {}).items():
            for x, values in points.items():
                known += 1
                if observed.at((self.quantity, case), x):
                    theirs = sum(values) / len(values)
                    mean, low, high, _, bound = observed.mean((self.quantity, case), x)
                    reach = max(self.share * abs(theirs), self.least)
                    if theirs - reach <= low and high <= theirs + reach:
                        met += 1
                    elif low > theirs + reach or (high < theirs - reach and not bound):
                        missed.append(f"{case}{_of(x)} {number(mean)}, published {theirs:.3g}")
                    else:
                        unsettled += 1
        measured = met + len(missed) + unsettled
        if not measured:
            return Verdict(self.words, UNREACHED, "nothing that was published was measured")
        allowed = f"{self.share:.0%}{f' or {self.least:g}' if self.least else ''}"
        reason = (
            f"of {known} published values {measured} were measured: {met} met within {allowed}, {len(missed)} missed, "
            f"{unsettled} unsettled"
        )
        verdict = DIFFERS if missed else UNDECIDED if unsettled else AGREES
        return Verdict(self.words, verdict, "; ".join([reason, *missed[:4]]))


def overall(verdicts: Sequence[Verdict]) -> str:
    """The verdict on an experiment, from those on its statements."""
    found = [one.verdict for one in verdicts]
    if not found:
        return "nothing published to compare with"
    for word in (AGREES, DIFFERS, UNDECIDED, UNREACHED):
        if all(one == word for one in found):
            return word
    parts = [f"{word} in part" for word in (AGREES, DIFFERS) if word in found]
    return ", ".join(parts) or UNDECIDED


def _networks(count: int) -> str:
    return "1 network" if count == 1 else f"{count} networks"


def _came(xs: Sequence[float], needed: str) -> str:
    """How far two networks were measured, and what is needed, in words."""
    there = f"from {xs[0]:g} to {xs[-1]:g}" if len(xs) > 1 else f"at {xs[0]:g} alone" if xs else "nowhere"
    return f"two networks were measured {there}; {needed} is needed"


def _place(x: float | None) -> str:
    return "difference" if x is None else f"difference at {x:g}"


def _of(x: float | None) -> str:
    return "" if x is None else f" at {x:g}"
