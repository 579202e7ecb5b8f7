"""Which trials a network is trained and tested on: those of a stage, in the shape that the recipe asks for."""

from __future__ import annotations

from dataclasses import replace

import torch

from baselines.core import seeds
from baselines.training.recipes import Recipe
from memory_envs import Task, Trials


class Practice:
    """The training and the test batches of one stage.

    Args:
        task: the stage.
        recipe: the shape of its batches.
        seed: of the trials.
    """

    def __init__(self, task: Task, recipe: Recipe, seed: int) -> None:
        self.recipe, self.seed = recipe, seed
        self.drawn = recipe.supervision == "last-step" and task.free_length
        self.task = task if self.drawn else with_length(task, recipe.trial_length)
        if recipe.supervision == "last-step" and task.scoring == "final":
            # Each batch has one length already: what the task would draw for each trial.
            self.task = self.task.replace(scoring="dense")

    def batch(self, index: int) -> Trials:
        """Training batch number ``index``."""
        return self._batch(self.seed, "length", index)

    def test_batch(self, index: int) -> Trials:
        """Test batch number ``index``: trials that no run trains on."""
        return self._batch(seeds.test_seed(self.seed), "test length", index)

    def _batch(self, seed: int, name: str, index: int) -> Trials:
        task = self.task
        if self.drawn:
            steps = torch.randint(task.N + 2, 4 * task.N + 2, (), generator=seeds.generator(self.seed, name, index))
            task = task.replace(num_steps=int(steps))
        trials = task.batch(seed, index, self.recipe.batch_size)
        if self.recipe.supervision == "last-step":
            mask = trials.mask.copy()
            mask[:-1] = False
            trials = replace(trials, mask=mask)
        return trials


def with_length(task: Task, multiple: float) -> Task:
    """The task with trials of ``multiple`` times N steps, where its trials may be of any length."""
    if not task.free_length:
        return task
    least = task.N + (2 if task.scoring == "final" else 0)
    return task.replace(num_steps=max(round(multiple * task.N), least))
