"""Small networks and recipes for the tests."""

from typing import Any

import torch

from baselines import seeds
from baselines.bptt import Learner, Recipe
from baselines.cells import CELLS, Cell
from baselines.curriculum import MultiHead
from baselines.network import RecurrentNetwork, answer_width, head_keys
from memory_envs import Parity, Task

CELL_CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in CELLS),
    ("leaky", {"form": "mod"}),
]
"""Every listed cell, and every variant of one that takes a way of its own."""

RECIPE = Recipe(units=48, batch_size=32, learning_rate=5e-3, clip_norm=1.0, trial_length=3, test_every=10)


def make_cell(name: str, options: dict[str, Any], inputs: int = 2, units: int = 7, seed: int = 0) -> Cell:
    return CELLS[name](inputs, units, generator=torch.Generator().manual_seed(seed), **options)


def make_network(task: Task, units: int = 16, seed: int = 0) -> RecurrentNetwork:
    network = RecurrentNetwork(make_cell("leaky", {}, task.num_inputs, units, seed), answer_width(task))
    for key in head_keys(task):
        network.add_readout(key, seeds.generator(seed, key))
    return network


def make_learner(n_max: int = 4, seed: int = 0) -> tuple[Learner, MultiHead]:
    cell = make_cell("leaky", {}, inputs=1, units=RECIPE.units, seed=seed)
    curriculum = MultiHead(n_max=n_max)
    return Learner(RecurrentNetwork(cell, 2), curriculum.first(Parity()), RECIPE, seed=seed), curriculum
