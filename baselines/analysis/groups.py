"""Which runs are of one kind: those that differ in their seed alone form a group, over which means are taken.

It is found without torch, from the files of the runs' folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.core.settings import SettingsError
from baselines.training.bptt_settings import Settings
from baselines.training.run_files import read_settings

NO_KIND = ("seed", "budget", "max_updates", "steps", "keep_every", "episodes", "device", "out")
"""Settings in which the runs of a group may differ: the seed, the limits of training, and what does not change it."""

FIRST = ("task", "curriculum", "cell", "recipe", "n_max")
"""Settings that a group is named by, if they tell it apart, before any other."""

_BARE = ("task", "curriculum", "cell")
"""Settings whose value says by itself what it is of."""


def check_runs(paths: Sequence[Path]) -> None:
    """Refuse runs that cannot be compared.

    Raises:
        RunError: a folder holds no run, one of another command than ``train``, or one with a cell that is not trusted.
        SettingsError: a run is named twice, or two runs are of different tasks.
    """
    places = [path.resolve() for path in paths]
    if twice := [path for path, place in zip(paths, places, strict=True) if places.count(place) > 1]:
        raise SettingsError("runs", f"runs must differ, got one run twice: {' '.join(map(str, twice))}")
    tasks, first = {}, paths[0]
    for path in paths:
        settings = read_settings(path)
        settings.check_cell()
        tasks[path] = settings.task
    for path, task in tasks.items():
        if task != tasks[first]:
            raise SettingsError(
                "runs", f"runs must be of one task, got {tasks[first]!r} ({first}) and {task!r} ({path})"
            )


def group_names(settings: Sequence[Settings]) -> list[str]:
    """The name of each run's group: the settings in which the groups differ, as few as tell them apart.

    Args:
        settings: the settings of each run, with all values of its recipe among the overrides.

    Returns:
        A name for each, such as ``"single-head"`` or ``"gru, units = 64"``; empty where all are of one kind.
    """
    kinds = [_kind(one) for one in settings]
    told: list[str] = []
    for name in dict.fromkeys((*FIRST, *(name for kind in kinds for name in kind))):
        if _cases(kinds, [*told, name]) > _cases(kinds, told):
            told.append(name)
    return [", ".join(_words(name, kind) for name in told) for kind in kinds]


def _kind(settings: Settings) -> dict[str, Any]:
    """All that makes a run of its kind: its settings, the arguments of its task and cell, the values of its recipe."""
    plain = settings.to_dict()
    nested = {name: value for name, value in plain.items() if isinstance(value, Mapping)}
    kind = {name: value for name, value in plain.items() if name not in (*NO_KIND, *nested)}
    for part in nested.values():
        kind |= part
    return kind


def _cases(kinds: Iterable[Mapping[str, Any]], names: Sequence[str]) -> int:
    """How many combinations of values of these settings there are."""
    return len({repr([kind.get(name) for name in names]) for kind in kinds})


def _words(name: str, kind: Mapping[str, Any]) -> str:
    if name in _BARE:
        return str(kind[name])
    value = kind.get(name)
    return f"usual {name}" if value is None else f"{name} = {value}"
