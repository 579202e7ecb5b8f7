"""Agents that play the environments, and their evaluation.

An agent has Stable-Baselines3's ``predict``, so that a trained SB3 model is an Agent as it stands.

Axes: T steps, B trials, I inputs, H heads, S state size, L lags.
"""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from baselines.core import seeds
from baselines.core.statistics import bootstrap_shares
from memory_envs import Task

__all__ = ["Agent", "AgentError", "Evaluation", "LagAccuracy", "evaluate"]

Interval = tuple[float, float]

_BLOCK = 4_000_000  # lags looked at together: 32 MB


class Agent(Protocol):
    """Anything that answers observations."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Actions for observations (B, I), and the state to hand in with the next ones."""


@dataclass(frozen=True)
class LagAccuracy:
    """How the answers did that need an input of one age.

    Attributes:
        lag: steps back to the oldest input that these answers need (``Task.lags``).
        answers: how many they were, of all active heads.
        accuracy: share of right ones.
        interval: of it, 95 %.
    """

    lag: int
    answers: int
    accuracy: float
    interval: Interval


@dataclass(frozen=True)
class Evaluation:
    """How an agent played fresh trials.

    Every interval is for 95 %: the percentile bootstrap over trials (whole trials are drawn again, with all their
    answers), at least as wide as Wilson's, so that none has no width even where all trials are right
    (``resampling.bootstrap_shares``). They tell how well the trials show what this agent does, not how another training
    would have ended.

    Attributes:
        task: what it played.
        episodes: B, how many trials.
        seed: of the environment.
        score: mean return.
        standard_error: of that mean over trials.
        score_interval: of the mean return.
        accuracy: share of right answers among those that counted, by the name of the head; of active heads only.
        intervals: of each accuracy.
        by_lag: accuracy by the age of the memory that an answer needs, of active heads together; each lag that occurs.
    """

    task: Task
    episodes: int
    seed: int
    score: float
    standard_error: float
    score_interval: Interval
    accuracy: dict[str, float]
    intervals: dict[str, Interval]
    by_lag: tuple[LagAccuracy, ...]

    @property
    def normalised(self) -> float:
        """The score rescaled so that 1 is perfect and 0 the best without memory; NaN where none is needed."""
        return self._normalise(self.score)

    @property
    def normalised_interval(self) -> Interval:
        """The ends of the score's interval, rescaled."""
        return self._normalise(self.score_interval[0]), self._normalise(self.score_interval[1])

    @property
    def equivalent_memory(self) -> float:
        """How many steps a subject with this score behaves as if it remembered (``Task.equivalent_memory``)."""
        return float(self.task.equivalent_memory(self.score))

    @property
    def equivalent_memory_interval(self) -> Interval:
        """The ends of the score's interval, in steps: equivalent memory never falls as the score grows.

        It has no width where both ends are worth the same, as scores below the memoryless or at a plateau are.
        """
        low, high = self.task.equivalent_memory(self.score_interval)
        return float(low), float(high)

    def _normalise(self, score: float) -> float:
        needed = self.task.memoryless_score < self.task.perfect_score - 1e-12
        return float(self.task.normalise(score)) if needed else math.nan


def evaluate(agent: Agent, task: Task, *, episodes: int, seed: int) -> Evaluation:
    """Play one trial in each column of a vector environment.

    One trial a column, so that short trials are not over-represented where lengths vary. The trials follow from the
    task, ``episodes`` and ``seed`` alone: they are the same for every agent.

    Args:
        agent: who plays, with ``deterministic=True``.
        task: what is played.
        episodes: how many trials, at least 2.
        seed: of the environment; take one that no training used.

    Raises:
        AgentError: ``predict`` returns no pair, or actions of another shape, dtype or range than the task's, or NaN.
    """
    parameters = task.to_dict()
    del parameters["task"]
    steps, heads = task.num_steps, task.num_heads
    shown = np.zeros((steps, episodes, task.num_inputs), np.float32)
    correct, counted = np.zeros((steps, episodes, heads), np.bool_), np.zeros((steps, episodes), np.bool_)
    returns, playing = np.zeros(episodes), np.ones(episodes, np.bool_)
    with closing(gym.make_vec(task.env_id, num_envs=episodes, **parameters)) as envs:
        observations, _ = envs.reset(seed=seed)
        state, starts, step = None, playing.copy(), 0
        while playing.any():
            shown[step] = observations  # before the agent can write into them
            predicted = agent.predict(observations, state, starts, deterministic=True)
            actions, state = read_prediction(predicted, task, episodes)
            observations, rewards, terminated, truncated, info = envs.step(actions)
            returns += rewards * playing
            correct[step] = info["correct"].reshape(episodes, heads) & playing[:, None]
            counted[step] = info["counted"] & playing
            playing &= ~(terminated | truncated)
            starts, step = np.zeros(episodes, np.bool_), step + 1
    active = np.flatnonzero(task.active)
    asked, right = counted.sum(axis=0), correct.sum(axis=0)[:, active]
    lags, asked_by_lag, right_by_lag = _by_lag(task, shown, correct, counted)
    # The return, from -1 to 1, as a share of its range, of as many answers as a trial has on average.
    answers = np.full((episodes, 1), asked.mean() * len(active))
    parts = np.concatenate([(returns[:, None] + 1) / 2 * answers, right, right_by_lag], axis=1)
    wholes = np.concatenate([answers, np.repeat(asked[:, None], len(active), 1), asked_by_lag], axis=1)
    ends = bootstrap_shares(parts, wholes, seeds.numpy_generator(seed, "bootstrap"))
    intervals: list[Interval] = [(low, high) for low, high in ends.tolist()]
    labels = [task.head_labels[i] for i in active]
    first = 1 + len(labels)  # of the lags
    low, high = (2 * end - 1 for end in intervals[0])
    return Evaluation(
        task=task,
        episodes=episodes,
        seed=seed,
        score=min(float(returns.mean()), task.perfect_score),  # no sum is exact to the last bit
        standard_error=float(returns.std(ddof=1) / np.sqrt(episodes)),
        score_interval=(low, high),
        accuracy={label: float(n / asked.sum()) for label, n in zip(labels, right.sum(axis=0), strict=True)},
        intervals=dict(zip(labels, intervals[1:first], strict=True)),
        by_lag=tuple(
            LagAccuracy(int(lag), int(n), float(hits / n), interval)
            for lag, n, hits, interval in zip(
                lags, asked_by_lag.sum(axis=0), right_by_lag.sum(axis=0), intervals[first:], strict=True
            )
        ),
    )


def _by_lag(
    task: Task, shown: npt.NDArray[np.float32], correct: npt.NDArray[np.bool_], counted: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The lags that occur, (L,), and for each trial the answers that counted and the right ones, (B, L) each.

    Args:
        task: what was played.
        shown: (T, B, I).
        correct: (T, B, H).
        counted: (T, B).
    """
    steps, trials = counted.shape
    span = task.horizon  # no answer that counts needs more
    asked, right = (np.zeros((trials, span), np.int64) for _ in range(2))
    block = max(1, _BLOCK // (steps * task.num_heads))
    for start in range(0, trials, block):
        some = slice(start, start + block)
        lags, counts = task.lags(shown[:, some]), counted[:, some]
        number = np.broadcast_to(np.arange(counts.shape[1]), counts.shape)[counts]  # of each answer's trial
        for head in np.flatnonzero(task.active):
            place = number * span + lags[..., head][counts]
            for into, places in ((asked, place), (right, place[correct[:, some, head][counts]])):
                into[some] += np.bincount(places, minlength=span * counts.shape[1]).reshape(-1, span)
    there = np.flatnonzero(asked.any(axis=0))
    return there, asked[:, there], right[:, there]


class AgentError(ValueError):
    """An agent did not answer as it must. The message is one line: what was expected and what came."""


def read_prediction(predicted: Any, task: Task, columns: int) -> tuple[npt.NDArray[Any], Any]:
    """The actions and the state that ``predict`` returned for ``columns`` observations.

    Args:
        predicted: a pair. The actions are an array, a list, or a tensor on the CPU without a gradient: integers
            (B,) or (B, H) for labels, numbers (B, H) for real values.
        task: what is played.
        columns: B.

    Raises:
        AgentError: it is no pair, or the actions have another shape or dtype, or are out of range or NaN.
    """
    if not (isinstance(predicted, (tuple, list)) and len(predicted) == 2):
        raise AgentError(f"predict must return a pair (actions, state), got {_named(predicted)}")
    given, state = predicted
    shape = (columns, *task.answer_shape)
    wanted = f"{'numbers from -1 to 1' if task.real_valued else 'integers 0 or 1'} of shape {shape}"
    try:
        actions = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; a tensor elsewhere, or with a gradient
        raise AgentError(f"actions must be {wanted}, got {_named(given)}: {_line(error)}") from None
    if actions.shape != shape or actions.dtype.kind not in ("fiu" if task.real_valued else "iu"):
        raise AgentError(f"actions must be {wanted}, got {actions.dtype} of shape {actions.shape}")
    good = np.abs(actions) <= 1 if task.real_valued else (actions == 0) | (actions == 1)
    if not good.all():  # NaN is not <= 1 either
        column = int(np.argmin(good.reshape(columns, -1).all(axis=1)))
        raise AgentError(f"actions must be {wanted}, got {_line(actions[column])} for observation {column}")
    return actions, state


def _named(value: Any) -> str:
    """A value's type, with its length where it has one."""
    try:
        return f"a {type(value).__name__} of length {len(value)}"
    except TypeError:
        return f"a {type(value).__name__}"


def _line(value: object) -> str:
    words = " ".join(str(value).split())
    return words if len(words) <= 120 else f"{words[:117]}..."
