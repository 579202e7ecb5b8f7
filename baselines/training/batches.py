"""The batches of trials that a network is trained and tested on: drawn from one stage, shaped by the recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from baselines.core import seeds
from baselines.training.recipes import Recipe
from memory_envs import Task, Trials


class Drawn(NamedTuple):
    """Trials, and what is asked of heads that are learned ahead of their stage.

    Attributes:
        trials: the trials; the last of the H heads of their targets (T, B, H) are those ahead.
        ahead: whether a step counts for the heads ahead, (T, B); None: there are none. The mask of the trials is for
            the others, whose first answers come earlier.
    """

    trials: Trials
    ahead: npt.NDArray[np.bool_] | None = None


def drawn_with(task: Task, ahead: Sequence[int], draw: Callable[[Task], Trials]) -> Drawn:
    """The trials that ``draw`` makes of a task, with the answers of further heads.

    Args:
        task: the task of the stage.
        ahead: further N that are asked about.
        draw: makes trials of a task: the same bits for whatever heads.
    """
    trials = draw(task)
    if not ahead:
        return Drawn(trials)
    further = draw(task.replace(heads=tuple(ahead)))
    targets = np.concatenate([trials.targets, further.targets], axis=-1)
    return Drawn(replace(trials, targets=targets), further.mask)


class Practice:
    """The training and the test batches of one stage.

    Args:
        task: the task of the stage.
        recipe: the settings of the optimisation; they set the batch size, the trial length and the steps that count.
        seed: the seed of the run; all trials are drawn from it.
        ahead: further N that training trials ask about.
    """

    def __init__(self, task: Task, recipe: Recipe, seed: int, ahead: Sequence[int] = ()) -> None:
        self.recipe, self.seed, self.ahead = recipe, seed, ahead
        self.drawn = recipe.supervision == "last-step" and task.free_length
        self.task = task if self.drawn else with_length(task, recipe.trial_length, max(ahead, default=0))
        if recipe.supervision == "last-step" and task.scoring == "final":
            # Here all trials of a batch have one length, so the task must not draw another length for each trial.
            self.task = self.task.replace(scoring="dense")

    def batch(self, index: int) -> Trials:
        """Training batch number ``index``, without the heads ahead."""
        return self._batch(self.task, self.seed, "length", index)

    def training_batch(self, index: int) -> Drawn:
        """Training batch number ``index``."""
        return drawn_with(self.task, self.ahead, lambda task: self._batch(task, self.seed, "length", index))

    def test_batch(self, index: int) -> Trials:
        """Test batch number ``index``, of trials that no run trains on."""
        return self._batch(self.task, seeds.test_seed(self.seed), "test length", index)

    def _batch(self, task: Task, seed: int, name: str, index: int) -> Trials:
        if self.drawn:
            n, generator = self.task.N, seeds.generator(self.seed, name, index)
            steps = torch.randint(n + 2, 4 * n + 2, (), generator=generator)
            task = task.replace(num_steps=int(steps))
        trials = task.batch(seed, index, self.recipe.batch_size)
        if self.recipe.supervision == "last-step":
            mask = trials.mask.copy()
            mask[:-1] = False
            trials = replace(trials, mask=mask)
        return trials


def with_length(task: Task, multiple: float, least: int = 0) -> Task:
    """The task with trials of ``multiple`` x N steps, at least ``least``; unchanged where their length is not free."""
    if not task.free_length:
        return task
    least = max(least, task.N + (2 if task.scoring == "final" else 0))
    return task.replace(num_steps=max(round(multiple * task.N), least))
