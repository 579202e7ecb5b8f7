"""``SB3VecEnv``: the native vector environment as a ``VecEnv`` of Stable-Baselines3.

Axes: B columns (copies of the environment), I inputs, H heads.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from memory_envs import TASKS, MemoryVectorEnv, Task, checks

Info: TypeAlias = dict[str, Any]
Indices: TypeAlias = int | Iterable[int] | None


def make_sb3_vec_env(
    env_id: str | Task, n_envs: int = 1, *, seed: int | None = None, render_mode: str | None = None, **parameters: Any
) -> SB3VecEnv:
    """Make B copies of an environment for Stable-Baselines3: ``make_sb3_vec_env("MemoryDMS-v0", 64, N=4)``.

    It gives the same numbers as ``stable_baselines3.common.env_util.make_vec_env`` with scalar environments.

    Args:
        env_id: the id of an environment of ``memory_envs``, or a task.
        n_envs: B, the number of columns.
        seed: column i plays the trials of seed ``seed`` + i. A model with a seed of its own replaces this one.
        render_mode: None, ``"ansi"`` or ``"rgb_array"``.
        parameters: the parameters of the task, and ``max_episode_steps``.

    Raises:
        ValueError, TypeError: ``env_id`` is none of this package's environments; an argument is out of range or of the
            wrong type.
    """
    if not isinstance(env_id, Task):
        names = {task.env_id: name for name, task in TASKS.items()}
        if not isinstance(env_id, str) or (known := env_id.removeprefix("memory_envs:")) not in names:
            raise ValueError(f"env_id must be a task or one of {list(names)}, got {env_id!r}")
        env_id = names[known]
    columns = MemoryVectorEnv(
        env_id, n_envs, autoreset_mode=AutoresetMode.SAME_STEP, render_mode=render_mode, **parameters
    )
    envs = SB3VecEnv(columns)
    if seed is not None:
        envs.seed(checks.integer("seed", seed, 0))
    return envs


class SB3VecEnv(VecEnv):
    """A native vector environment with the interface of Stable-Baselines3; bit for bit like its ``DummyVecEnv``.

    Each column behaves like a scalar environment in a ``Monitor``: the info of an episode's last step has
    ``terminal_observation`` and ``episode`` (r: return, l: steps, t: seconds since the environment was made).

    Args:
        envs: the native vector environment, with ``autoreset_mode`` SAME_STEP.

    Raises:
        ValueError: ``envs`` has another ``autoreset_mode``.
    """

    def __init__(self, envs: MemoryVectorEnv) -> None:
        if envs.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP:
            raise ValueError(f"envs must have autoreset_mode 'SameStep', got {envs.metadata['autoreset_mode'].value!r}")
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self._actions: npt.NDArray[Any] | None = None
        self._began = time.time()
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, np.int64)

    @property
    def task(self) -> Task:
        """The task that each column plays from its next trial on."""
        return self.envs.task

    def set_task(self, task: Task) -> None:
        """Play ``task`` in each column from its next trial on.

        Raises:
            ValueError: the spaces of ``task`` differ from those of this environment.
        """
        self.envs.set_task(task)

    def reset(self) -> npt.NDArray[np.float32]:
        """Begin the next trial in every column, or the first trial of a new seed. Returns observations (B, I)."""
        options = self._options[0]
        if any(other != options for other in self._options):
            raise ValueError(f"options must be the same for all columns (they share one task), got {self._options}")
        seeds = None if all(seed is None for seed in self._seeds) else self._seeds
        observations, infos = self.envs.reset(seed=seeds, options=options or None)
        self._reset_seeds()
        self._reset_options()
        self._returns[:], self._lengths[:] = 0, 0
        self.reset_infos = _as_dicts(infos)
        return observations

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_], list[Info]]:
        """Returns observations (B, I), rewards (B,) float32, ends (B,) bool and one info per column."""
        observations, rewards, terminated, truncated, arrays = self.envs.step(self._actions)
        ends = terminated | truncated
        self._returns += rewards
        self._lengths += 1
        infos = _as_dicts(arrays, **{"TimeLimit.truncated": False})
        if ends.any():
            ended = np.flatnonzero(ends).tolist()
            closing, blank = _as_dicts(arrays["final_info"], **{"TimeLimit.truncated": False}), infos
            seconds = round(time.time() - self._began, 6)
            for column in ended:
                infos[column], self.reset_infos[column] = closing[column], blank[column]
                del self.reset_infos[column]["TimeLimit.truncated"]
                infos[column]["TimeLimit.truncated"] = bool(truncated[column] and not terminated[column])
                infos[column]["terminal_observation"] = arrays["final_obs"][column]
                episode = {"r": round(float(self._returns[column]), 6), "l": int(self._lengths[column]), "t": seconds}
                infos[column]["episode"] = episode
            self._returns[ended], self._lengths[ended] = 0, 0
        return observations, rewards.astype(np.float32), ends, infos

    def close(self) -> None:
        self.envs.close()

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        pictures = self.envs.render()
        return [None] * self.num_envs if pictures is None else pictures

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """The attribute of each column's environment, such as ``task`` or ``render_mode``."""
        columns = list(self._get_indices(indices))
        if attr_name == "np_random_seed":
            return [self.envs.np_random_seed[column] for column in columns]
        single = {"observation_space": "single_observation_space", "action_space": "single_action_space"}
        return [getattr(self.envs, single.get(attr_name, attr_name)) for _ in columns]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """``set_attr("task", task)`` does what ``set_task(task)`` does. No other attribute can be set.

        Raises:
            AttributeError: ``attr_name`` is another attribute.
            ValueError: ``indices`` names only some of the columns, but all columns share one task.
        """
        if attr_name != "task":
            raise AttributeError(f"attr_name must be 'task', got {attr_name!r}: no other attribute can be set")
        self._need_all(indices, "set_attr('task')")
        self.set_task(value)

    def env_method(self, method_name: str, *args: Any, indices: Indices = None, **kwargs: Any) -> list[Any]:
        """Call a method of each column's environment: ``set_task`` (all columns at once) or ``render``.

        Raises:
            AttributeError: ``method_name`` is another method.
            ValueError: ``set_task`` with ``indices`` of only some columns, but all columns share one task.
        """
        if method_name == "set_task":
            self._need_all(indices, "env_method('set_task')")
            self.set_task(*args, **kwargs)
            return [None] * self.num_envs
        if method_name == "render":
            drawings = self.envs.render() or (None,) * self.num_envs
            return [drawings[column] for column in self._get_indices(indices)]
        raise AttributeError(f"method_name must be 'set_task' or 'render', got {method_name!r}")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Indices = None) -> list[bool]:
        """One entry per column: True for ``Monitor``, whose part this class plays, False for other wrappers."""
        return [issubclass(Monitor, wrapper_class) for _ in self._get_indices(indices)]

    def _need_all(self, indices: Indices, what: str) -> None:
        if indices is not None and set(self._get_indices(indices)) != set(range(self.num_envs)):
            raise ValueError(f"indices must be None or all columns for {what} (they share one task), got {indices!r}")


def _as_dicts(arrays: Info, **more: Any) -> list[Info]:
    """The arrays of a step's info as one dictionary per column, with a scalar environment's types."""
    target, correct = arrays["target"], arrays["correct"]
    if target.ndim == 1:
        target, correct = target.tolist(), correct.tolist()
    columns = zip(target, arrays["counted"].tolist(), correct, strict=True)
    return [{"target": t, "counted": n, "correct": c, **more} for t, n, c in columns]
