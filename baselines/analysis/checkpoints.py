"""Which checkpoints of which runs are analysed. It is found without torch, from the files of the runs' folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.core.settings import SettingsError
from baselines.training.run_files import kept_checkpoints


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of a run.

    Attributes:
        path: the folder of the run.
        run: the name by which rows of tables are told apart: that of the folder, or its path where names are alike.
        n: the N at whose solution it was kept; None where it is not known by that.
        update: the update after which it was kept; None where it is not known by that. Neither: the latest.
    """

    path: Path
    run: str
    n: int | None = None
    update: int | None = None


def chosen(paths: Sequence[Path], checkpoints: Sequence[int] | str) -> list[Checkpoint]:
    """The checkpoints of some runs that are asked for.

    Args:
        paths: the folders of the runs, each of which must hold one.
        checkpoints: the N at whose solution they were kept, or a word. ``"all"``: all kept for an N. ``"course"``: all
            kept for an update where the run keeps such, else all kept for an N, and the latest, which ``load`` leaves
            out where it is one of them. ``"latest"``: the latest. Where a run keeps none, the latest is taken.

    Raises:
        SettingsError: a run keeps no checkpoint of such an N.
    """
    names = [path.resolve().name for path in paths]
    found = []
    for path, name in zip(paths, names, strict=True):
        run = name if names.count(name) == 1 else str(path)
        found += [Checkpoint(path, run, *at) for at in _places(path, checkpoints)]
    return found


def _places(path: Path, checkpoints: Sequence[int] | str) -> list[tuple[int | None, int | None]]:
    """N and update of each checkpoint that is asked for of one run."""
    kept = kept_checkpoints(path)
    if not isinstance(checkpoints, str):
        if missing := [n for n in checkpoints if n not in kept]:
            raise SettingsError("checkpoints", f"checkpoints must be among those of {path}, {kept}, got {missing[0]}")
        return [(n, None) for n in checkpoints]
    latest: list[tuple[int | None, int | None]] = [(None, None)]
    if checkpoints == "course":
        updates = kept_checkpoints(path, "U")
        return [*((None, update) for update in updates), *latest] if updates else [*((n, None) for n in kept), *latest]
    return [(n, None) for n in kept] if checkpoints == "all" and kept else latest
