"""Agents that play the environments, and their evaluation.

An agent has Stable-Baselines3's ``predict``, so that a trained SB3 model is an Agent as it stands.

Axes: T steps, B trials, I inputs, H heads, S state size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.network import RecurrentNetwork, head_keys
from memory_envs import Task

Z = 1.96
"""Standard errors to either side of a 95 % interval."""


class Agent(Protocol):
    """Anything that answers observations."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Actions for observations (B, I), and the state to hand in with the next ones."""


class NetworkAgent:
    """A trained network as an agent: it carries the network's state from step to step.

    Args:
        network: it must have a readout for each of the task's heads.
        task: the task it plays, which says which readouts answer.
    """

    def __init__(self, network: RecurrentNetwork, task: Task) -> None:
        self.network = network
        self.task = task
        self.heads = head_keys(task)
        if missing := [key for key in self.heads if key not in network.readouts]:
            raise ValueError(f"task must ask for heads among {list(network.readouts)}, got {task} (no {missing})")

    @torch.no_grad()
    def predict(
        self,
        observation: npt.ArrayLike,
        state: tuple[npt.NDArray[np.float32], ...] | None = None,
        episode_start: npt.ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[np.float32], ...]]:
        """The likelier label (or the value) for one observation (I,) or for B of them (B, I), and the state.

        Args:
            observation: what is shown now.
            state: what the last call returned, one array (B, S); None at the start.
            episode_start: (B,) bool, which observations begin a trial: there the cell's initial state is taken.
            deterministic: has no effect; nothing is drawn.
        """
        like = next(self.network.parameters())
        shown = np.asarray(observation, np.float32)
        inputs = torch.from_numpy(shown.reshape(-1, shown.shape[-1])).to(like)
        start = self.network.cell.initial_state(len(inputs))
        now: Tensor = start if state is None else torch.from_numpy(state[0]).to(like)
        if episode_start is not None:
            fresh = torch.from_numpy(np.array(episode_start, np.bool_).reshape(-1, 1)).to(like.device)
            now = torch.where(fresh, start, now)
        answers, now = self.network.step(inputs, self.heads, now)
        chosen = self.network.choose(answers).cpu().numpy()
        return chosen.reshape((*shown.shape[:-1], *self.task.answer_shape)), (now.cpu().numpy(),)


@dataclass(frozen=True)
class Evaluation:
    """How an agent played fresh trials.

    Attributes:
        task: what it played.
        episodes: B, how many trials.
        score: mean return.
        standard_error: of that mean over trials.
        accuracy: share of right answers among those that counted, by the name of the head; of active heads only.
        intervals: of each accuracy, 95 % (see ``accuracy_interval``).
    """

    task: Task
    episodes: int
    score: float
    standard_error: float
    accuracy: dict[str, float]
    intervals: dict[str, tuple[float, float]]

    @property
    def score_interval(self) -> tuple[float, float]:
        """95 % interval of the mean return, normal over trials; none reaches above the perfect score."""
        reach = Z * self.standard_error
        return self.score - reach, min(self.score + reach, self.task.perfect_score)

    @property
    def normalised(self) -> float:
        """The score rescaled so that 1 is perfect and 0 the best without memory."""
        return float(self.task.normalise(self.score))


def evaluate(agent: Agent, task: Task, *, episodes: int, seed: int) -> Evaluation:
    """Play one trial in each column of a vector environment.

    One trial a column, so that short trials are not over-represented where lengths vary.

    Args:
        agent: who plays.
        task: what is played.
        episodes: how many trials, at least 2.
        seed: of the environment; take one that no training used.
    """
    parameters = task.to_dict()
    del parameters["task"]
    envs = gym.make_vec(task.env_id, num_envs=episodes, **parameters)
    observations, _ = envs.reset(seed=seed)
    returns, playing = np.zeros(episodes), np.ones(episodes, np.bool_)
    correct, counted = np.zeros((episodes, task.num_heads)), np.zeros(episodes)
    state, starts = None, playing.copy()
    while playing.any():
        actions, state = agent.predict(observations, state, starts, deterministic=True)
        observations, rewards, terminated, truncated, info = envs.step(actions)
        returns += rewards * playing
        correct += info["correct"].reshape(episodes, -1) & playing[:, None]
        counted += info["counted"] & playing
        playing &= ~(terminated | truncated)
        starts = np.zeros(episodes, np.bool_)
    envs.close()
    shown = [(label, n) for label, n, active in zip(task.head_labels, correct.T, task.active, strict=True) if active]
    return Evaluation(
        task=task,
        episodes=episodes,
        score=float(returns.mean()),
        standard_error=float(returns.std(ddof=1) / np.sqrt(episodes)),
        accuracy={label: float(n.sum() / counted.sum()) for label, n in shown},
        intervals={label: accuracy_interval(n, counted) for label, n in shown},
    )


def accuracy_interval(correct: npt.NDArray[np.float64], counted: npt.NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the share of right answers, where answers within a trial go together.

    Wilson's interval with the number of answers that, were they independent, would have the standard error found
    between trials (that of a ratio of sums, Cochran 1977); where all answers are right or all wrong there is none to
    find, and a trial counts as one answer. So it is never of width 0 and stays within [0, 1].

    Args:
        correct: right answers in each trial, (B,).
        counted: answers that counted in each trial, (B,).
    """
    trials, share = len(correct), float(correct.sum() / counted.sum())
    variance = float(((correct - share * counted) ** 2).sum()) * trials / (trials - 1) / float(counted.sum()) ** 2
    # Not more than there are: by chance the trials may differ less than independent answers would.
    answers = min(share * (1 - share) / variance, float(counted.sum())) if variance else float(trials)
    middle = (share + Z**2 / (2 * answers)) / (1 + Z**2 / answers)
    reach = Z / (1 + Z**2 / answers) * np.sqrt(share * (1 - share) / answers + Z**2 / (4 * answers**2))
    return max(middle - float(reach), 0.0), min(middle + float(reach), 1.0)
