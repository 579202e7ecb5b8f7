"""``Cell``, the base class of recurrent cells, and how initial weights are drawn.

Axes: T steps, B trials, I inputs, U units (outputs of the cell), S state size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from baselines.cells.kernels import check_steps


class Cell(nn.Module, ABC):
    """A recurrent network without its readout.

    To write your own, set ``state_size`` and ``output_size`` and write ``step``; the other methods have defaults. The
    state is always one tensor: an LSTM packs its two parts as [h, c]. ``baselines.cells.contract`` checks these rules.

    Attributes:
        state_size: S, the numbers in the state of one trial.
        output_size: U, the numbers in the output of one trial.
    """

    state_size: int
    output_size: int

    @abstractmethod
    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One time step of B trials. It must not change its arguments in place.

        Args:
            inputs: (B, I).
            state: (B, S), the state before the step.

        Returns:
            The output (B, U) and the new state (B, S).
        """

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """A whole sequence. This default loops over ``step``; a cell with a faster way overrides it.

        Args:
            inputs: (T, B, I).
            state: (B, S), the state before the first step.

        Returns:
            The outputs (T, B, U) and the states after each step (T, B, S), equal to those of the loop over ``step``.
        """
        check_steps(inputs)
        outputs, states = [], []
        for now in inputs:
            output, state = self.step(now, state)
            outputs.append(output)
            states.append(state)
        return torch.stack(outputs), torch.stack(states)

    def run(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Like ``unroll``, but returns only the last state: outputs (T, B, U) and state (B, S)."""
        outputs, states = self.unroll(inputs, state)
        return outputs, states[-1]

    def initial_state(self, batch_size: int) -> Tensor:
        """The state before the first step in evaluation and play: (B, S), the same in every call."""
        return next(self.parameters()).new_zeros(batch_size, self.state_size)

    def training_state(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """The state before the first step of a training batch: (B, S), drawn from ``generator`` if it is random."""
        return self.initial_state(batch_size)

    def readings(self) -> dict[str, Tensor]:
        """Numbers that the cell adds to each training report: name -> scalar tensor, on the cell's device."""
        return {}

    def unit_axes(self) -> dict[str, tuple[int, ...]]:
        """How the cell grows: name of each parameter -> for each of its axes, the blocks of U entries that it has.

        An axis of 0 blocks has nothing to do with the units. A GRU's ``weight_hh`` (3U, U) has (3, 1), its
        ``weight_ih`` (3U, I) has (3, 0). Empty: the cell cannot grow.
        """
        return {}

    def state_parts(self) -> dict[str, slice]:
        """The named parts of the state: name -> slice of its S numbers. An LSTM has the parts h and c."""
        return {}


def uniform(low: float, high: float, *shape: int, generator: torch.Generator | None) -> nn.Parameter:
    """A parameter of this shape with entries drawn uniformly from [low, high)."""
    return nn.Parameter(low + (high - low) * torch.rand(shape, generator=generator))


def normal(sd: float, *shape: int, generator: torch.Generator | None) -> nn.Parameter:
    """A parameter of this shape with Gaussian entries of mean 0 and standard deviation ``sd``."""
    return nn.Parameter(sd * torch.randn(shape, generator=generator))


def off_diagonal(units: int) -> Tensor:
    """A matrix (U, U) that is 0 on its diagonal and 1 elsewhere."""
    return 1 - torch.eye(units)
