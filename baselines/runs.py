"""A run folder: what is in it, how it is written and how it is read.

- ``config.json``: what was asked for, what it was resolved to, and the versions it ran with
- ``metrics.csv``: one row a report
- ``checkpoint.safetensors``: all that training changes, its tensors and (as JSON in the header) the rest
- ``summary.json``: how it ended, written last
"""

from __future__ import annotations

import csv
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from baselines.network import RecurrentNetwork
from baselines.settings import Plan, Settings, SettingsError
from memory_envs import Task, task_from_dict

FORMAT = 1
"""Of the folder; a change that older readers would misread raises it."""


class RunError(Exception):
    """A run folder that cannot be written or read; the message says which, and why."""


class RunFolder:
    """The folder of one run, for writing.

    Args:
        path: of the folder; made with its parents where it is missing.
        plan: what is run.
        columns: of ``metrics.csv``.

    Raises:
        SettingsError: it is a file, holds something, or cannot be made.
        RunError: it cannot be written.
    """

    def __init__(self, path: Path, plan: Plan, columns: Sequence[str]) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            held = sorted(entry.name for entry in path.iterdir())
        except OSError as error:
            raise SettingsError(
                "out", f"out must be a folder that can be made, got {path} ({error.strerror})"
            ) from None
        if held:
            raise SettingsError("out", f"out must be a new or an empty folder, got {path}, which holds {held[0]}")
        self._write_json(
            "config.json",
            {
                "format": FORMAT,
                "settings": plan.settings.to_dict(),
                "recipe": asdict(plan.recipe),
                "task": plan.task.to_dict(),
                "versions": versions(),
            },
        )
        self._columns = list(columns)
        self._write_row(dict(zip(columns, columns, strict=True)))

    def add_metrics(self, row: Mapping[str, object]) -> None:
        """Append one row; what is missing stays empty."""
        self._write_row(row)

    def _write_row(self, row: Mapping[str, object]) -> None:
        file = self.path / "metrics.csv"
        with _writing(file), open(file, "a", newline="", encoding="utf-8") as opened:
            csv.DictWriter(opened, self._columns, restval="").writerow(row)

    def save_checkpoint(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Replace the checkpoint, all at once: a reader sees the old one or the new one."""
        header = {"format": str(FORMAT), "state": json.dumps(plain)}
        whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        _replace(self.path / "checkpoint.safetensors", lambda part: part.write_bytes(save(whole, header)))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Say how the run ended."""
        self._write_json("summary.json", summary)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, indent=2) + "\n"
        _replace(self.path / name, lambda part: part.write_text(text, encoding="utf-8"))


def versions() -> dict[str, str]:
    """Versions of what decides a run's numbers."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("memory-envs", "gymnasium", "numpy", "torch", "safetensors"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a checkout that is not installed
            found[package] = "not installed"
    return found


def read_settings(path: Path) -> Settings:
    """What was asked for in the run at ``path``, with every value of its recipe put in: recipes may change."""
    config = _read_json(path / "config.json")
    if config.get("format") != FORMAT:
        raise RunError(f"{path / 'config.json'} has the format {config.get('format')!r}; known: {FORMAT}")
    try:
        return replace(Settings(**config["settings"]), overrides=config["recipe"])
    except (KeyError, TypeError) as error:
        raise RunError(f"{path / 'config.json'} is not that of a run: {error}") from None


def read_summary(path: Path) -> dict[str, Any]:
    """How the run at ``path`` ended."""
    return _read_json(path / "summary.json")


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The reports of the run at ``path``, one dictionary each; numbers that a report lacks are left out."""
    try:
        with open(path / "metrics.csv", newline="", encoding="utf-8") as file:
            return [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(file)]
    except (OSError, ValueError) as error:
        raise RunError(f"{path / 'metrics.csv'} cannot be read: {error}") from None


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the plain data of the checkpoint of the run at ``path``, on the CPU."""
    file = path / "checkpoint.safetensors"
    try:
        with safe_open(file, framework="pt") as opened:
            header = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dictionary)
        if header.get("format") != str(FORMAT):
            raise RunError(f"{file} has the format {header.get('format')!r}; known: {FORMAT}")
        return tensors, json.loads(header["state"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {error}") from None


def load_network(path: Path) -> tuple[RecurrentNetwork, Task]:
    """The network of the run at ``path`` as it was last saved, on the CPU, and the task of its stage."""
    tensors, plain = read_checkpoint(path)
    network = replace(read_settings(path), device="cpu").plan().new_network()
    for key in plain["readouts"]:
        network.add_readout(key)
    own = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
    network.load_state_dict(own)
    return network, task_from_dict(plain["task"])


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Within the block what goes wrong is a ``RunError`` that names ``path``."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} cannot be written: {error}") from None


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    part = path.with_name(path.name + ".part")
    with _writing(path):
        write(part)
        os.replace(part, path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} must hold a JSON object")
    return content
