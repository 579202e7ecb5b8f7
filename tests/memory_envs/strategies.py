"""Drawn parameters: small tasks of every kind, for the laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from memory_envs import TASKS, Task

T = TypeVar("T")

Parameters = dict[str, Any]


class PerTask(dict[str, T]):
    """A table with an entry for each task. Asked for one that is missing, it says which and where to write it."""

    def __init__(self, place: str, entries: dict[str, T]) -> None:
        super().__init__(entries)
        self.place = place

    def __missing__(self, name: str) -> T:
        raise LookupError(f"task {name} has no entry in {self.place}")


def no_parameters(draw: st.DrawFn, given: Parameters) -> None:
    """For tasks that have none of their own."""


def bits(draw: st.DrawFn, given: Parameters) -> None:
    given["p"] = draw(st.sampled_from([0.5, 0.3, "uniform"]))


def addition(draw: st.DrawFn, given: Parameters) -> None:
    given["distractors"] = draw(st.booleans())


def evidence(draw: st.DrawFn, given: Parameters) -> None:
    given["bias"] = draw(st.sampled_from([0.0, 0.1, 0.4]))
    given["noise"] = draw(st.sampled_from([0.0, 0.7]))
    if "heads" not in given:
        given["delay"] = draw(st.integers(0, given["N"] - 1))


def pulses(draw: st.DrawFn, given: Parameters) -> None:
    given["bits"] = draw(st.integers(1, 4))
    given["pulse_probability"] = draw(st.sampled_from([None, 0.1, 0.6]))


OWN_PARAMETERS: PerTask[Callable[[st.DrawFn, Parameters], None]] = PerTask(
    "OWN_PARAMETERS of tests/memory_envs/strategies.py",
    {
        "parity": bits,
        "dms": bits,
        "delayed-addition": addition,
        "evidence-accumulation": evidence,
        "flip-flop": pulses,
    },
)
"""Draws what a task has beside N, scoring, heads and num_steps, given those that are drawn already (but num_steps)."""

FEW_TRIALS: set[str] = set()
"""Tasks with so few different trials, even for N = 64, that two of a hundred are likely to be equal."""

ODD_HEADS = {"evidence-accumulation"}
"""Tasks whose heads must be odd."""


@st.composite
def heads(draw: st.DrawFn, least: int, step: int = 1) -> tuple[int, ...]:
    values = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True))
    return tuple(sorted(least + step * v for v in values))


@st.composite
def tasks(draw: st.DrawFn, name: str) -> Task:
    """A task of this kind: every parameter is drawn, or left out."""
    kind = TASKS[name]
    given: Parameters = {"scoring": draw(st.sampled_from(["dense", "final"]))}
    if "heads" in kind.parameters() and draw(st.booleans()):
        odd = name in ODD_HEADS
        given["heads"] = draw(heads(kind.least_N | 1 if odd else kind.least_N, 2 if odd else 1))
        if draw(st.booleans()):
            active = draw(st.lists(st.sampled_from(given["heads"]), min_size=1, unique=True))
            given["active_heads"] = tuple(sorted(active))
    else:
        given["N"] = draw(st.integers(kind.least_N, 12))
    OWN_PARAMETERS[name](draw, given)
    task = kind(**given)
    if task.free_length:
        # Across a word of 64 steps, too.
        task = task.replace(num_steps=draw(st.sampled_from([task.num_steps, 17 + task.num_steps, 70, 150])))
    return task
