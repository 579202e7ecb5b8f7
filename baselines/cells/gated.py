"""GRU and LSTM with torch's equations, gate order and initialisation; weights can be copied from and to torch.

Axes: T steps, B trials, I inputs, U units (outputs of the cell), S state size.
"""

from __future__ import annotations

import math
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from baselines.cells import kernels
from baselines.cells.base import Cell

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""The names of the parameters, in torch's order. In torch's modules each name ends in ``_l0``."""

G = TypeVar("G", bound="GatedCell")


class GatedCell(Cell):
    """Common base of GRU and LSTM: parameters are named and shaped as in torch; the initial state is zero.

    All parameters are drawn from U(-1/sqrt(U), 1/sqrt(U)), as in torch: with a generator seeded like torch's global
    one, they have the values that torch would draw.

    Args:
        input_size: I, the number of inputs.
        units: U, the number of units.
        generator: draws the initial parameters.
    """

    input_size: int
    GATES: ClassVar[int]
    TORCH: ClassVar[type[nn.GRU] | type[nn.LSTM]]

    def __init__(self, input_size: int, units: int = 100, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = self.state_size = units
        rows, bound = self.GATES * units, 1 / math.sqrt(units)

        def drawn(*shape: int) -> nn.Parameter:  # called in torch's order of drawing
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

        self.weight_ih, self.weight_hh = drawn(rows, input_size), drawn(rows, units)
        self.bias_ih, self.bias_hh = drawn(rows), drawn(rows)

    def unit_axes(self) -> dict[str, tuple[int, ...]]:
        gates = self.GATES
        return {"weight_ih": (gates, 0), "weight_hh": (gates, 1), "bias_ih": (gates,), "bias_hh": (gates,)}

    @classmethod
    def from_torch(cls: type[G], module: nn.GRU | nn.LSTM) -> G:
        """A cell with a copy of the weights of torch's module.

        Raises:
            ValueError: ``module`` is of another class, or has several layers, two directions, a projection or no
                biases.
        """
        plain = module.num_layers == 1 and module.bias and not module.bidirectional and not module.proj_size
        if not (isinstance(module, cls.TORCH) and plain):
            raise ValueError(
                f"module must be a torch.nn.{cls.TORCH.__name__} of one layer and one direction, with biases and "
                f"without projection, got {module}"
            )
        like: Tensor = module.get_parameter("weight_hh_l0")
        # A throwaway generator: the weights that it draws are overwritten.
        cell = cls(module.input_size, module.hidden_size, generator=torch.Generator()).to(like)
        with torch.no_grad():
            for name in NAMES:
                getattr(cell, name).copy_(getattr(module, f"{name}_l0"))
        return cell

    def to_torch(self) -> nn.GRU | nn.LSTM:
        """Torch's module with a copy of this cell's weights; it takes inputs (T, B, I)."""
        # Made on the device "meta": otherwise torch would draw weights from its global generator.
        module = self.TORCH(self.input_size, self.output_size, device="meta").to_empty(device=self.weight_hh.device)
        module = module.to(self.weight_hh.dtype)
        with torch.no_grad():
            for name in NAMES:
                getattr(module, f"{name}_l0").copy_(getattr(self, name))
        return module


class GRU(GatedCell):
    """Gated recurrent unit (Cho et al. 2014), with the equations of ``torch.nn.GRU``. State and output are h.

    With s the logistic function and products of vectors taken elementwise:

    - r = s(W_r x(t) + b_r + V_r h(t-1) + c_r), the reset gate
    - z = s(W_z x(t) + b_z + V_z h(t-1) + c_z), the update gate
    - n = tanh(W_n x(t) + b_n + r (V_n h(t-1) + c_n)), the new activity
    - h(t) = (1 - z) n + z h(t-1)

    W is ``weight_ih`` (3U, I), V is ``weight_hh`` (3U, U), b is ``bias_ih`` and c is ``bias_hh`` (3U,). Their rows are
    stacked in the order r, z, n.
    """

    GATES, TORCH = 3, nn.GRU

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        # torch's own step is faster, but vmap does not go through it, nor does every transform on a GPU.
        step = kernels.gru_step if kernels.is_transformed() else torch.gru_cell
        state = step(inputs, state, *weights)
        return state, state

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        states = kernels.gru(inputs, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return states, states


class LSTM(GatedCell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), with the equations of ``torch.nn.LSTM``.

    The state (B, 2U) packs [h, c]; the output is h. With s the logistic function and products of vectors taken
    elementwise:

    - i, f, o = s(W x(t) + b + V h(t-1) + b'), the input, forget and output gate, each with its own rows of W, V, b, b'
    - g = tanh(W x(t) + b + V h(t-1) + b'), the new content, with its own rows
    - c(t) = f c(t-1) + i g
    - h(t) = o tanh(c(t))

    W is ``weight_ih`` (4U, I), V is ``weight_hh`` (4U, U), b is ``bias_ih`` and b' is ``bias_hh`` (4U,). Their rows are
    stacked in the order i, f, g, o.
    """

    GATES, TORCH = 4, nn.LSTM

    def __init__(self, input_size: int, units: int = 100, *, generator: torch.Generator | None = None) -> None:
        super().__init__(input_size, units, generator=generator)
        self.state_size = 2 * units

    def state_parts(self) -> dict[str, slice]:
        return {"h": slice(0, self.output_size), "c": slice(self.output_size, self.state_size)}

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        if kernels.is_transformed():  # see GRU
            return kernels.lstm_step(inputs, state, self.weight_ih, self.weight_hh, self.bias_ih + self.bias_hh)
        before = state.chunk(2, dim=-1)
        h, c = torch.lstm_cell(inputs, before, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return h, torch.cat((h, c), dim=-1)

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return kernels.lstm(inputs, state, self.weight_ih, self.weight_hh, self.bias_ih + self.bias_hh)

    def run(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """As in ``Cell``, by torch's own LSTM, which is faster and keeps only the last state."""
        weights = [getattr(self, name) for name in NAMES]
        if kernels.needs_plain(inputs, state, *weights):
            return super().run(inputs, state)
        kernels.check_steps(inputs)
        h, c = state.chunk(2, dim=-1)
        before = h[None].contiguous(), c[None].contiguous()
        outputs, h, c = torch.lstm(inputs, before, weights, True, 1, 0.0, self.training, False, False)
        return outputs, torch.cat((h[0], c[0]), dim=-1)
