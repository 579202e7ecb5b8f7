"""Fixed and slow points of a network under a constant input, and their stability.

Axes: P points, S state size, I inputs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.cells import Cell

Floats = npt.NDArray[np.float64]
KINDS = ("stable", "unstable", "slow")

FIXED, SLOW = 1e-6, 0.02
"""The speeds below which a point is fixed, or slow: change of the state in a step over the spread of visited states."""
MARGIN = 1e-3
"""A fixed point is unstable if an eigenvalue's modulus is above 1 by more than this: a line attractor has one at 1."""


@dataclass(frozen=True)
class Points:
    """Points at which the state hardly moves.

    Attributes:
        states: the points, (P, S).
        speeds: |F(s) - s| over the spread of the visited states, in 1 / step, (P,). F is one step of the cell.
        eigenvalues: the eigenvalues of the Jacobian of F, complex, largest modulus first, (P, S).
        kinds: ``"stable"`` or ``"unstable"`` for fixed points, or ``"slow"``, (P,).
    """

    states: Floats
    speeds: Floats
    eigenvalues: npt.NDArray[np.complex128]
    kinds: npt.NDArray[np.str_]

    @property
    def unstable(self) -> npt.NDArray[np.int64]:
        """How many eigenvalues have a modulus above 1 + ``MARGIN``, (P,)."""
        return np.asarray((np.abs(self.eigenvalues) > 1 + MARGIN).sum(1))


def find_points(cell: Cell, held: Tensor, visited: Tensor, starts: Tensor, *, iterations: int = 60) -> Points:
    """Points at which the state hardly moves under a constant input.

    Sussillo & Barak (2013) minimise |F(s) - s|^2 / 2 from states that the network visits, F being one step of the cell.
    Here this is done by Levenberg-Marquardt steps in float64. They move along fast directions before slow ones. So the
    place where a search first gets below the speed ``SLOW`` is kept, too: a line of slow points then shows as a line,
    not only as the few points of least speed on it.

    The spread is the root mean squared distance of the visited states from their mean. Three kinds of points are left
    out: points farther from that mean than twice the farthest visited state; of points closer together than 1 % of the
    spread, all but the slowest; and slow points within 10 % of the spread of a fixed point, which are slow because they
    are near it.

    Args:
        cell: the cell, of any kind; a copy of it is used.
        held: the constant input, (I,).
        visited: M states that the network visits, which say how large the spread is, (M, S).
        starts: the states from which the search starts, (P, S).
        iterations: the most steps of the search.
    """
    cell = copy.deepcopy(cell).double().requires_grad_(False)
    visited, states = visited.double(), starts.double()
    centre = visited.mean(0)
    distances = (visited - centre).norm(dim=1)
    spread = float(distances.square().mean().sqrt().clamp(min=1e-12))
    inputs = held.double().expand(len(states), -1)
    states = torch.cat(_minimise(cell, inputs, states, iterations, spread))
    inputs = held.double().expand(len(states), -1)
    speeds = (_step(cell, inputs, states) - states).norm(dim=1) / spread
    near = (states - centre).norm(dim=1) <= 2 * distances.max() + 1e-9
    order = [i for i in speeds.argsort().tolist() if near[i] and speeds[i] < SLOW]
    kept: list[int] = []
    for i in order:  # from the slowest on
        apart = (states[kept] - states[i]).norm(dim=1) / spread
        fixed = speeds[kept] < FIXED
        if bool((apart > 0.01).all()) and (speeds[i] < FIXED or bool((apart[fixed] > 0.1).all())):
            kept.append(i)
    states, speeds = states[kept], speeds[kept]
    eigenvalues = _eigenvalues(cell, inputs[: len(kept)], states)
    unstable = (np.abs(eigenvalues) > 1 + MARGIN).any(1)
    fixed = (speeds < FIXED).cpu().numpy()
    kinds = np.where(fixed, np.where(unstable, "unstable", "stable"), "slow")
    return Points(states.cpu().numpy(), speeds.cpu().numpy(), eigenvalues, kinds)


def jacobians(cell: Cell, inputs: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
    """One step F of a cell and its Jacobian.

    Args:
        cell: the cell.
        inputs: the input of each point, (P, I).
        states: the points, (P, S).

    Returns:
        F(s), (P, S); its Jacobian, (P, S, S), where [p, i, j] is dF_i / ds_j at point p.
    """
    with torch.enable_grad():
        states = states.detach().requires_grad_(True)
        after = _step(cell, inputs, states)
        # The points do not see one another: a sum over them gives the gradient of each.
        rows = [
            torch.autograd.grad(after[:, i].sum(), states, retain_graph=True, materialize_grads=True)[0]
            for i in range(after.shape[1])
        ]
    return after.detach(), torch.stack(rows, 1)


def _step(cell: Cell, inputs: Tensor, states: Tensor) -> Tensor:
    return cell.step(inputs, states)[1]


def _minimise(cell: Cell, inputs: Tensor, states: Tensor, iterations: int, spread: float) -> tuple[Tensor, Tensor]:
    """Levenberg-Marquardt for all points at once: where they end, and where each that gets slow first was slow."""
    states = states.clone()
    first = torch.full_like(states, torch.nan)
    identity = torch.eye(states.shape[1], dtype=states.dtype, device=states.device)
    damping = torch.full((len(states),), 1e-2, dtype=states.dtype, device=states.device)
    going = torch.arange(len(states), device=states.device)
    for _ in range(iterations):
        if not len(going):
            break
        now = states[going]
        after, jacobian = jacobians(cell, inputs[going], now)
        residual, slope = after - now, jacobian - identity
        normal = slope.mT @ slope + damping[going, None, None] * identity
        step = -torch.linalg.solve(normal, (slope.mT @ residual[..., None]))[..., 0]
        tried = now + step
        new = (_step(cell, inputs[going], tried) - tried).norm(dim=1)
        old = residual.norm(dim=1)
        better = new < old
        states[going[better]] = tried[better]
        damping[going] = torch.where(better, damping[going] / 10, damping[going] * 10).clamp(1e-12, 1e12)
        best = torch.minimum(new, old)
        arrived = going[(best < SLOW * spread) & first[going, 0].isnan()]
        first[arrived] = states[arrived]
        settled = (best < 1e-12 * spread) | (better & (old - new < 1e-4 * new)) | (damping[going] >= 1e9)
        going = going[~settled]
    return states, first[~first[:, 0].isnan()]


def _eigenvalues(cell: Cell, inputs: Tensor, states: Tensor) -> npt.NDArray[np.complex128]:
    if not len(states):
        return np.zeros((0, states.shape[1]), np.complex128)
    values = torch.linalg.eigvals(jacobians(cell, inputs, states)[1]).cpu().numpy()
    return np.take_along_axis(values, np.argsort(-np.abs(values), axis=1), 1)
