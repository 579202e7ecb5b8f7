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
Whole = npt.NDArray[np.int64]
KINDS = ("stable", "unstable", "slow")

FIXED, SLOW = 1e-6, 0.02
"""The speeds below which a point is fixed, or slow: change of the state in a step over the spread of visited states."""
MARGIN = 1e-3
"""A fixed point is unstable if an eigenvalue's modulus is above 1 by more than this: a line attractor has one at 1."""
APART = 0.01
"""Points closer together than this, over the spread of visited states, are one."""


@dataclass(frozen=True)
class Points:
    """Points at which the state hardly moves.

    Attributes:
        states: the points, (P, S).
        speeds: |F(s) - s| over the spread of the visited states, in 1 / step, (P,). F is one step of the cell.
        eigenvalues: the eigenvalues of the Jacobian of F, complex, largest modulus first, (P, S).
        kinds: ``"stable"`` or ``"unstable"`` for fixed points, or ``"slow"``, (P,).
        ends: at which of the points the search from each start ended, -1 where at none, (starts,).
    """

    states: Floats
    speeds: Floats
    eigenvalues: npt.NDArray[np.complex128]
    kinds: npt.NDArray[np.str_]
    ends: Whole

    @property
    def unstable(self) -> Whole:
        """How many eigenvalues have a modulus above 1 + ``MARGIN``, (P,)."""
        return np.asarray((np.abs(self.eigenvalues) > 1 + MARGIN).sum(1))

    def arrivals(self, searches: int) -> Whole:
        """From how many starts each point was reached, for each of some searches of equal size, (searches, P).

        The starts of the first search come first, then those of the second, and so on.
        """
        counts = [np.bincount(part[part >= 0], minlength=len(self.kinds)) for part in np.split(self.ends, searches)]
        return np.stack(counts).astype(np.int64)


def starting_states(visited: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """States from which points are sought, (count, S), in float64.

    A network leaves unstable points, so that few visited states are near one. They lie between what the network
    visits: the saddle between two memories on the way from one to the other. So every other start lies on the straight
    line between two visited states, after a share of the way that is uniform from 1/4 to 3/4; of the rest, in turn, one
    is a visited state and one a visited state with Gaussian noise, whose norm is about the spread (the root mean
    squared distance of the visited states from their mean).

    Args:
        visited: the visited states, (M, S); they are drawn with replacement.
        count: how many.
        generator: draws the states, the shares and the noise; it is on the CPU.
    """
    visited = visited.double()
    first, second = (visited[torch.randint(len(visited), (count,), generator=generator)] for _ in range(2))
    share = 0.25 + 0.5 * torch.rand(count, 1, generator=generator, dtype=torch.float64).to(visited)
    noise = torch.randn(first.shape, generator=generator, dtype=torch.float64).to(visited)
    spread = (visited - visited.mean(0)).square().sum(1).mean().sqrt()
    noisy = first + noise * spread / visited.shape[1] ** 0.5
    turn = torch.arange(count, device=visited.device)[:, None]
    return torch.where(turn % 2 == 0, first + share * (second - first), torch.where(turn % 4 == 1, first, noisy))


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

    Raises:
        ValueError: a number in ``held``, ``visited`` or ``starts`` is not finite.
    """
    cell = copy.deepcopy(cell).double().requires_grad_(False)
    visited, states = visited.double(), starts.double()
    for name, values in (("visited", visited), ("starts", states), ("held", held)):
        if not bool(values.isfinite().all()):
            raise ValueError(f"{name} must be finite, got {int((~values.isfinite()).sum())} numbers that are not")
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
        if bool((apart > APART).all()) and (speeds[i] < FIXED or bool((apart[fixed] > 0.1).all())):
            kept.append(i)
    ends = _ends(states[: len(starts)], states[kept], spread)
    states, speeds = states[kept], speeds[kept]
    eigenvalues = _eigenvalues(cell, inputs[: len(kept)], states)
    unstable = (np.abs(eigenvalues) > 1 + MARGIN).any(1)
    fixed = (speeds < FIXED).cpu().numpy()
    kinds = np.where(fixed, np.where(unstable, "unstable", "stable"), "slow")
    return Points(states.cpu().numpy(), speeds.cpu().numpy(), eigenvalues, kinds, ends)


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


def _ends(ended: Tensor, points: Tensor, spread: float) -> Whole:
    """Which of the points (P, S) lies closest to where each search ended, (starts, S); -1 if none within ``APART``."""
    if not len(points):
        return np.full(len(ended), -1)
    apart, closest = (torch.cdist(ended, points, compute_mode="donot_use_mm_for_euclid_dist") / spread).min(1)
    return np.asarray(torch.where(apart <= APART, closest, -1).cpu().numpy())


def _eigenvalues(cell: Cell, inputs: Tensor, states: Tensor) -> npt.NDArray[np.complex128]:
    if not len(states):
        return np.zeros((0, states.shape[1]), np.complex128)
    values = torch.linalg.eigvals(jacobians(cell, inputs, states)[1]).cpu().numpy()
    return np.take_along_axis(values, np.argsort(-np.abs(values), axis=1), 1)
