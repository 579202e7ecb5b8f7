"""The displays of jobs that run in parallel: the runs of a sweep, or the climbs of a benchmark."""

from __future__ import annotations

import shlex
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar, TypeVar

from rich import box
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from baselines.benchmark.budgets import FAULTS, SHORT_NAMES
from baselines.benchmark.folder import BenchmarkFolder, climb_folder
from baselines.benchmark.ranking import Rungs, Standing
from baselines.benchmark.summary import summary_row
from baselines.commands.display.live import LiveDisplay
from baselines.core.jobs import Ended, Event, Progressed, Started
from baselines.core.text import printable
from baselines.core.trust import trust_options
from baselines.training.sweep.folder import SweepFolder

D = TypeVar("D", bound="JobsDisplay")

PLAIN_SECONDS = 30.0
"""Seconds between two plain lines about a run; its end is always printed."""

MOST_NAME = 60
"""The largest width of a job's name, in characters; the latest line of its output gets the rest."""

COLOURS = {"solved": "green", "failed": "yellow", "unsolved": "yellow", "diverged": "red", "interrupted": "yellow"}

SHOWN_FAULTS = 10
"""The largest number of faults printed below the table."""


class JobsDisplay(LiveDisplay):
    """Shows running jobs. Use it as a context manager, and pass it each event after the folder has processed it.

    On a terminal, each running job has a line at the bottom that is updated.

    Args:
        console: the console to print to.
    """

    STOPPING: ClassVar[str]
    """The message after Ctrl-C: what happens now."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, transient=True)
        self._said: dict[str, str] = {}
        self._stopping = False

    def __enter__(self: D) -> D:
        if words := self._before():
            self._print(words)
        return super().__enter__()

    @abstractmethod
    def show(self, event: Event) -> None:
        """Show an event."""

    def heed(self, interrupted: bool) -> bool:
        """Print what happens now after the first Ctrl-C; returns ``interrupted``."""
        if interrupted and not self._stopping:
            self._stopping = True
            self._print(self.STOPPING)
        return interrupted

    @abstractmethod
    def _before(self) -> str:
        """What had already ended at the start, in words; empty if nothing had."""

    @abstractmethod
    def _running(self) -> Iterable[tuple[str, str]]:
        """The name of each running job, and the latest line of its output."""

    @abstractmethod
    def _footer(self) -> str:
        """The progress of all jobs together, in words."""

    def _print(self, line: str, style: str = "") -> None:
        self.console.print(line, style=style if self.console.is_terminal else "", soft_wrap=True)

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 2), expand=True)
        # On a narrow terminal the output of a job is cut, not its name.
        table.add_column(no_wrap=True, max_width=MOST_NAME)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for row in list(self._running()):
            table.add_row(*(Text(printable(cell)) for cell in row))  # a job's output is no markup
        return Group(table, Text(printable(self._footer()), style="bold"))


class SweepDisplay(JobsDisplay):
    """Shows a running sweep. Without a terminal, it prints a line about each run from time to time.

    Args:
        console: the console to print to.
        folder: the folder of the sweep.
    """

    STOPPING = "stopping: the runs save and end; Ctrl-C again kills them"

    def __init__(self, console: Console, folder: SweepFolder) -> None:
        super().__init__(console)
        self.folder = folder
        self.running: dict[str, str] = {}
        self._due: dict[str, float] = {}

    def show(self, event: Event) -> None:
        """Show an event."""
        run = event.job.name
        if isinstance(event, Started):
            self.running[run] = "starting"
            self._due[run] = time.monotonic() + PLAIN_SECONDS
        elif isinstance(event, Progressed):
            self._said[run] = event.line
            # All lines that do not begin with "update" come after training: the scores, and where the run is saved.
            self.running[run] = event.line if event.line.startswith("update ") else "trained"
            if self._live is None and time.monotonic() >= self._due[run]:
                self._due[run] = time.monotonic() + PLAIN_SECONDS
                self._print(f"{run}: {self.running[run]}")
        else:
            self.running.pop(run)
            self._print(self._end(event), COLOURS.get(self.folder.statuses[run], "red"))

    def _before(self) -> str:
        done = sum(status != "waiting" for status in self.folder.statuses.values())
        return f"{done} of {len(self.folder.statuses)} runs have already ended" if done else ""

    def _running(self) -> Iterable[tuple[str, str]]:
        return self.running.items()

    def _footer(self) -> str:
        return _status_counts(self.folder)

    def _end(self, ended: Ended) -> str:
        run = ended.job.name
        if ended.again:
            return f"{run}: killed by signal {-ended.code}, resumes from its folder"
        status, row = self.folder.statuses[run], self.folder.row(run)
        if "updates" in row:
            largest = "none" if row["largest_n"] is None else row["largest_n"]
            numbers = f"after {row['updates']} updates, {row['cpu_seconds']:.1f} CPU s; largest N solved: {largest}"
            return f"{run}: {status} {numbers}"
        if status == "interrupted":
            return f"{run}: interrupted"
        return f"{run}: {status}: {self._said.get(run, 'no output')} (log: {ended.job.log})"


def sweep_line(folder: SweepFolder) -> str:
    """How the runs ended, where the table is, and how to continue the sweep."""
    line = f"{len(folder.statuses)} runs: {_status_counts(folder)}. Table in {folder.path / 'results.csv'}"
    if folder.complete:
        return line
    options = trust_options(settings.cell for settings in folder.sweep.runs.values())
    return f"{line}\nGo on with: python -m baselines sweep {shlex.quote(str(folder.path))}{options}"


def _status_counts(folder: SweepFolder) -> str:
    counts = Counter(folder.statuses.values())
    return ", ".join(f"{number} {status}" for status, number in counts.items())


def print_ladder(console: Console, standings: Sequence[Standing], rungs: Rungs) -> None:
    """Print a table with the largest N solved and the interquartile mean of each contestant, and the first faults."""
    table = Table(title="largest N solved (each seed's), and ladder score", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("agent", overflow="fold")
    for task in rungs:
        table.add_column(SHORT_NAMES.get(task, task), justify="right")
    for column in ("climbs", "IQM", "95 %"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in standings:
        table.add_row(*map(Text, summary_row(one, rungs)))  # names are no markup
    # A pipe or a log file has no width: there a narrow table would only break the names.
    natural = Measurement.get(console, console.options.update(max_width=1_000), table).maximum
    console.print(table, width=None if console.is_terminal else max(natural, console.width), crop=False)
    faults = [
        f"{one.name}, {climb.task}, seed {climb.seed}, {climb.fault}"
        for one in standings
        for climb in one.climbs
        if climb.fault and not one.stored
    ]
    for words in faults[:SHOWN_FAULTS]:
        console.print(Text(printable(words)), soft_wrap=True)
    if len(faults) > SHOWN_FAULTS:
        console.print(f"and {len(faults) - SHOWN_FAULTS} more faults; results.csv has all reasons")


class BenchmarkDisplay(JobsDisplay):
    """Shows a running benchmark.

    Args:
        console: the console to print to.
        folder: the folder of the benchmark.
    """

    STOPPING = "stopping: finished rungs are kept, unfinished ones are lost"

    def __init__(self, console: Console, folder: BenchmarkFolder) -> None:
        super().__init__(console)
        self.folder = folder
        self._shown = {name: len(rows) for name, rows in folder.rows.items()}

    def show(self, event: Event) -> None:
        """Show an event."""
        name = event.job.name
        if isinstance(event, Progressed):
            self._said[name] = event.line
        rows, climb = self.folder.rows[name], self.folder.benchmark.climbs[name]
        for row in rows[self._shown[name] :]:
            words = f"normalised score {row['normalised']:.2f}" if "normalised" in row else row["reason"]
            self._print(f"{climb}: N = {row['N']} {row['status']} ({words})", COLOURS.get(row["status"], "red"))
            self._said.pop(name, None)
        self._shown[name] = len(rows)
        if isinstance(event, Ended) and name in self.folder.put_off:
            self._print(f"{climb}: {self.folder.put_off[name]}; will be tried again")
        elif isinstance(event, Ended) and not self.folder.has_ended(name):
            said = self._said.get(name, "no output")
            self._print(f"{climb}: not ended: {said} (log: {climb_folder(self.folder.path, name) / 'log.txt'})")

    def _before(self) -> str:
        rungs = sum(self._shown.values())
        return f"already played: {rungs} rungs; ended: {self._footer()}" if rungs else ""

    def _running(self) -> Iterable[tuple[str, str]]:
        for name in sorted(self.folder.running):
            words = f"N = {self.folder.next_rung(name) or 'done'}  {self._said.get(name, '')}"
            yield str(self.folder.benchmark.climbs[name]), words

    def _footer(self) -> str:
        names = self.folder.rows
        return f"{sum(map(self.folder.has_ended, names))} of {len(names)} climbs"


def benchmark_line(folder: BenchmarkFolder) -> str:
    """How many climbs have ended, where the table is, and how to continue the benchmark."""
    ended = sum(map(folder.has_ended, folder.rows))
    faults = sum(row["status"] in FAULTS for rows in folder.rows.values() for row in rows)
    line = f"{ended} of {len(folder.rows)} climbs have ended"
    if faults:
        line += f", {faults} of them with an error or a timeout"
    line += f". Results, table and picture in {folder.path}: results.csv, ladder.csv, ladder.png"
    if folder.complete:
        return line
    options = trust_options(one.what for one in folder.benchmark.contestants)
    return f"{line}\nGo on with: python -m baselines benchmark --out {shlex.quote(str(folder.path))}{options}"
