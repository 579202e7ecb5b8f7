"""Reading the files of a run folder. Nothing here imports torch.

- ``config.json``: the settings, the recipe and the task they were resolved into, and the versions of the software
- ``metrics.csv``: one row for each report
- ``events/``: the same numbers for TensorBoard
- ``checkpoint.safetensors``: the latest checkpoint, all that training changes: tensors, and JSON in the header
- ``checkpoints/N012.safetensors``: the checkpoint from when N = 12 was solved; there is one for each solved N
- ``checkpoints/U0000500.safetensors``: the checkpoint after 500 updates, if the run keeps such checkpoints
- ``summary.json``: how the run ended; it is written last
- ``lock``: held by the process that writes to the folder, if there is one

``run_folder`` writes them, ``loading`` reads checkpoints.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from baselines.core.files import RunError, read_format, read_json
from baselines.core.settings import SettingsError
from baselines.training.bptt_settings import Settings
from baselines.training.settings import RunSettings

S = TypeVar("S", bound=RunSettings)

FORMAT = 2
"""The version of the folder's format. It rises with every change that older readers would misread."""

CHANGEABLE = ("budget", "steps", "episodes")
"""Settings that may change when a run is resumed: no number of its training so far depends on them."""


def checkpoint_file(path: Path, n: int | None = None, update: int | None = None) -> Path:
    """The file of the checkpoint for a solved N or for an update, in the run folder ``path``; otherwise the latest."""
    if n is None and update is None:
        return path / "checkpoint.safetensors"
    return path / "checkpoints" / (f"U{update:07}.safetensors" if n is None else f"N{n:03}.safetensors")


def kept_checkpoints(path: Path, letter: str = "N") -> list[int]:
    """Each N (or, with the letter U, each update) for which the run folder ``path`` holds a checkpoint, increasing."""
    files = (path / "checkpoints").glob(f"{letter}*.safetensors")
    return sorted(int(file.stem[1:]) for file in files if file.stem[1:].isdigit())


def is_run(path: Path) -> bool:
    """Whether there is a run at ``path``, even if its training has not begun."""
    return (path / "config.json").exists()


def is_begun(path: Path) -> bool:
    """Whether the run at ``path`` has a checkpoint or a report. Without either, it can be started again."""
    return checkpoint_file(path).exists() or len(whole_rows(path / "metrics.csv")) > 1


def read_versions(path: Path) -> dict[str, str]:
    """The versions of all software that determines the numbers of the run at ``path``, when the run began."""
    return {name: str(value) for name, value in read_config(path)["versions"].items()}


def read_summary(path: Path) -> dict[str, Any]:
    """The contents of ``summary.json``: how the run at ``path`` ended.

    Raises:
        RunError: the file cannot be read.
    """
    return read_json(path / "summary.json")


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The reports of the run at ``path``, each a dictionary by column; empty cells are left out.

    Raises:
        RunError: ``metrics.csv`` cannot be read.
    """
    try:
        with open(path / "metrics.csv", newline="", encoding="utf-8") as file:
            return [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError) as error:  # TypeError: a row has more cells than there are columns
        raise RunError(f"{path / 'metrics.csv'} cannot be read: {error}") from None


def read_method(path: Path) -> str:
    """The command that started the run at ``path``: ``train`` or ``train-rl``."""
    return str(read_config(path).get("method", Settings.METHOD))


def read_settings(path: Path) -> Settings:
    """The settings of the run of ``train`` at ``path``; see ``read_settings_as``."""
    return read_settings_as(Settings, path)


def read_settings_as(kind: type[S], path: Path) -> S:
    """The settings of a run. All values of its recipe are among the overrides, since recipes may change later.

    Args:
        kind: the class of the settings.
        path: the run folder.

    Raises:
        RunError: the folder holds no run with this kind of settings.
    """
    config = read_config(path)
    if (method := read_method(path)) != kind.METHOD:
        raise RunError(f"{path} must be a run of {kind.METHOD}, and is one of {method}")
    try:
        settings = replace(kind(**config["settings"]), overrides=config["recipe"], out=path)
        settings.parts()
    except (TypeError, ValueError) as error:
        raise RunError(f"{path / 'config.json'} is not that of a run: {error}") from None
    return settings


def check_goes_on(settings: Settings, path: Path) -> None:
    """Refuse a run of ``train`` that has nothing left to do.

    Args:
        settings: the settings with which it would go on.
        path: the run folder.

    Raises:
        RunError: it is finished, has diverged, or has used up its budget or steps.
    """
    summary = read_summary(path) if (path / "summary.json").exists() else {}
    ended, budget, steps = summary.get("status"), settings.budget, settings.steps
    if ended == "solved":
        raise RunError(f"{path} is finished: its last stage is solved")
    if ended == "updates":
        raise RunError(f"{path} is finished: it has done its {settings.max_updates} updates")
    if ended == "diverged":
        raise RunError(f"{path} diverged at update {summary['diverged_at']}: going on would do the same again")
    if ended == "budget" and summary["seconds"] >= budget:
        raise RunError(
            f"{path} has used up its budget of {budget:g} s: give a larger one, such as --budget {2 * budget:g}"
        )
    if ended == "steps" and not settings.has_more_steps_than(read_settings(path)):
        raise RunError(f"{path} has used up its {steps} steps: give more, such as --steps {2 * (steps or 1)}")


def settings_to_go_on(kind: type[S], path: Path, changes: Mapping[str, Any]) -> S:
    """The settings with which a run is resumed.

    Args:
        kind: the class of the settings.
        path: the run folder.
        changes: settings and values of the recipe, by name. Only those in ``CHANGEABLE`` may differ from the run's.

    Raises:
        RunError: the folder holds no run with this kind of settings.
        SettingsError: a change contradicts the run, or is not possible.
    """
    settings = read_settings_as(kind, path)
    _check_changes(settings, changes)
    settings = replace(settings, **{name: changes[name] for name in CHANGEABLE if name in changes})
    settings.parts()
    return settings


def read_config(path: Path) -> dict[str, Any]:
    """The contents of ``config.json`` of the run at ``path``.

    Raises:
        RunError: the file is missing, has another format, or does not belong to a run.
    """
    file = path / "config.json"
    if not file.exists():
        raise RunError(f"{path} is not a run folder: it has no config.json")
    config = read_format(file, FORMAT)
    if missing := [
        name for name in ("settings", "recipe", "task", "versions") if not isinstance(config.get(name), dict)
    ]:
        raise RunError(f"{file} is not that of a run: it has no {missing[0]}")
    return config


def check_empty(path: Path) -> None:
    """Refuse a path for a new run unless it is an empty folder or does not exist yet.

    Raises:
        SettingsError: the path is no UTF-8 or no folder, or the folder holds a file; the message names it.
    """
    try:  # TensorBoard and safetensors take no other paths
        str(path).encode()
    except UnicodeEncodeError:
        raise SettingsError("out", f"out must be a path of UTF-8 characters, got {str(path)!r}") from None
    # A process that was killed before it had written its config may leave a lock and a half-written file behind.
    try:
        entries = list(path.iterdir()) if path.exists() else []
    except OSError as error:
        raise SettingsError("out", f"out must be a folder that can be made, got {path} ({error.strerror})") from None
    held = sorted(entry.name for entry in entries if entry.name not in ("lock", "config.json.part"))
    if held:
        raise SettingsError("out", f"out must be a new or an empty folder, got {path}, which holds {held[0]}")


def whole_rows(file: Path) -> list[str]:
    """The rows of ``metrics.csv`` with their line ends, without an incomplete last row; none if there is no file.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        with open(file, newline="", encoding="utf-8") as opened:
            return [line for line in opened if line.endswith("\n")]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {error}") from None


def identity(config: Mapping[str, Any]) -> str:
    """A hash of everything that determines the numbers of a run; it tells its checkpoints from those of other runs."""
    decisive = {name: value for name, value in config["settings"].items() if name not in CHANGEABLE}
    text = json.dumps([decisive, config["recipe"], config["task"]], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def _check_changes(settings: RunSettings, changes: Mapping[str, Any]) -> None:
    """Refuse changes that contradict a run's settings, whose overrides hold every value of its recipe."""
    for name, value in changes.items():
        own = settings.overrides[name] if name in settings.overrides else getattr(settings, name)
        if name not in CHANGEABLE and value != own:
            raise SettingsError(
                name,
                f"{name} must be left out or be that of the run, {own!r}, got {value!r} "
                f"(only {', '.join(settings.LIMITS)} and episodes may change when a run goes on)",
            )
