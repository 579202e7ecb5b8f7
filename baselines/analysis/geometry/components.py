"""Principal components of states: how many dimensions a network uses, and which.

Axes: M states, S state size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """Principal components of states.

    Attributes:
        mean: the mean state, (S,).
        variances: the variance along each component, decreasing, (S,).
        axes: the components, unit vectors, one a row, (S, S).
    """

    mean: Floats
    variances: Floats
    axes: Floats

    @property
    def participation_ratio(self) -> float:
        """Number of dimensions used: (sum of variances)^2 / sum of their squares, 1 to S; NaN where nothing varies."""
        total = float(self.variances.sum())
        return total**2 / float((self.variances**2).sum()) if total > 0 else float("nan")

    def dimension(self, share: float = 0.9) -> int:
        """How many components hold this share of the variance. (Published values of this number are one less.)"""
        total = np.cumsum(self.variances)
        return int(np.searchsorted(total, share * total[-1])) + 1

    def project(self, states: Floats, count: int = 3) -> Floats:
        """Coordinates of states (M, S) along the first components, (M, count); zeros where there are fewer."""
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
    """Principal angles between two spaces, in radians, increasing, (min(k, l),) (Björck & Golub 1973, by cosines).

    Args:
        a: an orthonormal basis of one space, a vector a row, (k, S).
        b: an orthonormal basis of the other, (l, S).
    """
    cosines = np.linalg.svd(a @ b.T, compute_uv=False)
    return np.asarray(np.arccos(np.clip(cosines, -1, 1)))
