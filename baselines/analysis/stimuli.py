"""What a network is shown in an analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.core import seeds
from baselines.core.settings import SettingsError, blame
from memory_envs import Task
from memory_envs.trials import Trials


def changed(task: Task, arguments: dict[str, Any], num_inputs: int) -> Task:
    """The task with some of its arguments replaced.

    Args:
        task: the task.
        arguments: the new values by the names of the arguments; not N, heads or the length of trials.
        num_inputs: how many inputs the network has.

    Raises:
        SettingsError: an argument is unknown or cannot be, or the network would have other inputs.
    """
    allowed = [name for name in task.parameters() if name not in ("N", "heads", "active_heads", "num_steps")]
    if unknown := [name for name in arguments if name not in allowed]:
        raise SettingsError("task_args", f"task_args must be among {allowed} for {task.name}, got {unknown[0]!r}")
    task = blame("task_args", task.replace, **arguments)
    if task.num_inputs != num_inputs:
        raise SettingsError(
            "task_args",
            f"task_args must leave the {num_inputs} inputs of the network, got {task} with {task.num_inputs}",
        )
    return task


def dense(task: Task, steps: int | None = None) -> Task:
    """The task with an answer at every step at which one is defined.

    Args:
        task: the task.
        steps: steps of a trial, where they may be of any length; None: the task's own default.
    """
    return task.replace(scoring="dense", **({"num_steps": steps} if task.free_length else {}))


def with_steps(task: Task, steps: int) -> Task:
    """A task on a stream with trials of this many steps and an answer at every step; another task as it is."""
    if not task.free_length:
        return task
    task = dense(task)
    return task.replace(num_steps=max(steps, task.num_steps // 4))


def as_shown(task: Task, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The inputs of ``dense(task)``, (T, B, I), with the channel ``go`` as the task itself shows it.

    Where only the last step is scored, ``go`` is on at the last step alone: a network trained so has never seen it on
    for longer.
    """
    if task.scoring == "dense" or "go" not in task.channels:
        return inputs
    inputs = inputs.copy()
    inputs[:-1, :, task.channels.index("go")] = 0
    return inputs


def stream(task: Task, trials: int, steps: int, seed: int, network: int = 0, *, spaced: bool = False) -> Tensor:
    """The inputs of some endless trials, (T, B, I): a stream of T steps, or short trials laid end to end.

    They are what the task shows in training, its channel ``go`` included (``as_shown``).

    Args:
        task: the task whose inputs they are.
        trials: how many trials, B.
        steps: how many steps, T.
        seed: the seed of the analysis. No training shows these trials.
        network: the seed of the network that sees them.
        spaced: whether trial i has 1s with probability (i + 0.5) / B, of a task whose argument ``p`` is that.
    """
    if spaced:
        each = [task.replace(p=(i + 0.5) / trials) for i in range(trials)]
        return torch.cat([_laid(one, 1, steps, _seed(seed, network), i) for i, one in enumerate(each)], 1)
    return _laid(task, trials, steps, _seed(seed, network), 0)


def _laid(task: Task, trials: int, steps: int, seed: int, index: int) -> Tensor:
    """The inputs of endless trials, (T, B, I), from batch number ``index`` with this seed of the task."""
    if task.heads is not None:  # targets are not needed
        task = task.replace(heads=(task.N,), active_heads=None)
    played = with_steps(task, steps)
    rounds = -(-steps // played.num_steps)
    shown = as_shown(task, played.batch(seed, index, trials * rounds).inputs)
    laid = shown.reshape(len(shown), rounds, trials, -1).swapaxes(0, 1).reshape(-1, trials, shown.shape[-1])
    return torch.from_numpy(np.ascontiguousarray(laid[:steps]))


def fresh(task: Task, trials: int, seed: int, index: int = 0, network: int = 0) -> Trials:
    """A batch of whole trials, which no training shows.

    Args:
        task: the task.
        trials: how many trials, B.
        seed: the seed of the analysis.
        index: batches with different indices differ.
        network: the seed of the network that sees them.
    """
    return task.batch(_seed(seed, network), index, trials)


def _seed(seed: int, network: int) -> int:
    """The seed of the trials: it differs between networks, whose means would else share the chance of one stimulus."""
    return seeds.evaluation_seed(seed) + network % 2**30  # below the seeds of tests and of training environments
