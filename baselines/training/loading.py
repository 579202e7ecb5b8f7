"""Reading the checkpoints of a run folder, and rebuilding the network of a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from baselines.core.files import RunError
from baselines.network import RecurrentNetwork
from baselines.training.bptt_settings import Plan
from baselines.training.run_files import FORMAT, checkpoint_file, identity, read_config, read_settings
from baselines.training.settings import RunSettings
from memory_envs import Task, task_from_dict


def load_network(path: Path, n: int | None = None, update: int | None = None) -> tuple[RecurrentNetwork, Task]:
    """The network of a run, on the CPU, and the task of the stage it was in.

    Args:
        path: the run folder.
        n: take the checkpoint that was kept when this N was solved.
        update: or take the checkpoint that was kept after this number of updates. With neither, the latest is taken.

    Raises:
        RunError: the folder holds no run of ``train``, or the checkpoint cannot be read.
    """
    plan = replace(read_settings(path), device="cpu").plan()
    return network_of(plan, *read_checkpoint(path, n, update), n)


def network_of(
    plan: Plan, tensors: Mapping[str, Tensor], plain: Mapping[str, Any], n: int | None = None
) -> tuple[RecurrentNetwork, Task]:
    """The network of a checkpoint, and the task of the stage it was in.

    Args:
        plan: the plan of the run.
        tensors: the tensors of the checkpoint, by name.
        plain: the other data of the checkpoint.
        n: the N whose solution the checkpoint was kept for, if any: the task is then that of this N's stage.

    Raises:
        RunError: the tensors do not fit the network: the cell has changed since training.
    """
    network = plan.new_network()
    for key in plain["readouts"]:
        network.add_readout(key)
    own = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
    with fitting(plan.settings):
        network.load_state_dict(own)
    return network, task_from_dict(plain["task"]) if n is None else plan.curriculum.stage(plan.task, n)


@contextmanager
def fitting(settings: RunSettings) -> Iterator[None]:
    """Within the block, torch's errors about weights that do not fit become a ``RunError`` in one line.

    Args:
        settings: the settings of the run.
    """
    try:
        yield
    except (RuntimeError, KeyError) as error:
        _, _, what = " ".join(str(error).split()).rpartition("state_dict for ")
        raise RunError(
            f"{settings.out}: the weights of its checkpoint do not fit the cell {settings.cell} as it is now (has it "
            f"changed since training?): {what}"
        ) from None


def read_checkpoint(
    path: Path, n: int | None = None, update: int | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a checkpoint, on the CPU, and its other data.

    Args:
        path: the run folder.
        n: read the checkpoint that was kept when this N was solved.
        update: or read the checkpoint that was kept after this number of updates. With neither, the latest is read.

    Raises:
        RunError: the checkpoint cannot be read, has another format, or belongs to another run.
    """
    file = checkpoint_file(path, n, update)
    try:
        with safe_open(file, framework="pt") as opened:
            header = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dictionary)
        if header.get("format") != str(FORMAT):
            raise RunError(f"{file} has the format {header.get('format')!r}; known: {FORMAT}")
        if header.get("run") != identity(read_config(path)):
            raise RunError(f"{file} is not of this run: it was written with another config.json")
        return tensors, json.loads(header["state"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {error}") from None
