"""The leaky firing-rate network with one time constant for all units.

Axes: T steps, B trials, I inputs, U units (outputs of the cell), R rank.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from baselines.cells import kernels
from baselines.cells.base import Cell, normal, uniform
from memory_envs import checks


class RateRNN(Cell):
    """The field's usual firing-rate network (as in Haputhanthri et al. 2025).

    r(t) = (1 - a) r(t-1) + a tanh(W r(t-1) + W_in x(t) + b). State and output are r.

    Initial values: W ~ N(0, g^2/U), its diagonal included. In a large network without inputs, activity then decays for
    g < 1 and is chaotic for g > 1. Ours: W_in ~ U(-1, 1), b ~ U(-1/sqrt(U), 1/sqrt(U)). The initial state is 0.

    With ``rank=R``, W = m n' / U, where m and n (U, R) are trained. Their entries are drawn with the variance
    g sqrt(U/R), which gives the entries of W the same variance g^2/U as in a full matrix: g keeps its meaning.

    Args:
        input_size: I, the number of inputs.
        units: U, the number of units, which is also the state size.
        a: dt / tau, the weight of the new activity in each step: above 0, at most 1.
        g: the strength of the connections, 0 to 100.
        rank: R, from 1 to U; None: W is a full matrix.
        generator: draws the initial parameters.

    Raises:
        ValueError, TypeError: ``a``, ``g`` or ``rank`` is out of range or of another type.
    """

    def __init__(
        self,
        input_size: int,
        units: int = 100,
        *,
        a: float = 0.5,
        g: float = 1.0,
        rank: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.state_size = self.output_size = units
        self.a = checks.real("a", a, 0.0, 1.0)
        if not self.a:
            raise ValueError(f"a must be above 0, got {a!r}")
        g = checks.real("g", g, 0.0, 100.0)
        bound = 1 / math.sqrt(units)
        if rank is None:
            self.weight = normal(g * bound, units, units, generator=generator)  # [i, j]: from unit j to unit i
        else:
            rank = checks.integer("rank", rank, 1, units)
            sd = math.sqrt(g * math.sqrt(units / rank))
            self.m, self.n = (normal(sd, units, rank, generator=generator) for _ in range(2))
        self.rank = rank
        self.input_weight = uniform(-1, 1, units, input_size, generator=generator)
        self.bias = uniform(-bound, bound, units, generator=generator)
        # As tensors, because the kernel takes one number per unit.
        self.keep = nn.Buffer(torch.full((units,), 1 - self.a), persistent=False)
        self.gain = nn.Buffer(torch.full((units,), self.a), persistent=False)

    @property
    def time_constants(self) -> Tensor:
        """The time constants 1 / a in steps, (U,)."""
        return 1 / self.gain

    @property
    def recurrent_weight(self) -> Tensor:
        """W, (U, U); entry [i, j] is the connection from unit j to unit i."""
        return self.weight if self.rank is None else self.m @ self.n.t() / self.state_size

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        drive = state @ self.recurrent_weight.t() + inputs @ self.input_weight.t() + self.bias
        state = self.keep * state + self.gain * torch.tanh(drive)
        return state, state

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As in ``Cell``, by the fused kernel.

        A low-rank W is multiplied out once per sequence: at these sizes that costs less than a second product in every
        step.
        """
        states = kernels.leaky(
            inputs,
            state,
            self.recurrent_weight.t(),
            self.input_weight.t(),
            self.bias,
            self.keep,
            self.gain,
            kernels.ACTIVATIONS["tanh"],
        )
        return states, states

    def unit_axes(self) -> dict[str, tuple[int, ...]]:
        # W of low rank is divided by U, so a larger one is another function.
        return {"weight": (1, 1), "input_weight": (1, 0), "bias": (1,)} if self.rank is None else {}
