"""The loss of the task as training measures it, on trials that no training shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from baselines.analysis import stimuli
from baselines.analysis.subject import Subject
from baselines.core import seeds
from baselines.network import head_keys
from baselines.training import losses
from baselines.training.batches import Practice
from memory_envs import Task

BATCHES = 8
"""Batches over which the loss is averaged. Where a recipe draws one length for a batch, they have as many lengths."""


@torch.no_grad()
def training_loss(subject: Subject, task: Task, trials: int, seed: int, number: int) -> float:
    """The mean of the task's loss over 8 batches, without regularisers: what ``metrics.csv`` calls ``loss_task``.

    Trials have the scoring and the length of training trials, answers count where they count in training, heads weigh
    as they do there (those that are learned ahead of their stage are left out), and the initial states are those of
    training. A network that comes from no run is asked the task
    as it is, from its cell's initial state, with the mean over heads.

    Args:
        subject: the network, and how it was trained.
        task: the task whose loss is asked for: the subject's, or one with other arguments.
        trials: trials in a batch.
        seed: the seed of the analysis.
        number: the number of the set of batches. Sets share no trial.
    """
    network, recipe, at = subject.network, subject.recipe, seeds.evaluation_seed(seed)
    if recipe is None:
        term = losses.task_loss(task)
    else:
        term = losses.task_loss(task, recipe.head_loss, recipe.last_head, smoothing=recipe.smoothing)
        practice = Practice(task, dataclasses.replace(recipe, batch_size=trials), at)
    values = []
    for index in range(number * BATCHES, (number + 1) * BATCHES):
        if recipe is None:
            shown, state = stimuli.fresh(task, trials, seed, index), network.cell.initial_state(trials)
        else:
            shown = practice.batch(index)
            state = network.cell.training_state(trials, seeds.generator(at, "state", index))
        inputs, targets, mask = (
            torch.from_numpy(np.require(array, requirements=["C", "W"])).to(state.device)
            for array in (shown.inputs, shown.targets, shown.mask)
        )
        values.append(float(term(network(inputs, head_keys(task), state), targets, mask)))
    return float(np.mean(values))
