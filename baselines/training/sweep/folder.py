"""The folder of a sweep: its settings, a run folder for each combination, and one table of how the runs ended.

- ``sweep.json``: the fixed settings, the axes and the excluded combinations
- ``results.csv``: one row for each run; the file is replaced whenever a run ends
- ``cell=leaky_seed=0/`` and so on: the run folders
- ``logs/``: the command line and the output of each run
- ``lock``: held by the process that runs the sweep, if there is one
"""

from __future__ import annotations

import csv
import io
import json
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict

from baselines.core.files import RunError, foreign_entry, inside, read_format, replace_file, writing
from baselines.core.jobs import Ended, Engine, Event, Job, Started
from baselines.core.locks import lock
from baselines.core.settings import SettingsError
from baselines.core.start import worker_environment
from baselines.core.stored import check_stored
from baselines.core.trust import hand_on_trust, stored_name
from baselines.training import run_files
from baselines.training.bptt_settings import Settings
from baselines.training.sweep.product import SETTINGS, Sweep
from memory_envs import task_from_dict

FORMAT, BEFORE_STREAMS = 2, 1
"""The version of the format of ``sweep.json``, and the one of before there were streams. The file holds only what was
asked for, and a sweep goes on as it was begun: see ``_as_begun``."""

_BUDGET_BEFORE = 600.0
"""The default of ``budget`` in a sweep of before there were streams, in seconds."""

ENDS = {"solved": "solved", **dict.fromkeys(("updates", "budget", "steps"), "unsolved"), "diverged": "diverged"}
"""The status of a run that has ended for good -> its status in the table."""

RESULTS = (
    *("status", "largest_n", "updates", "seconds", "cpu_seconds"),
    *("played_n", "accuracy", "score", "score_error"),
)
"""Columns of ``results.csv`` after the name of the run and the axes, and before ``solved_at_<N>``."""

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "FORCE_COLOR": "", "TTY_COMPATIBLE": "0"}
"""Variables of every run: one thread, and no terminal control codes in its log, whatever the user's environment."""


class StoredSweep(TypedDict):
    """The content of ``sweep.json``, beside its format."""

    fixed: dict[str, Any]
    axes: dict[str, list[Any]]
    exclude: list[dict[str, list[Any]]]


class SweepFolder:
    """The folder of a sweep, held until ``close`` or the end of the process.

    Args:
        path: the folder of the sweep; missing folders are made.
        sweep: the sweep to run. Where the folder already holds a sweep, only its limits may differ, and there may be
            more runs on the same axes.

    Attributes:
        statuses: the status of every run by its name, as in the table.

    Raises:
        SettingsError: the folder holds something else; nothing has been written.
        RunError: another process holds the folder, or it cannot be read or written.
    """

    def __init__(self, path: Path, sweep: Sweep) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            strange = foreign_entry(path, "sweep.json.part")  # which an earlier version may have left
        except OSError as error:
            raise SettingsError("out", f"out must be a folder to write in, got {path} ({error.strerror})") from None
        if not is_sweep(path) and strange is not None:
            raise SettingsError("out", f"out must be a new folder or a sweep's, got {path}, which holds {strange}")
        self._release = lock(self, path)
        try:
            number = FORMAT
            if is_sweep(path):
                number, old = _read(path)
                _check_extends(path, old, sweep, number)
                sweep = _as_begun(sweep, number)
            self.sweep = sweep
            self._ends = {run: end for run in sweep.runs if (end := self._end(run))}
            self.statuses = {run: self._ends[run]["status"] if run in self._ends else "waiting" for run in sweep.runs}
            plain = {"format": number, **sweep.to_dict()}
            replace_file(path / "sweep.json", (json.dumps(plain, indent=2) + "\n").encode())
            self.write_results()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the folder, so that other processes can use it."""
        self._release()

    @property
    def complete(self) -> bool:
        """Whether every run has ended."""
        return len(self._ends) == len(self.sweep.runs)

    def jobs(self) -> list[Job]:
        """One job for each run that has not ended, with the name of the run.

        Raises:
            UntrustedError: one of them has a cell that only a file names.
        """
        left = [run for run in self.sweep.runs if run not in self._ends]
        for run in left:
            hand_on_trust(self.sweep.runs[run].cell)
        environment = ENVIRONMENT | worker_environment()
        return [
            Job(run, tuple(self._command(run)), inside(self.path, "logs", f"{run}.log"), environment, restarts=1)
            for run in left
        ]

    def run(self, engine: Engine, interrupted: Callable[[], bool] = lambda: False) -> Generator[Event, None, None]:
        """Run the jobs that are left. The sweep goes on when a single run fails.

        Args:
            engine: the engine that runs the jobs.
            interrupted: see ``Engine.run``.

        Yields:
            Every event of the engine, after the statuses and the table have been updated.

        Raises:
            RunError: the folder of the sweep or of a run cannot be read or written.
        """
        with writing(self.path / "logs"), closing(engine.run(self.jobs(), interrupted)) as events:
            for event in events:
                if isinstance(event, Started):
                    self.statuses[event.job.name] = "running"
                elif isinstance(event, Ended) and not event.again:
                    self._note(event)
                yield event

    def _note(self, ended: Ended) -> None:
        run = ended.job.name
        if end := self._end(run):
            self._ends[run] = end
            self.statuses[run] = end["status"]
        elif ended.code < 0 and -ended.code != signal.SIGINT:
            self.statuses[run] = f"died (signal {-ended.code})"
        elif ended.code in (130, -signal.SIGINT):  # the second: the signal came before the run handled it
            self.statuses[run] = "interrupted"
        else:
            self.statuses[run] = f"failed (exit code {ended.code})"
        self.write_results()

    def write_results(self) -> None:
        """Replace ``results.csv`` atomically."""
        rows = [self.row(run) for run in self.sweep.runs]
        axes = [name for row in rows for name in row if name not in RESULTS and not name.startswith("solved_at_")]
        solved_at = sorted({int(n) for end in self._ends.values() for n in end["solved_at"]})
        columns = [*dict.fromkeys(axes), *RESULTS, *(f"solved_at_{n}" for n in solved_at)]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
        replace_file(self.path / "results.csv", text.getvalue().encode())

    def row(self, run: str) -> dict[str, Any]:
        """The row of a run in ``results.csv``. A run that has not ended has only its axes and its status."""
        row: dict[str, Any] = {"run": run}
        for name, value in self.sweep.values(run).items():
            row |= {f"{name}.{key}": item for key, item in value.items()} if isinstance(value, dict) else {name: value}
        row["status"] = self.statuses[run]
        if end := self._ends.get(run):
            row |= {name: end[name] for name in RESULTS if name in end}
            row |= {f"solved_at_{n}": update for n, update in end["solved_at"].items()}
        return row

    def _end(self, run: str) -> dict[str, Any] | None:
        """How a run ended, as columns of the table and ``solved_at``; None where the run is not finished."""
        path, asked = inside(self.path, run), self.sweep.runs[run]
        if not (path / "summary.json").exists():
            return None
        summary = run_files.read_summary(path)
        try:
            if summary["status"] not in ENDS or (summary["status"] == "budget" and summary["seconds"] < asked.budget):
                return None
            if summary["status"] == "steps" and asked.has_more_steps_than(run_files.read_settings(path)):
                return None
            columns = ("largest_n", "updates", "seconds", "cpu_seconds", "solved_at")
            end = {"status": ENDS[summary["status"]], **{name: summary[name] for name in columns}}
            if played := summary["played"]:
                accuracy = fmean(played["accuracy"].values())
                end |= {"played_n": task_from_dict(played["task"]).N, "accuracy": round(accuracy, 6)}
                end |= {"score": round(played["score"], 6) + 0.0, "score_error": round(played["standard_error"], 6)}
            return end
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{path / 'summary.json'} is not that of a run: {error!r}") from None

    def _command(self, run: str) -> list[str]:
        """The command line of a run. The same one starts the run and resumes it."""
        settings, path = self.sweep.runs[run], inside(self.path, run)
        return [sys.executable, "-m", "baselines", "train", "--go-on", f"--out={path}", *options(settings)]


def options(settings: Settings) -> list[str]:
    """The options of ``train`` for these settings, without ``out`` and without those that are at their defaults."""
    usual = Settings()
    words = [f"--{name.replace('_', '-')}={value}" for name, value in settings.overrides.items()]
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        if setting.name in ("out", "overrides") or (value == getattr(usual, setting.name) and setting.name != "budget"):
            continue
        option = f"--{setting.name.replace('_', '-')}"
        if isinstance(value, dict):
            words += [option, *(f"{key}={json.dumps(item)}" for key, item in value.items())]
        else:
            words.append(f"{option}={value}")
    return words


def is_sweep(path: Path) -> bool:
    """Whether ``path`` is the folder of a sweep."""
    return (path / "sweep.json").is_file()


def read_sweep(path: Path) -> Sweep:
    """The sweep in the folder ``path``.

    Raises:
        RunError: ``sweep.json`` cannot be read, or names a cell that is not trusted.
    """
    return _read(path)[1]


def _read(path: Path) -> tuple[int, Sweep]:
    """The format of ``sweep.json``, and the sweep; see ``read_sweep``."""
    file = path / "sweep.json"
    plain = check_stored(read_format(file, BEFORE_STREAMS, FORMAT), StoredSweep, file, "a sweep")
    for values in (plain["fixed"], plain["axes"]):
        if "cell" in values:
            values["cell"] = stored_name(values["cell"], file)
    try:
        return plain["format"], Sweep.from_dict(plain)
    except SettingsError as error:
        raise RunError(f"{file} is not that of a sweep: {error}") from None


def _as_begun(sweep: Sweep, number: int) -> Sweep:
    """The sweep, with the runs that a folder whose ``sweep.json`` has the format ``number`` was begun with.

    Their names stay. Otherwise runs that were trained by different defaults would stand in one table.
    """
    if number != BEFORE_STREAMS:
        return sweep
    runs = dict[str, Settings]()
    for run, settings in sweep.runs.items():
        budget = settings.budget if "budget" in {*sweep.fixed, *sweep.axes} else _BUDGET_BEFORE
        runs[run] = replace(settings, recipe=Settings.recipe_name(settings.recipe, {}), budget=budget)
    return replace(sweep, runs=runs)


def _check_extends(path: Path, old: Sweep, new: Sweep, number: int) -> None:
    """Refuse a new sweep unless it is the old one of the folder, possibly with higher limits or more runs."""
    if list(old.axes) != list(new.axes):
        raise SettingsError(
            "out",
            f"out must be another folder: the sweep in {path} has the axes {list(old.axes)}, not {list(new.axes)}",
        )
    usual = Settings()
    for name in SETTINGS:
        then, now = (sweep.fixed.get(name, getattr(usual, name, None)) for sweep in (old, new))
        if name == "recipe" and number == BEFORE_STREAMS:
            then, now = (Settings.recipe_name(str(one), {}) for one in (then, now))
        if then != now and (name not in Settings.LIMITS or now is None):
            raise SettingsError(name, f"{name} must be that of the sweep in {path}, {then!r}, got {now!r}")
    if missing := [run for run in old.runs if run not in new.runs]:
        raise SettingsError(
            "out", f"out must be another folder: the sweep in {path} has {missing[0]}, which must not be left out of it"
        )
