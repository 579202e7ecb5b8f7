"""Play one trial of each task and draw it. The player remembers perfectly, but guesses at every seventh step."""

from typing import Any

import gymnasium as gym

import memory_envs

TRIALS: dict[str, dict[str, Any]] = {
    "MemoryParity-v0": {"N": 3, "num_steps": 20},
    "MemoryDMS-v0": {"N": 3, "num_steps": 20},
    "MemoryDelayedAddition-v0": {"N": 10},
    "MemoryEvidenceAccumulation-v0": {"N": 20},
    "MemoryFlipFlop-v0": {"N": 8, "bits": 2, "num_steps": 20},
}


def draw(env_id: str) -> str:
    """Play one trial of the environment to its end, and return it drawn as text."""
    env = gym.make(env_id, render_mode="ansi", **TRIALS[env_id])
    task = env.get_wrapper_attr("task")
    perfect, random = memory_envs.ReferenceAgent(task), memory_envs.RandomAgent(task, seed=0)
    observation, _ = env.reset(seed=2)
    state, step, over = None, 0, False
    while not over:
        step += 1
        action, state = perfect.predict(observation, state)
        if step % 7 == 0:
            action, _ = random.predict(observation)
        observation, _, over, _, _ = env.step(action)
    return str(env.render())


if __name__ == "__main__":
    print("\n\n".join(draw(env_id) for env_id in TRIALS))
