"""One trial, three ways: a scalar environment, a column of a vector environment, and a supervised batch."""

import gymnasium as gym
import numpy as np

from memory_envs import Parity

task = Parity(N=4)
trials = task.batch(seed=12, index=0, size=1)  # inputs (T, B, I), targets (T, B, H), mask (T, B)

env = gym.make("MemoryParity-v0", N=4)
envs = gym.make_vec("MemoryParity-v0", num_envs=3, N=4)
observation, info = env.reset(seed=12)
observations, infos = envs.reset(seed=10)  # column i gets the seed 10 + i, so column 2 plays the same trial

for t in range(task.num_steps):
    assert np.array_equal(observation, trials.inputs[t, 0])
    assert np.array_equal(observations[2], trials.inputs[t, 0])
    observation, reward, _, _, info = env.step(1)
    observations, rewards, _, _, infos = envs.step(np.ones(3, int))
    assert info["target"] == infos["target"][2] == trials.targets[t, 0, 0]
    assert reward == rewards[2]

score = task.score(trials, np.ones((16, 1, 1)))[0]
print(f"all {task.num_steps} steps are the same; the answer 1 at every step scores {score:+.3f}")
