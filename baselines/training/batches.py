"""The batches of trials that a network is trained and tested on: drawn from one stage, shaped by the recipe."""

from __future__ import annotations

from dataclasses import replace

import torch

from baselines.core import seeds
from baselines.training.recipes import Recipe
from memory_envs import Task, Trials


class Practice:
    """The training and the test batches of one stage.

    Args:
        task: the task of the stage.
        recipe: the settings of the optimisation; they set the batch size, the trial length and the steps that count.
        seed: the seed of the run; all trials are drawn from it.
    """

    def __init__(self, task: Task, recipe: Recipe, seed: int) -> None:
        self.recipe, self.seed = recipe, seed
        self.drawn = recipe.supervision == "last-step" and task.free_length
        self.task = task if self.drawn else with_length(task, recipe.trial_length)
        if recipe.supervision == "last-step" and task.scoring == "final":
            # Here all trials of a batch have one length, so the task must not draw another length for each trial.
            self.task = self.task.replace(scoring="dense")

    def batch(self, index: int) -> Trials:
        """Training batch number ``index``."""
        return self._batch(self.seed, "length", index)

    def test_batch(self, index: int) -> Trials:
        """Test batch number ``index``, of trials that no run trains on."""
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
    """The task with trials of ``multiple`` x N steps; unchanged where the task does not let one choose the length."""
    if not task.free_length:
        return task
    least = task.N + (2 if task.scoring == "final" else 0)
    return task.replace(num_steps=max(round(multiple * task.N), least))
