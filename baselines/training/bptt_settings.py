"""The settings of a run by backpropagation through time, ``Settings``, and the ``Plan`` that they are resolved into.

Everything is checked before anything is written. Checks that need no network do not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from baselines.cells import find_cell, make_cell
from baselines.core import seeds
from baselines.core.process import single_precision
from baselines.core.settings import SettingsError, blame, check, check_device, check_fields, positive
from baselines.training import recipes
from baselines.training.curriculum import CURRICULA, Curriculum, MultiHead
from baselines.training.recipes import Recipe
from baselines.training.schedules import SCHEDULES, Weight, schedule
from baselines.training.settings import RunSettings, blame_cell
from memory_envs import Task, sizes

if TYPE_CHECKING:
    from baselines.cells import Cell
    from baselines.network import RecurrentNetwork
    from baselines.training.growth import Growth
    from baselines.training.losses import LossTerm

CHAINED = 3
"""The most steps between neighbouring heads at which each is learned from the one before in windows of 8 steps: with 3
it is, with 6 the second head stays at chance."""


@dataclass(frozen=True, kw_only=True)
class Settings(RunSettings):
    """The settings of a training run by backpropagation through time."""

    METHOD, LIMITS, RECIPE = "train", ("budget", "steps"), Recipe

    budget: float = field(
        default=3_600.0, metadata={"help": "seconds of training after which the run stops", "check": positive}
    )
    max_updates: int | None = field(
        default=None,
        metadata={
            "help": "updates after which the run ends, solved or not (default: as many as fit in the budget)",
            "range": (1, 10**9),
        },
    )
    steps: int | None = field(
        default=None,
        metadata={
            "help": "most environment steps of training, counted as time steps of trials, each trial with its own "
            "length; the run stops before the update that would exceed it (default: no limit)",
            "range": (1, 10**12),
        },
    )
    keep_every: int | None = field(
        default=None,
        metadata={
            "help": "also keep a checkpoint for analyses, at the first report after each multiple of this many updates",
            "range": (1, 10**9),
        },
    )
    tcr_schedule: str = field(
        default="constant",
        metadata={
            "help": "how the weight --tcr changes: constant; linear-decay: falls to 0 over --tcr-updates; "
            "cut-off: 0 after --tcr-updates; freeze-in: all other loss terms start after --tcr-updates. One of",
            "choices": SCHEDULES,
        },
    )
    tcr_updates: int | None = field(
        default=None, metadata={"help": "number of updates in --tcr-schedule", "range": (1, 10**9)}
    )
    activity_l2: float = field(
        default=0.0,
        metadata={
            "help": "weight of L2 on activity: |r(t)|^2 of the cell's output, summed over units, mean over steps",
            "range": (0.0, 1e9),
        },
    )
    manifold: float = field(
        default=0.0,
        metadata={"help": "weight of manifold-attractor regularisation; the cell must be a PLRNN", "range": (0.0, 1e9)},
    )

    @classmethod
    def recipe_name(cls, stored: str, values: Mapping[str, Any]) -> str:
        return stored if "stream_steps" in values else recipes.WITHOUT_STREAMS.get(stored, stored)

    def parts(self) -> tuple[Task, Curriculum, Recipe]:
        check_fields(self)
        recipe = self._recipe()
        task = self._task(recipe.task_defaults)
        curriculum = self._curriculum(task)
        self._check_consistency()
        self._check_streams(task, curriculum, recipe)
        return task, curriculum, recipe

    def plan(self) -> Plan:
        plan = Plan(self, *self.parts())
        check("device", check_device, self.device)
        blame("cell", find_cell, self.cell)
        cell = blame_cell(plan.new_cell, plan.recipe.units)
        from baselines.training import losses

        blame("tcr_on", losses.activity_reader, cell, self.tcr_on)
        if self.manifold:
            blame("manifold", losses.manifold_attractor, cell)
        if plan.recipe.grow_to and plan.recipe.grow_at <= self.n_max:
            from baselines.training.growth import check_growth

            blame("grow_to", check_growth, cell, plan.new_cell(plan.recipe.grow_to), plan.task.num_inputs)
        return plan

    def has_more_steps_than(self, before: Settings) -> bool:
        """Whether these settings allow more steps than ``before``, the settings of a run that may be at its limit."""
        return before.steps is not None and (self.steps is None or self.steps > before.steps)

    def _check_consistency(self) -> None:
        for name, usual in (("tcr_on", "output"), ("tcr_schedule", "constant"), ("tcr_updates", None)):
            if getattr(self, name) != usual and not self.tcr:
                raise SettingsError(name, f"{name} needs tcr above 0, got {name} {getattr(self, name)!r} with tcr 0")
        if self.tcr_schedule != "constant" and self.tcr_updates is None:
            raise SettingsError("tcr_updates", f"tcr_updates must be given with tcr_schedule {self.tcr_schedule}")
        if self.tcr_schedule == "constant" and self.tcr_updates is not None:
            raise SettingsError("tcr_updates", "tcr_updates must be left out with tcr_schedule constant")

    def _check_streams(self, task: Task, curriculum: Curriculum, recipe: Recipe) -> None:
        if recipe.heads_ahead and recipe.head_loss == "sum":
            raise SettingsError("heads_ahead", f"heads_ahead must be 0 with head_loss 'sum', got {recipe.heads_ahead}")
        if recipe.heads_ahead and not isinstance(curriculum, MultiHead):
            raise SettingsError(
                "heads_ahead", f"heads_ahead must be 0 with curriculum {self.curriculum!r}, got {recipe.heads_ahead}"
            )
        if recipe.smoothing and task.real_valued:
            raise SettingsError(
                "smoothing",
                f"smoothing must be 0 for {task.name}, which has no labels, got {recipe.smoothing:g}",
            )
        if recipe.averaged and not (recipe.sequential_test or recipe.test_batches):
            raise SettingsError(
                "averaged",
                "averaged must be 0 without sequential_test or test_batches, since averaged weights are tested on "
                f"fresh trials, got {recipe.averaged}",
            )
        if 0 < recipe.grow_to <= recipe.units:
            raise SettingsError(
                "grow_to", f"grow_to must be 0 or more than the {recipe.units} units at the start, got {recipe.grow_to}"
            )
        if not recipe.stream_steps:
            return
        for name, value, needed in (("epochs", recipe.epochs, 1), ("supervision", recipe.supervision, "counted")):
            if value != needed:
                hint = "recipe trials trains on whole trials"
                raise SettingsError(name, f"{name} must be {needed} with stream_steps, got {value} ({hint})")
        if not task.free_length:
            raise SettingsError(
                "stream_steps",
                f"stream_steps must be 0 for {task.name}, whose trials have a length of their own, got "
                f"{recipe.stream_steps}",
            )
        if task.scoring != "dense":
            raise SettingsError(
                "stream_steps", f"stream_steps must be 0 with scoring {task.scoring!r}, got {recipe.stream_steps}"
            )
        if recipe.stream_steps == 1 and self.tcr:
            raise SettingsError("stream_steps", "stream_steps must be 0 or at least 2 with tcr above 0, got 1")
        last = curriculum.stage(task, curriculum.n_max)
        length = max(8 * recipe.stream_steps, recipe.stream_length * (last.N + recipe.heads_ahead))
        size = 9.0 * length * recipe.batch_size * (last.num_heads + recipe.heads_ahead)
        blame("stream_steps", sizes.check, size, "streams", "make stream_steps, stream_length or batch_size smaller")

    @property
    def _streams_serve(self) -> bool:
        """Whether a recipe may train on streams: a network with several heads learns each from the one before, in a few
        steps; one with a single head does not (docs/decisions/0014-streams.md).
        """
        several = issubclass(CURRICULA[self.curriculum], MultiHead) and self.window != 1
        chained = self.step <= CHAINED and (self.first_n or 1) <= 1 + CHAINED
        return several and chained and self.task_args.get("scoring", "dense") == "dense"

    def _recipe(self) -> Recipe:
        name = self.recipe if self._streams_serve else recipes.WITHOUT_STREAMS.get(self.recipe, self.recipe)
        found = blame("recipe", recipes.find, name, self.task, self.cell)
        if "units" in self.overrides:  # who asks for a size does not ask for another one later
            found = replace(found, grow_to=0)
        recipe: Recipe = self._replaced(found)
        if (recipe.momentum > 0) < (recipe.optimizer == "nesterov") or (recipe.momentum and recipe.optimizer == "adam"):
            allowed = "0 with optimizer 'adam'" if recipe.momentum else "above 0 with optimizer 'nesterov'"
            raise SettingsError("momentum", f"momentum must be {allowed}, got {recipe.momentum:g}")
        if recipe.test_every % recipe.epochs and not recipe.stream_steps:
            raise SettingsError(
                "test_every",
                f"test_every must be a multiple of epochs, {recipe.epochs}, so that each test has the same number of "
                f"new batches, got {recipe.test_every}",
            )
        return recipe


@dataclass(frozen=True)
class Plan:
    """A training run, resolved into its parts.

    Attributes:
        settings: the settings of the run.
        task: the task before the curriculum sets its N.
        curriculum: the stages.
        recipe: the settings of the optimisation, overrides included.
    """

    settings: Settings
    task: Task
    curriculum: Curriculum
    recipe: Recipe

    def new_cell(self, units: int) -> Cell:
        """A new cell with this number of units and its initial weights."""
        generator = seeds.generator(self.settings.seed, "cell")
        options = {**self.recipe.cell_defaults, **self.settings.cell_args}
        with single_precision():
            return make_cell(self.settings.cell, self.task.num_inputs, units, generator=generator, options=options)

    def growth(self) -> Growth | None:
        """When the cell grows, and to what; None: never."""
        if not self.recipe.grow_to:
            return None
        from baselines.training.growth import Growth

        return Growth(self.recipe.grow_at, self.recipe.grow_to, self.new_cell)

    def new_network(self, units: int | None = None) -> RecurrentNetwork:
        """The untrained network on the run's device; it has no readouts yet.

        Args:
            units: the units of its cell, where it has grown. None: as many as it starts with.
        """
        from baselines.network import RecurrentNetwork, answer_width

        signed = self.recipe.input_code == "signed"
        network = RecurrentNetwork(self.new_cell(units or self.recipe.units), answer_width(self.task), signed)
        return network.to(self.settings.device)

    def terms(self, cell: Cell) -> tuple[dict[str, LossTerm], dict[str, Weight]]:
        """The loss terms of the run and their weights, both by name.

        Args:
            cell: the cell that is trained; some terms read its parameters or parts of its state.
        """
        from baselines.training import losses

        asked = self.settings
        consistency, others = schedule(asked.tcr_schedule, asked.tcr, asked.tcr_updates or 0)
        terms, weights = (
            {
                "task": losses.task_loss(
                    self.task,
                    self.recipe.head_loss,
                    self.recipe.last_head,
                    self.recipe.ahead_weight if self.recipe.heads_ahead else 0.0,
                    self.recipe.smoothing,
                )
            },
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
