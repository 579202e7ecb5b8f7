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


@torch.no_grad()
def largest_exponent(
    cell: Cell, inputs: Tensor, states: Tensor, *, transient: int, seed: int
) -> npt.NDArray[np.float64]:
    """The largest exponent along each of B trajectories, in 1 / step: negative where differences die out, (B,).

    Benettin et al. (1980): a second trajectory under the same inputs starts ``DISTANCE`` away in a random direction and
    is brought back to that distance after every step; the exponent is the mean logarithm of the growth. In float64.

    Args:
        cell: any cell; a copy is used.
        inputs: (T, B, I).
        states: before the first step, (B, S).
        transient: steps that turn the difference to the direction of fastest growth and are not measured.
        seed: of the direction.
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
        # A difference that is gone altogether stays gone: minus infinity.
        other = states + DISTANCE * difference / growth.clamp(min=1e-300)
    return np.asarray((total / (len(inputs) - transient)).cpu().numpy())
