"""Recipes of reinforcement learning: how a cell is trained on a task by PPO. Data, not code."""

from __future__ import annotations

from dataclasses import dataclass, field

from baselines.recipes import ANY


@dataclass(frozen=True, kw_only=True)
class PPORecipe:
    """Settings of PPO. A field's ``help`` is the command line's, its ``range`` inclusive.

    ``gamma`` and ``gae_lambda`` are 0 unless given: actions do not change what comes next in this suite, so an answer
    is worth what it is paid at once, and a discount adds nothing to its advantage but the noise of later answers.
    """

    units: int = field(metadata={"help": "units of the cell", "range": (1, 20_000)})
    layers: int = field(default=1, metadata={"help": "layers of the cell", "range": (1, 100)})
    num_envs: int = field(metadata={"help": "columns of the vector environment", "range": (1, 16_384)})
    rollout_trials: int = field(
        metadata={"help": "trials (of the last stage's length) of each column in a rollout", "range": (1, 10_000)}
    )
    minibatches: int = field(metadata={"help": "minibatches of whole sequences in an epoch", "range": (1, 10_000)})
    epochs: int = field(metadata={"help": "passes over a rollout", "range": (1, 1_000)})
    learning_rate: float = field(metadata={"help": "step size of Adam", "range": (1e-9, 10)})
    clip_range: float = field(
        default=0.2, metadata={"help": "how far a ratio of probabilities counts", "range": (0, 10)}
    )
    entropy: float = field(default=0.0, metadata={"help": "weight of the entropy", "range": (0, 10)})
    value: float = field(default=0.5, metadata={"help": "weight of the critic's squared error", "range": (0, 100)})
    clip_norm: float = field(metadata={"help": "largest norm of the gradient", "range": (1e-9, 1e9)})
    gamma: float = field(default=0.0, metadata={"help": "discount", "range": (0, 1)})
    gae_lambda: float = field(
        default=0.0, metadata={"help": "lambda of generalised advantage estimation", "range": (0, 1)}
    )
    trial_length: float = field(
        metadata={"help": "steps in a trial, in multiples of N, where the task lets one choose", "range": (1, 1_000)}
    )
    report_every: int = field(
        metadata={"help": "rollouts between reports: an evaluation and a checkpoint", "range": (1, 1_000_000)}
    )


PPO_RECIPES: dict[str, dict[tuple[str, str], PPORecipe]] = {
    "fast": {
        (ANY, ANY): PPORecipe(
            units=64,
            num_envs=64,
            rollout_trials=2,
            minibatches=4,
            epochs=10,
            learning_rate=3e-3,
            clip_norm=0.5,
            trial_length=4,
            report_every=4,
        ),
    },
}
"""Name of the recipe -> (task, cell) -> settings; ``ANY`` stands for all tasks or all cells."""


def find(name: str, task: str, cell: str) -> PPORecipe:
    """The settings of a recipe for a task and a cell."""
    table = PPO_RECIPES[name]
    keys = (task, cell), (task, ANY), (ANY, cell), (ANY, ANY)
    return next(table[key] for key in keys if key in table)
