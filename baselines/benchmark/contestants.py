"""Who climbs: a factory of agents, or a cell that we train, by what it is called on the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from torch import nn

from baselines.cells import CELLS, ContractError, find_cell
from baselines.core.files import RunError
from baselines.core.process import import_object
from baselines.core.settings import SettingsError
from memory_envs import Task

METHODS = ("ppo", "bptt")
"""How cells are trained."""

Factory = Callable[..., Any]


@dataclass(frozen=True)
class Contestant:
    """Who climbs.

    Attributes:
        what: ``package.module:make_agent``, ``package.module:CellClass``, or a name in ``CELLS``.
        method: ``"agent"`` where it trains itself, or how the cell is trained.
    """

    what: str
    method: str

    @property
    def name(self) -> str:
        """In tables."""
        return self.what if self.method == "agent" else f"{self.what} ({self.method})"


def contestants(whats: Sequence[str], methods: Sequence[str] = ()) -> tuple[Contestant, ...]:
    """Those that are asked for; each of them is there.

    Args:
        whats: see ``Contestant``.
        methods: of training cells; none: PPO.

    Raises:
        SettingsError: one cannot be found or is neither, or methods are given and none is a cell.
        RunError: a package is missing.
    """
    if unknown := [method for method in methods if method not in METHODS]:
        raise SettingsError("method", f"method must be among {', '.join(METHODS)}, got {unknown[0]!r}")
    found: dict[Contestant, None] = {}
    for what in whats:
        for method in (methods or ("ppo",)) if check(what) == "cell" else ("agent",):
            found[Contestant(what, method)] = None
    if methods and all(one.method == "agent" for one in found):
        raise SettingsError("method", f"method must be left out where no agent is a cell, got {' '.join(methods)}")
    if any(one.method == "ppo" for one in found) and not (find_spec("stable_baselines3") and find_spec("sb3_contrib")):
        raise RunError('method ppo needs stable-baselines3 and sb3-contrib: pip install ".[rl]"')
    return tuple(found)


def check(what: str) -> str:
    """``"cell"`` or ``"agent"``: what ``what`` names.

    Raises:
        SettingsError: neither.
    """
    found = _find(what)
    if isinstance(found, type) and issubclass(found, nn.Module) and not _is_agent(found):
        try:
            find_cell(what)
        except ContractError as error:
            raise SettingsError("agent", f"{error} (or agent must name a factory of agents)") from None
        return "cell"
    if not callable(found):
        kind = f"of type {type(found).__name__}" + (", an agent: name what makes it" if _is_agent(found) else "")
        raise SettingsError("agent", f"agent must be a factory or a class of a cell, got {what!r} {kind}")
    _arguments(what, found, None, None, 0)
    return "agent"


def make_agent(what: str, task: Task, seed: int) -> Any:
    """The agent of a factory.

    Raises:
        Exception: whatever a stranger's code may raise.
    """
    factory: Any = _find(what)
    args, kwargs = _arguments(what, factory, task.observation_space, task.action_space, seed)
    return factory(*args, **kwargs)


def _find(what: str) -> object:
    if what in CELLS:
        return CELLS[what]
    module, _, attribute = what.partition(":")
    if not (module and attribute):
        raise SettingsError(
            "agent",
            f"agent must be one of {', '.join(CELLS)}, package.module:make_agent or package.module:CellClass, "
            f"got {what!r}",
        )
    try:
        return import_object(what)
    except (Exception, SystemExit) as error:  # whatever a stranger's module may raise
        said = " ".join(str(error).split())
        raise SettingsError(
            "agent", f"agent must name something that can be imported, got {what!r} ({type(error).__name__}: {said})"
        ) from error


def _is_agent(found: object) -> bool:
    return callable(getattr(found, "learn", None)) and callable(getattr(found, "predict", None))


def _arguments(
    what: str, factory: Factory, observation_space: Any, action_space: Any, seed: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """How to call a factory: by name where it has these names, in whatever order; else by position."""
    named = {"observation_space": observation_space, "action_space": action_space, "seed": seed}
    try:
        signature = inspect.signature(factory)
    except (ValueError, TypeError):  # of something compiled
        return tuple(named.values()), {}
    for args, kwargs in (((), named), (tuple(named.values()), {})):
        try:
            signature.bind(*args, **kwargs)
        except TypeError:
            continue
        return args, kwargs
    raise SettingsError("agent", f"agent must take (observation_space, action_space, seed), got {what}{signature}")
