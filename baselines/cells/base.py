"""What a recurrent cell is.

Axes: T steps, B trials, I inputs, U units (outputs of the cell), S state size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Cell(nn.Module, ABC):
    """A recurrent network without its readout. Its state is one tensor, always: an LSTM packs [h, c].

    ``contract.check`` says of a cell whether it keeps to this.

    Attributes:
        state_size: S.
        output_size: U.
    """

    state_size: int
    output_size: int

    @abstractmethod
    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: inputs (B, I), state (B, S) -> output (B, U), new state (B, S). Neither argument is changed."""

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """A whole sequence: inputs (T, B, I), state (B, S) -> outputs (T, B, U), states (T, B, S).

        Equal to looping over ``step``, which is what this default does; a cell with a faster way overrides it.
        """
        outputs, states = [], []
        for now in inputs:
            output, state = self.step(now, state)
            outputs.append(output)
            states.append(state)
        return torch.stack(outputs), torch.stack(states)

    def run(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``unroll`` for those who need no states in between: outputs (T, B, U) and the last state (B, S)."""
        outputs, states = self.unroll(inputs, state)
        return outputs, states[-1]

    def initial_state(self, batch_size: int) -> Tensor:
        """The state before the first step wherever a network is played or evaluated: (B, S), without chance."""
        return next(self.parameters()).new_zeros(batch_size, self.state_size)

    def training_state(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """The state before the first step of a training batch, (B, S); a cell may draw it from ``generator``."""
        return self.initial_state(batch_size)

    def readings(self) -> dict[str, Tensor]:
        """What the cell tells of itself in a training report: named scalar tensors, left on their device."""
        return {}

    def state_parts(self) -> dict[str, slice]:
        """Named parts of the state where it has any, as slices of its S numbers: an LSTM's are h and c."""
        return {}


def uniform(low: float, high: float, *shape: int, generator: torch.Generator | None) -> nn.Parameter:
    """A parameter whose entries are uniform on [low, high)."""
    return nn.Parameter(low + (high - low) * torch.rand(shape, generator=generator))


def normal(sd: float, *shape: int, generator: torch.Generator | None) -> nn.Parameter:
    """A parameter whose entries are Gaussian with mean 0 and this standard deviation."""
    return nn.Parameter(sd * torch.randn(shape, generator=generator))


def off_diagonal(units: int) -> Tensor:
    """(U, U): 0 on the diagonal, 1 elsewhere."""
    return 1 - torch.eye(units)
