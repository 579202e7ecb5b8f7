"""The result of a ladder beside the stored baselines: its summary table and its picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.benchmark.ranking import Rungs, Standing, rank
from baselines.core.files import replace_files
from baselines.core.tables import Column, Table, read_csv

LADDER = (
    Column("agent", "name of the contestant"),
    Column("method", "how it was trained: agent (by itself), ppo or bptt"),
    Column("stored", "1 for results that come with the project, 0 for this folder's"),
    Column("task", "short name, or all"),
    Column("climbs", "seeds of the task, or seeds times tasks"),
    Column("unfinished", "climbs that are not over: their numbers can only grow"),
    Column("faults", "climbs that ended in an error or a timeout"),
    Column("largest_n", "largest N solved, 0 if none: median over seeds", "steps"),
    Column("largest_n_by_seed", "the same of each seed", "steps"),
    Column(
        "ladder_score",
        "mean over all rungs of the clipped normalised score, rungs not reached counting 0; mean over seeds, for all "
        "tasks interquartile mean over seeds and tasks",
    ),
    Column("low", "lower end of the 95 % interval of the interquartile mean: bootstrap of seeds within tasks"),
    Column("high", "upper end of it"),
)


def write_summary(
    results: Iterable[Mapping[str, Any]],
    folder: Path,
    budget_name: str,
    rungs: Rungs,
    solved: float,
) -> list[Standing]:
    """Write ``ladder.csv``, ``ladder.png`` and ``ladder.svg`` into a folder.

    Args:
        results: rows with the columns of ``results.csv``.
        folder: a folder that exists.
        budget_name: the name of the budget; the stored results of that budget stand beside these, where there are any.
        rungs: task -> each N of its ladder with this budget, for the tasks that were played.
        solved: the least normalised score that solves a rung.

    Returns:
        The contestants and the stored baselines, the best first.

    Raises:
        ValueError: there are no results, or one is not on the ladder.
        RunError: the folder cannot be written.
    """
    from baselines.benchmark.figure import ladder_figure  # matplotlib
    from baselines.core import style

    own = rank(results, rungs)
    if not own:
        raise ValueError("results must have a row, got none")
    beside = rank((row for row in stored_results(budget_name) if row["task"] in rungs), rungs, stored=True)
    standings = sorted([*own, *beside], key=lambda one: (-one.iqm, one.name))
    figure = ladder_figure(standings, rungs, f"The ladder of working memory, budget {budget_name}", solved)
    table = {folder / "ladder.csv": ladder_table(standings, rungs).to_csv().encode()}
    replace_files(table | style.files_of(figure, folder / "ladder"))
    return standings


def stored_results(budget_name: str) -> list[dict[str, str]]:
    """The rows of the baselines that come with the project for this budget; empty where there are none."""
    stored = {path.stem: path for path in Path(__file__).parent.glob("*.csv")}
    return read_csv(stored[budget_name]) if budget_name in stored else []


def ladder_table(standings: Sequence[Standing], rungs: Rungs) -> Table:
    """A row for each contestant and task, and one for all its tasks together; the columns are ``LADDER``."""
    table = Table(LADDER)
    for one in standings:
        named = {"agent": one.agent, "method": one.method, "stored": int(one.stored)}
        for task in [*rungs, "all"]:
            climbs = list(one.climbs) if task == "all" else one.on(task)
            if not climbs:
                continue
            numbers: dict[str, Any] = {"largest_n": math.nan, "largest_n_by_seed": "", "ladder_score": one.iqm}
            low, high = one.interval
            if task != "all":
                numbers = {
                    "largest_n": one.largest_n(task),
                    "largest_n_by_seed": " ".join(str(climb.largest_n) for climb in climbs),
                    "ladder_score": sum(climb.score for climb in climbs) / len(climbs),
                }
                low = high = math.nan
            table.add(
                **named,
                task=task,
                climbs=len(climbs),
                unfinished=sum(not climb.ended for climb in climbs),
                faults=sum(bool(climb.fault) for climb in climbs),
                **numbers,
                low=low,
                high=high,
            )
    return table


def summary_row(one: Standing, rungs: Rungs) -> list[str]:
    """A contestant's row of the printed table: its name, largest N of each task, climbs, interquartile mean, interval.

    Where seeds differ, the values of all seeds follow the median in brackets.
    """
    cells = []
    for task in rungs:
        each = [climb.largest_n for climb in one.on(task)]
        median = f"{one.largest_n(task):g}" if each else "-"
        cells.append(median if len(set(each)) < 2 else f"{median} ({' '.join(map(str, each))})")
    low, high = one.interval
    interval = "" if math.isnan(low) else f"{low:.3f}..{high:.3f}"
    return [one.name, *cells, str(len(one.climbs)), f"{one.iqm:.3f}", interval]
