"""Memory states: what a network should hold at a step, and how far apart the states are that hold it.

Axes: T steps, B trials, M states, S state size, C memory states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory_envs import Task
from memory_envs.trials import Trials

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

MOST_BITS = 4
"""With at most so many heads that are independent memories, each combination of theirs is a memory state."""


def memory_states(task: Task, trials: Trials) -> Labels:
    """What the network should hold at each step, as a number.

    It is the combination of all heads where these are independent memories (the flip-flop's channels), else the label
    of the largest N; for real values, one of four equal intervals of [-1, 1].

    Args:
        task: the task.
        trials: its trials.

    Returns:
        Memory states, (T, B); -1 where no answer is defined.
    """
    targets, mask = trials.targets, trials.mask
    if task.real_valued:
        labels = np.clip(((targets[..., 0] + 1) * 2).astype(np.int64), 0, 3)
    elif task.heads is None and task.num_heads <= MOST_BITS:
        labels = (targets * 2 ** np.arange(task.num_heads)).sum(-1)
    else:
        labels = targets[..., -1]
    return np.where(mask, labels, -1)


def held(task: Task, label: int) -> str:
    """What a memory state is, in words: the flip-flop's bits from the first channel to the last, a label, an interval.

    Args:
        task: the task.
        label: the number of the memory state, as ``memory_states`` gives it.
    """
    if task.real_valued:
        return f"{-1 + label / 2:g} to {-0.5 + label / 2:g}"
    if task.heads is None and task.num_heads <= MOST_BITS:
        return "".join(str(label >> channel & 1) for channel in range(task.num_heads))
    return str(label)


@dataclass(frozen=True)
class Distances:
    """Distances between the mean states of what is held.

    Attributes:
        labels: the C memory states that occur, (C,).
        between: Euclidean distances between their mean states, (C, C).
        within: root mean squared distance of a state from the mean of its memory state.
    """

    labels: Labels
    between: Floats
    within: float

    @property
    def pairs(self) -> tuple[Labels, Labels]:
        """The indices of either of the memory states of each pair, (pairs,) each."""
        first, second = np.triu_indices(len(self.labels), 1)
        return first, second

    @property
    def separation(self) -> float:
        """Mean distance between memory states, divided by ``within``; NaN where only one occurs."""
        pairs = self.between[self.pairs]
        return float(pairs.mean() / self.within) if len(pairs) and self.within > 0 else float("nan")


def distances(states: Floats, labels: Labels) -> Distances:
    """Distances between memory states, from M states (M, S) and their memory states (M,); -1 is left out."""
    known = np.unique(labels[labels >= 0])
    means = np.array([states[labels == label].mean(0) for label in known]).reshape(len(known), states.shape[1])
    squares = [((states[labels == label] - mean) ** 2).sum() for label, mean in zip(known, means, strict=True)]
    within = float(np.sqrt(sum(squares) / max((labels >= 0).sum(), 1)))
    return Distances(known, np.linalg.norm(means[:, None] - means, axis=-1), within)
