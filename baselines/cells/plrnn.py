"""The piecewise-linear recurrent network.

Axes: T steps, B trials, I inputs, U units (outputs of the cell and size of its state).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from baselines.cells import kernels
from baselines.cells.base import Cell, off_diagonal, uniform


class PLRNN(Cell):
    """The piecewise-linear recurrent network (Durstewitz 2017; Schmidt et al. 2021).

    z(t) = A z(t-1) + W relu(z(t-1)) + C x(t) + h, with A diagonal and W with a zero diagonal.

    The state is z. The output is relu(z), because with a linear readout of z the network stays at chance on parity of
    two bits. Initial values (ours): A ~ U(0, 1), so that units start with many different time constants;
    W, h ~ U(-1/sqrt(U), 1/sqrt(U)); C ~ U(-1, 1); z(-1) = 0.

    Args:
        input_size: I, the number of inputs.
        units: U, the number of units, which is also the state size.
        generator: draws the initial parameters.
    """

    def __init__(self, input_size: int, units: int = 100, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.input_size = input_size
        self.state_size = self.output_size = units
        bound = 1 / math.sqrt(units)
        self.diagonal = uniform(0, 1, units, generator=generator)  # the diagonal of A
        self.weight = uniform(-bound, bound, units, units, generator=generator)  # [i, j]: from unit j to unit i
        self.input_weight = uniform(-1, 1, units, input_size, generator=generator)  # C
        self.bias = uniform(-bound, bound, units, generator=generator)  # h
        self.off_diagonal: Tensor
        self.register_buffer("off_diagonal", off_diagonal(units), persistent=False)

    @property
    def recurrent_weight(self) -> Tensor:
        """W with its zero diagonal, (U, U); entry [i, j] is the connection from unit j to unit i."""
        return self.weight * self.off_diagonal

    # The same under their names in the equation, which the manifold regulariser of the PLRNN reads.
    @property
    def A(self) -> Tensor:  # noqa: N802
        """The diagonal of A, (U,)."""
        return self.diagonal

    @property
    def W(self) -> Tensor:  # noqa: N802
        """W with its zero diagonal, (U, U)."""
        return self.recurrent_weight

    @property
    def h(self) -> Tensor:
        """The bias, (U,)."""
        return self.bias

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        recurrent = torch.relu(state) @ self.recurrent_weight.t()
        state = self.diagonal * state + recurrent + inputs @ self.input_weight.t() + self.bias
        return torch.relu(state), state

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As in ``Cell``, by the fused kernel."""
        return kernels.piecewise_linear(
            inputs, state, self.diagonal, self.recurrent_weight.t(), self.input_weight.t(), self.bias
        )

    def unit_axes(self) -> dict[str, tuple[int, ...]]:
        return {"diagonal": (1,), "weight": (1, 1), "input_weight": (1, 0), "bias": (1,)}
