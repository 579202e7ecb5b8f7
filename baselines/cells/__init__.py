"""Recurrent cells: ``CELLS``, the list of ours, and yours by the name of its class.

To bring a new cell, subclass ``Cell``: set ``state_size`` and ``output_size`` and write ``step``; inherit the rest.
``examples/04_a_cell_of_your_own.py`` does it.
"""

from __future__ import annotations

from inspect import Parameter, signature
from typing import Any

import torch

from baselines.cells import contract
from baselines.cells.base import Cell
from baselines.cells.contract import ContractError
from baselines.cells.gated import GRU, LSTM
from baselines.cells.leaky import LeakyTauRNN
from baselines.cells.plrnn import PLRNN
from baselines.cells.rate import RateRNN
from baselines.core.process import import_object

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
    "find_cell",
    "make_cell",
]

CELLS: dict[str, type[Cell]] = {"leaky": LeakyTauRNN, "rate": RateRNN, "gru": GRU, "lstm": LSTM, "plrnn": PLRNN}
"""Short name -> a class made with (input_size, units, *, generator, options of the cell)."""

_SIZES = ("input_size", "units", "generator")


def find_cell(name: str) -> type[Cell]:
    """The class of a cell: one of ``CELLS``, or a class of yours as ``package.module:ClassName``.

    Modules are looked for where Python looks, and in the current directory.

    Raises:
        ValueError: there is none, or (``ContractError``) it lacks a method.
    """
    if name in CELLS:
        return CELLS[name]
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ValueError(f"cell must be one of {list(CELLS)} or package.module:ClassName, got {name!r}")
    try:
        kind: Any = import_object(name)
    except Exception as error:  # whatever a stranger's module may raise
        raise ValueError(f"cell must name a class that can be imported, got {name!r} ({error})") from error
    contract.check_class(kind, f"cell {name}")
    return kind


def cell_options(kind: type[Cell]) -> tuple[str, ...]:
    """Names of the options that a cell takes beside its sizes and its generator."""
    return tuple(option for option in signature(kind).parameters if option not in _SIZES)


def make_cell(
    cell: str | type[Cell],
    input_size: int,
    units: int,
    *,
    generator: torch.Generator,
    options: dict[str, Any] | None = None,
) -> Cell:
    """A cell by its name (see ``find_cell``) or its class, with its initial weights. Yours is checked.

    If its class takes a ``generator`` it is given one. In any case torch's global generator is seeded from it while the
    cell is made and tried, and then put back: ``torch.nn.Linear`` and the like draw the same weights every time.

    Raises:
        ContractError: a cell of yours breaks a rule of the contract.
        ValueError, TypeError: an option is unknown or cannot be.
    """
    kind, options = find_cell(cell) if isinstance(cell, str) else cell, options or {}
    name = cell if isinstance(cell, str) else getattr(cell, "__qualname__", repr(cell))
    contract.check_class(kind, f"cell {name}")
    known = cell_options(kind)
    takes = signature(kind).parameters
    anything = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in takes.values())
    if not anything and (unknown := [option for option in options if option not in known]):
        raise ValueError(f"cell_args must be among {list(known)} for {name}, got {unknown[0]!r}")
    if kind in CELLS.values():
        return kind(input_size, units, generator=generator, **options)
    if "generator" in takes:
        options = options | {"generator": generator}
    # A stranger's cell may draw from the global generator: seeded from ours, and put back as it was afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        try:
            made = kind(input_size, units, **options)
        except Exception as error:  # whatever a stranger's code may raise
            raise ValueError(f"{name}({input_size}, {units}, ...) raised {type(error).__name__}: {error}") from error
        contract.check(made, input_size, f"cell {name}")
    return made
