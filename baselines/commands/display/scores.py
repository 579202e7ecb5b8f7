"""Tables of an agent's scores in the environment."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from baselines.evaluation import Evaluation

WIDTH = 90
"""The width of a table of scores, in characters."""


def print_scores(console: Console, played: Evaluation, *, memory: bool = False, lags: bool = False) -> None:
    """Print the tables of an evaluation. No digit is cut off, even if the terminal is narrower than the tables.

    Args:
        console: the console to print to.
        played: the evaluation.
        memory: also print the normalised score and the equivalent memory. They take seconds to compute for long trials
            of evidence accumulation.
        lags: also print accuracy by lag.
    """
    width = console.width
    console.width = max(width, WIDTH)
    console.print(score_table(played, memory), crop=False)
    if lags:
        console.print(lag_table(played), crop=False)
    console.width = width


def score_table(played: Evaluation, memory: bool = False) -> Table:
    """A table of the accuracy and the score of each head on fresh trials, with chance and the perfect score."""
    task = played.task
    title = f"{task.env_id}: {played.episodes} fresh trials of {task.num_steps} steps"
    table = _table(title, "head", "accuracy", "95 %", "score", "95 %", "chance", "perfect")
    limits = (f"{task.chance_score:.3f}", f"{task.perfect_score:.3f}")
    for label, accuracy in played.accuracy.items():
        interval = played.intervals[label]
        # The score of labels is 2 accuracy - 1. For real-valued answers only the mean return is known.
        points = ("", "") if task.real_valued else _words(2 * accuracy - 1, [2 * end - 1 for end in interval])
        table.add_row(label, *_words(accuracy, interval), *points, *limits)
    table.add_section()
    table.add_row("mean return", "", "", *_words(played.score, played.score_interval), *limits)
    if memory:
        normalised = _words(played.normalised, played.normalised_interval)
        table.add_row("normalised", "", "", *normalised, "", "1.000")
        low, high = played.equivalent_memory_interval
        steps = (f"{played.equivalent_memory:.2f}", f"{low:.2f}..{high:.2f}")
        table.add_row("memory (steps)", "", "", *steps, "0.0", f"{task.equivalent_memory(task.perfect_score):.1f}")
    return table


def lag_table(played: Evaluation) -> Table:
    """A table of accuracy by lag, the age in steps of the oldest input that an answer needs."""
    table = _table("accuracy by lag", "lag (steps)", "answers", "accuracy", "95 %")
    for lag in played.by_lag:
        table.add_row(str(lag.lag), str(lag.answers), *_words(lag.accuracy, lag.interval))
    return table


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for column in others:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _words(value: float, interval: Sequence[float]) -> tuple[str, str]:
    return f"{value:.4f}", f"{interval[0]:.3f}..{interval[1]:.3f}"
