"""What a person sees of a benchmark: a line for each rung as it ends, and what every climb is at."""

from __future__ import annotations

import shlex

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from baselines.benchmark.folder import BenchmarkFolder, climb_folder
from baselines.engines import Ended, Event, Progressed
from baselines.live import LiveDisplay

MOST_NAME = 60
"""Columns that the name of a climb takes at most from what its agent prints."""

COLOURS = {"solved": "green", "failed": "yellow"}


class BenchmarkDisplay(LiveDisplay):
    """Shows a benchmark as it goes; use as a context manager, and hand it each event once the folder has taken it in.

    On a terminal the climbs that are at it have a line each at the bottom, which changes.

    Args:
        console: where to.
        folder: of the benchmark.
    """

    def __init__(self, console: Console, folder: BenchmarkFolder) -> None:
        super().__init__(console, transient=True)
        self.folder = folder
        self._shown = {name: len(rows) for name, rows in folder.rows.items()}
        self._said: dict[str, str] = {}
        self._stopping = False

    def __enter__(self) -> BenchmarkDisplay:
        if rungs := sum(self._shown.values()):
            self._print(f"{rungs} rungs of {self._footer()} have been played before")
        return super().__enter__()

    def show(self, event: Event) -> None:
        """Take in an event."""
        name = event.job.name
        if isinstance(event, Progressed):
            self._said[name] = event.line
        rows, climb = self.folder.rows[name], self.folder.benchmark.climbs[name]
        for row in rows[self._shown[name] :]:
            words = f"normalised score {row['normalised']:.2f}" if "normalised" in row else row["reason"]
            self._print(f"{climb}: N = {row['N']} {row['status']} ({words})", COLOURS.get(row["status"], "red"))
            self._said.pop(name, None)
        self._shown[name] = len(rows)
        if isinstance(event, Ended) and not self.folder.has_ended(name):
            said = self._said.get(name, "it said nothing")
            self._print(f"{climb}: not ended: {said} (all in {climb_folder(self.folder.path, name) / 'log.txt'})")

    def heed(self, interrupted: bool) -> bool:
        """Say what Ctrl-C does, once it has come; returns whether it has."""
        if interrupted and not self._stopping:
            self._stopping = True
            self._print("stopping: rungs that have ended are kept, those being played are given up")
        return interrupted

    def _print(self, line: str, style: str = "") -> None:
        self.console.print(Text(line, style=style if self.console.is_terminal else ""), soft_wrap=True)

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 2), expand=True)
        # What an agent prints is cut before its name is.
        table.add_column(no_wrap=True, max_width=MOST_NAME)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name in sorted(self.folder.running):
            words = f"N = {self.folder.next_rung(name) or 'done'}  {self._said.get(name, '')}"
            table.add_row(str(self.folder.benchmark.climbs[name]), words)
        return Group(table, Text(self._footer(), style="bold"))

    def _footer(self) -> str:
        names = self.folder.rows
        return f"{sum(map(self.folder.has_ended, names))} of {len(names)} climbs"


def benchmark_line(folder: BenchmarkFolder) -> str:
    """How many climbs have ended, where the table is, and how to go on."""
    ended = sum(map(folder.has_ended, folder.rows))
    faults = sum(row["status"] in ("error", "timeout") for rows in folder.rows.values() for row in rows)
    line = f"{ended} of {len(folder.rows)} climbs have ended"
    if faults:
        line += f", {faults} of them with an error or a timeout"
    line += f". Results, table and picture in {folder.path}: results.csv, ladder.csv, ladder.png"
    if folder.complete:
        return line
    return f"{line}\nGo on with: python -m baselines benchmark --out {shlex.quote(str(folder.path))}"
