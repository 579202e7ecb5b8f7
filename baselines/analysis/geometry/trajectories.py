"""The shape of what a network does: principal components, dimensions, distances between what it holds.

Axes: T steps, B trials, H heads, M states, S state size, C memory states.
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
"""Up to so many heads that are independent memories, all their combinations are told apart."""


@dataclass(frozen=True)
class Components:
    """Principal components of states.

    Attributes:
        mean: (S,).
        variances: along each component, decreasing, (S,).
        axes: unit vectors, one a row, (S, S).
    """

    mean: Floats
    variances: Floats
    axes: Floats

    @property
    def participation_ratio(self) -> float:
        """(sum of variances)^2 / sum of their squares: from 1 to S; NaN where nothing varies."""
        total = float(self.variances.sum())
        return total**2 / float((self.variances**2).sum()) if total > 0 else float("nan")

    def dimension(self, share: float = 0.9) -> int:
        """Components that hold this share of the variance. (Published values of this number are one less.)"""
        total = np.cumsum(self.variances)
        return int(np.searchsorted(total, share * total[-1])) + 1

    def project(self, states: Floats, count: int = 3) -> Floats:
        """Coordinates along the first components, (M, count); zeros where there are fewer."""
        found = (states - self.mean) @ self.axes[:count].T
        return np.pad(found, ((0, 0), (0, count - found.shape[1])))


def components(states: Floats) -> Components:
    """The principal components of states (M, S). The sign of an axis makes its largest entry positive."""
    mean = states.mean(0)
    variances, axes = np.linalg.eigh(np.cov(states.T, bias=True).reshape(states.shape[1], -1))
    variances, axes = np.maximum(variances[::-1], 0), axes.T[::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)
    return Components(mean, variances, axes * np.where(largest < 0, -1, 1))


def principal_angles(a: Floats, b: Floats) -> Floats:
    """Angles between the spaces that the rows of a (k, S) and b (l, S) span, in radians, increasing, (min(k, l),).

    The rows are orthonormal. Björck & Golub (1973), by cosines.
    """
    cosines = np.linalg.svd(a @ b.T, compute_uv=False)
    return np.asarray(np.arccos(np.clip(cosines, -1, 1)))


def memory_states(task: Task, trials: Trials) -> Labels:
    """What the network should hold at each step, as a number, (T, B); -1 where no answer is defined.

    All heads together where they are independent memories (the flip-flop's channels), else that of the largest N; real
    values in four equal intervals of [-1, 1].
    """
    targets, mask = trials.targets, trials.mask
    if task.real_valued:
        labels = np.clip(((targets[..., 0] + 1) * 2).astype(np.int64), 0, 3)
    elif getattr(task, "heads", None) is None and task.num_heads <= MOST_BITS:
        labels = (targets * 2 ** np.arange(task.num_heads)).sum(-1)
    else:
        labels = targets[..., -1]
    return np.where(mask, labels, -1)


@dataclass(frozen=True)
class Distances:
    """Distances between the mean states of what is held.

    Attributes:
        labels: of the C memory states that occur, (C,).
        between: Euclidean distances of the means, (C, C).
        within: root mean squared distance of the states from the mean of their own.
    """

    labels: Labels
    between: Floats
    within: float

    @property
    def separation(self) -> float:
        """Mean distance between memory states over the spread within them; NaN where there is one only."""
        pairs = self.between[np.triu_indices(len(self.labels), 1)]
        return float(pairs.mean() / self.within) if len(pairs) and self.within > 0 else float("nan")


def distances(states: Floats, labels: Labels) -> Distances:
    """Distances between memory states: states (M, S), labels (M,), those of -1 left out."""
    known = np.unique(labels[labels >= 0])
    means = np.array([states[labels == label].mean(0) for label in known]).reshape(len(known), states.shape[1])
    squares = [((states[labels == label] - mean) ** 2).sum() for label, mean in zip(known, means, strict=True)]
    within = float(np.sqrt(sum(squares) / max((labels >= 0).sum(), 1)))
    return Distances(known, np.linalg.norm(means[:, None] - means, axis=-1), within)
