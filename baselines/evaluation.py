"""How much an agent remembers: any agent plays fresh trials, and its score and accuracies are measured.

An agent is whatever has Stable-Baselines3's ``predict``: a trained SB3 model is an ``Agent`` as it stands. The
``VecNormalize`` of its environment is applied; other wrappers that change what it sees are refused.

Axes: T steps, B trials, I inputs, H heads, L lags.
"""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from baselines.core.sb3_models import observation_filter
from baselines.core.statistics import share_intervals
from baselines.core.text import one_line
from memory_envs import Task, sizes

__all__ = ["Agent", "AgentError", "Evaluation", "LagAccuracy", "evaluate"]

LONGEST_VALUE = 120
"""Characters that a message shows of an agent's answer."""

Interval = tuple[float, float]
"""The lower and the upper end of a 95 % interval."""


class Agent(Protocol):
    """Anything that answers observations: Stable-Baselines3's ``predict``."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Answer B observations at once.

        Args:
            observation: (B, I) float32, what is shown now.
            state: what the previous call returned as its state; None at the first step.
            episode_start: (B,) bool, which observations begin a trial.
            deterministic: give the likeliest answer instead of drawing one.

        Returns:
            The actions, integers (B,) or (B, H) for labels and numbers (B, H) for real values, and the state for the
            next call.
        """


class AgentError(ValueError):
    """The agent cannot play, or ``predict`` returned what cannot be played. The message is one line."""


def read_prediction(predicted: Any, task: Task, columns: int) -> tuple[npt.NDArray[Any], Any]:
    """Check what ``predict`` returned for ``columns`` observations.

    Args:
        predicted: a pair (actions, state). The actions are an array, a list, or a tensor on the CPU without a gradient:
            integers (B,) or (B, H) for labels, numbers (B, H) for real values.
        task: the task that is played.
        columns: B, the number of observations.

    Returns:
        The actions as an array, and the state as it came.

    Raises:
        AgentError: ``predicted`` is no pair, or the actions have the wrong shape or dtype, are out of range or NaN.
    """
    if not (isinstance(predicted, (tuple, list)) and len(predicted) == 2):
        raise AgentError(f"predict must return a pair (actions, state), got {_type_and_length(predicted)}")
    given, state = predicted
    shape = (columns, *task.answer_shape)
    wanted = f"{'numbers from -1 to 1' if task.real_valued else 'integers 0 or 1'} of shape {shape}"
    try:
        actions = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:  # a ragged list; a tensor on a GPU or with a gradient
        said = one_line(str(error), LONGEST_VALUE)
        raise AgentError(f"actions must be {wanted}, got {_type_and_length(given)}: {said}") from None
    if actions.shape != shape or actions.dtype.kind not in ("fiu" if task.real_valued else "iu"):
        raise AgentError(f"actions must be {wanted}, got {actions.dtype} of shape {actions.shape}")
    actions, good = task.read_answers(actions)
    if not good.all():
        column = int(np.argmin(good.reshape(columns, -1).all(axis=1)))
        value = one_line(str(actions[column]), LONGEST_VALUE)
        raise AgentError(f"actions must be {wanted}, got {value} for observation {column}")
    return actions, state


def _type_and_length(value: Any) -> str:
    """The value's type in words, with its length if it has one: "a list of length 3"."""
    try:
        return f"a {type(value).__name__} of length {len(value)}"
    except TypeError:
        return f"a {type(value).__name__}"


@dataclass(frozen=True)
class LagAccuracy:
    """The accuracy of all answers that need an input of the same age.

    Attributes:
        lag: the age in steps of the oldest input that these answers need (``Task.lags``); 0 is the current input.
        answers: the number of these answers, over all active heads.
        accuracy: the share of these answers that was right.
        interval: the 95 % interval of ``accuracy``.
    """

    lag: int
    answers: int
    accuracy: float
    interval: Interval


@dataclass(frozen=True)
class Evaluation:
    """How well an agent played fresh trials.

    Every interval covers 95 %: Wilson's, for as many answers as the answers of these trials are worth together
    (``baselines.core.statistics.share_intervals``); it has a width even if every answer was right. An interval tells
    how precisely these trials measure this one agent. It does not tell how well another training run would have ended.

    Attributes:
        task: the task that was played.
        episodes: B, the number of trials.
        seed: the seed of the environment.
        score: the mean return of a trial: exactly 1.0 is perfect, 0 is guessing.
        standard_error: the standard error of ``score`` over trials.
        score_interval: the 95 % interval of ``score``.
        accuracy: label of each active head -> the share of its counted answers that was right.
        intervals: label of each active head -> the 95 % interval of its accuracy.
        by_lag: the accuracy of all active heads together by the age of the memory that an answer needs, one entry for
            each lag that occurred, in ascending order.
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
        """The score, rescaled: 1 is perfect, 0 is the best without memory. NaN if the task needs no memory."""
        return self._normalise(self.score)

    @property
    def normalised_interval(self) -> Interval:
        """The 95 % interval of ``normalised``: both ends of ``score_interval``, rescaled."""
        return self._normalise(self.score_interval[0]), self._normalise(self.score_interval[1])

    @property
    def equivalent_memory(self) -> float:
        """The number of steps that an ideal subject with this score remembers (``Task.equivalent_memory``)."""
        return float(self.task.equivalent_memory(self.score))

    @property
    def equivalent_memory_interval(self) -> Interval:
        """The 95 % interval of ``equivalent_memory`` in steps: both ends of ``score_interval``, converted.

        Equivalent memory never falls as the score grows, so the ends keep their order. The interval has no width if
        both ends are worth the same number of steps: below the memoryless score, or on a plateau of the curve.
        """
        low, high = self.task.equivalent_memory(self.score_interval)
        return float(low), float(high)

    def _normalise(self, score: float) -> float:
        needs_memory = self.task.memoryless_score < self.task.perfect_score - 1e-12
        return float(self.task.normalise(score)) if needs_memory else math.nan


def evaluate(agent: Agent, task: Task, *, episodes: int, seed: int) -> Evaluation:
    """Let an agent play fresh trials, one in each column of a vector environment.

    Each column plays one trial only: otherwise short trials would count more often where lengths vary. The trials
    follow from ``task``, ``episodes`` and ``seed`` alone, so every agent gets the same ones.

    Args:
        agent: the agent that plays; it is called with ``deterministic=True``. A model of Stable-Baselines3 sees what
            the ``VecNormalize`` of its environment makes of the observations, whose statistics stay as they are. A
            model that was loaded without its environment has none: give it one with ``set_env``.
        task: the task that it plays.
        episodes: the number of trials, at least 2.
        seed: the seed of the environment. Choose one that no training used.

    Raises:
        AgentError: ``predict`` returned no pair, or actions of a wrong shape, dtype or range, or NaN; or the agent is a
            model whose environment has another wrapper that changes observations or actions.
    """
    played = _play(agent, task, episodes, seed)
    active = np.flatnonzero(task.active)
    labels = [task.head_labels[head] for head in active]
    counted, right = played.counted.sum(axis=0), played.correct.sum(axis=0)[:, active]
    lags, counted_by_lag, right_by_lag = _by_lag(task, played)
    # All shares at once: the score, each active head, each lag. The score enters as the share of its range from -1 to
    # 1, and a trial weighs as many answers as it has on average.
    answers = np.full((episodes, 1), counted.mean() * len(active))
    parts = np.concatenate([(played.returns[:, None] + 1) / 2 * answers, right, right_by_lag], axis=1)
    wholes = np.concatenate([answers, np.repeat(counted[:, None], len(active), 1), counted_by_lag], axis=1)
    (low, high), *intervals = [(low, high) for low, high in share_intervals(parts, wholes).tolist()]
    lag_columns = zip(
        lags.tolist(),
        counted_by_lag.sum(axis=0).tolist(),
        right_by_lag.sum(axis=0).tolist(),
        intervals[len(labels) :],
        strict=True,
    )
    return Evaluation(
        task=task,
        episodes=episodes,
        seed=seed,
        score=float(played.returns.mean()),
        standard_error=float(played.returns.std(ddof=1) / np.sqrt(episodes)),
        score_interval=(2 * low - 1, 2 * high - 1),
        accuracy={label: float(n / counted.sum()) for label, n in zip(labels, right.sum(axis=0), strict=True)},
        intervals=dict(zip(labels, intervals[: len(labels)], strict=True)),
        by_lag=tuple(LagAccuracy(lag, n, hits / n, interval) for lag, n, hits, interval in lag_columns),
    )


@dataclass(frozen=True)
class _Played:
    """One trial in each of B columns.

    Attributes:
        returns: (B,), the return of each trial.
        shown: (T, B, I), the observations; zero after the end of a trial.
        correct: (T, B, H), which answers were right and counted.
        counted: (T, B), the steps whose answers counted.
    """

    returns: npt.NDArray[np.float64]
    shown: npt.NDArray[np.float32]
    correct: npt.NDArray[np.bool_]
    counted: npt.NDArray[np.bool_]


def _play(agent: Agent, task: Task, episodes: int, seed: int) -> _Played:
    try:
        seen = observation_filter(agent)
    except ValueError as error:
        raise AgentError(str(error)) from None
    parameters = task.to_dict()
    del parameters["task"]
    steps, heads = task.num_steps, task.num_heads
    needed = steps * episodes * (4 * task.num_inputs + heads + 1)
    sizes.check(needed, f"{episodes} episodes of {steps} steps", "episodes or N must be smaller")
    shown = np.zeros((steps, episodes, task.num_inputs), np.float32)
    correct, counted = np.zeros((steps, episodes, heads), np.bool_), np.zeros((steps, episodes), np.bool_)
    returns, playing = np.zeros(episodes), np.ones(episodes, np.bool_)
    with closing(gym.make_vec(task.env_id, num_envs=episodes, **parameters)) as envs:
        observations, _ = envs.reset(seed=seed)
        state, starts, step = None, playing.copy(), 0
        while playing.any():
            shown[step] = observations  # copied first: the agent may write into the observations
            shown_to_agent = observations if seen is None else seen(observations)
            predicted = agent.predict(shown_to_agent, state, starts, deterministic=True)
            actions, state = read_prediction(predicted, task, episodes)
            observations, rewards, terminated, truncated, info = envs.step(actions)
            returns += rewards * playing
            correct[step] = info["correct"].reshape(episodes, heads) & playing[:, None]
            counted[step] = info["counted"] & playing
            playing &= ~(terminated | truncated)
            starts, step = np.zeros(episodes, np.bool_), step + 1
    return _Played(returns, shown, correct, counted)


_BLOCK = 4_000_000  # lags computed at once: 32 MB as int64


def _by_lag(task: Task, played: _Played) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Count the answers of each trial by the lag that they need.

    Returns:
        The L lags that occurred, ascending, (L,); the counted answers (B, L); the right ones among them (B, L).
    """
    steps, trials = played.counted.shape
    span = task.horizon  # no counted answer needs an older input
    answers, right = (np.zeros((trials, span), np.int64) for _ in range(2))
    block = max(1, _BLOCK // (steps * task.num_heads))
    for start in range(0, trials, block):
        some = slice(start, start + block)
        lags, counted = task.lags(played.shown[:, some]), played.counted[:, some]
        trial = np.broadcast_to(np.arange(counted.shape[1]), counted.shape)[counted]  # of each counted step
        for head in np.flatnonzero(task.active):
            cell = trial * span + lags[..., head][counted]  # row-major position in a (trials, lags) table
            hits = cell[played.correct[:, some, head][counted]]
            for table, cells in ((answers, cell), (right, hits)):
                table[some] += np.bincount(cells, minlength=span * counted.shape[1]).reshape(-1, span)
    lags = np.flatnonzero(answers.any(axis=0))
    return lags, answers[:, lags], right[:, lags]
