"""What a run of reinforcement learning is asked to do, checked and resolved before anything is written.

It needs neither Stable-Baselines3 nor sb3-contrib: a wrong option is found before a missing package.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from baselines.cells import make_cell
from baselines.core import seeds
from baselines.core.settings import SettingsError, blame, check
from baselines.training import losses, ppo_recipes
from baselines.training.curriculum import CURRICULA, Curriculum
from baselines.training.ppo_recipes import PPO_RECIPES, PPORecipe
from baselines.training.settings import RunSettings, blame_cell
from memory_envs import Task, checks

CRITICS = ("separate", "shared", "feedforward")


@dataclass(frozen=True, kw_only=True)
class RLSettings(RunSettings):
    """A run of reinforcement learning, as it is asked for."""

    METHOD, LIMITS = "train-rl", ("steps",)

    cell: str = field(default="lstm", metadata=RunSettings.__dataclass_fields__["cell"].metadata)
    curriculum: str = field(default="none-single", metadata={"help": "how N grows", "choices": tuple(CURRICULA)})
    n_max: int = field(
        default=4, metadata={"help": "N of the last stage: the run ends when it is solved", "alias": "--N"}
    )
    threshold: float = field(
        default=0.95,
        metadata={"help": "accuracy of the answers drawn in training above which a stage is solved, as in train"},
    )
    recipe: str = field(
        default="fast", metadata={"help": "settings of PPO; options below replace them", "choices": tuple(PPO_RECIPES)}
    )
    episodes: int = field(default=500, metadata={"help": "fresh trials that each evaluation plays"})
    steps: int = field(default=500_000, metadata={"help": "environment steps, of all columns, after which it stops"})
    critic: str = field(
        default="shared",
        metadata={
            "help": "a network of its own; one that reads the actor's cell, without a gradient to it; or one that sees "
            "the current input only. One of",
            "choices": CRITICS,
        },
    )

    def plan(self) -> RLPlan:
        """The parts of the run.

        Raises:
            SettingsError: a value is unknown, out of range, or does not go with the others.
        """
        self._check_shared()
        blame("steps", checks.integer, "steps", self.steps, 1, 10**12)
        recipe = self._replaced(ppo_recipes.find(self.recipe, self.task, self.cell))
        task = self._task({})
        curriculum = self._curriculum(task)
        generator = seeds.generator(self.seed, "trial")
        options = {**recipe.cell_defaults, **self.cell_args}
        cell = blame_cell(make_cell, self.cell, task.num_inputs, recipe.units, generator=generator, options=options)
        if self.tcr_on != "output" and not self.tcr:
            raise SettingsError("tcr_on", f"tcr_on needs tcr above 0, got tcr_on {self.tcr_on!r} with tcr 0")
        if cell.output_size != recipe.units:
            said = (
                f"cell must have as many outputs as units, got output_size {cell.output_size} of {recipe.units} units"
            )
            raise SettingsError("cell", said)
        if recipe.layers == 1:
            blame("tcr_on", losses.activity_reader, cell, self.tcr_on)
        else:  # the parts of ``baselines.ppo.recurrence.Recurrence``, which needs Stable-Baselines3
            parts = ("output", "state", *(f"layer{i}" for i in range(1, recipe.layers + 1)))
            check("tcr_on", checks.choice, self.tcr_on, parts)
        return RLPlan(self, task, curriculum, recipe)


@dataclass(frozen=True)
class RLPlan:
    """A run of reinforcement learning, resolved into its parts.

    Attributes:
        settings: what was asked for.
        task: before the curriculum sets its N.
        curriculum: the stages.
        recipe: the optimisation, with what was asked for put in.
    """

    settings: RLSettings
    task: Task
    curriculum: Curriculum
    recipe: PPORecipe

    @property
    def cell_options(self) -> dict[str, Any]:
        """The cell's arguments: those asked for, and the recipe's where there are none."""
        return {**self.recipe.cell_defaults, **self.settings.cell_args}
