"""Models of Stable-Baselines3 that were trained through wrappers, and how they are played."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecCheckNan,
    VecEnv,
    VecEnvWrapper,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from baselines.evaluation import AgentError, evaluate
from baselines.ppo import SB3VecEnv, make_sb3_vec_env
from memory_envs import MemoryVectorEnv, Parity

TASK = Parity(1)
"""What is asked is what is shown."""


def one_env(wrap: Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]] = lambda env: env) -> gym.Env[Any, Any]:
    return wrap(gym.make("MemoryParity-v0", N=1))


def model_in(envs: VecEnv, above: float) -> PPO:
    """A model that answers 1 where it sees more than ``above``."""
    model = PPO("MlpPolicy", envs, n_steps=8, batch_size=8, policy_kwargs={"net_arch": []}, device="cpu")
    with torch.no_grad():
        readout: Any = model.policy.action_net
        readout.weight[:] = torch.tensor([[-1.0], [1.0]])
        readout.bias[:] = torch.tensor([above, -above])
    return model


def normalised(envs: VecEnv, **arguments: Any) -> VecNormalize:
    """Observations 0 and 1 become -5 and 5."""
    envs = VecNormalize(envs, **arguments)
    if envs.norm_obs:
        statistics: Any = envs.obs_rms
        statistics.mean[:], statistics.var[:] = 0.5, 0.01
    return envs


def score(model: Any) -> float:
    return evaluate(model, TASK, episodes=50, seed=10**9).score


def test_observations_are_normalised_as_the_model_has_learned_them() -> None:
    """Answers 1 above 2: every answer is right in normalised observations, and 0 in raw ones."""
    envs = normalised(VecMonitor(DummyVecEnv([one_env] * 4)))
    model = model_in(envs, above=2)
    assert score(model) == 1.0
    assert score(model.policy) < 0.5  # what a model without its normaliser plays
    statistics: Any = envs.obs_rms
    before = float(statistics.mean[0]), float(statistics.var[0]), statistics.count
    assert score(model) == 1.0
    assert (statistics.mean[0], statistics.var[0], statistics.count) == before
    envs.training = False
    assert evaluate_policy(model, envs, n_eval_episodes=20)[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("make", "above"),
    [
        (lambda: DummyVecEnv([one_env]), 0.5),
        (lambda: make_sb3_vec_env(TASK, 2), 0.5),
        (lambda: normalised(DummyVecEnv([one_env]), norm_obs=False), 0.5),
        (lambda: normalised(make_sb3_vec_env(TASK, 2)), 2),
        (lambda: VecMonitor(normalised(VecCheckNan(DummyVecEnv([one_env])))), 2),
        (lambda: normalised(normalised(DummyVecEnv([one_env])), clip_obs=100), 40),
        (lambda: DummyVecEnv([lambda: one_env(lambda env: gym.wrappers.TimeLimit(env, 9))]), 0.5),
        (lambda: DummyVecEnv([lambda: one_env(gym.wrappers.NormalizeReward)]), 0.5),
        (lambda: DummyVecEnv([lambda: one_env(lambda env: gym.wrappers.TransformReward(env, float))]), 0.5),
        (
            lambda: SB3VecEnv(
                gym.wrappers.vector.RecordEpisodeStatistics(MemoryVectorEnv(TASK, 2, autoreset_mode="SameStep"))  # type: ignore[arg-type]
            ),
            0.5,
        ),
    ],
    ids=[
        "plain",
        "ours",
        "no-observations",
        "ours-normalised",
        "among-others",
        "twice",
        "limit",
        "reward",
        "transformed",
        "native",
    ],
)
def test_what_changes_no_observation_is_let_through(make: Callable[[], VecEnv], above: float) -> None:
    assert score(model_in(make(), above)) == 1.0


class Minus(gym.ObservationWrapper[Any, Any, Any]):
    def observation(self, observation: Any) -> Any:
        return -observation


class OwnStep(gym.Wrapper[Any, Any, Any, Any]):
    def step(self, action: Any) -> Any:
        return super().step(1 - action)


class MinusNative(gym.vector.VectorActionWrapper):
    def actions(self, actions: Any) -> Any:
        return 1 - actions


class OwnVecWrapper(VecEnvWrapper):
    def reset(self) -> Any:
        return -np.asarray(self.venv.reset())

    def step_wait(self) -> Any:
        return self.venv.step_wait()


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: VecFrameStack(DummyVecEnv([one_env]), 1), "VecFrameStack"),
        (lambda: normalised(VecFrameStack(DummyVecEnv([one_env]), 1)), "VecFrameStack"),
        (lambda: OwnVecWrapper(DummyVecEnv([one_env])), "OwnVecWrapper"),
        (lambda: DummyVecEnv([lambda: one_env(Minus)]), "Minus"),
        (lambda: DummyVecEnv([lambda: one_env(OwnStep)]), "OwnStep"),
        (lambda: DummyVecEnv([lambda: one_env(gym.wrappers.NormalizeObservation)]), "NormalizeObservation"),
        (lambda: DummyVecEnv([lambda: one_env(lambda e: gym.wrappers.StickyAction(e, 0.5))]), "StickyAction"),
        (lambda: SB3VecEnv(MinusNative(MemoryVectorEnv(TASK, 2, autoreset_mode="SameStep"))), "MinusNative"),  # type: ignore[arg-type]
    ],
    ids=[
        "frames",
        "frames-normalised",
        "own-vectorised",
        "own-observation",
        "own-step",
        "normalised",
        "sticky",
        "native",
    ],
)
def test_what_cannot_be_repeated_is_refused_by_name(make: Callable[[], VecEnv], name: str) -> None:
    model = model_in(make(), 0.5)
    with pytest.raises(AgentError, match=f"this model was trained through {name}: give an object whose predict does"):
        score(model)
    score(model.policy)  # the advice that the message gives


def test_wrappers_in_other_processes_are_found() -> None:
    plain = SubprocVecEnv([one_env], start_method="fork")
    model = model_in(plain, 0.5)
    assert score(model) == 1.0
    plain.close()
    assert score(model) == 1.0  # nobody can be asked any more
    wrapped = SubprocVecEnv([lambda: one_env(Minus)], start_method="fork")
    try:
        with pytest.raises(AgentError, match="trained through Minus"):
            score(model_in(wrapped, 0.5))
    finally:
        wrapped.close()


def test_a_loaded_model_is_normalised_once_it_has_its_environment(tmp_path: Any) -> None:
    envs = normalised(DummyVecEnv([one_env]))
    model_in(envs, above=2).save(tmp_path / "model.zip")
    envs.save(str(tmp_path / "normaliser.pkl"))
    loaded = PPO.load(tmp_path / "model.zip")
    assert score(loaded) < 0.5
    loaded.set_env(VecNormalize.load(str(tmp_path / "normaliser.pkl"), DummyVecEnv([one_env])))
    assert score(loaded) == 1.0
