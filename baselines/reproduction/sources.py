"""Where an experiment's numbers come from: sets of training runs, which several experiments share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from baselines import runs
from baselines.engines import LocalEngine
from baselines.files import RunError, lock, writing
from baselines.interrupt import interruptible
from baselines.settings import Settings
from baselines.sweep import Sweep, SweepFolder
from baselines.sweep.display import SweepDisplay, sweep_line
from baselines.tcr import run_all
from baselines.tcr.conditions import GROUPS, Condition
from baselines.tcr.results import Rows, Run, begin, read


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

    def train(self, path: Path, workers: int, console: Console) -> int:
        """Train what has not ended; 0, 1 (something failed) or 130 (interrupted)."""

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
        rows, every, last = runs.read_metrics(self.path), self.settings.overrides["test_every"], self.summary["updates"]
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
        return runs.read_versions(self.path)


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

    def train(self, path: Path, workers: int, console: Console) -> int:
        folder = SweepFolder(path, self.sweep)
        try:
            with interruptible() as interrupt, SweepDisplay(console, folder) as display:
                for event in folder.run(LocalEngine(workers), lambda: display.heed(interrupt.requested)):
                    display.show(event)
        finally:
            folder.close()
        ended = sweep_line(folder).partition("\n")[0]  # how to go on is for the command to say
        console.print(f"{path.name}: {ended}", soft_wrap=True, highlight=False)
        return 130 if interrupt.requested else 0 if folder.complete else 1

    def ended(self, path: Path) -> Sequence[Trained]:
        found = [(path / run, f"{path.name}/{run}", settings) for run, settings in self.sweep.runs.items()]
        return [Trained(run, name, _settings(run, asked), runs.read_summary(run)) for run, name, asked in found]

    def asked(self) -> dict[str, Any]:
        return dict(self.settings)


def _settings(run: Path, asked: Settings) -> Settings:
    """The settings of a run.

    Raises:
        RunError: they are not those that it was asked for.
    """
    found = runs.read_settings(run)
    free = {name: getattr(found, name) for name in ("out", "overrides", *runs.CHANGEABLE)}
    own = {name: found.overrides.get(name) for name in asked.overrides}
    if found != replace(asked, **free) or own != asked.overrides:
        raise RunError(f"{run / 'config.json'} must have the settings of its sweep, and has others")
    return found


@dataclass(frozen=True)
class TrainedCondition:
    """One seed of a condition of ``baselines.tcr``."""

    condition: Condition
    seed: int
    run: Run

    @property
    def name(self) -> str:
        return f"{self.condition.label()}, seed {self.seed}"

    @property
    def words(self) -> dict[str, Any]:
        """The fields of the condition, ``N``, ``how`` (the optimizer if it is not Adam), ``regulariser``, ``rank``."""
        one = self.condition
        rank = f" of rank {one.cell_args['rank']}" if "rank" in one.cell_args else ""
        how = f"{one.updating()}, " if one.updating() else ""
        words = {"N": one.task_args["N"], "how": how, "regulariser": one.regulariser(), "rank": rank}
        return asdict(one) | words

    @property
    def summary(self) -> dict[str, Any]:
        return vars(self.run)

    @property
    def versions(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True, kw_only=True)
class ConditionSet:
    """Conditions of ``baselines.tcr``; their results are in ``results.csv``.

    Rows that are there are not run again: ``benchmarks/results/tcr.csv``, copied there, is gone on with.

    Attributes:
        groups: names of ``GROUPS``.
        seeds: of each condition.
        cpu_minutes: see ``Source``.
    """

    groups: Sequence[str]
    seeds: Sequence[int]
    cpu_minutes: float

    def _rows(self, path: Path) -> Rows:
        try:
            return read(path / "results.csv")
        except ValueError as error:
            raise RunError(f"{path / 'results.csv'} {error}") from None

    def _missing(self, path: Path) -> dict[Condition, list[int]]:
        rows = self._rows(path)
        return {one: [seed for seed in self.seeds if (one, seed) not in rows] for one in self._conditions()}

    def _conditions(self) -> list[Condition]:
        return list(dict.fromkeys(one for name in self.groups for one in GROUPS[name]))

    def left(self, path: Path) -> float:
        missing = self._missing(path)
        return sum(map(len, missing.values())) / (len(missing) * len(self.seeds))

    def train(self, path: Path, workers: int, console: Console) -> int:
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
        release = lock(self, path / "lock")  # or two processes would train the same
        try:
            missing = {one: seeds for one, seeds in self._missing(path).items() if seeds}
            begin(path / "results.csv")
            with interruptible() as interrupt:
                wrong = run_all(missing, workers, path / "results.csv", lambda: interrupt.requested)
        finally:
            release()
        if interrupt.requested:
            return 130
        for line in wrong:
            console.print(f"{path.name}: failed: {line}", soft_wrap=True, highlight=False)
        return 1 if wrong else 0

    def ended(self, path: Path) -> Sequence[TrainedCondition]:
        rows = self._rows(path)
        for one, missing in self._missing(path).items():
            if missing:
                raise RunError(f"{path / 'results.csv'} has no row of {one.label()}, seed {missing[0]}")
        return [TrainedCondition(one, seed, rows[one, seed]) for one in self._conditions() for seed in self.seeds]

    def asked(self) -> dict[str, Any]:
        return {"groups": list(self.groups), "of": "baselines/tcr/conditions.py"}
