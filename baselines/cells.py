"""Recurrent cells, and ``CELLS``, the list of them.

To bring a new cell, subclass ``Cell``: set ``state_size`` and ``output_size`` and write ``step``; inherit the rest.

Axes: T steps, B trials, I inputs, U units (outputs of the cell), S state size.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from inspect import signature

import torch
from torch import Tensor, nn

from baselines import kernels


class Cell(nn.Module, ABC):
    """A recurrent network without its readout. Its state is one tensor, always: an LSTM packs [h, c].

    Attributes:
        input_size: I.
        state_size: S.
        output_size: U.
    """

    input_size: int
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


class LeakyTauRNN(Cell):
    """A rate network with a trained time constant for each unit (Khajehabdollahi et al., ICLR 2024).

    With tc = max(tau, 1), dt = 1, phi = leaky ReLU of slope 0.01 and a zero diagonal in W:

    - ``form="default"``: h(t) = phi[(1 - 1/tc) h(t-1) + (W h(t-1) + b + W_in x(t) + b_in) / tc], the leak inside phi
    - ``form="mod"``: h(t) = (1 - 1/tc) h(t-1) + phi[W h(t-1) + b + W_in x(t) + b_in] / tc

    The clamp is the published one: below tau = 1 it passes no gradient, so a unit that falls there stays.
    Start: tau ~ U(1, 2); W, b ~ U(-1/sqrt(U), 1/sqrt(U)); W_in, b_in ~ U(-1, 1). In training h(-1) ~ U(0, 0.1),
    fresh for each batch; wherever the network is evaluated h(-1) is the mean of that, 0.05, so that it answers the
    same trial always alike.

    Args:
        input_size: I.
        units: U, which is also the state size.
        form: ``"default"`` or ``"mod"``.
        generator: of the initial parameters.
    """

    SLOPE = 0.01
    START = 0.1
    """The initial state of training is uniform on [0, START)."""

    def __init__(
        self, input_size: int, units: int = 500, *, form: str = "default", generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        if form not in ("default", "mod"):
            raise ValueError(f"form must be 'default' or 'mod', got {form!r}")
        self.input_size = input_size
        self.state_size = self.output_size = units
        self.form = form
        bound = 1 / math.sqrt(units)

        def uniform(low: float, high: float, *shape: int) -> nn.Parameter:
            return nn.Parameter(low + (high - low) * torch.rand(shape, generator=generator))

        self.weight = uniform(-bound, bound, units, units)  # [i, j]: from unit j to unit i
        self.bias = uniform(-bound, bound, units)
        self.input_weight = uniform(-1, 1, units, input_size)
        self.input_bias = uniform(-1, 1, units)
        self.tau = uniform(1, 2, units)
        self.off_diagonal: Tensor
        self.register_buffer("off_diagonal", 1 - torch.eye(units), persistent=False)

    @property
    def time_constants(self) -> Tensor:
        """The time constants max(tau, 1), in steps, (U,)."""
        return self.tau.clamp(min=1)

    @property
    def recurrent_weight(self) -> Tensor:
        """W with its zero diagonal, (U, U); [i, j] leads from unit j to unit i."""
        return self.weight * self.off_diagonal

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        tc, phi = self.time_constants, torch.nn.functional.leaky_relu
        drive = state @ self.recurrent_weight.t() + self.bias + inputs @ self.input_weight.t() + self.input_bias
        if self.form == "default":
            state = phi((1 - 1 / tc) * state + drive / tc, self.SLOPE)
        else:
            state = (1 - 1 / tc) * state + phi(drive, self.SLOPE) / tc
        return state, state

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``step`` over a whole sequence by the fused kernel.

        In the default form everything outside W h(t-1) folds into one matrix, diag(1 - 1/tc) + W / tc.
        """
        tc, phi = self.time_constants, kernels.leaky_relu(self.SLOPE)
        matrix, input_weight, bias = self.recurrent_weight, self.input_weight, self.bias + self.input_bias
        if self.form == "default":
            matrix = torch.diag(1 - 1 / tc) + matrix / tc[:, None]
            states = kernels.folded(inputs, state, matrix.t(), (input_weight / tc[:, None]).t(), bias / tc, phi)
        else:
            states = kernels.leaky(
                inputs, state, matrix.t(), input_weight.t(), bias, keep=1 - 1 / tc, gain=1 / tc, activation=phi
            )
        return states, states

    def initial_state(self, batch_size: int) -> Tensor:
        return self.tau.new_full((batch_size, self.state_size), self.START / 2)

    def training_state(self, batch_size: int, generator: torch.Generator) -> Tensor:
        drawn = self.START * torch.rand(batch_size, self.state_size, generator=generator)
        return drawn.to(self.tau, non_blocking=True)

    def readings(self) -> dict[str, Tensor]:
        tc = self.time_constants.detach()
        return {"tau_mean": tc.mean(), "tau_sd": tc.std(correction=0)}


CELLS: dict[str, Callable[..., Cell]] = {"leaky": LeakyTauRNN}
"""Short name -> a function of (input_size, units, *, generator, options of the cell)."""


def cell_options(name: str) -> tuple[str, ...]:
    """Names of the options that a cell takes beside its sizes and its generator."""
    return tuple(name for name in signature(CELLS[name]).parameters if name not in ("input_size", "units", "generator"))
