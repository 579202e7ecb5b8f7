"""A recurrent PPO in one file of plain PyTorch, in the style of CleanRL (about 15 seconds).

This file trains it to compare each bit with the one before it. To benchmark it on all tasks, run in the folder that
contains examples/:
python -m baselines benchmark --agent examples.07_a_single_file_agent:make_agent --budget quick

It is simpler than PPO usually is, for two reasons. Actions do not change what comes next: the advantage of an answer is
its reward minus the mean reward at that step, and no critic is needed. All trials of a task have the same length: a
rollout is one whole trial in each column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal

from baselines.evaluation import evaluate
from memory_envs import DelayedMatch


@dataclass
class Args:
    """The hyperparameters."""

    units: int = 64
    learning_rate: float = 3e-3
    epochs: int = 4
    clip: float = 0.2
    entropy: float = 0.01
    max_grad_norm: float = 0.5


class Policy(nn.Module):
    """A GRU with a linear readout that gives one distribution for each answer."""

    def __init__(self, inputs: int, action_space: gym.Space[Any], units: int) -> None:
        super().__init__()
        self.real_valued = isinstance(action_space, gym.spaces.Box)
        self.single = isinstance(action_space, gym.spaces.Discrete)
        if isinstance(action_space, gym.spaces.Discrete):
            answers, width = 1, int(action_space.n)
        elif isinstance(action_space, gym.spaces.MultiDiscrete):
            answers, width = len(action_space.nvec), int(action_space.nvec[0])
        else:
            assert action_space.shape is not None
            answers, width = action_space.shape[0], 1
        self.shape = answers, width
        self.gru = nn.GRU(inputs, units)
        self.readout = nn.Linear(units, answers * width)
        self.log_std = nn.Parameter(torch.full((answers,), -1.0))

    def forward(self, inputs: Tensor, state: Tensor | None = None) -> tuple[Distribution, Tensor]:
        """Inputs (T, B, I) -> distributions of the answers (T, B, H), and the state (1, B, U)."""
        outputs, state = self.gru(inputs, state)
        answers = self.readout(outputs).unflatten(-1, self.shape)
        if self.real_valued:
            return Independent(Normal(answers[..., 0], self.log_std.exp()), 0), state
        return Categorical(logits=answers), state


class Agent:
    """Learns from whole trials in all columns at once."""

    num_envs = 64  # the number of columns that the benchmark makes

    def __init__(self, inputs: int, action_space: gym.Space[Any], seed: int, args: Args | None = None) -> None:
        self.args = args or Args()
        torch.manual_seed(seed)
        self.policy = Policy(inputs, action_space, self.args.units)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=self.args.learning_rate)

    def learn(self, env: VectorEnv[Any, Any, Any], total_steps: int) -> None:
        """Train for ``total_steps`` environment steps, counted over all columns."""
        observations, _ = env.reset()
        left, needed = total_steps, 0
        while left >= needed:
            inputs, answers, rewards, ended, state = [], [], [], False, None
            while not ended:
                inputs.append(torch.as_tensor(observations)[None])
                with torch.no_grad():
                    distribution, state = self.policy(inputs[-1], state)
                    answers.append(distribution.sample())
                observations, reward, terminated, _, _ = env.step(self._actions(answers[-1]))
                rewards.append(torch.as_tensor(reward, dtype=torch.float32))
                ended = bool(terminated.all())
            self._improve(torch.cat(inputs), torch.cat(answers), torch.stack(rewards))
            needed = len(inputs) * env.num_envs
            left -= needed

    def _improve(self, inputs: Tensor, answers: Tensor, rewards: Tensor) -> None:
        """Run a few epochs of PPO on inputs (T, B, I), answers (T, B, H) and rewards (T, B)."""
        advantages = rewards - rewards.mean(1, keepdim=True)
        advantages = (advantages / (advantages.std() + 1e-8)).unsqueeze(-1)
        with torch.no_grad():
            before = self.policy(inputs)[0].log_prob(answers)
        for _ in range(self.args.epochs):
            distribution, _ = self.policy(inputs)
            ratio = (distribution.log_prob(answers) - before).exp()
            clipped = ratio.clamp(1 - self.args.clip, 1 + self.args.clip)
            gain = torch.minimum(ratio * advantages, clipped * advantages).mean()
            loss = -gain - self.args.entropy * distribution.entropy().mean()
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.policy.parameters(), self.args.max_grad_norm)
            self.optimizer.step()

    def _actions(self, answers: Tensor) -> Any:
        """Answers (1, B, H) -> actions as the environment wants them, (B,) or (B, H)."""
        actions = answers[0].numpy()
        if self.policy.real_valued:
            return np.clip(actions, -1, 1)
        return actions[:, 0] if self.policy.single else actions

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Return actions for observations (B, I), and the state for the next call."""
        inputs = torch.as_tensor(np.asarray(observation, np.float32))[None]
        if state is not None and episode_start is not None:
            state = state * ~torch.as_tensor(episode_start)[None, :, None]
        with torch.no_grad():
            distribution, state = self.policy(inputs, state)
            answers = distribution.mode if deterministic else distribution.sample()
        return self._actions(answers), state


def make_agent(observation_space: gym.Space[Any], action_space: gym.Space[Any], seed: int) -> Agent:
    """Make a new agent; the benchmark calls this once for each rung."""
    assert observation_space.shape is not None
    return Agent(observation_space.shape[0], action_space, seed)


if __name__ == "__main__":
    torch.set_num_threads(1)  # with networks this small, several threads only wait for each other
    task = DelayedMatch(N=2)
    envs = gym.make_vec(task.env_id, num_envs=Agent.num_envs, N=task.N, autoreset_mode="SameStep")
    envs.reset(seed=0)
    agent = make_agent(task.observation_space, task.action_space, seed=0)
    agent.learn(envs, 65_536)
    score = evaluate(agent, task, episodes=500, seed=10**9).score
    print(f"score {score:.3f} (guessing: 0, without memory: 0, perfect: 1)")
