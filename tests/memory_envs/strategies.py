"""Drawn parameters: small tasks of every kind, for the laws."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from memory_envs import TASKS, Task


@st.composite
def heads(draw: st.DrawFn, least: int, step: int = 1) -> tuple[int, ...]:
    values = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True))
    return tuple(sorted(least + step * v for v in values))


@st.composite
def tasks(draw: st.DrawFn, name: str) -> Task:
    """A task of this kind: every parameter is drawn, or left out."""
    kind = TASKS[name]
    given: dict[str, Any] = {"scoring": draw(st.sampled_from(["dense", "final"]))}
    headed = name in ("parity", "dms", "evidence-accumulation") and draw(st.booleans())
    if headed:
        odd = name == "evidence-accumulation"
        given["heads"] = draw(heads(1 if odd else kind.least_N, 2 if odd else 1))
        if draw(st.booleans()):
            active = draw(st.lists(st.sampled_from(given["heads"]), min_size=1, unique=True))
            given["active_heads"] = tuple(sorted(active))
    else:
        given["N"] = draw(st.integers(kind.least_N, 12))
    if name in ("parity", "dms"):
        given["p"] = draw(st.sampled_from([0.5, 0.3, "uniform"]))
    if name == "delayed-addition":
        given["distractors"] = draw(st.booleans())
    if name == "evidence-accumulation":
        given["bias"] = draw(st.sampled_from([0.0, 0.1, 0.4]))
        given["noise"] = draw(st.sampled_from([0.0, 0.7]))
        if not headed:
            given["delay"] = draw(st.integers(0, given["N"] - 1))
    if name == "flip-flop":
        given["bits"] = draw(st.integers(1, 4))
        given["pulse_probability"] = draw(st.sampled_from([None, 0.1, 0.6]))
    task = kind(**given)
    if name in ("parity", "dms", "flip-flop") or headed:
        # Across a word of 64 steps, too.
        task = task.replace(num_steps=draw(st.sampled_from([task.num_steps, 17 + task.num_steps, 70, 150])))
    return task


def task_names() -> list[str]:
    return list(TASKS)
