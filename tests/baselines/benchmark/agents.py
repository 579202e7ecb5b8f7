"""Agents for the tests of the benchmark: one that learns nothing and remembers 4 steps, and odd ones of every kind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from baselines.cells import LeakyTauRNN
from memory_envs import Parity, ReferenceAgent, Task


class Remembers:
    """Takes all steps, with random answers; then answers as the ideal subject that remembers 4 inputs."""

    def __init__(self, observation_space: Any, action_space: Any, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.action_space = action_space
        self.task: Task | None = None

    def learn(self, env: Any, total_steps: int) -> None:
        assert self.task is None  # a fresh agent for each rung
        self.task = env.task
        print("learning", env.num_envs)
        env.reset()
        while True:
            env.step(self.draw(env.num_envs))

    def draw(self, columns: int) -> Any:
        return self.generator.integers(0, 2, (columns, *self.action_space.shape))

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        assert self.task is not None
        return ReferenceAgent(self.task, 4).predict(observation, state, episode_start)


def remembers(observation_space: Any, action_space: Any, seed: int) -> Remembers:
    return Remembers(observation_space, action_space, seed)


def keywords(*, seed: int, action_space: Any, observation_space: Any) -> Remembers:
    assert isinstance(seed, int)
    return Remembers(observation_space, action_space, seed)


def other_names(seen: Any, done: Any, number: int = 0) -> Remembers:
    assert isinstance(number, int)
    return Remembers(seen, done, number)


class Slow(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        time.sleep(0.5)
        super().learn(env, total_steps)


# -- what agents may do -----------------------------------------------------------------------------------------


class LeavesEarly(Remembers):
    def learn(self, env: Any, total_steps: int) -> Any:
        self.task = env.task
        env.reset()
        env.step(self.draw(env.num_envs))
        return self


class SwallowsEveryException(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        self.task = env.task
        env.reset()
        while True:
            try:
                env.step(self.draw(env.num_envs))
            except Exception as error:
                print(error)


class SeedsItself(Remembers):
    num_envs: ClassVar[Any] = 16
    autoreset_mode = AutoresetMode.NEXT_STEP

    def learn(self, env: Any, total_steps: int) -> None:
        self.task = env.task
        env.reset(seed=7)
        super_task = env.task
        env.set_task(super_task.replace(N=2))
        for _ in range(total_steps // env.num_envs):
            env.step(self.draw(env.num_envs))
        env.close()


class GivesLists(Remembers):
    def predict(self, observation: Any, state: Any = None, *_: Any, **__: Any) -> tuple[Any, Any]:
        actions, window = super().predict(observation, state and state["window"], *_)
        return actions.tolist(), {"window": window}


class GlobalRandomness(Remembers):
    """Its answers come from the global generators."""

    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        drawn = np.random.rand(len(observation)) + torch.rand(len(observation)).numpy()  # noqa: NPY002
        return (drawn > 1).astype(np.int64), None


# -- what is a fault, in one process -----------------------------------------------------------------------------


class RaisesAtOnce(Remembers):
    def __init__(self, *_: Any) -> None:
        raise RuntimeError("no\n  licence")


def returns_nothing(observation_space: Any, action_space: Any, seed: int) -> None:
    pass


def cannot_predict(observation_space: Any, action_space: Any, seed: int) -> Any:
    return type("Half", (), {"learn": lambda *_: None, "__repr__": lambda _: "half an agent"})()


class ManyColumns(Remembers):
    num_envs = "many"


class NoColumns(Remembers):
    num_envs = 0


class TooManyColumns(Remembers):
    """Not one step of them fits into the budget of the tests."""

    num_envs = 1_001


class OddReset(Remembers):
    autoreset_mode: ClassVar[Any] = "sometimes"


class LearnsToRaise(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        env.reset()
        env.step(self.draw(env.num_envs))
        raise ValueError("x" * 1000)


class Unspeakable(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        class OddError(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        raise OddError


class Exits(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        sys.exit(0)


class Interrupts(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        raise KeyboardInterrupt


class Yields(Remembers):
    def learn(self, env: Any, total_steps: int) -> Iterator[int]:  # type: ignore[override]
        yield 1


class WrongAction(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        env.reset()
        env.step(np.full(env.num_envs, 2))


class DeepActions(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        env.reset()
        env.step(np.zeros((env.num_envs, 1), np.int64))


class Columns(Remembers):
    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        return np.zeros((len(observation), 1), np.int64), None


class Floats(Remembers):
    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        return np.zeros(len(observation)), None


class Twos(Remembers):
    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        return np.full(len(observation), 2), None


class NotNumbers(Remembers):
    def draw(self, columns: int) -> Any:
        return self.generator.uniform(-1, 1, (columns, 1))

    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        return np.full((len(observation), 1), np.nan, np.float32), None


class ActionsAlone(Remembers):
    def predict(self, observation: Any, *_: Any, **__: Any) -> Any:
        return None


class TrainsOn(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        self.env = env
        env.reset()

    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        self.env.step(self.draw(self.env.num_envs))
        return self.draw(len(observation)), None


# -- what harms the process of the agent -------------------------------------------------------------------------


class IsKilled(Remembers):
    """Killed at N = 4, so that the result of N = 2 stays."""

    def learn(self, env: Any, total_steps: int) -> None:
        if env.task.N == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        super().learn(env, total_steps)


class Crashes(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        ctypes.string_at(0)


class NeverStops(Remembers):
    def learn(self, env: Any, total_steps: int) -> None:
        env.reset()
        while True:
            with contextlib.suppress(BaseException):
                env.step(self.draw(env.num_envs))


class HoldsTheLock(Remembers):
    """A call in C that never lets another thread of Python run."""

    def predict(self, observation: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        ctypes.PyDLL(None).sleep(1000)
        return None, None


class LeavesThreads(Remembers):
    """Its threads go on to play, do not end, and do not let the process end."""

    def learn(self, env: Any, total_steps: int) -> None:
        def play() -> None:
            env.step(self.draw(env.num_envs))
            time.sleep(1000)

        env.reset()
        self.task = env.task
        threading.Thread(target=play).start()


# -- what is not a factory of agents -----------------------------------------------------------------------------

INSTANCE = Remembers(None, Parity().action_space, 0)


class Cell(LeakyTauRNN):
    """A user's cell."""


class BrokenCell(torch.nn.Module):
    """It lacks what a cell must have."""
