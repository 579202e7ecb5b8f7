"""The scalar environment: plays one trial an episode."""

from __future__ import annotations

import operator
from typing import Any, cast

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import error

from memory_envs import control, keys
from memory_envs.rendering import Window, to_pixels, to_text
from memory_envs.task import CORRECT_WITHIN, LARGEST_ANSWER, Task

_STEP_BYTES = 64  # of a step in Python's lists, beside its arrays
_RIGHT, _WRONG = np.array([True]), np.array([False])
_BLOCK_CELLS = 4096  # steps written ahead at most: enough to spread the cost of drawing, little enough to forget


class MemoryEnv(gym.Env[npt.NDArray[np.float32], Any]):
    """Plays trials of a task, one an episode. ``gym.make("MemoryParity-v0", N=8)`` makes one for parity.

    What is shown, asked and paid is in the docstring of the task, such as ``help(memory_envs.Parity)``. The action that
    is taken on seeing ``inputs[t]`` answers ``targets[t]`` and is paid in the same ``step``; after the last answer the
    episode is terminated on an observation of zeros.

    ``info`` has the same keys after every step and reset, about the step just answered: ``target`` (what was asked,
    with the shape of an action), ``counted`` (whether it counts) and ``correct`` (whether it was right; False where it
    does not count). After a reset nothing has been answered: 0, False, False.

    Episode j after ``reset(seed=s)`` is trial j of the seed's stream, the same as column j of ``task.batch(s, ...)``.
    ``reset(options={"active_heads": (2, 3)})`` changes which heads are asked and paid, from this trial on.

    Args:
        task: a task, or the short name of one (``memory_envs.TASKS``).
        render_mode: None, ``"ansi"`` (text), ``"rgb_array"`` (a picture) or ``"human"`` (a window).
        env_id: the id that the environment is registered under: a task that has another one is refused. None: any.
        parameters: the task's parameters.

    Raises:
        TypeError, ValueError: an argument is not allowed; the message names it.
    """

    metadata = {"render_modes": ["ansi", "rgb_array", "human"], "render_fps": 4}  # noqa: RUF012 (Gymnasium's form)

    def __init__(
        self, task: str | Task, *, render_mode: str | None = None, env_id: str | None = None, **parameters: Any
    ) -> None:
        self.task = control.as_task(task, parameters, env_id)
        _check_size(self.task)
        self.render_mode = control.check_render_mode(render_mode, self.metadata["render_modes"])
        self.observation_space = cast("gym.Space[npt.NDArray[np.float32]]", self.task.observation_space)
        self.action_space = self.task.action_space
        self._window: Window | None = None
        self._stream: keys.Words | None = None
        self._number = 0  # the number of the trial that comes next
        self._written = 0  # the number after the last trial of the block
        self._t = self._length = 0
        self._playing: Task = self.task  # the task of the trial in progress

    def set_task(self, task: Task) -> None:
        """Play ``task`` from the next trial on. Its spaces must be those of this environment.

        Raises:
            ValueError: it is another kind of task, or its spaces differ.
        """
        task = control.same_spaces(self.task, task)
        _check_size(task)
        self.task = task

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Begin the next trial; the first one of the seed's stream where a seed is given.

        Returns:
            The first observation, (I,) float32, and an ``info`` in which nothing has been answered.

        Raises:
            gymnasium.error.Error: ``seed`` is not an integer of at least 0.
            TypeError, ValueError: ``options`` holds another key than ``active_heads``, or heads that the task lacks.
        """
        task = control.apply_options(self.task, options)
        if seed is not None:
            seed = keys.check_seed(seed)
            super().reset(seed=seed)
        if seed is not None or self._stream is None:
            self._stream = keys.stream(self.np_random_seed if seed is None else seed)  # none given: a fresh one
            self._number = self._written = 0
        self.task = task
        if self._number >= self._written or self._playing is not task:
            self._write_ahead(task)
        self._begin(self._number - self._written + len(self._trials.lengths))
        self._number += 1
        if self.render_mode == "human":
            self.render()
        blank: Any = 0 if self._single else np.zeros_like(self._targets[0])
        wrong: Any = False if self._single else np.zeros(blank.shape, np.bool_)
        return self._observations[0].copy(), {"target": blank, "counted": False, "correct": wrong}

    def step(self, action: Any) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Answer the question about the last observation.

        Returns:
            The next observation, (I,) float32 (zeros after the last answer); the reward; whether the trial is over
            (``terminated``); False (``truncated``); and ``info``.

        Raises:
            gymnasium.error.InvalidAction: the action is not in the action space.
            gymnasium.error.ResetNeeded: no trial is in progress.
        """
        t = self._t
        if t >= self._length:
            raise error.ResetNeeded("step needs a trial in progress: call reset first")
        counted, weight = self._counted[t], self._weights[t]
        answer: Any
        target: Any
        correct: Any
        if self._single:
            try:
                answer = operator.index(action)
            except TypeError:
                answer = -1
            if answer != 0 and answer != 1:
                control.refuse(action, self.action_space)
            target = self._labels[t]
            correct = counted and answer == target
            reward = correct * (weight * 2.0) - weight
        elif self._playing.real_valued:
            answer = self._as_array(action, "fiu").item()
            if not -1.0 <= answer <= 1.0:
                if not -LARGEST_ANSWER <= answer <= LARGEST_ANSWER:
                    control.refuse(action, self.action_space)
                answer = 1.0 if answer > 0 else -1.0
            miss = answer - self._values[t]
            target = self._targets[t].copy()
            correct = (_RIGHT if counted and abs(miss) < CORRECT_WITHIN else _WRONG).copy()
            reward = max(1.0 - miss * miss * self._precision, -1.0) * weight + 0.0
        else:
            answer = self._read_labels(action)
            target = self._targets[t].copy()
            correct = answer == self._asked[t]
            reward = correct.tolist().count(True) / self._paid * (weight * 2.0) - weight
        self._t = t = t + 1
        if self.render_mode is not None:
            self._answers.append(np.array(answer))  # a copy: the caller may use its array again
            if self.render_mode == "human":
                self.render()
        return (
            self._observations[t].copy(),
            reward,
            t == self._length,
            False,
            {"target": target, "counted": counted, "correct": correct},
        )

    def render(self) -> Any:
        """The trial so far as text (``"ansi"``), as a picture (height, width, 3) uint8 (``"rgb_array"``), or None.

        Raises:
            gymnasium.error.ResetNeeded: no trial has begun.
            gymnasium.error.DependencyNotInstalled: the window needs pygame, and it is not installed.
        """
        if self.render_mode is None:
            gym.logger.warn("render needs a render_mode, such as gym.make(..., render_mode='rgb_array')")
            return None
        if not self._length:
            raise error.ResetNeeded("render needs a trial: call reset first")
        assert self._stream is not None
        one = control.trial(self._playing, self._stream, self._number - 1)
        shown = control.view(self._playing, one, np.array(self._answers).reshape(-1, self._playing.num_heads))
        if self.render_mode == "ansi":
            return to_text(shown)
        pixels = to_pixels(shown)
        if self.render_mode == "rgb_array":
            return pixels
        self._window = self._window or Window()
        self._window.caption = shown.title
        self._window.show(pixels, self.metadata["render_fps"])
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def __str__(self) -> str:
        """Gymnasium's form, with the task in the place of its id: ``<MemoryEnv<Parity(N=8)>>``."""
        return f"<{type(self).__name__}<{control.short_name(self.task)}>>"

    __repr__ = __str__  # Gymnasium's wrappers do the same, its environments do not

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the window, which opens again when it is needed."""
        return self.__dict__ | {"_window": None}

    def _write_ahead(self, task: Task) -> None:
        """Draw a block of trials from the next one on: one after a reset with a seed, then twice as many each time."""
        assert self._stream is not None
        ahead = min(max(self._number, 1), max(_BLOCK_CELLS // task.num_steps, 1))
        self._written = self._number + ahead
        self._trials = task.sample(keys.trial_keys(self._stream, np.arange(self._number, self._written)))
        self._block_weights = self._trials.weights()
        if self._playing is not task or not self._length:
            self._playing = task
            self._single, self._answer_shape = task.answer_shape == (), task.answer_shape
            self._paid = sum(task.active)
            self._precision = 1.0 / task.target_variance if task.real_valued else 0.0

    def _begin(self, column: int) -> None:
        """Lay out one trial of the block for quick reading, with the observation of zeros at its end."""
        trials, task, self._t = self._trials, self._playing, 0
        self._length = length = int(trials.lengths[column])
        self._observations = np.zeros((length + 1, trials.inputs.shape[2]), np.float32)
        self._observations[:length] = trials.inputs[:length, column]
        self._targets = trials.targets[:length, column]
        if self._single:
            self._labels = self._targets[:, 0].tolist()
        elif task.real_valued:
            self._values = self._targets[:, 0].tolist()
        else:  # no answer equals -1
            asked = trials.mask[:length, column, None] & np.array(task.active)
            self._asked = np.where(asked, self._targets, -1)
        self._counted = trials.mask[:length, column].tolist()
        self._weights = self._block_weights[:length, column].tolist()
        self._answers: list[Any] = []

    def _read_labels(self, action: Any) -> npt.NDArray[Any]:
        """The action as labels (H,)."""
        answer = self._as_array(action, "iu")
        if not {0, 1}.issuperset(answer.tolist()):
            control.refuse(action, self.action_space)
        return answer

    def _as_array(self, action: Any, kinds: str) -> npt.NDArray[Any]:
        try:
            answer = np.asarray(action)
        except (ValueError, TypeError, RuntimeError):  # torch raises the last for a tensor with a gradient
            control.refuse(action, self.action_space)
        if answer.dtype.kind not in kinds or answer.shape != self._answer_shape:
            control.refuse(action, self.action_space)
        return answer


def _check_size(task: Task) -> None:
    control.check_size(task, task.bytes_of_trials(1) + _STEP_BYTES * task.num_steps, "an environment of")
