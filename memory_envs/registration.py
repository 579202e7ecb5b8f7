"""Registers every task with Gymnasium: ids -> environments.

Gymnasium 1.x has no hook for plugins: importing ``memory_envs`` registers, and ``gym.make("memory_envs:...")`` imports
it. No step limit is registered: a trial ends by itself, and a large N must not be truncated.
"""

from __future__ import annotations

import gymnasium as gym

from memory_envs.tasks import TASKS


def register_all() -> None:
    """Register the ids that are not there yet (importing twice must not warn)."""
    for name, task in TASKS.items():
        if task.env_id not in gym.registry:
            gym.register(
                id=task.env_id,
                entry_point="memory_envs.env:MemoryEnv",
                vector_entry_point="memory_envs.vector_env:MemoryVectorEnv",
                kwargs={"task": name, "env_id": task.env_id},
            )
