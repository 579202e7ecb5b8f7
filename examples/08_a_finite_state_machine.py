"""An agent without a network: a shift register that finds out N from its rewards and then answers parity exactly.

By itself it plays N = 16 (a few seconds). The ladder, from the folder above this one:
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
    """Its state is the last n bits, one of 2**n states; its answer is their parity."""

    def __init__(self) -> None:
        self.n = 1

    def learn(self, env: VectorEnv[Any, Any, Any], total_steps: int) -> None:
        """Answer 0 throughout one trial in each column: the rewards tell where it was right, and that tells n."""
        observations, _ = env.reset()
        bits, rewards, ended = [], [], False
        while not ended:
            bits.append(observations[:, 0].astype(np.int64))
            observations, reward, terminated, _, _ = env.step(np.zeros(env.num_envs, np.int64))
            rewards.append(reward)
            ended = bool(terminated.all())
        asked = np.array(rewards) < 0  # (T, B): the answer would have been 1 ...
        counted = np.array(rewards) != 0  # ... of those that count
        ones = np.concatenate([np.zeros((1, env.num_envs), np.int64), np.cumsum(bits, 0)])  # seen before each step
        # The shortest memory that explains every reward.
        for n in range(1, len(bits) + 1):
            window = (ones[n:] - ones[:-n]) % 2  # parity of the last n bits, from step n - 1 on
            if (window == asked[n - 1 :])[counted[n - 1 :]].all():
                self.n = n
                return

    def predict(
        self,
        observation: npt.ArrayLike,
        state: npt.NDArray[np.int64] | None = None,
        episode_start: npt.ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Answers (B,) for bits (B, 1), and the registers (B, n)."""
        bits = np.asarray(observation, np.int64)
        registers = np.zeros((len(bits), self.n), np.int64) if state is None else state
        if episode_start is not None:
            registers = np.where(np.reshape(episode_start, (-1, 1)), 0, registers)
        registers = np.concatenate([registers[:, 1:], bits], 1)
        return registers.sum(1) % 2, registers


def make_agent(observation_space: gym.Space[Any], action_space: gym.Space[Any], seed: int) -> ParityMachine:
    """What the benchmark calls, once for each rung."""
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
