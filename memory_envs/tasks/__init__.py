"""The tasks. ``TASKS`` is the only list: what is in it is registered, documented and tested."""

from __future__ import annotations

from typing import Any

from memory_envs import checks
from memory_envs.task import Task
from memory_envs.tasks.delayed_addition import DelayedAddition
from memory_envs.tasks.delayed_match import DelayedMatch
from memory_envs.tasks.evidence_accumulation import EvidenceAccumulation
from memory_envs.tasks.flip_flop import FlipFlop
from memory_envs.tasks.parity import Parity

TASKS: dict[str, type[Task]] = {
    task.name: task for task in (Parity, DelayedMatch, DelayedAddition, EvidenceAccumulation, FlipFlop)
}
"""Short name -> the class of the task."""

__all__ = [
    "TASKS",
    "DelayedAddition",
    "DelayedMatch",
    "EvidenceAccumulation",
    "FlipFlop",
    "Parity",
    "make_task",
    "task_from_dict",
]


def make_task(name: str, **parameters: Any) -> Task:
    """The task of this name with these parameters; None stands for a parameter's default.

    Raises:
        ValueError, TypeError: no such task or parameter, or a value that the task does not allow.
    """
    kind = TASKS[checks.choice("task", name, tuple(TASKS))]
    known = kind.parameters()
    if unknown := sorted(set(parameters) - set(known)):
        # Python's own words, which Gymnasium and torchrl look for when they try a keyword that not every task takes.
        said = f"{kind.env_id} got an unexpected keyword argument {unknown[0]!r}"
        raise TypeError(f"{said}; it takes {', '.join(known)}")
    return kind(**{name: value for name, value in parameters.items() if value is not None})


def task_from_dict(data: dict[str, Any]) -> Task:
    """The task that ``Task.to_dict`` wrote down."""
    parameters = dict(data)
    return make_task(parameters.pop("task", None), **parameters)
