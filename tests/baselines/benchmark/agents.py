"""Agents for the tests of the benchmark: one that solves parity, and strangers of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from baselines.cells import LeakyTauRNN
from memory_envs import Parity, ReferenceAgent, Task


class Learner:
    """Trains with random answers; then answers as the ideal subject that remembers 4 inputs."""

    MEMORY = 4

    def __init__(self, observation_space: Any, action_space: Any, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.shape = action_space.shape
        self.task: Task | None = None

    def learn(self, env: Any, total_steps: int) -> None:
        assert self.task is None  # a fresh agent for each rung
        self.task = env.task
        env.reset()
        while True:
            env.step(self.answers(env.num_envs))

    def answers(self, columns: int) -> Any:
        return self.generator.integers(0, 2, (columns, *self.shape))

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        assert self.task is not None
        return ReferenceAgent(self.task, self.MEMORY).predict(observation, state, episode_start)


def remembers(observation_space: Any, action_space: Any, seed: int) -> Learner:
    return Learner(observation_space, action_space, seed)


def keywords(*, seed: int, action_space: Any, observation_space: Any) -> Learner:
    return Learner(observation_space, action_space, seed)


def too_few(observation_space: Any) -> None:
    """No factory."""


INSTANCE = Learner(None, Parity().action_space, 0)
NUMBER = 3


class Cell(LeakyTauRNN):
    """A user's cell."""


class NotACell:
    """Neither."""
