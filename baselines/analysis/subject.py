"""What is analysed: a network and the task it was trained on, from a run's checkpoint or from anywhere."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from baselines.cells import Cell
from baselines.core.settings import SettingsError
from baselines.core.tables import Column
from baselines.network import RecurrentNetwork, head_keys
from baselines.training import loading, run_files
from memory_envs import Task

KEYS = (Column("run", "run"), Column("N", "N of the checkpoint", "steps"), Column("update", "updates of training"))
"""The columns by which a subject's rows are known."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A network to analyse.

    Attributes:
        network: the network. No analysis changes it.
        task: the task that it was trained on last, with the N and the heads of that stage.
        run: a name, by which rows are told apart.
        update: updates of training so far.
        path: of its run, where it has one.
    """

    network: RecurrentNetwork
    task: Task
    run: str = "network"
    update: int = 0
    path: Path | None = None

    @property
    def cell(self) -> Cell:
        """The recurrent part of the network."""
        return self.network.cell

    def on(self, device: str) -> Subject:
        """The same on a device; a copy where it is on another one."""
        if next(self.network.parameters()).device == torch.device(device):
            return self
        return replace(self, network=copy.deepcopy(self.network).to(device))

    @property
    def keys(self) -> dict[str, Any]:
        """The values of ``KEYS``."""
        return {"run": self.run, "N": self.task.N, "update": self.update}

    def task_for(self, n: int, *, known: bool = True) -> Task:
        """The task of this N alone.

        Args:
            n: the N.
            known: it must be one that the network has a readout for.

        Raises:
            SettingsError: there is no such task or no such readout.
        """
        stage = self.task
        change: dict[str, Any] = {"N": n} if getattr(stage, "heads", None) is None else {"heads": (n,)}
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
    """The subjects of some runs.

    Args:
        paths: of the runs.
        checkpoints: those kept when these N were solved, ``"all"`` that are kept for an N, ``"course"`` (those kept for
            an update where the run keeps any, else all for an N), or ``"latest"``.

    Raises:
        SettingsError: a run has no such checkpoint.
        RunError: it cannot be read.
    """
    names = [path.resolve().name for path in paths]
    subjects = []
    for path, name in zip(paths, names, strict=True):
        label = name if names.count(name) == 1 else str(path)
        for at in _wanted(path, checkpoints):
            network, task = loading.load_network(path, *at)
            _, plain = loading.read_checkpoint(path, *at)
            subjects.append(Subject(network.requires_grad_(False).eval(), task, label, plain["update"], path))
    return subjects


def _wanted(path: Path, checkpoints: Sequence[int] | str) -> list[tuple[int | None, int | None]]:
    """N and update of each checkpoint that is asked for, None where it is not known by that."""
    run_files.read_settings(path)  # says what is wrong with a folder that is no run
    kept, updates = run_files.kept_checkpoints(path), run_files.kept_checkpoints(path, "U")
    if not isinstance(checkpoints, str):
        if missing := [n for n in checkpoints if n not in kept]:
            raise SettingsError("checkpoints", f"checkpoints must be among those of {path}, {kept}, got {missing[0]}")
        return [(n, None) for n in checkpoints]
    if checkpoints == "course" and updates:
        return [(None, update) for update in updates]
    return [(n, None) for n in kept] if checkpoints != "latest" and kept else [(None, None)]
