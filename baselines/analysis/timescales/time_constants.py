"""The time constant of a unit by itself, tau.

Axes: T steps, B trials, I inputs, U units, S state size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.cells import GRU, LSTM, Cell
from baselines.network import RecurrentNetwork

Floats = npt.NDArray[np.float64]


def time_constants(cell: Cell) -> Floats | None:
    """A cell's own ``time_constants``, in steps, (U,); None where it has none."""
    own = getattr(cell, "time_constants", None)
    return None if own is None else np.asarray(own.detach().cpu().double().numpy())


class GateMean:
    """The mean over steps and trials of a GRU's update gate or an LSTM's forget gate: the share of memory it keeps.

    Args:
        network: the network. Where its cell is neither, nothing is measured.
    """

    def __init__(self, network: RecurrentNetwork) -> None:
        self.network = network
        self._sum: Tensor | None = None
        self._steps = 0

    def add(self, inputs: Tensor, states: Tensor) -> None:
        """Take in more steps: their inputs (T, B, I), and the states before each of them (T, B, S)."""
        cell, inputs = self.network.cell, self.network.encode(inputs)
        if not isinstance(cell, (GRU, LSTM)):
            return
        units = cell.output_size
        rows = slice(units, 2 * units)  # the second gate of either: z of r, z, n and f of i, f, g, o
        drive = torch.addmm(
            cell.bias_ih[rows] + cell.bias_hh[rows], states[..., :units].flatten(0, 1), cell.weight_hh[rows].t()
        ).addmm_(inputs.flatten(0, 1), cell.weight_ih[rows].t())
        total = drive.sigmoid_().sum(0, dtype=torch.float64)
        self._sum = total if self._sum is None else self._sum + total
        self._steps += len(drive)

    def time_constants(self) -> Floats | None:
        """1 / (1 - g), where g is the mean gate, in steps, (U,): a leaky unit keeps 1 - 1/tau of its state in a step.

        None where the cell has no such gate, or nothing was added.
        """
        if self._sum is None:
            return None
        return np.asarray((1 / (1 - self._sum / self._steps)).cpu().numpy())
