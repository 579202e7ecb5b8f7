"""An agent without a network: a shift register that infers N from its rewards and then answers parity perfectly.

This file plays N = 16 (a few seconds). To benchmark the agent, run in the folder that contains examples/:
python -m baselines benchmark --agent examples.08_a_finite_state_machine:make_agent --tasks parity --budget quick
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import VectorEnv

from baselines.evaluation import evaluate
from memory_envs import Parity


class ParityMachine:
    """A machine with 2**n states: its state is the last n bits, and its answer is their parity."""

    def __init__(self) -> None:
        self.n = 1

    def learn(self, env: VectorEnv[Any, Any, Any], total_steps: int) -> None:
        """Answer 0 at every step of one trial in each column; the rewards tell the right answers, and these tell n."""
        observations, _ = env.reset()
        bits, rewards, ended = [], [], False
        while not ended:
            bits.append(observations[:, 0].astype(np.int64))
            observations, reward, terminated, _, _ = env.step(np.zeros(env.num_envs, np.int64))
            rewards.append(reward)
            ended = bool(terminated.all())
        ones_wanted = np.array(rewards) < 0  # (T, B): the answer 0 was wrong
        counted = np.array(rewards) != 0  # (T, B): the answer counted
        ones = np.concatenate(
            [np.zeros((1, env.num_envs), np.int64), np.cumsum(bits, 0)]
        )  # the number of ones before each step
        # Find the shortest memory that explains every reward.
        for n in range(1, len(bits) + 1):
            parity = (ones[n:] - ones[:-n]) % 2  # of the last n bits, from step n - 1 on
            if (parity == ones_wanted[n - 1 :])[counted[n - 1 :]].all():
                self.n = n
                return

    def predict(
        self,
        observation: npt.ArrayLike,
        state: npt.NDArray[np.int64] | None = None,
        episode_start: npt.ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return answers (B,) for bits (B, 1), and the registers (B, n)."""
        bits = np.asarray(observation, np.int64)
        registers = np.zeros((len(bits), self.n), np.int64) if state is None else state
        if episode_start is not None:
            registers = np.where(np.reshape(episode_start, (-1, 1)), 0, registers)
        registers = np.concatenate([registers[:, 1:], bits], 1)
        return registers.sum(1) % 2, registers


def make_agent(observation_space: gym.Space[Any], action_space: gym.Space[Any], seed: int) -> ParityMachine:
    """Make a new agent; the benchmark calls this once for each rung."""
    return ParityMachine()


if __name__ == "__main__":
    task = Parity(N=16)
    envs = gym.make_vec(task.env_id, num_envs=64, N=task.N, autoreset_mode="SameStep")
    envs.reset(seed=0)
    agent = make_agent(task.observation_space, task.action_space, seed=0)
    agent.learn(envs, 100_000)
    played = evaluate(agent, task, episodes=500, seed=10**9)
    memory = task.equivalent_memory(played.score)
    print(f"a register of {agent.n} bits scores {played.score:.3f}: it remembers {memory:.0f} steps")
