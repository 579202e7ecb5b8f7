"""``Recurrence``: layers of cells in the place of sb3-contrib's ``nn.LSTM``, over sequences in which episodes begin.

Axes: T steps, B sequences, I inputs, U units (outputs of the last layer), S state size of all layers together.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from baselines.cells import Cell

States = tuple[Tensor, ...]
"""A state in sb3-contrib's form: two tensors (1, B, ceil(S / 2)), which are h and c for its LSTM."""


class Recurrence(Cell):
    """One or more layers of cells as one cell; each layer's inputs are the outputs of the layer before.

    Its state packs the states of all layers.

    Args:
        layers: the cells, from the first layer to the last.
        input_size: I, the number of inputs of the first layer. A ``Cell`` need not store it itself.

    Attributes:
        num_layers, hidden_size: sb3-contrib sizes its stored states by these (see ``States``).
        input_size: I; sb3-contrib reads it.
    """

    num_layers = 1

    def __init__(self, layers: Sequence[Cell], input_size: int) -> None:
        super().__init__()
        self.layers: Sequence[Cell] = nn.ModuleList(layers)  # type: ignore[assignment]
        self.input_size, self.output_size = input_size, layers[-1].output_size
        self._sizes = [cell.state_size for cell in layers]
        self.state_size = sum(self._sizes)
        self.hidden_size = (self.state_size + 1) // 2

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self._through("step", inputs, state)

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self._through("unroll", inputs, state)

    def run(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        # A user's cell need not derive from Cell, and then has no ``run``.
        if all(isinstance(cell, Cell) for cell in self.layers):
            return self._through("run", inputs, state)
        return super().run(inputs, state)

    def _through(self, method: str, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        if len(self.layers) == 1:
            output, after = getattr(self.layers[0], method)(inputs, state)
            return output, after
        states = []
        for cell, before in zip(self.layers, torch.split(state, self._sizes, dim=-1), strict=True):
            inputs, after = getattr(cell, method)(inputs, before)
            states.append(after)
        return inputs, torch.cat(states, dim=-1)

    def initial_state(self, batch_size: int) -> Tensor:
        starts = [cell.initial_state(batch_size) for cell in self.layers]
        return starts[0] if len(starts) == 1 else torch.cat(starts, dim=-1)

    def readings(self) -> dict[str, Tensor]:
        if len(self.layers) == 1:
            return self.layers[0].readings()
        return {
            f"{name}_{i}": value for i, cell in enumerate(self.layers, 1) for name, value in cell.readings().items()
        }

    def state_parts(self) -> dict[str, slice]:
        """The parts of a single layer; with several layers, one part each: ``layer1``, ``layer2`` and so on."""
        if len(self.layers) == 1:
            return self.layers[0].state_parts()
        ends = [sum(self._sizes[: i + 1]) for i in range(len(self._sizes))]
        return {
            f"layer{i}": slice(end - size, end) for i, (size, end) in enumerate(zip(self._sizes, ends, strict=True), 1)
        }

    def pack(self, state: Tensor) -> States:
        """State (B, S) -> sb3-contrib's form: its two halves, which are h and c for an LSTM."""
        if self.state_size % 2:
            state = nn.functional.pad(state, (0, 1))
        return tuple(state[None].chunk(2, dim=-1))

    def unpack(self, states: States) -> Tensor:
        """sb3-contrib's form -> state (B, S): the inverse of ``pack``."""
        return torch.cat([half[0] for half in states], dim=-1)[:, : self.state_size]

    def over_episodes(
        self,
        inputs: Tensor,
        state: Tensor,
        starts: Tensor,
        every_state: bool = False,
        begins: Sequence[int] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Like ``unroll``, for sequences in which episodes begin: an episode starts from the cell's initial state.

        All sequences are cut at each step at which an episode begins in any of them, and each piece is unrolled at
        once. There are few pieces: trials of equal length begin together, and sequences that were cut at the starts of
        episodes before are a single piece.

        Args:
            inputs: (T, B, I).
            state: (B, S), the state before the first step.
            starts: (T, B) bool, which steps are the first of an episode.
            every_state: return the states of all steps, which takes longer for some cells.
            begins: the steps at which an episode may begin, ascending, if the caller knows them. None: they are read
                from ``starts``, for which the host must wait for the device.

        Returns:
            The outputs (T, B, U), and the states of all steps (T, B, S) or the last state (B, S).
        """
        if begins is None:
            begins = [t for t, some in enumerate(starts.any(dim=1).tolist()) if some]
        outputs, states = [], []
        for begin, end in pairwise([0, *(t for t in begins if t), len(inputs)]):
            if begin in begins:
                state = torch.where(starts[begin, :, None], self.initial_state(len(state)), state)
            if every_state:
                piece, after = self.unroll(inputs[begin:end], state)
                states.append(after)
                state = after[-1]
            elif end - begin == 1:
                output, state = self.step(inputs[begin], state)
                piece = output[None]
            else:
                piece, state = self.run(inputs[begin:end], state)
            outputs.append(piece)
        whole = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        return whole, torch.cat(states) if every_state else state
