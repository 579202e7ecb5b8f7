"""What a run folder holds, read: its settings, and its network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from baselines.core.files import RunError
from baselines.network import RecurrentNetwork
from baselines.training.bptt_settings import Settings
from baselines.training.run_folder import S, read_checkpoint, read_config
from memory_envs import Task, task_from_dict


def read_method(path: Path) -> str:
    """The command that the run at ``path`` was begun with."""
    return str(read_config(path).get("method", Settings.METHOD))


def read_settings(path: Path) -> Settings:
    """What was asked for in the run of ``train`` at ``path``; see ``read_settings_as``."""
    return read_settings_as(Settings, path)


def read_settings_as(kind: type[S], path: Path) -> S:
    """What was asked for in the run at ``path``, with every value of its recipe put in: recipes may change.

    Raises:
        RunError: it is not a run with this kind of settings.
    """
    config = read_config(path)
    if (method := read_method(path)) != kind.METHOD:
        raise RunError(f"{path} must be a run of {kind.METHOD}, and is one of {method}")
    try:
        return replace(kind(**config["settings"]), overrides=config["recipe"], out=path)
    except TypeError as error:
        raise RunError(f"{path / 'config.json'} is not that of a run: {error}") from None


def load_network(path: Path, n: int | None = None, update: int | None = None) -> tuple[RecurrentNetwork, Task]:
    """The network of the run at ``path``, on the CPU, and the task of its stage.

    Args:
        path: of the run.
        n: as it was when this N was solved, with the task of that stage.
        update: or as it was after so many updates. Neither: as it was last saved.
    """
    tensors, plain = read_checkpoint(path, n, update)
    plan = replace(read_settings(path), device="cpu").plan()
    network = plan.new_network()
    for key in plain["readouts"]:
        network.add_readout(key)
    own = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
    network.load_state_dict(own)
    return network, task_from_dict(plain["task"]) if n is None else plan.curriculum.stage(plan.task, n)
