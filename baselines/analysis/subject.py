"""What is analysed: a network and the task it was trained on, from a run's checkpoint or from anywhere."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from baselines.analysis.checkpoints import Checkpoint, chosen
from baselines.analysis.groups import group_names
from baselines.cells import Cell
from baselines.core.settings import SettingsError
from baselines.core.tables import Column
from baselines.network import RecurrentNetwork, head_keys
from baselines.training import loading, run_files
from baselines.training.bptt_settings import Plan
from baselines.training.recipes import Recipe
from memory_envs import Task, task_from_dict

KEYS = (
    Column("run", "run"),
    Column(
        "group", "settings that tell its group of runs from others: runs of a group differ in seed; empty: one group"
    ),
    Column("N", "N of the checkpoint", "steps"),
    Column("update", "updates of training"),
)
"""The columns that say which subject a row of a table is of."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A network to analyse.

    Attributes:
        network: the network. No analysis changes it.
        task: the task that it was trained on last, with the N and the heads of that stage.
        run: a name, by which rows of tables are told apart.
        update: how many updates of training it has had.
        path: the folder of its run; None: it does not come from a run.
        recipe: the settings with which it was trained; None: it does not come from a run.
        group: the name of the group of runs that it is compared with others as part of; see ``groups.group_names``.
        seed: the seed of its run. The trials that it is shown follow from it, so that networks see different ones.
        last: where ``network`` has weights averaged over updates, the same with those of the last update.
    """

    network: RecurrentNetwork
    task: Task
    run: str = "network"
    update: int = 0
    path: Path | None = None
    recipe: Recipe | None = None
    group: str = ""
    seed: int = 0
    last: RecurrentNetwork | None = None

    @property
    def cell(self) -> Cell:
        """The recurrent part of the network."""
        return self.network.cell

    def on(self, device: str) -> Subject:
        """This subject on a device: itself where it is there already, else a copy."""
        if next(self.network.parameters()).device == torch.device(device):
            return self
        last = None if self.last is None else copy.deepcopy(self.last).to(device)
        return replace(self, network=copy.deepcopy(self.network).to(device), last=last)

    @property
    def words(self) -> str:
        """Which network this is, in words."""
        return f"{self.run}, N = {self.task.N}, update {self.update}"

    @property
    def keys(self) -> dict[str, Any]:
        """The values of the columns ``KEYS``."""
        return {"run": self.run, "group": self.group, "N": self.task.N, "update": self.update}

    def task_for(self, n: int, *, known: bool = True) -> Task:
        """The subject's task with one N alone.

        Args:
            n: the N.
            known: whether the network must have a readout for it.

        Raises:
            SettingsError: the task cannot have this N, or the network has no readout for it.
        """
        stage = self.task
        change: dict[str, Any] = {"N": n} if stage.heads is None else {"heads": (n,)}
        try:
            task = stage.replace(**change, **({"num_steps": None} if stage.free_length else {}))
        except (ValueError, TypeError) as error:
            raise SettingsError("ns", f"ns must fit {stage.name}: {error}") from None
        if not known:
            return task
        if missing := [key for key in head_keys(task) if key not in self.network.readouts]:
            there = sorted(map(int, self.network.readouts))
            raise SettingsError(
                "ns", f"ns must be among those that {self.run} has readouts for, {there}, got {missing[0]}"
            )
        return task


def load(paths: Sequence[Path], checkpoints: Sequence[int] | str) -> list[Subject]:
    """The subjects of some runs: the network of each checkpoint, on the CPU. No network of a run is there twice.

    Args:
        paths: the folders of the runs.
        checkpoints: which checkpoints; see ``checkpoints.chosen``.

    Raises:
        SettingsError: a run has no such checkpoint.
        RunError: a folder holds no run of ``train``, or a checkpoint cannot be read.
    """
    plans = {path: replace(run_files.read_settings(path), device="cpu").plan() for path in paths}
    names = dict(zip(paths, group_names([plan.settings for plan in plans.values()]), strict=True))
    subjects = [_load(one, plans[one.path], names[one.path]) for one in chosen(paths, checkpoints)]
    # The latest checkpoint may have been kept for its update, too.
    return list({(one.run, one.update): one for one in reversed(subjects)}.values())[::-1]


def _load(checkpoint: Checkpoint, plan: Plan, group: str) -> Subject:
    tensors, plain = loading.read_checkpoint(checkpoint.path, checkpoint.n, checkpoint.update)
    with loading.fitting(run_files.checkpoint_file(checkpoint.path, checkpoint.n, checkpoint.update), plan.settings):
        network, task = loading.network_of(plan, tensors, plain, checkpoint.n)
        last = None
        if loading.averages(tensors):
            last, _ = loading.network_of(plan, tensors, plain, checkpoint.n, averaged=False)
            last.requires_grad_(False).eval()
    tested = plain["run"]["tested"]
    if checkpoint.n is None and tested is not None and plain["update"] == plain["stage_began"]:
        task = task_from_dict(tested)  # its stage has just been solved: no update was made on the next one
    return Subject(
        network.requires_grad_(False).eval(),
        task,
        checkpoint.run,
        plain["update"],
        checkpoint.path,
        plan.recipe,
        group,
        plan.settings.seed,
        last,
    )
