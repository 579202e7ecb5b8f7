"""What a person sees of a sweep: a line for each run that is at it and one for each that has ended."""

from __future__ import annotations

import shlex
import time
from collections import Counter

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from baselines.engines import Ended, Event, Progressed, Started
from baselines.live import LiveDisplay
from baselines.sweep.folder import SweepFolder

PLAIN_SECONDS = 30.0
"""Seconds between two plain lines of a run, but for its start and its end."""

MOST_NAME = 60
"""Columns that the name of a run takes at most from what it says."""

COLOURS = {"solved": "green", "unsolved": "yellow", "diverged": "red", "interrupted": "yellow"}


class SweepDisplay(LiveDisplay):
    """Shows a sweep as it goes; use as a context manager, and hand it each event once the folder has taken it in.

    On a terminal the runs that are at it have a line each at the bottom, which changes; elsewhere they have a line now
    and then.

    Args:
        console: where to.
        folder: of the sweep.
    """

    def __init__(self, console: Console, folder: SweepFolder) -> None:
        super().__init__(console, transient=True)
        self.folder = folder
        self.running: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._due: dict[str, float] = {}

    def __enter__(self) -> SweepDisplay:
        done = sum(status != "waiting" for status in self.folder.statuses.values())
        if done:
            self._print(f"{done} of {len(self.folder.statuses)} runs have ended before")
        return super().__enter__()

    def show(self, event: Event) -> None:
        """Take in an event."""
        run = event.job.name
        if isinstance(event, Started):
            self.running[run] = "starting"
            self._due[run] = time.monotonic() + PLAIN_SECONDS
        elif isinstance(event, Progressed):
            self._said[run] = event.line
            # The other lines are those of a run that has been trained: a table of scores, where it is saved.
            self.running[run] = event.line if event.line.startswith("update ") else "trained"
            if self._live is None and time.monotonic() >= self._due[run]:
                self._due[run] = time.monotonic() + PLAIN_SECONDS
                self._print(f"{run}: {self.running[run]}")
        else:
            self.running.pop(run)
            self._print(self._end(event), COLOURS.get(self.folder.statuses[run], "red"))

    def heed(self, interrupted: bool) -> bool:
        """Say what Ctrl-C does, once it has come; returns whether it has."""
        if interrupted:
            self._print("stopping: the runs save and end; Ctrl-C again kills them")
        return interrupted

    def _end(self, ended: Ended) -> str:
        run = ended.job.name
        if ended.again:
            return f"{run}: killed by signal {-ended.code}, goes on from its folder"
        status, row = self.folder.statuses[run], self.folder.row(run)
        if "updates" in row:
            largest = "none" if row["largest_n"] is None else row["largest_n"]
            numbers = f"after {row['updates']} updates, {row['cpu_seconds']:.1f} CPU s; largest N solved: {largest}"
            return f"{run}: {status} {numbers}"
        if status == "interrupted":
            return f"{run}: interrupted"
        return f"{run}: {status}: {self._said.get(run, 'it said nothing')} (all in {ended.job.log})"

    def _print(self, line: str, style: str = "") -> None:
        self.console.print(Text(line, style=style if self.console.is_terminal else ""), soft_wrap=True)

    def __rich__(self) -> RenderableType:
        running = list(self.running.items())
        table = Table.grid(padding=(0, 2), expand=True)
        # What a run says is cut before its name is.
        table.add_column(no_wrap=True, max_width=MOST_NAME)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for run, line in running:
            table.add_row(run, line)
        return Group(table, Text(self._footer(), style="bold"))

    def _footer(self) -> str:
        counts = Counter(self.folder.statuses.values())
        return ", ".join(f"{number} {status}" for status, number in counts.items())


def sweep_line(folder: SweepFolder) -> str:
    """How the runs ended, where the table is, and how to go on."""
    counts = Counter(folder.statuses.values())
    words = ", ".join(f"{number} {status}" for status, number in counts.items())
    line = f"{len(folder.statuses)} runs: {words}. Table in {folder.path / 'results.csv'}"
    return line if folder.complete else f"{line}\nGo on with: python -m baselines sweep {shlex.quote(str(folder.path))}"
