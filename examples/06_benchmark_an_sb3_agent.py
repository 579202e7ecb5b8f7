"""An agent of sb3-contrib, ready for the benchmark (about half a minute).

This file trains it to compare each bit with the one before it. To benchmark it on all tasks, run in the folder that
contains examples/:
python -m baselines benchmark --agent examples.06_benchmark_an_sb3_agent:make_agent --budget quick
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from gymnasium.vector import VectorEnv
from sb3_contrib import RecurrentPPO

from baselines.evaluation import evaluate
from baselines.ppo import SB3VecEnv
from memory_envs import DelayedMatch


class SB3Agent:
    """sb3-contrib's RecurrentPPO. Its model is made in ``learn``, because it needs the environment."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.model: RecurrentPPO | None = None

    def learn(self, env: VectorEnv[Any, Any, Any], total_steps: int) -> None:
        """Train for ``total_steps`` environment steps, counted over all columns."""
        self.model = RecurrentPPO(
            "MlpLstmPolicy",
            SB3VecEnv(env),  # type: ignore[arg-type]
            n_steps=32,
            batch_size=512,
            learning_rate=3e-3,
            gamma=0,  # actions do not change what comes next,
            gae_lambda=0,  # so the advantage of an answer is its own reward
            policy_kwargs={"lstm_hidden_size": 64},
            seed=self.seed,
            device="cpu",
        )
        self.model.learn(total_steps)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Return actions for observations (B, I), and the state for the next call."""
        assert self.model, "call learn first"
        return self.model.predict(observation, state, episode_start, deterministic)


def make_agent(observation_space: gym.Space[Any], action_space: gym.Space[Any], seed: int) -> SB3Agent:
    """Make a new agent; the benchmark calls this once for each rung."""
    return SB3Agent(seed)


if __name__ == "__main__":
    torch.set_num_threads(1)  # with networks this small, several threads only wait for each other
    task = DelayedMatch(N=2)
    envs = gym.make_vec(task.env_id, num_envs=64, N=task.N, autoreset_mode="SameStep")
    envs.reset(seed=0)
    agent = make_agent(task.observation_space, task.action_space, seed=0)
    agent.learn(envs, 16_384)
    score = evaluate(agent, task, episodes=500, seed=10**9).score
    print(f"score {score:.3f} (guessing: 0, without memory: 0, perfect: 1)")
