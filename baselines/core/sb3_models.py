"""What a model of Stable-Baselines3 sees: the wrappers of its environment that change observations or actions.

A model is trained on what its wrappers make of the environment. Whoever lets it play must do the same to what it sees.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

Observations = npt.NDArray[np.float32]
"""(B, I), the observations of B columns."""

HARMLESS = {
    *("Monitor", "VecMonitor", "VecCheckNan", "VecVideoRecorder"),  # of Stable-Baselines3
    *("OrderEnforcing", "PassiveEnvChecker", "Autoreset", "TimeLimit"),
    *("RecordEpisodeStatistics", "RecordVideo", "HumanRendering", "RenderCollection", "NormalizeReward"),
}
"""Wrappers that leave observations and actions as they are. So do all that change rewards alone."""


def observation_filter(agent: Any) -> Callable[[Observations], Observations] | None:
    """What must be done to observations before a model of Stable-Baselines3 sees them.

    Args:
        agent: a model with its environment, or any other object.

    Returns:
        A function of observations (B, I): the model's own ``VecNormalize``, whose statistics stay as they are. None
        where nothing must be done: the agent is no such model, or its environment changes no observation.

    Raises:
        ValueError: the environment has a wrapper that changes observations or actions and is not ``VecNormalize``.
    """
    if "stable_baselines3" not in sys.modules:  # then nothing can be a model of it
        return None
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnvWrapper, VecNormalize

    if not isinstance(agent, BaseAlgorithm):
        return None
    normalisers, envs = list[VecNormalize](), agent.get_env()
    while isinstance(envs, VecEnvWrapper):
        if isinstance(envs, VecNormalize):
            normalisers.insert(0, envs)  # the innermost one sees the observation first
        else:
            _check(type(envs).__name__, envs)
        envs = envs.venv
    for name, wrapper in _wrappers(envs):
        _check(name, wrapper)
    if not any(one.norm_obs for one in normalisers):
        return None

    def normalised(observations: Observations) -> Observations:
        for one in normalisers:
            observations = one.normalize_obs(observations)  # type: ignore[assignment]
        return observations

    return normalised


def _wrappers(envs: Any) -> Iterator[tuple[str, object]]:
    """The wrappers below Stable-Baselines3's own: their names, and they themselves where they are in this process."""
    found = getattr(envs, "envs", None)
    if found is None and callable(getattr(envs, "env_method", None)):  # the environments live in other processes
        words = "<"
        with suppress(Exception):  # they may have been closed after training
            words = str(envs.env_method("__str__", indices=[0])[0])
        for name in re.findall(r"<(\w+)(?=<)", words):  # <Outer<Inner<MemoryEnv<Parity(N=8)>>>>
            if name != "MemoryEnv":
                yield name, None
        return
    first = found[0] if isinstance(found, list) and found else found  # all of a list are made alike
    while isinstance(first, (gym.Wrapper, gym.vector.VectorWrapper)):
        yield type(first).__name__, first
        first = first.env


def _check(name: str, wrapper: object) -> None:
    if name in HARMLESS or isinstance(wrapper, (gym.RewardWrapper, gym.vector.VectorRewardWrapper)):
        return
    raise ValueError(
        f"agent must see the observations as they are, or by VecNormalize, and this model was trained through {name}: "
        f"give an object whose predict does what {name} does and then calls the model's "
        "(model.policy is an agent that sees them as they are)"
    )
