"""What a training run is asked to do: ``Settings``, checked and resolved into a ``Plan`` before anything is written.

The command line is generated from these fields: their ``help`` is its help.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch

from baselines import losses, recipes, seeds
from baselines.cells import CELLS, Cell, ContractError, find_cell, make_cell
from baselines.curriculum import CURRICULA, Curriculum, NoneSingle, SlidingWindow
from baselines.losses import LossTerm, Weight
from baselines.network import RecurrentNetwork, answer_width
from baselines.recipes import RECIPES, Recipe
from memory_envs import TASKS, Task, checks, make_task

T = TypeVar("T")

CELL_HELP = f"recurrent cell: {', '.join(CELLS)}, or a class of yours as package.module:ClassName"


class SettingsError(ValueError):
    """A setting that cannot be. ``name`` is the field; the message says its value and what is allowed."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What every training run is asked for, whatever trains it."""

    METHOD: ClassVar[str]
    """What trains it, the name of its command."""
    LIMIT: ClassVar[str]
    """The setting that ends a run; a run that goes on may be given more."""

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
                _check(setting.name, checks.choice, getattr(self, setting.name), setting.metadata["choices"])
        _check("seed", checks.integer, self.seed, 0, seeds.LARGEST)
        _check("episodes", checks.integer, self.episodes, 2, 100_000)
        _check("device", check_device, self.device)
        _check("tcr", checks.real, self.tcr, 0.0, 1e9)
        blame("cell", find_cell, self.cell)

    def _replaced(self, recipe: Any) -> Any:
        """The recipe with the values of ``overrides``."""
        known = {setting.name: setting for setting in fields(recipe)}
        for name, value in self.overrides.items():
            if name not in known:
                raise SettingsError("overrides", f"overrides must be among {list(known)}, got {name!r}")
            _check(name, _recipe_value, value, known[name])
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
        _check("step", checks.integer, self.step, 1, 1_000)
        _check("threshold", _fraction, self.threshold)
        first = max(2, task.least_N) if self.first_n is None else self.first_n
        _check("first_n", checks.integer, first, task.least_N, 1_000)
        if _check("n_max", checks.integer, self.n_max, 1, 1_000) < first:
            raise SettingsError("n_max", f"n_max must be at least the N of the first stage, {first}, got {self.n_max}")
        kind = CURRICULA[self.curriculum]
        own = {name: getattr(self, name) for name in ("window", "shift") if getattr(self, name) is not None}
        if kind is NoneSingle:
            for name in ("first_n", "step"):
                if (value := getattr(self, name)) != getattr(type(self), name):
                    raise SettingsError(name, f"{name} must be left out for curriculum 'none-single', got {value}")
            first = self.n_max
        for name, value in own.items():
            if kind is not SlidingWindow:
                raise SettingsError(name, f"{name} must be left out for curriculum {self.curriculum!r}, got {value}")
            _check(name, checks.integer, value, 1, 1_000)
        stages = {"first_n": first, "n_max": self.n_max, "step": self.step, "threshold": self.threshold}
        curriculum = blame("shift" if "shift" in own else "window", kind, **stages, **own)
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
        words = [self.task, _file_word(self.cell), self.curriculum, f"n{self.n_max}", f"seed{self.seed}"]
        if self.METHOD != Settings.METHOD:
            words.insert(0, self.METHOD.removeprefix("train-"))
        silent = ("task", "cell", "curriculum", "n_max", "seed", "episodes", "out", self.LIMIT)
        given: dict[str, Any] = {s.name: getattr(self, s.name) for s in fields(self) if s.name not in silent}
        usual = type(self)()
        for name, value in given.items():
            if isinstance(value, dict):
                words += [f"{key}={_file_word(word)}" for key, word in value.items()]
            elif value != getattr(usual, name):
                words.append(f"{name}={_file_word(value)}")
        usual_name = Path("runs") / "_".join(words)
        return next(path for path in _numbered(usual_name) if not path.exists())

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain JSON data, without the folder that holds them."""
        plain = dataclasses.asdict(self)
        del plain["out"]
        return plain


@dataclass(frozen=True, kw_only=True)
class Settings(RunSettings):
    """A training run by backpropagation through time, as it is asked for."""

    METHOD, LIMIT = "train", "budget"

    budget: float = field(default=600.0, metadata={"help": "seconds of training after which the run stops"})
    tcr_schedule: str = field(
        default="constant",
        metadata={
            "help": "weight of --tcr over the updates: constant; linear-decay to 0 in --tcr-updates; cut-off after "
            "them; freeze-in: alone during them, with all other terms from then on. One of",
            "choices": losses.SCHEDULES,
        },
    )
    tcr_updates: int | None = field(default=None, metadata={"help": "updates of --tcr-schedule"})
    activity_l2: float = field(
        default=0.0, metadata={"help": "weight of |r(t)|^2 of the output, summed over units, mean over steps"}
    )
    manifold: float = field(default=0.0, metadata={"help": "weight of manifold-attractor regularisation, for a PLRNN"})

    def plan(self) -> Plan:
        """The parts of the run.

        Raises:
            SettingsError: a value is unknown, out of range, or does not go with the others.
        """
        self._check_shared()
        _check("budget", _positive, self.budget)
        recipe = self._recipe()
        task = self._task(recipe.task_defaults)
        curriculum = self._curriculum(task)
        plan = Plan(self, task, curriculum, recipe)
        try:
            cell = plan.new_cell(recipe.units)
        except ContractError as error:
            raise SettingsError("cell", str(error)) from None
        except (ValueError, TypeError) as error:
            raise SettingsError("cell_args", str(error)) from None
        self._check_regularisers(cell)
        return plan

    def _check_regularisers(self, cell: Cell) -> None:
        for name in ("activity_l2", "manifold"):
            _check(name, checks.real, getattr(self, name), 0.0, 1e9)
        for name, usual in (("tcr_on", "output"), ("tcr_schedule", "constant"), ("tcr_updates", None)):
            if getattr(self, name) != usual and not self.tcr:
                raise SettingsError(name, f"{name} needs tcr above 0, got {name} {getattr(self, name)!r} with tcr 0")
        if self.tcr_schedule != "constant":
            if self.tcr_updates is None:
                raise SettingsError("tcr_updates", f"tcr_updates must be given with tcr_schedule {self.tcr_schedule}")
            _check("tcr_updates", checks.integer, self.tcr_updates, 1, 10**9)
        elif self.tcr_updates is not None:
            raise SettingsError("tcr_updates", "tcr_updates must be left out with tcr_schedule constant")
        blame("tcr_on", losses.activity_reader, cell, self.tcr_on)
        if self.manifold:
            blame("manifold", losses.manifold_attractor, cell)

    def _recipe(self) -> Recipe:
        recipe: Recipe = self._replaced(blame("recipe", recipes.find, self.recipe, self.task, self.cell))
        if (recipe.momentum > 0) < (recipe.optimizer == "nesterov") or (recipe.momentum and recipe.optimizer == "adam"):
            allowed = "0 with optimizer 'adam'" if recipe.momentum else "above 0 with optimizer 'nesterov'"
            raise SettingsError("momentum", f"momentum must be {allowed}, got {recipe.momentum:g}")
        return recipe


@dataclass(frozen=True)
class Plan:
    """A training run, resolved into its parts.

    Attributes:
        settings: what was asked for.
        task: before the curriculum sets its N.
        curriculum: the stages.
        recipe: the optimisation, with what was asked for put in.
    """

    settings: Settings
    task: Task
    curriculum: Curriculum
    recipe: Recipe

    def new_cell(self, units: int) -> Cell:
        """A cell of this many units with its initial weights."""
        generator = seeds.generator(self.settings.seed, "cell")
        options = {**self.recipe.cell_defaults, **self.settings.cell_args}
        return make_cell(self.settings.cell, self.task.num_inputs, units, generator=generator, options=options)

    def new_network(self) -> RecurrentNetwork:
        """The network before training, without readouts, on the run's device."""
        signed = self.recipe.input_code == "signed"
        network = RecurrentNetwork(self.new_cell(self.recipe.units), answer_width(self.task), signed)
        return network.to(self.settings.device)

    def terms(self, cell: Cell) -> tuple[dict[str, LossTerm], dict[str, Weight]]:
        """The loss terms of the run, and their weights, for the cell that it trains."""
        asked = self.settings
        consistency, others = losses.schedule(asked.tcr_schedule, asked.tcr, asked.tcr_updates or 0)
        terms, weights = (
            {"task": losses.task_loss(self.task, self.recipe.head_loss, self.recipe.last_head)},
            {"task": others},
        )
        if asked.tcr:
            terms["tcr"] = losses.temporal_consistency(losses.activity_reader(cell, asked.tcr_on))
            weights["tcr"] = consistency
        if asked.activity_l2:
            terms["activity_l2"] = losses.activity_size
            weights["activity_l2"] = lambda update: asked.activity_l2 * others(update)
        if asked.manifold:
            terms["manifold"] = losses.manifold_attractor(cell)
            weights["manifold"] = lambda update: asked.manifold * others(update)
        return terms, weights


def _check(name: str, check: Callable[..., T], value: object, *rule: Any) -> T:
    try:
        return check(name, value, *rule)
    except (ValueError, TypeError) as error:
        raise SettingsError(name, str(error)) from None


def blame(name: str, make: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """``make(...)``, where the setting ``name`` is to blame for what goes wrong."""
    try:
        return make(*args, **kwargs)
    except (ValueError, TypeError) as error:
        raise SettingsError(name, str(error)) from None


def _recipe_value(name: str, value: object, setting: Field[Any]) -> object:
    if "choices" in setting.metadata:
        return checks.choice(name, value, setting.metadata["choices"])
    if "range" not in setting.metadata:  # the arguments of task and cell: checked where these are made
        return value
    least, most = setting.metadata["range"]
    return checks.integer(name, value, least, most) if setting.type == "int" else checks.real(name, value, least, most)


def _positive(name: str, value: object) -> float:
    number = checks.real(name, value, 0.0, float("inf"))
    if not number:
        raise ValueError(f"{name} must be above 0, got {value!r}")
    return number


def _fraction(name: str, value: object) -> float:
    number = checks.real(name, value, 0.0, 1.0)
    if number in (0.0, 1.0):
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}")
    return number


def check_device(name: str, value: object) -> None:
    """Refuse what is no device of this machine that networks can run on.

    Raises:
        ValueError: the message names it.
    """
    try:
        device = torch.device(str(value))
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"{name} must be cpu, cuda or cuda:<number>, got {value!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"{name} must be a device that there is, got {value!r} ({torch.cuda.device_count()} of CUDA)")


def _numbered(path: Path) -> Iterator[Path]:
    """The path, then path-2, path-3 and so on: the same command run again makes a run of its own."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.name}-{number}")


def _file_word(value: object) -> str:
    return "".join(c if c.isalnum() or c in ".-+" else "-" for c in str(value))
