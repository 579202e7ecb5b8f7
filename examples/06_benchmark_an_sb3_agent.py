"""An agent of sb3-contrib, made ready for the benchmark (about half a minute).

By itself it learns to compare each bit with the one before it. All tasks, from the folder above this one:
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
    """sb3-contrib's RecurrentPPO, which wants an environment before there is anything to train."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.model: RecurrentPPO | None = None

    def learn(self, env: VectorEnv[Any, Any, Any], total_steps: int) -> None:
        """Train for this many steps of all columns together."""
        self.model = RecurrentPPO(
            "MlpLstmPolicy",
            SB3VecEnv(env),  # type: ignore[arg-type]
            n_steps=32,
            batch_size=512,
            learning_rate=3e-3,
            gamma=0,  # actions do not change what comes next: neither a discount ...
            gae_lambda=0,  # ... nor a trace has anything to carry
            policy_kwargs={"lstm_hidden_size": 64},
            seed=self.seed,
            device="cpu",
        )
        self.model.learn(total_steps)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Actions for observations (B, I), and the state to hand in with the next ones."""
        assert self.model, "learn comes first"
        return self.model.predict(observation, state, episode_start, deterministic)


def make_agent(observation_space: gym.Space[Any], action_space: gym.Space[Any], seed: int) -> SB3Agent:
    """What the benchmark calls, once for each rung."""
    return SB3Agent(seed)


if __name__ == "__main__":
    torch.set_num_threads(1)  # for networks this small, more threads wait for each other
    task = DelayedMatch(N=2)
    envs = gym.make_vec(task.env_id, num_envs=64, N=task.N, autoreset_mode="SameStep")
    envs.reset(seed=0)
    agent = make_agent(task.observation_space, task.action_space, seed=0)
    agent.learn(envs, 16_384)
    print(f"score {evaluate(agent, task, episodes=500, seed=10**9).score:.3f} (chance 0, without memory 0, perfect 1)")
