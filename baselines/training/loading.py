"""Reading the checkpoints of a run folder, and rebuilding the network of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from baselines.cells import CELLS
from baselines.core.files import RunError, parse_json, read_bytes
from baselines.core.stored import check_stored, short
from baselines.core.text import error_line, one_line
from baselines.network import RecurrentNetwork, head_keys
from baselines.training.bptt_settings import Plan
from baselines.training.checkpoint import STATES, Like, below, check_tensors, from_bytes, weights_of
from baselines.training.curriculum import Curriculum
from baselines.training.run_files import FORMAT, checkpoint_file, identity, method_of, read_config, read_settings
from baselines.training.settings import RunSettings
from memory_envs import Task, task_from_dict


def load_network(path: Path, n: int | None = None, update: int | None = None) -> tuple[RecurrentNetwork, Task]:
    """The network of a run, on the CPU, and the task of the stage it was in.

    Args:
        path: the run folder.
        n: take the checkpoint that was kept when this N was solved.
        update: or take the checkpoint that was kept after this number of updates. With neither, the latest is taken.

    Raises:
        RunError: the folder holds no run of ``train``, its cell is one of others that is not trusted
            (``baselines.core.trust``), or the checkpoint cannot be read.
    """
    plan = replace(read_settings(path), device="cpu").plan()
    tensors, plain = read_checkpoint(path, n, update)
    with fitting(checkpoint_file(path, n, update), plan.settings):
        return network_of(plan, tensors, plain, n)


def network_of(
    plan: Plan,
    tensors: Mapping[str, Tensor],
    plain: Mapping[str, Any],
    n: int | None = None,
    *,
    averaged: bool = True,
) -> tuple[RecurrentNetwork, Task]:
    """The network of a checkpoint, and the task of the stage it was in.

    Args:
        plan: the plan of the run.
        tensors: the tensors of the checkpoint, by name.
        plain: the other data of the checkpoint.
        n: the N whose solution the checkpoint was kept for, if any: the task is then that of this N's stage.
        averaged: whether the network gets the averaged weights, where the checkpoint has them, or those of its last
            update.

    Raises:
        ValueError: the checkpoint does not fit the plan; see ``fitting``.
    """
    if n is not None and n not in plan.curriculum.stages():
        raise ValueError(f"the run has no stage of N = {n}")
    stage = stage_of(plan.curriculum, plan.task, plain["task"])
    check_readouts(plan.curriculum, plan.task, plain["readouts"])
    network = plan.new_network(plain.get("units"))
    for key in plain["readouts"]:
        network.add_readout(key)
    own = below("network.", tensors)
    check_tensors(own, weights_of(network, "network."))
    if means := averages(tensors):
        check_tensors(means, {f"averaged.{name}": Like.of(value) for name, value in network.named_parameters()})
        if averaged:  # these are the weights that were tested
            own |= {name.replace("averaged.", "network.", 1): value for name, value in means.items()}
    network.load_state_dict({name.removeprefix("network."): value for name, value in own.items()})
    return network, stage if n is None else plan.curriculum.stage(plan.task, n)


def averages(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The averaged weights in the tensors of a checkpoint, by their names there; empty where the run has none."""
    return below("averaged.", tensors)


@contextmanager
def fitting(file: Path, settings: RunSettings) -> Iterator[None]:
    """Within the block, what is wrong with the content of a checkpoint becomes a ``RunError`` that names its file.

    Args:
        file: the checkpoint.
        settings: the settings of the run.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        said = error_line(error) if isinstance(error, KeyError) else one_line(str(error))
        own = settings.cell in CELLS
        asked = "" if own else f" (has the cell {settings.cell} changed since training?)"
        raise RunError(f"{file} does not fit this run{asked}: {said}") from None


def stage_of(curriculum: Curriculum, task: Task, stored: Mapping[str, Any]) -> Task:
    """The task of a stage, as a checkpoint holds it.

    Args:
        curriculum: the curriculum of the run.
        task: the task of the run, before the curriculum sets its N.
        stored: the stage's task as plain data.

    Raises:
        ValueError: it is not a stage of this curriculum.
    """
    try:
        stage = task_from_dict(dict(stored))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{short(stored)} is not a task: {error}") from None
    if stage.N not in curriculum.stages() or stage != curriculum.stage(task, stage.N):
        raise ValueError(f"{short(stored)} is not a stage of the run")
    return stage


def check_readouts(curriculum: Curriculum, task: Task, keys: list[str]) -> None:
    """Refuse names of readouts in a checkpoint that no stage of the run has.

    Raises:
        ValueError: a name is unknown, or comes twice.
    """
    first = curriculum.first(task)
    known = set(head_keys(first)) if first.heads is None else set(map(str, curriculum.ns))
    if strange := [key for key in keys if key not in known]:
        raise ValueError(f"the run has no readout {short(strange[0])}")
    if len(set(keys)) < len(keys):
        raise ValueError("a readout comes twice")


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
    file, config = checkpoint_file(path, n, update), read_config(path)
    try:
        tensors, header = from_bytes(read_bytes(file))
        if header.get("format") != str(FORMAT):
            raise RunError(f"{file} has the format {short(header.get('format'))}; known: {FORMAT}")
        if header.get("run") != identity(config):
            raise RunError(f"{file} is not of this run: it was written with another config.json")
        state = parse_json(header.get("state", "null"))
    except OSError as error:
        raise RunError(f"{file} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise RunError(f"{file} cannot be read: {error}") from None
    plain: dict[str, Any] = check_stored(state, STATES[method_of(config)], file, f"a run of {method_of(config)}")
    return tensors, plain
