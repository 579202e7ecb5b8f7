"""From the rungs of a ladder to one number a contestant, with its interval.

A climb is one contestant on one task with one seed. Its ladder score is the mean over all rungs of the task's ladder of
the normalised score, clipped to [0, 1]; rungs that were not reached, or ended in a fault, count 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from baselines.benchmark.budgets import FAULTS
from baselines.core import seeds

Rungs = Mapping[str, Sequence[int]]
"""Task -> each N of its ladder, increasing."""

RESAMPLES = 10_000


@dataclass(frozen=True)
class ClimbResult:
    """What came of one contestant on one task with one seed.

    Attributes:
        task: the short name of the task.
        seed: the seed of the climb.
        scores: N -> normalised score clipped to [0, 1], for every rung of the ladder; 0 where it was not reached.
        largest_n: the largest N solved; 0 if none.
        ended: whether the climb is over: its last rung was not solved, or was the top one.
        fault: what went wrong, such as ``N=4: timeout: reason``; empty if nothing did.
    """

    task: str
    seed: int
    scores: dict[int, float]
    largest_n: int
    ended: bool
    fault: str

    @property
    def score(self) -> float:
        """The ladder score, from 0 to 1."""
        return sum(self.scores.values()) / len(self.scores)


@dataclass(frozen=True)
class Standing:
    """All climbs of one contestant.

    Attributes:
        agent: the name of the contestant.
        method: how it was trained: agent (by itself), ppo or bptt.
        stored: whether these are results that come with the project.
        climbs: its climbs, by task and seed.
        iqm: interquartile mean of the ladder scores over seeds and tasks.
        interval: the 95 % interval of ``iqm`` (``iqm_interval``).
    """

    agent: str
    method: str
    stored: bool
    climbs: tuple[ClimbResult, ...]
    iqm: float
    interval: tuple[float, float]

    @property
    def name(self) -> str:
        """What tables and figures call it."""
        return f"{self.agent}, stored" if self.stored else self.agent

    def on(self, task: str) -> list[ClimbResult]:
        """The climbs on a task, by seed."""
        return [climb for climb in self.climbs if climb.task == task]

    def largest_n(self, task: str) -> float:
        """Median over seeds of the largest N solved; NaN where none has climbed."""
        return float(np.median([climb.largest_n for climb in self.on(task)])) if self.on(task) else math.nan


def rank(rows: Iterable[Mapping[str, Any]], rungs: Rungs, *, stored: bool = False) -> list[Standing]:
    """Sum up the rows of ``results.csv``, the best contestant first.

    Args:
        rows: rows with the columns agent, method, task, N, seed, status, reason and normalised; numbers may be text,
            and ``normalised`` is empty or None where a fault left no score. Of two rows of one rung the later one
            holds.
        rungs: the rungs of the budget.
        stored: whether these rows come with the project.

    Raises:
        ValueError: the task or N of a row is not on the ladder.
    """
    played: dict[tuple[str, str], dict[tuple[str, int], dict[int, Mapping[str, Any]]]] = {}
    for row in rows:
        task, n = str(row["task"]), int(row["N"])
        if n not in rungs.get(task, ()):
            raise ValueError(f"results must be of the rungs {dict(rungs)}, got {task} with N = {n}")
        climbs = played.setdefault((str(row["agent"]), str(row["method"])), {})
        climbs.setdefault((task, int(row["seed"])), {})[n] = row
    standings = []
    for (agent, method), by_climb in played.items():
        climbs_of = tuple(
            _climb_result(task, seed, by_climb[task, seed], rungs[task]) for task, seed in sorted(by_climb)
        )
        groups = [[climb.score for climb in climbs_of if climb.task == task] for task in rungs]
        groups = [group for group in groups if group]
        interval = iqm_interval(groups, seeds.numpy_generator(0, "ladder", agent, method))
        standings.append(Standing(agent, method, stored, climbs_of, iqm(np.concatenate(groups)), interval))
    return sorted(standings, key=lambda one: (-one.iqm, one.name))


def _climb_result(task: str, seed: int, rows: Mapping[int, Mapping[str, Any]], rungs: Sequence[int]) -> ClimbResult:
    scores = {n: _clipped(rows[n].get("normalised")) if n in rows else 0.0 for n in rungs}
    solved = [n for n, row in rows.items() if row["status"] == "solved"]
    last = rows[max(rows)]
    fault = ""
    if last["status"] in FAULTS:
        fault = f"N={max(rows)}: {last['status']}"
        fault += f": {last['reason']}" if last.get("reason") else ""
    ended = last["status"] != "solved" or max(rows) == max(rungs)
    return ClimbResult(task, seed, scores, max(solved, default=0), ended, fault)


def _clipped(value: Any) -> float:
    number = math.nan if value in ("", None) else float(value)
    return 0.0 if math.isnan(number) else min(max(number, 0.0), 1.0)


def iqm(scores: npt.ArrayLike) -> float:
    """Interquartile mean: without the lowest and the highest quarter of the scores (each rounded down)."""
    return float(stats.trim_mean(np.asarray(scores, np.float64), 0.25))


def iqm_interval(
    groups: Sequence[Sequence[float]], generator: np.random.Generator, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % interval of the interquartile mean over all groups: a percentile bootstrap stratified by group.

    Seeds are drawn again within each task, as in rliable (Agarwal et al., NeurIPS 2021). The interval says how the
    number would vary with other seeds on these tasks; it says nothing about other tasks. With few seeds it is too
    narrow, because n seeds vary in resamples by sqrt((n - 1) / n) of what they should: in simulations of five tasks
    with normal scores it held the truth 75 times in 100 with 2 seeds, 86 with 3, 90 with 5 and 92 with 10. Seeds that
    agree exactly give an interval of no width.

    Args:
        groups: for each task the ladder scores of its seeds.
        generator: what draws the resamples.
        resamples: how many resamples are drawn.

    Returns:
        Both ends of the interval; NaN where no task has two seeds.
    """
    samples = [np.asarray(group, np.float64) for group in groups]
    if all(len(sample) < 2 for sample in samples):
        return math.nan, math.nan
    drawn = [sample[generator.integers(0, len(sample), (resamples, len(sample)))] for sample in samples]
    low, high = np.percentile(stats.trim_mean(np.concatenate(drawn, axis=1), 0.25, axis=1), (2.5, 97.5))
    return float(low), float(high)


def mean_curve(climbs: Iterable[ClimbResult]) -> dict[int, float]:
    """N -> mean of the clipped normalised score over the climbs whose ladder has that rung."""
    values: dict[int, list[float]] = {}
    for climb in climbs:
        for n, score in climb.scores.items():
            values.setdefault(n, []).append(score)
    return {n: sum(values[n]) / len(values[n]) for n in sorted(values)}
