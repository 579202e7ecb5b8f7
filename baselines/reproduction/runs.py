"""Where an experiment's numbers come from: sets of training runs, which several experiments share.

Nothing here imports torch but what loads a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from baselines.core.files import RunError
from baselines.reproduction.measurements import Observation
from baselines.training import run_files
from baselines.training.bptt_settings import Settings
from baselines.training.sweep import Sweep

if TYPE_CHECKING:
    from baselines.analysis.subject import Subject


class Finished(Protocol):
    """A training run that has ended."""

    @property
    def name(self) -> str:
        """What tells it from the others."""

    @property
    def words(self) -> dict[str, Any]:
        """What may be in the name of a case: name -> value."""

    @property
    def seed(self) -> int:
        """The seed of the run."""

    @property
    def summary(self) -> dict[str, Any]:
        """How it ended: ``status``, ``cpu_seconds`` and more."""

    @property
    def versions(self) -> dict[str, str]:
        """The versions it ran with; empty where it does not say."""


@dataclass(frozen=True)
class Trained:
    """A run of ``train`` that has ended.

    Attributes:
        path: the run folder.
        name: its place below ``runs/``.
        settings: what was asked for, with every value of the recipe among the ``overrides``.
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
            RunError: a row is missing or cut short: what is read off the others would not be this run's.
        """
        rows, every, last = (
            run_files.read_metrics(self.path),
            self.settings.overrides["test_every"],
            self.summary["updates"],
        )
        found = [row.get("update") for row in rows if "cpu_seconds" in row]  # the last column
        due = list(range(every, last + 1, every))
        if self.summary["status"] == "diverged":  # there is no report of the last updates
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
    """The runs of a sweep.

    Attributes:
        settings: what ``Sweep.of`` takes.
        cpu_minutes: CPU minutes of all runs on one core, imports included: measured (small) or estimated (full).
    """

    settings: Mapping[str, Any]
    cpu_minutes: float

    @property
    def sweep(self) -> Sweep:
        """The sweep that makes these runs."""
        return Sweep.of(self.settings)

    def share_left(self, path: Path) -> float:
        """The share of the runs in the folder ``path`` that have not ended."""
        names = list(self.sweep.runs)
        return sum(not (path / run / "summary.json").exists() for run in names) / len(names)

    def ended(self, path: Path) -> Sequence[Trained]:
        """The runs in the folder ``path``.

        Raises:
            RunError: one has not ended, or is damaged.
        """
        found = [(path / run, f"{path.name}/{run}", settings) for run, settings in self.sweep.runs.items()]
        return [Trained(run, name, _settings(run, asked), run_files.read_summary(run)) for run, name, asked in found]

    def asked(self) -> dict[str, Any]:
        """What was asked for, in words and numbers."""
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
    """The networks at these N, as far as the run solved them.

    Raises:
        RunError: a checkpoint is missing: its network would be left out without a word.
    """
    from baselines.analysis.subject import load

    wanted = [n for n in ns if n in run.solved_at]
    for n in wanted:
        check_kept(run_files.checkpoint_file(run.path, n))
    return load([run.path], wanted) if wanted else []


def check_kept(file: Path) -> None:
    """Refuse a run whose checkpoint ``file`` is missing although it came so far (``RunError``)."""
    if not file.exists():
        raise RunError(f"{file} must be there, for the run came so far")


def observation_of(
    run: Trained, case: str, quantity: str, x: float | None, value: float, bound: str = ""
) -> Observation:
    """A number that was measured of a run, at ``x`` (None: it is one number a network)."""
    return Observation(
        quantity=quantity, case=case, x=x, seed=run.settings.seed, value=value, bound=bound, run=run.name
    )
