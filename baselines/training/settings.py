"""The settings that all training runs share, whatever the training method: the base class ``RunSettings``.

The command line is generated from these fields, and each field is checked against its declaration. Nothing here
imports torch, so that a wrong value is reported at once.
"""

from __future__ import annotations

import dataclasses
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from baselines.cells import CELLS, check_cell_name
from baselines.cells.finding import import_cell
from baselines.core import seeds
from baselines.core.files import file_word
from baselines.core.settings import SettingsError, blame, check, declared, device_name, fraction
from baselines.training.curriculum import CURRICULA, Curriculum, NoneSingle, SlidingWindow
from baselines.training.recipes import RECIPES
from memory_envs import TASKS, Task, checks, make_task

T = TypeVar("T")

CELL_HELP = f"recurrent cell: {', '.join(CELLS)}, or a class of yours as package.module:ClassName"


@dataclass(frozen=True, kw_only=True)
class RunSettings(ABC):
    """The settings that all training runs share, whatever the training method."""

    METHOD: ClassVar[str]
    """The training method: the name of the command."""
    LIMITS: ClassVar[tuple[str, ...]]
    """The settings that limit how long a run trains; they may be raised when a run is resumed."""
    RECIPE: ClassVar[type]
    """The dataclass of a recipe's values."""

    task: str = field(default="parity", metadata={"help": "task", "choices": tuple(TASKS)})
    cell: str = field(default="leaky", metadata={"help": CELL_HELP, "check": check_cell_name})
    curriculum: str = field(default="multi-head", metadata={"help": "how N grows", "choices": tuple(CURRICULA)})
    n_max: int = field(
        default=12,
        metadata={
            "help": "N of the last stage: the run ends when it is solved",
            "alias": "--N",
            "range": (1, 1_000),
        },
    )
    first_n: int | None = field(
        default=None,
        metadata={"help": "N of the first stage (default: 2, or the task's least N)", "range": (1, 1_000)},
    )
    step: int = field(default=1, metadata={"help": "by how much N grows per stage", "range": (1, 1_000)})
    window: int | None = field(
        default=None,
        metadata={
            "help": f"heads in the sliding window (default: {SlidingWindow.window})",
            "range": (1, 1_000),
        },
    )
    shift: int | None = field(
        default=None,
        metadata={
            "help": f"heads by which the sliding window moves on (default: {SlidingWindow.shift})",
            "range": (1, 1_000),
        },
    )
    threshold: float = field(
        default=0.98,
        metadata={
            "help": "accuracy above which a stage is solved; the mean over heads and the last head must exceed it",
            "check": fraction,
        },
    )
    last_threshold: float | None = field(
        default=None,
        metadata={
            "help": "threshold of the last stage, whose solution ends the run (default: --threshold)",
            "check": fraction,
        },
    )
    recipe: str = field(
        default="fast",
        metadata={"help": "settings of the optimisation; options below replace them", "choices": tuple(RECIPES)},
    )
    seed: int = field(default=0, metadata={"help": "seed of everything random in the run", "range": (0, seeds.LARGEST)})
    task_args: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "further arguments of the task, such as p=uniform"}
    )
    cell_args: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "further arguments of the cell, such as form=mod"}
    )
    overrides: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "values that replace the recipe's, by name"}
    )
    episodes: int = field(
        default=1000,
        metadata={"help": "fresh trials that the trained network plays in the environment", "range": (2, 100_000)},
    )
    device: str = field(default="cpu", metadata={"help": "where to train: cpu, cuda, cuda:1", "check": device_name})
    out: Path | None = field(
        default=None, metadata={"help": "run folder (default: a name made of the settings, under runs/)"}
    )
    tcr: float = field(
        default=0.0,
        metadata={
            "help": "weight of the temporal consistency loss: |r(t) - r(t-1)|^2, summed over units, mean over steps",
            "range": (0.0, 1e9),
        },
    )
    tcr_on: str = field(
        default="output",
        metadata={"help": "the activity r in --tcr: output, state, or the name of a part of the cell's state"},
    )

    @abstractmethod
    def parts(self) -> tuple[Task, Curriculum, Any]:
        """The task before the curriculum sets its N, the curriculum and the recipe. This imports no cell and no torch.

        Raises:
            SettingsError: a value is unknown, out of range, or does not fit the other settings.
        """

    @classmethod
    def recipe_name(cls, stored: str, values: Mapping[str, Any]) -> str:
        """The name of a recipe that a file calls ``stored``, together with these values of it."""
        return stored

    @abstractmethod
    def plan(self) -> RunPlan:
        """The plan of the run. The cell is made and tried once, so that a broken cell is found here.

        Raises:
            SettingsError: as in ``parts``; or the device, the cell or its arguments are not possible.
        """

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, np.generic):  # as JSON and the names of folders need them
                object.__setattr__(self, one.name, value.item())
            elif isinstance(value, dict):
                plain = {name: item.item() if isinstance(item, np.generic) else item for name, item in value.items()}
                object.__setattr__(self, one.name, plain)

    def check_cell(self) -> None:
        """Import the module of a user's cell, so that a wrong name is reported before torch is imported.

        Raises:
            SettingsError: it cannot be imported.
            UntrustedError: the name was read from a file, and the user has not said to trust it.
        """
        if self.cell not in CELLS:
            blame("cell", import_cell, self.cell)

    def _replaced(self, recipe: Any) -> Any:
        """The recipe with the values of ``overrides``."""
        known = {setting.name: setting for setting in declared(type(recipe))}
        for name, value in self.overrides.items():
            if name not in known:
                raise SettingsError("overrides", f"overrides must be among {list(known)}, got {name!r}")
            known[name].check(value)
        return dataclasses.replace(recipe, **self.overrides)

    def _task(self, defaults: Mapping[str, Any]) -> Task:
        kind = TASKS[self.task]
        allowed = [name for name in kind.parameters() if name not in ("N", "heads", "active_heads", "num_steps")]
        if unknown := [name for name in self.task_args if name not in allowed]:
            raise SettingsError(
                "task_args",
                f"task_args must be among {allowed} for {self.task}, got {unknown[0]!r} "
                "(the curriculum sets N and the heads, the recipe the length of trials)",
            )
        return blame("task_args", make_task, self.task, **{**defaults, **self.task_args})

    def _curriculum(self, task: Task) -> Curriculum:
        first = max(2, task.least_N) if self.first_n is None else self.first_n
        check("first_n", checks.integer, first, task.least_N, 1_000)
        if self.n_max < first:
            raise SettingsError("n_max", f"n_max must be at least the N of the first stage, {first}, got {self.n_max}")
        kind = CURRICULA[self.curriculum]
        own: dict[str, Any] = {
            name: getattr(self, name) for name in ("window", "shift") if getattr(self, name) is not None
        }
        if kind is NoneSingle:
            for name in ("first_n", "step"):
                if (value := getattr(self, name)) != getattr(type(self), name):
                    raise SettingsError(name, f"{name} must be left out for curriculum 'none-single', got {value}")
            first = self.n_max
        for name, value in own.items():
            if kind is not SlidingWindow:
                raise SettingsError(name, f"{name} must be left out for curriculum {self.curriculum!r}, got {value}")
        own |= {name: getattr(self, name) for name in ("n_max", "step", "threshold", "last_threshold")}
        curriculum = blame("shift" if "shift" in own else "window", kind, first_n=first, **own)
        try:
            curriculum.check(task)
        except ValueError as error:
            raise SettingsError("curriculum", f"{self.curriculum!r}: {error} (got task {self.task!r})") from None
        return curriculum

    @property
    def folder(self) -> Path:
        """The run folder: ``out``, or a new folder under ``runs`` whose name is made from the settings."""
        if self.out is not None:
            return Path(self.out)  # callers from Python may have given a string
        words = [self.task, file_word(self.cell), self.curriculum, f"n{self.n_max}", f"seed{self.seed}"]
        if self.METHOD != "train":
            words.insert(0, self.METHOD.removeprefix("train-"))
        silent = ("task", "cell", "curriculum", "n_max", "seed", "episodes", "out", *self.LIMITS)
        given: dict[str, Any] = {s.name: getattr(self, s.name) for s in fields(self) if s.name not in silent}
        usual = type(self)()
        for name, value in given.items():
            if isinstance(value, dict):
                words += [f"{key}={file_word(word)}" for key, word in value.items()]
            elif value != getattr(usual, name):
                words.append(f"{name}={file_word(value)}")
        usual_name = Path("runs") / "_".join(words)
        return next(path for path in _numbered(usual_name) if not path.exists())

    def to_dict(self) -> dict[str, Any]:
        """The settings in a form that JSON can hold, without ``out``."""
        plain = dataclasses.asdict(self)
        del plain["out"]
        return plain


class RunPlan(Protocol):
    """The plan of a run: its settings, resolved into parts."""

    @property
    def settings(self) -> RunSettings:
        """The settings of the run."""

    @property
    def task(self) -> Task:
        """The task before the curriculum sets its N."""

    @property
    def recipe(self) -> Any:
        """The settings of the optimisation, a dataclass; overrides are included."""


def blame_cell(make: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """The result of ``make(*args, **kwargs)``, which makes a cell.

    Raises:
        SettingsError: it names ``cell`` where the cell breaks its contract, ``cell_args`` for any other wrong value.
    """
    from baselines.cells.contract import ContractError

    try:
        return make(*args, **kwargs)
    except ContractError as error:
        raise SettingsError("cell", str(error)) from None
    except (ValueError, TypeError) as error:
        raise SettingsError("cell_args", str(error)) from None


def _numbered(path: Path) -> Iterator[Path]:
    """The path, then path-2, path-3 and so on, so that the same command run again makes a new folder."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.name}-{number}")
