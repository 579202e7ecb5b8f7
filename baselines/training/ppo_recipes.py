"""Recipes of reinforcement learning: the settings of PPO for each task and cell. They are data, not code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from baselines.core.settings import Declared, declared
from baselines.training.recipes import ANY

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class PPORecipe:
    """Settings of PPO. The command line shows a field's ``help``; its ``range`` includes both ends.

    ``gamma`` and ``gae_lambda`` are 0 by default. In this suite an action changes neither later inputs nor later
    rewards, so its value is its immediate reward. Larger values would only add the noise of later rewards to the
    advantage.
    """

    units: int = field(metadata={"help": "units of the cell", "range": (1, 20_000)})
    layers: int = field(default=1, metadata={"help": "layers of the cell", "range": (1, 100)})
    num_envs: int = field(metadata={"help": "environments in the vector environment", "range": (1, 16_384)})
    rollout_trials: int = field(
        metadata={
            "help": "trials of each environment in a rollout, with the trial length of the last stage",
            "range": (1, 10_000),
        }
    )
    minibatches: int = field(metadata={"help": "minibatches of whole sequences per epoch", "range": (1, 10_000)})
    epochs: int = field(metadata={"help": "passes over a rollout", "range": (1, 1_000)})
    learning_rate: float = field(metadata={"help": "step size of Adam", "range": (1e-9, 10)})
    decay_from: int = field(
        default=0,
        metadata={
            "help": "in stages with a larger N than this, the step size is multiplied by decay_from / N; 0: never",
            "range": (0, 1_000_000),
        },
    )
    clip_range: float = field(default=0.2, metadata={"help": "clip range of the probability ratio", "range": (0, 10)})
    entropy: float = field(default=0.0, metadata={"help": "weight of the entropy bonus", "range": (0, 10)})
    value: float = field(default=0.5, metadata={"help": "weight of the critic's squared error", "range": (0, 100)})
    clip_norm: float = field(metadata={"help": "largest norm of the gradient", "range": (1e-9, 1e9)})
    gamma: float = field(default=0.0, metadata={"help": "discount factor", "range": (0, 1)})
    gae_lambda: float = field(
        default=0.0, metadata={"help": "lambda of generalised advantage estimation", "range": (0, 1)}
    )
    log_std: float = field(
        default=0.0,
        metadata={
            "help": "real-valued answers: initial logarithm of their standard deviation, which is trained",
            "range": (-10, 2),
        },
    )
    trial_length: float = field(
        metadata={"help": "steps in a trial, in multiples of N, where the task lets one choose", "range": (1, 1_000)}
    )
    report_every: int = field(
        metadata={"help": "rollouts between reports, each with an evaluation and a checkpoint", "range": (1, 1_000_000)}
    )
    cell_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the cell that the user does not set."""

    def learning_rate_at(self, n: int) -> float:
        """The step size in the stage with this N."""
        return self.learning_rate * min(1.0, self.decay_from / n) if self.decay_from else self.learning_rate


def _fast(**own: Any) -> PPORecipe:
    usual = {"units": 64, "num_envs": 64, "rollout_trials": 2, "minibatches": 4, "epochs": 10, "learning_rate": 5e-3}
    return PPORecipe(**{"clip_norm": 0.5, "trial_length": 4, "report_every": 4, **usual, **own})


PPO_RECIPES: dict[str, dict[tuple[str, str], PPORecipe]] = {
    "fast": {
        # The trials are short, so a rollout has more of them. The default of Stable-Baselines3, a standard deviation
        # of 1, is as wide as the whole range of answers.
        ("delayed-addition", ANY): _fast(rollout_trials=4, learning_rate=1e-3, log_std=-2.0),
        ("evidence-accumulation", ANY): _fast(rollout_trials=4),
        ("flip-flop", ANY): _fast(rollout_trials=1),
        # Large steps fail in the late stages of a curriculum, as in backpropagation (docs/decisions/0006).
        (ANY, ANY): _fast(clip_norm=0.1, decay_from=4),
    },
}
"""Name of the recipe -> (task, cell) -> settings; ``ANY`` stands for all tasks or all cells."""


def find(name: str, task: str, cell: str) -> PPORecipe:
    """The settings of the recipe ``name`` for a task and a cell."""
    return look_up(PPO_RECIPES[name], task, cell)


def options() -> list[Declared]:
    """The values of a recipe that a user can replace, as declared."""
    return [setting for setting in declared(PPORecipe) if "help" in setting.metadata]


def look_up(table: Mapping[tuple[str, str], T], task: str, cell: str) -> T:
    """The most specific entry for a task and a cell in a table by (task, cell), in which ``ANY`` fits all."""
    return next(table[key] for key in ((task, cell), (task, ANY), (ANY, cell), (ANY, ANY)) if key in table)
