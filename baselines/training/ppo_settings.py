"""The settings of a run of reinforcement learning, checked and resolved before anything is written.

This module needs neither Stable-Baselines3 nor sb3-contrib, and hardly torch, so that a wrong option is reported
before a missing package.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from baselines.cells import find_cell, make_cell
from baselines.core import seeds
from baselines.core.process import single_precision
from baselines.core.settings import SettingsError, blame, check, check_device, check_fields, fraction
from baselines.training import ppo_recipes
from baselines.training.curriculum import CURRICULA, Curriculum
from baselines.training.ppo_recipes import PPO_RECIPES, PPORecipe
from baselines.training.settings import RunSettings, blame_cell
from memory_envs import Task, checks

CRITICS = ("separate", "shared", "feedforward")


@dataclass(frozen=True, kw_only=True)
class RLSettings(RunSettings):
    """The settings of a run of reinforcement learning."""

    METHOD, LIMITS, RECIPE = "train-rl", ("steps",), PPORecipe

    cell: str = field(default="lstm", metadata=RunSettings.__dataclass_fields__["cell"].metadata)
    curriculum: str = field(default="none-single", metadata={"help": "how N grows", "choices": tuple(CURRICULA)})
    n_max: int = field(
        default=4,
        metadata={
            "help": "N of the last stage: the run ends when it is solved",
            "alias": "--N",
            "range": (1, 1_000),
        },
    )
    threshold: float = field(
        default=0.95,
        metadata={
            "help": "accuracy of the sampled answers in training above which a stage is solved, as in train",
            "check": fraction,
        },
    )
    recipe: str = field(
        default="fast", metadata={"help": "settings of PPO; options below replace them", "choices": tuple(PPO_RECIPES)}
    )
    episodes: int = field(default=500, metadata={"help": "fresh trials in each evaluation", "range": (2, 100_000)})
    steps: int = field(
        default=500_000,
        metadata={"help": "environment steps, of all environments together, to train for", "range": (1, 10**12)},
    )
    critic: str = field(
        default="shared",
        metadata={
            "help": "the critic. separate: a recurrent network of its own; shared: it reads the actor's cell but "
            "sends no gradient to it; feedforward: it sees only the current input. One of",
            "choices": CRITICS,
        },
    )

    def parts(self) -> tuple[Task, Curriculum, PPORecipe]:
        check_fields(self)
        recipe = self._replaced(ppo_recipes.find(self.recipe, self.task, self.cell))
        task = self._task({})
        curriculum = self._curriculum(task)
        if self.tcr_on != "output" and not self.tcr:
            raise SettingsError("tcr_on", f"tcr_on needs tcr above 0, got tcr_on {self.tcr_on!r} with tcr 0")
        # The same names as in ``baselines.ppo.recurrence.Recurrence``, which cannot be imported without
        # Stable-Baselines3.
        if recipe.layers > 1:
            parts = ("output", "state", *(f"layer{i}" for i in range(1, recipe.layers + 1)))
            check("tcr_on", checks.choice, self.tcr_on, parts)
        return task, curriculum, recipe

    def plan(self) -> RLPlan:
        plan = RLPlan(self, *self.parts())
        check("device", check_device, self.device)
        recipe, generator = plan.recipe, seeds.generator(self.seed, "trial")
        options, inputs = plan.cell_options, plan.task.num_inputs
        blame("cell", find_cell, self.cell)
        with single_precision():
            cell = blame_cell(make_cell, self.cell, inputs, recipe.units, generator=generator, options=options)
        if cell.output_size != recipe.units:
            said = (
                f"cell must have as many outputs as units, got output_size {cell.output_size} and {recipe.units} units"
            )
            raise SettingsError("cell", said)
        if recipe.layers == 1:
            from baselines.training import losses

            blame("tcr_on", losses.activity_reader, cell, self.tcr_on)
        return plan


@dataclass(frozen=True)
class RLPlan:
    """A run of reinforcement learning, resolved into its parts.

    Attributes:
        settings: the settings of the run.
        task: the task before the curriculum sets its N.
        curriculum: the stages.
        recipe: the settings of PPO, overrides included.
    """

    settings: RLSettings
    task: Task
    curriculum: Curriculum
    recipe: PPORecipe

    @property
    def cell_options(self) -> dict[str, Any]:
        """The arguments of the cell: the recipe's, replaced by those that the settings give."""
        return {**self.recipe.cell_defaults, **self.settings.cell_args}
