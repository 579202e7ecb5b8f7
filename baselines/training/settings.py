"""What every training run is asked for, whatever trains it: ``RunSettings``, a base of settings.

The command line is generated from these fields: their ``help`` is its help.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol

from baselines.cells import CELLS, Cell, ContractError, find_cell
from baselines.core import seeds
from baselines.core.files import file_word
from baselines.core.settings import SettingsError, blame, check, check_device, fraction
from baselines.training.curriculum import CURRICULA, Curriculum, NoneSingle, SlidingWindow
from baselines.training.recipes import RECIPES
from memory_envs import TASKS, Task, checks, make_task

CELL_HELP = f"recurrent cell: {', '.join(CELLS)}, or a class of yours as package.module:ClassName"


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What every training run is asked for, whatever trains it."""

    METHOD: ClassVar[str]
    """What trains it, the name of its command."""
    LIMITS: ClassVar[tuple[str, ...]]
    """The settings that end a run; a run that goes on may be given more of them."""

    task: str = field(default="parity", metadata={"help": "task", "choices": tuple(TASKS)})
    cell: str = field(default="leaky", metadata={"help": CELL_HELP})
    curriculum: str = field(default="multi-head", metadata={"help": "how N grows", "choices": tuple(CURRICULA)})
    n_max: int = field(
        default=12, metadata={"help": "N of the last stage: the run ends when it is solved", "alias": "--N"}
    )
    first_n: int | None = field(
        default=None, metadata={"help": "N of the first stage (default: 2, or the task's least N)"}
    )
    step: int = field(default=1, metadata={"help": "by how much N grows"})
    window: int | None = field(
        default=None, metadata={"help": f"heads of a stage of the sliding window (default: {SlidingWindow.window})"}
    )
    shift: int | None = field(
        default=None,
        metadata={"help": f"heads by which the sliding window moves on (default: {SlidingWindow.shift})"},
    )
    threshold: float = field(
        default=0.98,
        metadata={"help": "accuracy above which a stage is solved: the mean over heads, and the last head's"},
    )
    last_threshold: float | None = field(
        default=None, metadata={"help": "the same for the last stage, the end of the run (default: --threshold)"}
    )
    recipe: str = field(
        default="fast",
        metadata={"help": "settings of the optimisation; options below replace them", "choices": tuple(RECIPES)},
    )
    seed: int = field(default=0, metadata={"help": "of everything random in the run"})
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
        default=1000, metadata={"help": "fresh trials that the trained network plays in the environment"}
    )
    device: str = field(default="cpu", metadata={"help": "where to train: cpu, cuda, cuda:1"})
    out: Path | None = field(
        default=None, metadata={"help": "run folder (default: a name made of the settings, under runs/)"}
    )
    tcr: float = field(
        default=0.0,
        metadata={"help": "weight of temporal consistency: |r(t) - r(t-1)|^2, summed over units, mean over steps"},
    )
    tcr_on: str = field(
        default="output",
        metadata={"help": "the activity r of --tcr: output, state, or a part of the state that the cell names"},
    )

    def _check_shared(self) -> None:
        for setting in fields(self):
            if "choices" in setting.metadata:
                check(setting.name, checks.choice, getattr(self, setting.name), setting.metadata["choices"])
        check("seed", checks.integer, self.seed, 0, seeds.LARGEST)
        check("episodes", checks.integer, self.episodes, 2, 100_000)
        check("device", check_device, self.device)
        check("tcr", checks.real, self.tcr, 0.0, 1e9)
        blame("cell", find_cell, self.cell)

    def _replaced(self, recipe: Any) -> Any:
        """The recipe with the values of ``overrides``."""
        known = {setting.name: setting for setting in fields(recipe)}
        for name, value in self.overrides.items():
            if name not in known:
                raise SettingsError("overrides", f"overrides must be among {list(known)}, got {name!r}")
            check(name, _recipe_value, value, known[name])
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
        check("step", checks.integer, self.step, 1, 1_000)
        check("threshold", fraction, self.threshold)
        if self.last_threshold is not None:
            check("last_threshold", fraction, self.last_threshold)
        first = max(2, task.least_N) if self.first_n is None else self.first_n
        check("first_n", checks.integer, first, task.least_N, 1_000)
        if check("n_max", checks.integer, self.n_max, 1, 1_000) < first:
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
            check(name, checks.integer, value, 1, 1_000)
        own |= {name: getattr(self, name) for name in ("n_max", "step", "threshold", "last_threshold")}
        curriculum = blame("shift" if "shift" in own else "window", kind, first_n=first, **own)
        try:
            curriculum.check(task)
        except ValueError as error:
            raise SettingsError("curriculum", f"{self.curriculum!r}: {error} (got task {self.task!r})") from None
        return curriculum

    @property
    def folder(self) -> Path:
        """The run folder: ``out``, or a name made of what was asked for."""
        if self.out is not None:
            return Path(self.out)  # a string serves in Python
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
        """The settings as plain JSON data, without the folder that holds them."""
        plain = dataclasses.asdict(self)
        del plain["out"]
        return plain


class RunPlan(Protocol):
    """Settings resolved into the parts of a run."""

    @property
    def settings(self) -> RunSettings:
        """What was asked for."""

    @property
    def task(self) -> Task:
        """The task before the curriculum sets its N."""

    @property
    def recipe(self) -> Any:
        """The optimisation, a dataclass, with what was asked for put in."""


def blame_cell(make: Callable[..., Cell], *args: Any, **kwargs: Any) -> Cell:
    """The cell that ``make(...)`` gives, where ``cell`` or ``cell_args`` is to blame for what goes wrong."""
    try:
        return make(*args, **kwargs)
    except ContractError as error:
        raise SettingsError("cell", str(error)) from None
    except (ValueError, TypeError) as error:
        raise SettingsError("cell_args", str(error)) from None


def _recipe_value(name: str, value: object, setting: Field[Any]) -> object:
    if "choices" in setting.metadata:
        return checks.choice(name, value, setting.metadata["choices"])
    if "range" not in setting.metadata:  # the arguments of task and cell: checked where these are made
        return value
    least, most = setting.metadata["range"]
    return checks.integer(name, value, least, most) if setting.type == "int" else checks.real(name, value, least, most)


def _numbered(path: Path) -> Iterator[Path]:
    """The path, then path-2, path-3 and so on: the same command run again makes a run of its own."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.name}-{number}")
