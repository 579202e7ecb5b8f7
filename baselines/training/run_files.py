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
from dataclasses import MISSING, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar

from baselines.core.files import RunError, foreign_entry, open_text, read_format, read_json
from baselines.core.settings import SettingsError, declared
from baselines.core.stored import check_stored
from baselines.core.trust import stored_name
from baselines.training.bptt_settings import Settings
from baselines.training.ppo_settings import RLSettings
from baselines.training.settings import RunSettings

S = TypeVar("S", bound=RunSettings)

FORMAT = 2
"""The version of the folder's format. It rises with every change that older readers would misread."""

CHANGEABLE = ("budget", "steps", "episodes")
"""Settings that may change when a run is resumed: no number of its training so far depends on them."""


class _Config(TypedDict):
    settings: dict[str, Any]
    recipe: dict[str, Any]
    task: dict[str, Any]
    versions: dict[str, str]


class StoredConfig(_Config, total=False):
    """The content of ``config.json``, beside its format. Runs of before ``train-rl`` have no method."""

    method: Literal["train", "train-rl"]


class Played(TypedDict):
    """The evaluation at the end of a run."""

    task: dict[str, Any]
    episodes: int
    seed: int
    score: float
    standard_error: float
    accuracy: dict[str, float]


class _Ended(TypedDict):
    status: str
    seconds: float


class Summary(_Ended, total=False):
    """The content of ``summary.json``. What the others than ``train`` do not have may be missing."""

    cpu_seconds: float
    largest_n: int | None
    solved_at: dict[int, int]
    scores: dict[int, float]
    updates: int
    steps: int
    diverged_at: int | None
    played: Played | None


def checkpoint_file(path: Path, n: int | None = None, update: int | None = None) -> Path:
    """The file of the checkpoint for a solved N or for an update, in the run folder ``path``; otherwise the latest."""
    if n is None and update is None:
        return path / "checkpoint.safetensors"
    return path / "checkpoints" / (f"U{update:07}.safetensors" if n is None else f"N{n:03}.safetensors")


def kept_checkpoints(path: Path, letter: str = "N") -> list[int]:
    """Each N (or, with the letter U, each update) for which the run folder ``path`` holds a checkpoint, increasing."""
    files = (path / "checkpoints").glob(f"{letter}*.safetensors")
    return sorted(int(file.stem[1:]) for file in files if file.stem[1:].isascii() and file.stem[1:].isdigit())


def is_run(path: Path) -> bool:
    """Whether there is a run at ``path``, even if its training has not begun."""
    return (path / "config.json").exists()


def is_begun(path: Path) -> bool:
    """Whether the run at ``path`` has a checkpoint or a report. Without either, it can be started again."""
    return checkpoint_file(path).exists() or len(whole_rows(path / "metrics.csv")) > 1


def read_versions(path: Path) -> dict[str, str]:
    """The versions of all software that determines the numbers of the run at ``path``, when the run began."""
    versions: dict[str, str] = read_config(path)["versions"]
    return versions


def read_summary(path: Path) -> dict[str, Any]:
    """The contents of ``summary.json``: how the run at ``path`` ended.

    Raises:
        RunError: the file cannot be read, or does not belong to a run.
    """
    file = path / "summary.json"
    summary: dict[str, Any] = check_stored(read_json(file), Summary, file, "a run")
    return summary


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The reports of the run at ``path``, each a dictionary by column; empty cells are left out.

    Raises:
        RunError: ``metrics.csv`` cannot be read.
    """
    try:
        rows = csv.DictReader(open_text(path / "metrics.csv"))
        return [{name: float(text) for name, text in row.items() if text} for row in rows]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise RunError(f"{path / 'metrics.csv'} cannot be read: {error}") from None


def read_method(path: Path) -> str:
    """The command that started the run at ``path``: ``train`` or ``train-rl``."""
    return method_of(read_config(path))


def method_of(config: Mapping[str, Any]) -> str:
    """The command that started a run, by the contents of its ``config.json``."""
    method: str = config.get("method", Settings.METHOD)
    return method


def read_settings(path: Path) -> Settings:
    """The settings of the run of ``train`` at ``path``; see ``read_settings_as``."""
    return read_settings_as(Settings, path)


def read_settings_as(kind: type[S], path: Path) -> S:
    """The settings of a run. All values of its recipe are among the overrides, since recipes may change later.

    A value that the run's file lacks, since there was no such setting when it began, has its declared default. The
    recipe has the name that it has today.

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
        asked, values = config["settings"], config["recipe"]
        asked |= {"cell": stored_name(asked["cell"], path / "config.json")}
        asked |= {"recipe": kind.recipe_name(asked["recipe"], values)}
        settings = replace(kind(**asked), overrides=_completed(kind, values), out=path)
        settings.parts()
    except (KeyError, TypeError, ValueError) as error:
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
        raise RunError(f"{path} diverged at update {summary.get('diverged_at')}: going on would do the same again")
    if ended == "budget" and summary["seconds"] >= budget:
        raise RunError(
            f"{path} has used up its budget of {budget:g} s: give a larger one, such as --budget {2 * budget:g}"
        )
    if ended == "steps" and not settings.has_more_steps_than(read_settings(path)):
        raise RunError(f"{path} has used up its {steps} steps: give more, such as --steps {2 * (steps or 1)}")


def check_rl_goes_on(settings: RLSettings, path: Path, changes: Mapping[str, Any]) -> None:
    """Refuse a run of ``train-rl`` that has nothing left to do. One that only lacks its summary has that left.

    Args:
        settings: the settings with which it would go on.
        path: the run folder.
        changes: those of the settings that are given anew.

    Raises:
        RunError: it is finished and no steps are given to train it on, has diverged, or has used up its steps.
    """
    summary = read_summary(path) if (path / "summary.json").exists() else {}
    ended, taken = summary.get("status"), summary.get("steps", 0)
    if ended == "solved" and "steps" not in changes:
        more = more_steps(taken, taken)
        raise RunError(f"{path} is finished: its last stage is solved; --steps {more} would train it on")
    if ended == "diverged":
        raise RunError(f"{path} diverged after {taken} steps: going on would do the same again")
    if ended in ("solved", "steps") and taken >= settings.steps:
        raise used_up(path, settings.steps, taken)


def used_up(path: Path, limit: int, taken: int) -> RunError:
    """What is said of a run of ``train-rl`` that has used up its steps; see ``more_steps``."""
    return RunError(f"{path} has used up its {limit} steps: give more, such as --steps {more_steps(limit, taken)}")


def more_steps(limit: int, taken: int) -> int:
    """A larger limit of steps for a run of ``train-rl`` that has used up its own.

    Args:
        limit: the run's limit.
        taken: the steps that it has taken; parts are never cut short, so they may be far more than ``limit``.
    """
    return 2 * (limit if 2 * limit > taken else taken)


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
    if "recipe" in changes:
        changes = {**changes, "recipe": kind.recipe_name(changes["recipe"], read_config(path)["recipe"])}
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
    config: dict[str, Any] = check_stored(read_format(file, FORMAT), StoredConfig, file, "a run")
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
    try:
        held = foreign_entry(path, "config.json.part")  # which an earlier version may have left
    except OSError as error:
        raise SettingsError("out", f"out must be a folder that can be made, got {path} ({error.strerror})") from None
    if held is not None:
        raise SettingsError("out", f"out must be a new or an empty folder, got {path}, which holds {held}")


def whole_rows(file: Path) -> list[str]:
    """The rows of ``metrics.csv`` with their line ends, without an incomplete last row; none if there is no file.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        return [line for line in open_text(file) if line.endswith("\n")]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {error}") from None


def identity(config: Mapping[str, Any]) -> str:
    """A hash of everything that determines the numbers of a run; it tells its checkpoints from those of other runs."""
    decisive = {name: value for name, value in config["settings"].items() if name not in CHANGEABLE}
    text = json.dumps([decisive, config["recipe"], config["task"]], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def _completed(kind: type[RunSettings], values: Mapping[str, Any]) -> dict[str, Any]:
    """The stored values of a recipe, with the declared defaults of those that are missing.

    Raises:
        ValueError: one that has no default is missing.
    """
    missing = {one.name: one.default for one in declared(kind.RECIPE) if one.name not in values}
    if needed := [name for name, default in missing.items() if default is MISSING]:
        raise ValueError(f"its recipe has no {needed[0]}")
    return {**values, **missing}


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
