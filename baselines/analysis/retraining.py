"""A network trained further, for a fixed number of updates, on one N: the whole of it, or its readout alone."""

from __future__ import annotations

import copy
import dataclasses

from baselines import recipes, runs
from baselines.analysis.subjects import Subject
from baselines.bptt import Learner
from baselines.recipes import Recipe
from memory_envs import Task

SCOPES = ("network", "readout")


def recipe_of(subject: Subject) -> Recipe:
    """The recipe of the subject's run; of a network from elsewhere the fast one for any cell."""
    if subject.path is None:
        return recipes.find("fast", recipes.ANY, recipes.ANY)
    return runs.read_settings(subject.path).plan().recipe


def retrained(
    subject: Subject, task: Task, *, updates: int, scope: str, seed: int, learning_rate: float | None = None
) -> Subject:
    """A copy of a subject after ``updates`` updates on a task; a readout that is missing is made.

    Args:
        subject: where it starts; its optimizer's moments are not known, so that they start at zero.
        task: one N alone.
        updates: how many.
        scope: ``"network"`` (all weights) or ``"readout"``.
        seed: of the trials and the initial states.
        learning_rate: in place of the recipe's.
    """
    recipe = recipe_of(subject)
    if learning_rate is not None:
        recipe = dataclasses.replace(recipe, learning_rate=learning_rate)
    network = copy.deepcopy(subject.network).requires_grad_(True)
    network.cell.requires_grad_(scope == "network")
    learner = Learner(network, task, recipe, seed=seed)
    for _ in range(updates):
        learner.learn()
    return dataclasses.replace(subject, network=network.requires_grad_(False))
