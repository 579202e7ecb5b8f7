"""Small cells, tasks, networks and recipes for the tests."""

from typing import Any

import torch

from baselines import cells
from baselines.cells import CELLS, Cell
from baselines.core import seeds
from baselines.network import RecurrentNetwork, answer_width, head_keys
from baselines.training.curriculum import MultiHead
from baselines.training.learner import Learner
from baselines.training.recipes import Recipe
from memory_envs import TASKS, DelayedAddition, DelayedMatch, EvidenceAccumulation, FlipFlop, Parity, Task

PHIS = ("relu", "tanh", "sigmoid")
CELL_CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in CELLS),
    ("leaky", {"form": "mod"}),
    *(("leaky", {"tau": tau, "form": form}) for tau in ("smooth", 1, 2.5) for form in ("default", "mod")),
    *(("leaky", {"activation": name, "form": form}) for name in PHIS for form in ("default", "mod")),
    ("rate", {"a": 1.0, "g": 2.0}),
    ("rate", {"a": 0.2, "rank": 1}),
    ("rate", {"rank": 3}),
]
"""Every listed cell, and every variant that takes a code path of its own."""

TASK_CASES: list[Task] = [
    *(kind() for kind in TASKS.values()),
    Parity(heads=(2, 3, 5)),
    Parity(N=3, scoring="final"),
    DelayedMatch(heads=(2, 4), scoring="final"),
    EvidenceAccumulation(heads=(1, 3)),
    FlipFlop(N=4, bits=2),
    DelayedAddition(N=8, scoring="final"),
]
"""Every task with its defaults, and variants with several heads or channels and with both ways of scoring."""

BEFORE_STREAMS = (
    *("units", "batch_size", "learning_rate", "decay_from", "clip_norm", "test_every", "epochs", "trial_length"),
    *("optimizer", "momentum", "supervision", "head_loss", "last_head", "test_batches", "input_code"),
    *("task_defaults", "cell_defaults"),
)
"""The values of a recipe in files of before there were streams."""

RECIPE = Recipe(units=48, batch_size=32, learning_rate=5e-3, clip_norm=1.0, trial_length=3, test_every=10)


def make_cell(name: str, options: dict[str, Any], inputs: int = 2, units: int = 7, seed: int = 0) -> Cell:
    return cells.make_cell(name, inputs, units, generator=torch.Generator().manual_seed(seed), options=options)


def make_network(
    task: Task, units: int = 16, seed: int = 0, cell: str = "leaky", options: dict[str, Any] | None = None
) -> RecurrentNetwork:
    network = RecurrentNetwork(make_cell(cell, options or {}, task.num_inputs, units, seed), answer_width(task))
    for key in head_keys(task):
        network.add_readout(key, seeds.generator(seed, key))
    return network


def make_learner(n_max: int = 4, seed: int = 0) -> tuple[Learner, MultiHead]:
    cell = make_cell("leaky", {}, inputs=1, units=RECIPE.units, seed=seed)
    curriculum = MultiHead(n_max=n_max)
    return Learner(RecurrentNetwork(cell, 2), curriculum.first(Parity()), RECIPE, seed=seed), curriculum
