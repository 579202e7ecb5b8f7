"""Where an experiment's numbers come from: sets of training runs, which several experiments share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from baselines.analysis.subject import Subject, load
from baselines.core.files import RunError
from baselines.reproduction.measurements import Observation
from baselines.training import run_files
from baselines.training.bptt_settings import Settings
from baselines.training.sweep import Sweep


class Finished(Protocol):
    """A training run that has ended."""

    @property
    def name(self) -> str:
        """What tells it from others."""

    @property
    def words(self) -> dict[str, Any]:
        """What a case may be named by."""

    @property
    def seed(self) -> int:
        """Of the run."""

    @property
    def summary(self) -> dict[str, Any]:
        """How it ended: ``status``, ``cpu_seconds`` and more."""

    @property
    def versions(self) -> dict[str, str]:
        """What it ran with; empty where it does not say."""


class Source(Protocol):
    """A set of training runs."""

    @property
    def cpu_minutes(self) -> float:
        """Of all of them, imports included, as measured (small) or estimated (full) on one core."""

    def left(self, path: Path) -> float:
        """The share of the runs that have not ended."""

    def ended(self, path: Path) -> Sequence[Finished]:
        """The runs, all of which have ended."""

    def asked(self) -> dict[str, Any]:
        """What was asked for, in words and numbers."""


@dataclass(frozen=True)
class Trained:
    """A run of ``train`` that has ended.

    Attributes:
        path: its folder.
        name: the same below ``runs/``.
        settings: what was asked for, every value of the recipe among the ``overrides``.
        summary: how it ended.
    """

    path: Path
    name: str
    settings: Settings
    summary: dict[str, Any]

    @property
    def seed(self) -> int:
        return self.settings.seed

    @property
    def solved_at(self) -> dict[int, int]:
        """N -> the update at which its stage was solved, by N."""
        found = {int(n): update for n, update in self.summary["solved_at"].items()}
        return dict(sorted(found.items()))

    def reports(self) -> list[dict[str, float]]:
        """The rows of ``metrics.csv``, all of them.

        Raises:
            RunError: some are missing, or cut short: what is read off them would be of another run.
        """
        rows, every, last = (
            run_files.read_metrics(self.path),
            self.settings.overrides["test_every"],
            self.summary["updates"],
        )
        found = [row.get("update") for row in rows if "cpu_seconds" in row]  # the last column
        due = list(range(every, last + 1, every))
        if self.summary["status"] == "diverged":  # of the last updates there is no report
            due = due[: len(found)]
        if found != due or len(found) != len(rows):
            raise RunError(
                f"{self.path / 'metrics.csv'} must have a whole row for every {every} updates up to {last}, and has "
                f"{len(found)} of {last // every}"
            )
        return rows

    @property
    def words(self) -> dict[str, Any]:
        """The settings, the recipe's values, and ``tau`` (trained, smooth or a number)."""
        plain = self.settings.to_dict()
        return plain | plain["overrides"] | {"tau": plain["cell_args"].get("tau", "trained")}

    @property
    def versions(self) -> dict[str, str]:
        return run_files.read_versions(self.path)


@dataclass(frozen=True, kw_only=True)
class RunSet:
    """A sweep.

    Attributes:
        settings: as ``Sweep.of`` takes them.
        cpu_minutes: see ``Source``.
    """

    settings: Mapping[str, Any]
    cpu_minutes: float

    @property
    def sweep(self) -> Sweep:
        """The sweep."""
        return Sweep.of(self.settings)

    def left(self, path: Path) -> float:
        names = list(self.sweep.runs)
        return sum(not (path / run / "summary.json").exists() for run in names) / len(names)

    def ended(self, path: Path) -> Sequence[Trained]:
        found = [(path / run, f"{path.name}/{run}", settings) for run, settings in self.sweep.runs.items()]
        return [Trained(run, name, _settings(run, asked), run_files.read_summary(run)) for run, name, asked in found]

    def asked(self) -> dict[str, Any]:
        return dict(self.settings)


def _settings(run: Path, asked: Settings) -> Settings:
    """The settings of a run.

    Raises:
        RunError: they are not those that it was asked for.
    """
    found = run_files.read_settings(run)
    free = {name: getattr(found, name) for name in ("out", "overrides", *run_files.CHANGEABLE)}
    own = {name: found.overrides.get(name) for name in asked.overrides}
    if found != replace(asked, **free) or own != asked.overrides:
        raise RunError(f"{run / 'config.json'} must have the settings of its sweep, and has others")
    return found


def subjects_at(run: Trained, ns: Sequence[int]) -> list[Subject]:
    """The checkpoints of these N, as far as the run solved them.

    Raises:
        RunError: one of them is missing: the network would be left out without a word.
    """
    wanted = [n for n in ns if n in run.solved_at]
    for n in wanted:
        check_kept(run_files.checkpoint_file(run.path, n))
    return load([run.path], wanted) if wanted else []


def check_kept(file: Path) -> None:
    """Refuse a run whose checkpoint is missing although it came so far (``RunError``)."""
    if not file.exists():
        raise RunError(f"{file} must be there, for the run came so far")


def observed(run: Trained, case: str, quantity: str, x: float | None, value: float) -> Observation:
    """What was measured of a run, at ``x`` (None: it has no x)."""
    return Observation(quantity=quantity, case=case, x=x, seed=run.settings.seed, value=value, run=run.name)
