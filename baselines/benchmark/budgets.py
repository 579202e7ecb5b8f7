"""What a benchmark asks: budgets, and the rungs of the ladder of a task. Data, not code."""

from __future__ import annotations

from dataclasses import dataclass, field

from baselines.core import seeds
from memory_envs import TASKS, Task, make_task

SOLVED = 0.9
"""The least normalised score that solves a rung. Where guessing scores 0 (parity, DMS): 95 % right."""

PERFECT = 1 - 1e-9
"""A score above this is perfect but for rounding."""

FAULTS = ("error", "timeout")
"""The statuses of a rung that was lost without a score."""

SHORT_NAMES = {"parity": "parity", "dms": "DMS", "delayed-addition": "addition", "evidence-accumulation": "evidence"}
"""What tables and figures call a task; one that is not here has its own name there."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a climb may take.

    Attributes:
        steps: environment steps of training for each rung, of all columns together.
        n_max: the largest N of the ladder.
        seeds: the seeds that everybody climbs with, unless others are asked for.
        episodes: fresh trials on which a rung is evaluated.
        limit: seconds of wall time for a rung, in which the agent is made, trained and evaluated.
    """

    steps: int = field(metadata={"range": (1, 10**12)})
    n_max: int = field(metadata={"range": (1, 1_000)})
    seeds: tuple[int, ...] = field(metadata={"range": (0, seeds.LARGEST)})
    episodes: int = field(metadata={"range": (2, 100_000)})
    limit: float = field(metadata={"range": (0, 1e9)})


BUDGETS = {
    "quick": Budget(steps=32_768, n_max=8, seeds=(0, 1), episodes=200, limit=120.0),
    "standard": Budget(steps=250_000, n_max=64, seeds=(0, 1, 2), episodes=1_000, limit=1_800.0),
}
"""Name of a budget -> the budget."""


def ladder(task: str, n_max: int) -> tuple[int, ...]:
    """Each N of a task's rungs: powers of two, without those that the task cannot have or that need no memory."""
    powers = [2**i for i in range(1, n_max.bit_length()) if 2**i >= TASKS[task].least_N]
    # Only the smallest N can need no memory. The others are not asked: for a large N the answer takes seconds.
    while powers and rung_task(task, powers[0]).memoryless_score > PERFECT:
        powers.pop(0)
    return tuple(powers)


def rung_task(task: str, n: int) -> Task:
    """What is played on a rung: the task as it is registered, with this N."""
    return make_task(task, N=n)
