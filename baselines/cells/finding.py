"""Cells by name: ``CELLS``, the list of ours, and yours as ``package.module:ClassName``.

Names cost no torch: a class is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from baselines.core.process import import_object

if TYPE_CHECKING:
    import torch

    from baselines.cells.base import Cell


class _Cells(Mapping[str, "type[Cell]"]):
    """Name -> class, imported when it is asked for."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> type[Cell]:
        kind: Any = import_object(f"baselines.cells.{self._places[name]}")
        return kind

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


CELLS: Mapping[str, type[Cell]] = _Cells(
    {
        "leaky": "leaky:LeakyTauRNN",
        "rate": "rate:RateRNN",
        "gru": "gated:GRU",
        "lstm": "gated:LSTM",
        "plrnn": "plrnn:PLRNN",
    }
)
"""Short name -> a class made with (input_size, units, *, generator, options of the cell)."""

_SIZES = ("input_size", "units", "generator")


def check_cell_name(name: str, value: object) -> None:
    """Refuse what can name no cell; whether there is a class of that name, ``find_cell`` says.

    Raises:
        ValueError: ``value`` is neither one of ``CELLS`` nor of the form ``package.module:ClassName``.
    """
    if value not in CELLS and not all(str(value).partition(":")):
        raise ValueError(f"{name} must be one of {list(CELLS)} or package.module:ClassName, got {value!r}")


def find_cell(name: str) -> type[Cell]:
    """The class of a cell: one of ``CELLS``, or a class of yours as ``package.module:ClassName``.

    Modules are looked for where Python looks, and in the current directory.

    Raises:
        ValueError: there is none, or (``ContractError``) it lacks a method.
    """
    check_cell_name("cell", name)
    if name in CELLS:
        return CELLS[name]
    from baselines.cells import contract

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
    import torch

    from baselines.cells import contract

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
