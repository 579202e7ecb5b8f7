"""The display of a training run: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from baselines.commands.display.live import LiveDisplay
from baselines.core.text import printable
from baselines.training.bptt_settings import Plan
from baselines.training.run import Progress

SHOWN_HEADS = 24
"""The largest number of heads shown. With more, the display shows the last ones and the worst of the others."""

PACE_STAGES = 4
"""The number of latest stages whose mean time gives the estimated end."""

PACE_REPORTS = 10
"""The number of latest reports over which updates per second are averaged."""

PLAIN_SECONDS = 5.0
"""Seconds between plain lines. A solved stage is printed at once."""


class Display(LiveDisplay):
    """Shows a training run. Use it as a context manager and pass each ``Progress`` to ``show``.

    Args:
        console: the console to print to.
        plan: the plan of the run; its names, stages, threshold and limits are shown.
        spent: the seconds of the budget that are already used up.
    """

    def __init__(self, console: Console, plan: Plan, spent: float = 0.0) -> None:
        super().__init__(console, transient=False)
        self.plan = plan
        self.spent = spent
        self.latest: Progress | None = None
        self._solved = ""
        self._solved_at: deque[float] = deque(maxlen=PACE_STAGES + 1)
        self._reports: deque[tuple[int, float]] = deque([(0, 0.0)] if not spent else [], maxlen=PACE_REPORTS + 1)
        self._began = self._line_due = time.monotonic()

    def __enter__(self) -> Display:
        self._began = self._line_due = time.monotonic()
        return super().__enter__()

    def show(self, progress: Progress) -> None:
        """Show a report."""
        self.latest = progress
        self._reports.append((progress.report.update, progress.seconds))
        if progress.report.solved:
            self._solved_at.append(progress.seconds)
            self._solved = f"N = {progress.report.task.N} solved after {progress.report.update} updates"
        if self._live is None and (progress.report.solved or time.monotonic() >= self._line_due):
            self._line_due = time.monotonic() + PLAIN_SECONDS
            line = plain_line(progress, [*self._rate(), *self._estimate(), self._time_left()])
            self.console.print(line, soft_wrap=True)

    def __rich__(self) -> RenderableType:
        settings, progress = self.plan.settings, self.latest
        what = f"{settings.task}, {settings.cell}, {settings.curriculum}, seed {settings.seed}"
        title = Text(printable(what), style="bold")
        if progress is None:
            return Group(title, Text(f"starting; {self._time_left()}"))
        report = progress.report
        stages = self.plan.curriculum.stages()
        done = sum(n <= (progress.largest_n or 0) for n in stages)
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            f"stage N = {report.task.N} of {stages[-1]}", ProgressBar(len(stages), done, width=30), self._solved
        )
        words = [*_numbers(progress), *self._rate(), *self._estimate(), self._time_left()]
        return Group(title, bar, self._heads(progress), Text(", ".join(words)))

    def _heads(self, progress: Progress) -> RenderableType:
        report = progress.report
        scores = dict(zip(report.task.head_labels, report.scores.values(), strict=True))
        last = list(scores.items())[-SHOWN_HEADS:]
        cells = [Text(f"{label} {score:.3f}", style=self._colour(score)) for label, score in last]
        if others := list(scores.values())[:-SHOWN_HEADS]:
            cells.insert(0, Text(f"{len(others)} before: {min(others):.3f} or more", style=self._colour(min(others))))
        return Columns(cells, padding=(0, 2))

    def _colour(self, score: float) -> str:
        return "green" if score > self.plan.curriculum.threshold else "yellow" if score > 0.6 else "red"

    def _time_left(self) -> str:
        left = max(int(self.plan.settings.budget - self.spent - (time.monotonic() - self._began)), 0)
        words = f"{_duration(left)} of the budget left"
        if (most := self.plan.settings.steps) is not None and self.latest:
            words += f", {self.latest.report.steps} of {most} steps"
        return words

    def _estimate(self) -> list[str]:
        """When the last stage will be solved at the pace of the latest stages, as a list of at most one phrase."""
        if self.latest is None or len(self._solved_at) < 2:
            return []
        marks, stages = list(self._solved_at), self.plan.curriculum.stages()
        pace = (marks[-1] - marks[0]) / (len(marks) - 1)
        left = sum(n > (self.latest.largest_n or 0) for n in stages)
        # The present stage is assumed to take as long as the latest ones; after that time, its end is taken to be now.
        seconds = max(pace * left - (self.latest.seconds - marks[-1]), pace * (left - 1))
        return [f"N = {stages[-1]} in about {_duration(int(seconds))} at this pace"] if left else []

    def _rate(self) -> list[str]:
        (before, began), (update, now) = self._reports[0], self._reports[-1]
        return [f"{(update - before) / (now - began):.0f} updates/s"] if now > began else []


def _duration(seconds: int) -> str:
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def plain_line(progress: Progress, pace: Sequence[str]) -> str:
    """A report as one line of text that ends with the phrases in ``pace``."""
    report = progress.report
    scores = list(report.scores.values())
    stage = f"N = {report.task.N}{' solved' if report.solved else ''}"
    accuracy = f"accuracy {sum(scores) / len(scores):.3f} (last head {scores[-1]:.3f}, worst {min(scores):.3f})"
    return f"update {report.update}: {stage}, {accuracy}, {', '.join([*_numbers(progress), *pace])}"


def _numbers(progress: Progress) -> list[str]:
    report = progress.report
    words = [f"{name} {value:.3f}" for name, value in report.readings.items()]
    terms = [f"{name} {value:.3f}" for name, value in report.losses.items()] if len(report.losses) > 1 else []
    return [f"loss {report.loss:.3f}", *terms, *words, f"{progress.cpu_seconds:.1f} CPU s"]
