"""What an experiment is made of: the runs that it needs, what it measures of them, and what was published.

At the end stand the words and the short forms that the files of ``experiments`` share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from baselines.reproduction.claims import Larger, Published, Statement
from baselines.reproduction.measurements import Observation
from baselines.reproduction.runs import Finished

SCALES = ("small", "full")

Measure = Callable[..., Iterator[Observation]]
"""(a run, its case, settings by name) -> the numbers that are measured of it."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """How one of an experiment's quantities is drawn.

    Attributes:
        name: the name of the quantity.
        label: the label of its axis, with its unit.
        x: the label of the axis that it is drawn over; empty where it is one number a network.
        log: the axis that is logarithmic: "", "x" or "y".
    """

    name: str
    label: str
    x: str = ""
    log: str = ""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is measured of the runs of one set at one scale.

    Attributes:
        runs: the name of the set.
        measure: what is measured of each of its runs.
        case: the name of the kind of network, a template that a run's settings fill: ``"{cell}, {curriculum}"``.
        settings: further arguments of ``measure``.
        only: setting -> values; runs with other values are left out.
    """

    runs: str
    measure: Measure
    case: str = "{curriculum}"
    settings: Mapping[str, Any] = field(default_factory=dict)
    only: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def takes(self, run: Finished) -> bool:
        """Whether the run is one of those that are measured."""
        return all(run.words[name] in values for name, values in self.only.items())

    def case_of(self, run: Finished) -> str:
        """The case of a run."""
        return self.case.format(**run.words)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An experiment at one scale.

    Attributes:
        parts: what is measured.
        statements: what is judged.
        cpu_minutes: CPU minutes that measuring takes, without training.
        note: what differs from what was published, besides the size of the networks.
    """

    parts: Sequence[Part]
    statements: Sequence[Statement]
    cpu_minutes: float = 0.1
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A figure or a table of a paper.

    Attributes:
        name: its name on the command line.
        title: the question.
        claim: what was published, in words.
        source: where it was published.
        scales: scale -> what is done.
        quantities: what is drawn, a panel each.
        published: the published values, by quantity, case and x.
        note: what else a reader of the numbers should know.
        definitions: the version of what is measured. It rises with a change that makes other numbers.
        redefined: what was other before, for readers of results that are older.
    """

    name: str
    title: str
    claim: str
    source: str
    scales: Mapping[str, Scale]
    quantities: Sequence[Quantity]
    published: Published = field(default_factory=dict)
    note: str = ""
    definitions: int = 1
    redefined: str = ""


# The paper that most of them are about, and what it calls its networks.
P1 = "Khajehabdollahi et al., ICLR 2024 (arXiv 2309.12927)"
PUBLISHED_N = (2, 5, 10, 15, 20, 25, 30, 40, 50, 70, 99)
"""Each N at which the values of a curve over N were read off its figure."""
SINGLE, MULTI = "single-head", "multi-head"
RECIPES = ("paper", "trials")
RECIPE_CASE = "{task} {curriculum}, recipe {recipe}"
"""The case of networks that are told apart by their recipe."""


def against(xs: Sequence[float], values: Sequence[float | None]) -> dict[float | None, Sequence[float]]:
    """Published values by x, one at each; a value of None: nothing was published there."""
    return {x: (value,) for x, value in zip(xs, values, strict=True) if value is not None}


def without_x(*values: float) -> Mapping[float | None, Sequence[float]]:
    """Published values of a quantity that is one number a network."""
    return {None: values}


def parts(names: Sequence[str], measure: Measure, case: str = "{curriculum}", **settings: Any) -> list[Part]:
    """A part for each of several sets of runs, with the same measure."""
    return [Part(runs=name, measure=measure, case=case, settings=settings) for name in names]


def above(words: str, quantity: str, of: str, than: str, x: float | str | None = None) -> Larger:
    """One case lies above another in a quantity."""
    return Larger(words=words, of=(quantity, of), than=(quantity, than), x=x)


def over_n(*pairs: tuple[str, str]) -> Sequence[Quantity]:
    """Quantities that are drawn over N, from pairs of a name and a label."""
    return [Quantity(name=name, label=label, x="N") for name, label in pairs]
