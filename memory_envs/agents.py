"""Reference agents: random, of bounded memory (``memory=1``: memoryless), and perfect.

They have the ``predict`` of Stable-Baselines3, so that what evaluates a trained model evaluates them as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from memory_envs import checks, keys, sizes
from memory_envs.task import Task

Window = tuple[npt.NDArray[np.float32], ...]


class RandomAgent:
    """Answers drawn uniformly from the action space.

    Args:
        task: the task it plays.
        seed: the seed of its generator; the same seed gives the same answers.

    Raises:
        gymnasium.error.Error: ``seed`` is not an integer of at least 0.
    """

    def __init__(self, task: Task, seed: int = 0) -> None:
        self.task = task
        self._generator = np.random.Generator(np.random.PCG64(keys.check_seed(seed)))

    def predict(
        self, observation: npt.ArrayLike, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[npt.NDArray[Any], Any]:
        """One answer for each observation: (I,) or (B, I) -> an action or B of them, and ``state`` unchanged."""
        shape = (*np.shape(observation)[:-1], *self.task.answer_shape)
        if self.task.real_valued:
            return self._generator.uniform(-1, 1, shape).astype(np.float32), state
        return np.asarray(self._generator.integers(0, 2, shape)), state


class ReferenceAgent:
    """The ideal subject that remembers the last ``memory`` inputs; its expected score is ``task.reference_score``.

    Args:
        task: the task it plays.
        memory: steps remembered, the current one included: 1 is memoryless, 0 sees nothing. None: perfect.

    Raises:
        TypeError: ``task`` is not a Task, or ``memory`` is not an integer.
        ValueError: ``memory`` is below 0.
    """

    def __init__(self, task: Task, memory: int | None = None) -> None:
        if not isinstance(task, Task):
            raise TypeError(f"task must be a Task, got {task!r} ({type(task).__name__})")
        self.task = task
        self.memory = task.horizon if memory is None else min(checks.integer("memory", memory, 0), task.horizon)

    def predict(
        self,
        observation: npt.ArrayLike,
        state: Window | None = None,
        episode_start: npt.ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], Window | None]:
        """One answer for each observation: (I,) or (B, I) -> an action or B of them, and the window to hand in next.

        Args:
            observation: what is shown now.
            state: what the last call returned; None at the start.
            episode_start: (B,) bool, which observations begin a trial.
            deterministic: has no effect; these agents draw nothing.

        Raises:
            ValueError: the last axis of ``observation`` is not I long, or so long a memory of so many trials needs more
                bytes than are allowed (``memory_envs.sizes``).
        """
        shown = np.asarray(observation, np.float32)
        if not shown.ndim or shown.shape[-1] != self.task.num_inputs:
            raise ValueError(f"observation must end in an axis of {self.task.num_inputs} inputs, got {shown.shape}")
        batch = shown.reshape(-1, shown.shape[-1])
        if state is None:
            needed = 12 * self.memory * batch.size  # the window, as it was and as it is, and a mask
            sizes.check(needed, f"a window of {self.memory} steps of {len(batch)} trials", "memory must be smaller")
        past = np.zeros((self.memory, *batch.shape), np.float32) if state is None else state[0]
        if episode_start is not None:
            past = np.where(np.reshape(np.asarray(episode_start, np.bool_), (1, -1, 1)), np.float32(0), past)
        window = np.concatenate([past, batch[None]])[len(past) + 1 - self.memory :]
        answers = self.task.recall(window).reshape((*shown.shape[:-1], *self.task.answer_shape))
        return answers, (window,)
