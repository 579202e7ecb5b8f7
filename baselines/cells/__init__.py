"""Recurrent cells: ``CELLS``, the list of ours, and yours by the name of its class.

To bring a new cell, subclass ``Cell``: set ``state_size`` and ``output_size`` and write ``step``; inherit the rest.
``examples/04_a_cell_of_your_own.py`` does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from baselines.cells.finding import CELLS, cell_options, check_cell_name, find_cell, make_cell
from baselines.core.process import lazy_exports

if TYPE_CHECKING:
    from baselines.cells.base import Cell
    from baselines.cells.contract import ContractError
    from baselines.cells.gated import GRU, LSTM
    from baselines.cells.leaky import LeakyTauRNN
    from baselines.cells.plrnn import PLRNN
    from baselines.cells.rate import RateRNN

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "PLRNN",
    "Cell",
    "ContractError",
    "LeakyTauRNN",
    "RateRNN",
    "cell_options",
    "check_cell_name",
    "find_cell",
    "make_cell",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Cell": "base",
        "ContractError": "contract",
        "GRU": "gated",
        "LSTM": "gated",
        "LeakyTauRNN": "leaky",
        "PLRNN": "plrnn",
        "RateRNN": "rate",
    },
    ["CELLS", "cell_options", "check_cell_name", "find_cell", "make_cell"],
)
