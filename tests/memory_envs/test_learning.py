"""Stable-Baselines3 learns from the public API alone: no wrapper, callback or policy of ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.wrappers import FrameStackObservation
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

import memory_envs  # noqa: F401 (registers the environments)

pytestmark = pytest.mark.slow

# Actions do not change what comes next, so neither a discount nor a trace has anything to carry.
PPO_SETTINGS: dict[str, Any] = {
    "n_steps": 64,
    "batch_size": 512,
    "learning_rate": 3e-3,
    "gamma": 0.0,
    "gae_lambda": 0.0,
    "seed": 0,
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def mean_score(model: PPO | RecurrentPPO, **kwargs: Any) -> float:
    envs = make_vec_env("MemoryDMS-v0", 16, seed=10**6, env_kwargs={"N": 2}, **kwargs)
    mean, _ = evaluate_policy(model, envs, n_eval_episodes=100)
    return float(np.mean(mean))


def test_recurrent_ppo_learns_to_compare_neighbours() -> None:
    envs = make_vec_env("MemoryDMS-v0", 16, seed=0, env_kwargs={"N": 2})
    model = RecurrentPPO("MlpLstmPolicy", envs, policy_kwargs={"lstm_hidden_size": 64}, device="cpu", **PPO_SETTINGS)
    before = mean_score(model)
    model.learn(20_000)
    assert before < 0.5
    assert mean_score(model) > 0.95


def test_ppo_learns_from_two_stacked_frames_and_not_from_one() -> None:
    """The last two bits are all that N = 2 needs; one bit tells nothing, which is the memoryless score of 0."""
    stacked = {"wrapper_class": FrameStackObservation, "wrapper_kwargs": {"stack_size": 2}}
    scores = {}
    frames: dict[str, dict[str, Any]] = {"one": {}, "two": stacked}
    for name, kwargs in frames.items():
        envs = make_vec_env("MemoryDMS-v0", 16, seed=0, env_kwargs={"N": 2}, **kwargs)
        model = PPO("MlpPolicy", envs, device="cpu", **PPO_SETTINGS)
        model.learn(20_000)
        scores[name] = mean_score(model, **kwargs)
    assert scores["two"] > 0.95
    assert abs(scores["one"]) < 0.2
