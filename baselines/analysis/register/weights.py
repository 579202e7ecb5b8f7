"""From which place of a register to which do the recurrent weights lead?

Axes: N places, U units.
"""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.cells import GRU, LSTM, Cell


def recurrent_matrix(cell: Cell) -> Tensor | None:
    """The weights (U, U) by which the outputs of a step drive the units in the next one, [i, j] from j to i.

    A cell's ``recurrent_weight``; of GRU and LSTM those of the new content (n and g), not of the gates. None where the
    cell has neither.
    """
    own = getattr(cell, "recurrent_weight", None)
    if own is None and isinstance(cell, (GRU, LSTM)):
        own = cell.weight_hh[2 * cell.output_size : 3 * cell.output_size]
    return own if isinstance(own, Tensor) and own.shape == (cell.output_size, cell.output_size) else None


def by_units(matrix: Tensor, spread: Tensor, places: Tensor, n: int) -> Tensor:
    """Shares of the squared weights into the units of each place, by the place of the units they come from, (N, N + 1).

    Args:
        matrix: the weights, (U, U).
        spread: standard deviation of each unit, (U,), by which its weights are multiplied.
        places: the place that each unit holds, 1 .. N, or 0 for none, (U,).
        n: N.

    Returns:
        Row k - 1 is of the target k, column j of the source j, 0 for units without a place. A row of a place that no
        unit holds, or into which nothing leads, is NaN.
    """
    member = torch.nn.functional.one_hot(places, n + 1).to(matrix)
    sums = member[:, 1:].t() @ (matrix * spread).square() @ member
    return sums / sums.sum(1, keepdim=True)


def by_patterns(matrix: Tensor, held: Tensor, previous: Tensor) -> Tensor:
    """How far the weights turn the pattern of each place into that of each place a step later, (N, N + 1).

    The squared length of W e(j) along f(k). Each row is divided by its sum, so that the length of f does not matter.

    Args:
        matrix: the weights W, (U, U).
        held: the patterns e of what places 1 .. N hold, (N, U).
        previous: the patterns f of what the place before held a step ago, (N, U).

    Returns:
        As of ``by_units``; no row 1, for nothing comes before it, and no column 0.
    """
    found = (previous @ (held @ matrix.t()).t()).square()
    found[0] = torch.nan
    return torch.nn.functional.pad(found / found.sum(1, keepdim=True), (1, 0), value=torch.nan)


def diagonal(found: Tensor) -> float:
    """The mean over targets k = 3 .. N of the share that comes from place k - 1; rows of NaN are left out.

    Place 2 is not among them: place 1 is the bit shown, which any network holds for a step.
    """
    return float(found[2:].diagonal(2).nanmean())
