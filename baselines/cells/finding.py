"""Find and make cells by name: one of ``CELLS``, or your own class as ``package.module:ClassName``.

Listing names does not import torch: a cell's module is imported when its class is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from baselines.core.files import RunError
from baselines.core.process import import_module_of, import_object
from baselines.core.trust import is_code_name

if TYPE_CHECKING:
    import torch

    from baselines.cells.base import Cell


class _Cells(Mapping[str, "type[Cell]"]):
    """Name of a cell -> its class, imported on first use."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> type[Cell]:
        module, _, attribute = self._places[name].partition(":")
        kind: Any = getattr(import_module_of("baselines.cells", module), attribute)
        return kind

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"CELLS({', '.join(self._places)})"


CELLS: Mapping[str, type[Cell]] = _Cells(
    {
        "leaky": "leaky:LeakyTauRNN",
        "rate": "rate:RateRNN",
        "gru": "gated:GRU",
        "lstm": "gated:LSTM",
        "plrnn": "plrnn:PLRNN",
    }
)
"""Short name -> class; its arguments are (input_size, units, *, generator, and the cell's own options)."""

_SIZES = ("input_size", "units", "generator")


def check_cell_name(name: str, value: object) -> None:
    """Refuse a value that cannot name a cell. It imports nothing: ``find_cell`` looks whether the class exists.

    Args:
        name: the name of the argument or option, for the message.
        value: the value that should name a cell.

    Raises:
        ValueError: ``value`` is neither in ``CELLS`` nor of the form ``package.module:ClassName``.
    """
    if not isinstance(value, str) or not (value in CELLS or is_code_name(value)):
        raise ValueError(f"{name} must be one of {list(CELLS)} or package.module:ClassName, got {value!r}")


def import_cell(name: str) -> object:
    """What ``package.module:ClassName`` names, be it a cell or not.

    Raises:
        ValueError: it cannot be imported.
        UntrustedError: the name was read from a file, and the user has not said to trust it.
    """
    try:
        return import_object(name)
    except RunError:
        raise
    except (Exception, SystemExit) as error:  # whatever a stranger's module may raise
        what = f"it called sys.exit({error.code!r})" if isinstance(error, SystemExit) else error
        raise ValueError(f"cell must name a class that can be imported, got {name!r} ({what})") from error


def find_cell(name: str) -> type[Cell]:
    """The class with this name: one of ``CELLS``, or your own class as ``package.module:ClassName``.

    Modules are searched on Python's path and in the current directory.

    Raises:
        ValueError: no class with this name can be imported.
        UntrustedError: the name was read from a file, and the user has not said to trust it.
        ContractError: the class lacks a method that a cell must have.
    """
    check_cell_name("cell", name)
    if name in CELLS:
        return CELLS[name]
    from baselines.cells import contract

    kind: Any = import_cell(name)
    contract.check_class(kind, f"cell {name}")
    return kind


def cell_options(kind: type[Cell]) -> tuple[str, ...]:
    """The names of a cell's own options: its arguments without ``input_size``, ``units`` and ``generator``."""
    return tuple(option for option in signature(kind).parameters if option not in _SIZES)


def make_cell(
    cell: str | type[Cell],
    input_size: int,
    units: int,
    *,
    generator: torch.Generator,
    options: dict[str, Any] | None = None,
) -> Cell:
    """Make a cell with its initial weights. A user's cell is also checked against the contract of ``Cell``.

    A class that takes a ``generator`` gets this one. A user's cell may draw from torch's global generator instead, as
    ``torch.nn.Linear`` does: that generator is seeded from ``generator`` first and restored afterwards, so that the
    weights are the same every time.

    Args:
        cell: the name of a cell (see ``find_cell``), or a class.
        input_size: I, the number of inputs.
        units: U, the number of units.
        generator: draws the initial weights.
        options: the cell's own options by name.

    Raises:
        ContractError: a user's cell breaks a rule of the contract.
        ValueError, TypeError: an option is unknown or has an impossible value.
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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        try:
            made = kind(input_size, units, **options)
        except (Exception, SystemExit) as error:  # a user's code may raise anything
            raise ValueError(f"{name}({input_size}, {units}, ...) raised {type(error).__name__}: {error}") from error
        contract.check(made, input_size, f"cell {name}")
    return made
