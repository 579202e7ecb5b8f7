"""The leaky recurrent network with one time constant per unit.

Axes: T steps, B trials, I inputs, U units (outputs of the cell), S state size.
"""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from baselines.cells import kernels
from baselines.cells.base import Cell, off_diagonal, uniform
from memory_envs import checks


class LeakyTauRNN(Cell):
    """A leaky rate network with one time constant per unit (Khajehabdollahi et al., ICLR 2024).

    With time constants tc in steps, phi a leaky ReLU of slope 0.01 and W with a zero diagonal:

    - ``form="default"``: h(t) = phi[(1 - 1/tc) h(t-1) + (W h(t-1) + b + W_in x(t) + b_in) / tc], the leak inside phi
    - ``form="mod"``: h(t) = (1 - 1/tc) h(t-1) + phi[W h(t-1) + b + W_in x(t) + b_in] / tc

    State and output are h. The time constants:

    - ``tau="trained"``: tc = max(tau, 1), with tau trained. This clamp is the published one. It passes no gradient
      where tau < 1, so a unit whose tau falls below 1 keeps tc = 1 for good.
    - ``tau="smooth"`` (ours): tc = 1 + softplus(theta), with theta trained; no unit gets stuck.
    - a number such as ``tau=2.5``: tc is this constant in all units and is not trained.

    Initial values: trained tc ~ U(1, 2); W, b ~ U(-1/sqrt(U), 1/sqrt(U)); W_in, b_in ~ U(-1, 1). In training
    h(-1) ~ U(0, 0.1), drawn for each batch. In evaluation h(-1) is the mean of that, 0.05, so that the network always
    gives the same answers to the same trial.

    Args:
        input_size: I, the number of inputs.
        units: U, the number of units, which is also the state size.
        form: ``"default"`` or ``"mod"``: whether the leak is inside phi.
        tau: ``"trained"``, ``"smooth"`` or a number of at least 1, in steps.
        activation: phi: ``"leaky_relu"``, ``"relu"``, ``"tanh"`` or ``"sigmoid"``.
        generator: draws the initial parameters.

    Raises:
        ValueError: ``form``, ``tau`` or ``activation`` is none of these.
    """

    START = 0.1
    """The initial state in training is uniform on [0, START)."""

    def __init__(
        self,
        input_size: int,
        units: int = 500,
        *,
        form: str = "default",
        tau: str | float = "trained",
        activation: str = "leaky_relu",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if form not in ("default", "mod"):
            raise ValueError(f"form must be 'default' or 'mod', got {form!r}")
        self.input_size = input_size
        self.state_size = self.output_size = units
        self.form = form
        self.activation = kernels.ACTIVATIONS[checks.choice("activation", activation, list(kernels.ACTIVATIONS))]
        bound = 1 / math.sqrt(units)
        self.weight = uniform(-bound, bound, units, units, generator=generator)  # [i, j]: from unit j to unit i
        self.bias = uniform(-bound, bound, units, generator=generator)
        self.input_weight = uniform(-1, 1, units, input_size, generator=generator)
        self.input_bias = uniform(-1, 1, units, generator=generator)
        self.tau: nn.Parameter | None = None
        self.theta: nn.Parameter | None = None
        self.constant: Tensor | None
        self.register_buffer("constant", None, persistent=False)
        if tau == "trained":
            self.tau = uniform(1, 2, units, generator=generator)
        elif tau == "smooth":
            excess = torch.rand(units, generator=generator).clamp(min=torch.finfo(torch.float32).eps)
            self.theta = nn.Parameter(excess.expm1().log())  # the inverse of softplus
        elif isinstance(tau, Real) and not isinstance(tau, bool) and 1 <= tau < math.inf:
            self.constant = torch.full((units,), float(tau))
        else:
            raise ValueError(f"tau must be 'trained', 'smooth' or a number of at least 1, got {tau!r}")
        self.off_diagonal: Tensor
        self.register_buffer("off_diagonal", off_diagonal(units), persistent=False)

    @property
    def time_constants(self) -> Tensor:
        """The time constants tc in steps, (U,)."""
        if self.tau is not None:
            return self.tau.clamp(min=1)
        if self.theta is not None:
            return 1 + softplus(self.theta)
        assert self.constant is not None
        return self.constant

    @property
    def recurrent_weight(self) -> Tensor:
        """W with its zero diagonal, (U, U); entry [i, j] is the connection from unit j to unit i."""
        return self.weight * self.off_diagonal

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        tc, phi = self.time_constants, self.activation.value
        drive = state @ self.recurrent_weight.t() + self.bias + inputs @ self.input_weight.t() + self.input_bias
        if self.form == "default":
            state = phi((1 - 1 / tc) * state + drive / tc)
        else:
            state = (1 - 1 / tc) * state + phi(drive) / tc
        return state, state

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As in ``Cell``, by the fused kernel.

        In the default form the leak and the recurrent weights fold into one matrix, diag(1 - 1/tc) + W / tc.
        """
        rate, bias = 1 / self.time_constants, self.bias + self.input_bias
        if self.form == "default":
            matrix, input_weight, bias = kernels.fold(self.weight, self.input_weight, bias, rate)
            states = kernels.folded(inputs, state, matrix.t(), input_weight.t(), bias, self.activation)
        else:
            matrix, input_weight = self.recurrent_weight, self.input_weight
            states = kernels.leaky(inputs, state, matrix.t(), input_weight.t(), bias, 1 - rate, rate, self.activation)
        return states, states

    def initial_state(self, batch_size: int) -> Tensor:
        return self.bias.new_full((batch_size, self.state_size), self.START / 2)

    def training_state(self, batch_size: int, generator: torch.Generator) -> Tensor:
        drawn = self.START * torch.rand(batch_size, self.state_size, generator=generator, dtype=self.bias.dtype)
        return drawn.to(self.bias, non_blocking=True)

    def readings(self) -> dict[str, Tensor]:
        if self.constant is not None:
            return {}
        tc = self.time_constants.detach()
        return {"tau_mean": tc.mean(), "tau_sd": tc.std(correction=0)}

    def unit_axes(self) -> dict[str, tuple[int, ...]]:
        axes = {"weight": (1, 1), "bias": (1,), "input_weight": (1, 0), "input_bias": (1,), "tau": (1,), "theta": (1,)}
        return {name: axes[name] for name, _ in self.named_parameters()}
