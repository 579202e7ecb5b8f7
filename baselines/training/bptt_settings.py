"""What a run by backpropagation through time is asked to do: ``Settings``, resolved into a ``Plan``.

Everything is checked before anything is written; what needs no network is checked without torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from baselines.cells import find_cell, make_cell
from baselines.core import seeds
from baselines.core.settings import SettingsError, blame, check, check_device, positive
from baselines.training import recipes
from baselines.training.curriculum import Curriculum
from baselines.training.recipes import Recipe
from baselines.training.schedules import SCHEDULES, Weight, schedule
from baselines.training.settings import RunSettings, blame_cell
from memory_envs import Task

if TYPE_CHECKING:
    from baselines.cells import Cell
    from baselines.network import RecurrentNetwork
    from baselines.training.losses import LossTerm


@dataclass(frozen=True, kw_only=True)
class Settings(RunSettings):
    """A training run by backpropagation through time, as it is asked for."""

    METHOD, LIMITS = "train", ("budget", "steps")

    budget: float = field(
        default=600.0, metadata={"help": "seconds of training after which the run stops", "check": positive}
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
            "help": "environment steps of training (time steps of trials, each trial of a batch counted with its own "
            "length) that the run takes at most: it stops before the update that would take more (default: no limit)",
            "range": (1, 10**12),
        },
    )
    keep_every: int | None = field(
        default=None,
        metadata={
            "help": "keep a checkpoint with the first report after every so many updates, too: for analyses",
            "range": (1, 10**9),
        },
    )
    tcr_schedule: str = field(
        default="constant",
        metadata={
            "help": "weight of --tcr over the updates: constant; linear-decay to 0 in --tcr-updates; cut-off after "
            "them; freeze-in: alone during them, with all other terms from then on. One of",
            "choices": SCHEDULES,
        },
    )
    tcr_updates: int | None = field(default=None, metadata={"help": "updates of --tcr-schedule", "range": (1, 10**9)})
    activity_l2: float = field(
        default=0.0,
        metadata={
            "help": "weight of |r(t)|^2 of the output, summed over units, mean over steps",
            "range": (0.0, 1e9),
        },
    )
    manifold: float = field(
        default=0.0,
        metadata={"help": "weight of manifold-attractor regularisation, for a PLRNN", "range": (0.0, 1e9)},
    )

    def parts(self) -> tuple[Task, Curriculum, Recipe]:
        self._check_fields()
        recipe = self._recipe()
        task = self._task(recipe.task_defaults)
        curriculum = self._curriculum(task)
        self._check_consistency()
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
        return plan

    def has_more_steps_than(self, before: Settings) -> bool:
        """Whether this raises the limit of steps that a run with the settings ``before`` may have reached."""
        return before.steps is not None and (self.steps is None or self.steps > before.steps)

    def _check_consistency(self) -> None:
        for name, usual in (("tcr_on", "output"), ("tcr_schedule", "constant"), ("tcr_updates", None)):
            if getattr(self, name) != usual and not self.tcr:
                raise SettingsError(name, f"{name} needs tcr above 0, got {name} {getattr(self, name)!r} with tcr 0")
        if self.tcr_schedule != "constant" and self.tcr_updates is None:
            raise SettingsError("tcr_updates", f"tcr_updates must be given with tcr_schedule {self.tcr_schedule}")
        if self.tcr_schedule == "constant" and self.tcr_updates is not None:
            raise SettingsError("tcr_updates", "tcr_updates must be left out with tcr_schedule constant")

    def _recipe(self) -> Recipe:
        recipe: Recipe = self._replaced(blame("recipe", recipes.find, self.recipe, self.task, self.cell))
        if (recipe.momentum > 0) < (recipe.optimizer == "nesterov") or (recipe.momentum and recipe.optimizer == "adam"):
            allowed = "0 with optimizer 'adam'" if recipe.momentum else "above 0 with optimizer 'nesterov'"
            raise SettingsError("momentum", f"momentum must be {allowed}, got {recipe.momentum:g}")
        if recipe.test_every % recipe.epochs:
            raise SettingsError(
                "test_every",
                f"test_every must be a multiple of epochs, {recipe.epochs}, so that each test has as many new batches, "
                f"got {recipe.test_every}",
            )
        return recipe


@dataclass(frozen=True)
class Plan:
    """A training run, resolved into its parts.

    Attributes:
        settings: what was asked for.
        task: the task before the curriculum sets its N.
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
        from baselines.network import RecurrentNetwork, answer_width

        signed = self.recipe.input_code == "signed"
        network = RecurrentNetwork(self.new_cell(self.recipe.units), answer_width(self.task), signed)
        return network.to(self.settings.device)

    def terms(self, cell: Cell) -> tuple[dict[str, LossTerm], dict[str, Weight]]:
        """The loss terms of the run, and their weights, for the cell that it trains."""
        from baselines.training import losses

        asked = self.settings
        consistency, others = schedule(asked.tcr_schedule, asked.tcr, asked.tcr_updates or 0)
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
