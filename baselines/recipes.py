"""Recipes: how a cell is trained on a task. Data, not code."""

from __future__ import annotations

from dataclasses import Field, dataclass, field
from typing import Any

from memory_envs import checks


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of the optimisation. A field's ``help`` is the command line's.

    The optimiser is Adam with torch's other defaults; the loss is averaged over heads and counted steps.
    """

    units: int = field(metadata={"help": "units of the cell", "range": (1, 20_000)})
    batch_size: int = field(metadata={"help": "trials in an update", "range": (1, 1_000_000)})
    learning_rate: float = field(metadata={"help": "step size of Adam", "range": (1e-9, 10)})
    clip_norm: float = field(metadata={"help": "largest norm of the gradient", "range": (1e-9, 1e9)})
    trial_length: float = field(
        metadata={
            "help": "steps in a training trial, in multiples of N, where the task lets one choose",
            "range": (1, 1_000),
        }
    )
    test_every: int = field(
        metadata={
            "help": "updates between tests; a test is the accuracy on the batches trained on since the last one",
            "range": (1, 1_000_000),
        }
    )


def check(name: str, value: object, setting: Field[Any]) -> float:
    """A value for a field of ``Recipe``.

    Raises:
        ValueError, TypeError: it is of another type or outside the field's range.
    """
    least, most = setting.metadata["range"]
    return checks.integer(name, value, least, most) if setting.type == "int" else checks.real(name, value, least, most)


ANY = ("*", "*")

RECIPES: dict[str, dict[tuple[str, str], Recipe]] = {
    # Ours. Against SCIENCE.md's starting point (Adam 1e-3, trials of 4 N, tests every 20 updates: N = 12 after about
    # 1,750 updates and 15 CPU seconds) the step size makes the difference, then the shorter trials: 520 updates, 3 s.
    "fast": {
        ("parity", "leaky"): Recipe(
            units=128, batch_size=64, learning_rate=5e-3, clip_norm=1.0, trial_length=2, test_every=10
        ),
        ANY: Recipe(units=128, batch_size=64, learning_rate=1e-3, clip_norm=1.0, trial_length=4, test_every=10),
    },
}
"""Name of the recipe -> (task, cell) -> settings; ``ANY`` serves the pairs that have none of their own."""


def find(name: str, task: str, cell: str) -> Recipe:
    """The settings of a recipe for a task and a cell."""
    table = RECIPES[name]
    return table.get((task, cell), table[ANY])
