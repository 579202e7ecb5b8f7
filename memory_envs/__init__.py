"""Gymnasium environments for working memory, each with a configurable memory demand N.

Importing this package registers them: ``gym.make("MemoryParity-v0", N=8)``.
"""

from memory_envs.agents import RandomAgent, ReferenceAgent
from memory_envs.env import MemoryEnv
from memory_envs.registration import register_all
from memory_envs.task import Task
from memory_envs.tasks import (
    TASKS,
    DelayedAddition,
    DelayedMatch,
    EvidenceAccumulation,
    FlipFlop,
    Parity,
    make_task,
    task_from_dict,
)
from memory_envs.trials import Trials
from memory_envs.vector_env import MemoryVectorEnv

__version__ = "0.1.0"

__all__ = [
    "TASKS",
    "DelayedAddition",
    "DelayedMatch",
    "EvidenceAccumulation",
    "FlipFlop",
    "MemoryEnv",
    "MemoryVectorEnv",
    "Parity",
    "RandomAgent",
    "ReferenceAgent",
    "Task",
    "Trials",
    "make_task",
    "task_from_dict",
]

register_all()
