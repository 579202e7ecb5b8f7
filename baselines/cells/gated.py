"""GRU and LSTM: torch's equations, order of gates and initialisation, and weights that go to and from torch.

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
"""Of the parameters, and in torch's order; there they end in ``_l0``."""

G = TypeVar("G", bound="GatedCell")


class GatedCell(Cell):
    """What the GRU and the LSTM share: parameters as torch has them, all ~ U(-1/sqrt(U), 1/sqrt(U)); start from zero.

    Made with a generator that is seeded like torch's global one it has the very weights that torch would draw.

    Args:
        input_size: I.
        units: U.
        generator: of the initial parameters.
    """

    input_size: int
    GATES: ClassVar[int]
    TORCH: ClassVar[type[nn.GRU] | type[nn.LSTM]]

    def __init__(self, input_size: int, units: int = 100, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.input_size = input_size
        self.output_size = self.state_size = units
        rows, bound = self.GATES * units, 1 / math.sqrt(units)

        def drawn(*shape: int) -> nn.Parameter:  # in the order and the way that torch draws them
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

        self.weight_ih, self.weight_hh = drawn(rows, input_size), drawn(rows, units)
        self.bias_ih, self.bias_hh = drawn(rows), drawn(rows)

    @classmethod
    def from_torch(cls: type[G], module: nn.GRU | nn.LSTM) -> G:
        """A cell with a copy of the weights of torch's network.

        Raises:
            ValueError: it is of another kind, or has several layers, two directions, a projection or no biases.
        """
        plain = module.num_layers == 1 and module.bias and not module.bidirectional and not module.proj_size
        if not (isinstance(module, cls.TORCH) and plain):
            raise ValueError(
                f"module must be a torch.nn.{cls.TORCH.__name__} of one layer, one direction, with biases and "
                f"without projection, got {module}"
            )
        like: Tensor = module.get_parameter("weight_hh_l0")
        # A generator of its own, for what it draws is overwritten.
        cell = cls(module.input_size, module.hidden_size, generator=torch.Generator()).to(like)
        with torch.no_grad():
            for name in NAMES:
                getattr(cell, name).copy_(getattr(module, f"{name}_l0"))
        return cell

    def to_torch(self) -> nn.GRU | nn.LSTM:
        """Torch's network with a copy of these weights, for inputs (T, B, I)."""
        # By way of "meta", for torch would draw weights from its global generator.
        module = self.TORCH(self.input_size, self.output_size, device="meta").to_empty(device=self.weight_hh.device)
        module = module.to(self.weight_hh.dtype)
        with torch.no_grad():
            for name in NAMES:
                getattr(module, f"{name}_l0").copy_(getattr(self, name))
        return module


class GRU(GatedCell):
    """Gated recurrent unit, by the equations of ``torch.nn.GRU``; the state is h.

    r = s(W_r x(t) + b_r + V_r h(t-1) + c_r), z alike, n = tanh(W_n x(t) + b_n + r (V_n h(t-1) + c_n)),
    h(t) = (1 - z) n + z h(t-1), with s the logistic function; the rows of ``weight_ih`` (W), ``weight_hh`` (V) and the
    biases b and c are stacked as r, z, n.
    """

    GATES, TORCH = 3, nn.GRU

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.gru_cell(inputs, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return state, state

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        states = kernels.gru(inputs, state, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return states, states


class LSTM(GatedCell):
    """Long short-term memory, by the equations of ``torch.nn.LSTM``; the state packs [h, c], the output is h.

    i = s(W_i x(t) + b_i + V_i h(t-1) + c_i), f and o alike, g alike with tanh for s, c(t) = f c(t-1) + i g,
    h(t) = o tanh(c(t)); rows are stacked as i, f, g, o.
    """

    GATES, TORCH = 4, nn.LSTM

    def __init__(self, input_size: int, units: int = 100, *, generator: torch.Generator | None = None) -> None:
        super().__init__(input_size, units, generator=generator)
        self.state_size = 2 * units

    def state_parts(self) -> dict[str, slice]:
        return {"h": slice(0, self.output_size), "c": slice(self.output_size, self.state_size)}

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        before = state.chunk(2, dim=-1)
        h, c = torch.lstm_cell(inputs, before, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return h, torch.cat((h, c), dim=-1)

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return kernels.lstm(inputs, state, self.weight_ih, self.weight_hh, self.bias_ih + self.bias_hh)

    def run(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """By torch's own LSTM: it gives no c but the last, and is the quicker where that will do."""
        h, c = state.chunk(2, dim=-1)
        weights = [getattr(self, name) for name in NAMES]
        before = h[None].contiguous(), c[None].contiguous()
        outputs, h, c = torch.lstm(inputs, before, weights, True, 1, 0.0, self.training, False, False)
        return outputs, torch.cat((h[0], c[0]), dim=-1)
