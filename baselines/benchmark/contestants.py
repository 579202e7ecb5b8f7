"""Who climbs: a factory of agents, or a cell that we train, by its name on the command line. Names cost no torch."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from baselines.cells import CELLS, find_cell
from baselines.core.files import RunError
from baselines.core.process import import_object
from baselines.core.settings import SettingsError
from baselines.core.text import error_line
from baselines.core.trust import is_code_name
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
        """What tables and figures call it."""
        return self.what if self.method == "agent" else f"{self.what} ({self.method})"


def contestants(whats: Sequence[str], methods: Sequence[str] = ()) -> tuple[Contestant, ...]:
    """The contestants that are asked for; each of them has been found.

    Args:
        whats: what names each of them; see ``Contestant``.
        methods: how cells are trained, out of ``METHODS``; without any, by PPO.

    Raises:
        SettingsError: one cannot be found or is neither a factory nor a cell; methods are given and there is no cell.
        RunError: a package is missing.
    """
    found: dict[Contestant, None] = {}
    for what in whats:
        for method in (methods or ("ppo",)) if kind_of(what) == "cell" else ("agent",):
            found[Contestant(what, method)] = None
    if methods and all(one.method == "agent" for one in found):
        raise SettingsError("method", f"method must be left out where no agent is a cell, got {' '.join(methods)}")
    if any(one.method == "ppo" for one in found) and not (find_spec("stable_baselines3") and find_spec("sb3_contrib")):
        raise RunError(
            "method ppo needs stable-baselines3 and sb3-contrib, which the extra 'rl' installs: "
            'pip install "memory-envs[rl]" (from a checkout: ".[rl]")'
        )
    return tuple(found)


def kind_of(what: str) -> Literal["cell", "agent"]:
    """What ``what`` names.

    Raises:
        SettingsError: neither a cell nor a factory of agents.
    """
    if what in CELLS:
        return "cell"
    found = _imported(what)
    if _is_network(found) and not _is_agent(found):
        try:
            find_cell(what)
        except ValueError as error:
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
        Exception: whatever a user's code may raise.
    """
    factory: Any = _imported(what)
    args, kwargs = _arguments(what, factory, task.observation_space, task.action_space, seed)
    return factory(*args, **kwargs)


def _imported(what: str) -> object:
    if not is_code_name(what):
        raise SettingsError(
            "agent",
            f"agent must be one of {', '.join(CELLS)}, package.module:make_agent or package.module:CellClass, "
            f"got {what!r}",
        )
    try:
        return import_object(what)
    except RunError:  # read from a file and not trusted
        raise
    except (Exception, SystemExit) as error:  # whatever a user's module may raise
        raise SettingsError(
            "agent", f"agent must name something that can be imported, got {what!r} ({error_line(error)})"
        ) from error


def _is_network(found: object) -> bool:
    """Whether this is a class of torch's networks. Where torch has not been imported, nothing can be one."""
    nn = sys.modules.get("torch.nn")
    return nn is not None and isinstance(found, type) and issubclass(found, nn.Module)


def _is_agent(found: object) -> bool:
    return callable(getattr(found, "learn", None)) and callable(getattr(found, "predict", None))


def _arguments(
    what: str, factory: Factory, observation_space: Any, action_space: Any, seed: int
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """How to call a factory: by name where its arguments have these names, in whatever order; else by position."""
    named = {"observation_space": observation_space, "action_space": action_space, "seed": seed}
    try:
        signature = inspect.signature(factory)
    except (ValueError, TypeError):  # a compiled function need not have one
        return tuple(named.values()), {}
    for args, kwargs in (((), named), (tuple(named.values()), {})):
        try:
            signature.bind(*args, **kwargs)
        except TypeError:
            continue
        return args, kwargs
    raise SettingsError("agent", f"agent must take (observation_space, action_space, seed), got {what}{signature}")
