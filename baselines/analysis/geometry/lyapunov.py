"""The largest Lyapunov exponent: does a small difference between two states grow or die out?

Axes: T steps, B trials, I inputs, S state size.
"""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.cells import Cell
from baselines.core import seeds

DISTANCE = 1e-7
"""How far apart the two trajectories are kept."""


@torch.no_grad()
def largest_exponent(
    cell: Cell, inputs: Tensor, states: Tensor, *, transient: int, seed: int
) -> npt.NDArray[np.float64]:
    """The largest Lyapunov exponent along each of B trajectories.

    Benettin et al. (1980): a second trajectory under the same inputs starts ``DISTANCE`` away in a random direction and
    is brought back to that distance after every step. The exponent is the mean logarithm of its growth. In float64.

    Args:
        cell: the cell, of any kind; a copy of it is used.
        inputs: the inputs, (T, B, I).
        states: the states before the first step, (B, S).
        transient: the first steps, which are not measured: in them the difference turns to where it grows fastest.
        seed: the seed of the direction in which the second trajectory starts.

    Returns:
        Exponents in 1 / step, (B,): negative where differences die out; minus infinity where they vanish altogether.
    """
    cell = copy.deepcopy(cell).double()
    states, trials = states.double(), len(states)
    direction = torch.randn(states.shape, generator=seeds.generator(seed, "direction"), dtype=torch.float64)
    direction = direction.to(states.device)
    other = states + DISTANCE * direction / direction.norm(dim=1, keepdim=True)
    total = states.new_zeros(trials)
    for t, now in enumerate(inputs.double().repeat(1, 2, 1)):
        after = cell.step(now, torch.cat((states, other)))[1]
        states, other = after[:trials], after[trials:]
        difference = other - states
        growth = difference.norm(dim=1, keepdim=True)
        if t >= transient:
            total += (growth[:, 0] / DISTANCE).log()
        # A difference of exactly 0 stays 0, and its logarithm is minus infinity.
        other = states + DISTANCE * difference / growth.clamp(min=1e-300)
    return np.asarray((total / (len(inputs) - transient)).cpu().numpy())
