"""Tables and figures of the results, from the tables that are stored with the project: no number is typed."""

from __future__ import annotations

from pathlib import Path

from baselines.benchmark.budgets import BUDGETS, SOLVED, ladder
from baselines.benchmark.figure import WORDS, ladder_figure
from baselines.benchmark.ranking import rank
from baselines.benchmark.summary import stored_results, summary_row
from docs._pages.files import GENERATED, put, put_figure, table
from memory_envs import TASKS


def write(docs: Path) -> list[Path]:
    """Write the tables and figures that the pages of ``docs/results/`` include."""
    return [path for name in BUDGETS for path in write_ladder(docs / GENERATED, name)]


def write_ladder(folder: Path, budget_name: str) -> list[Path]:
    """The table and the figure of the stored results of a budget."""
    budget, rows = BUDGETS[budget_name], stored_results(budget_name)
    rungs = {task: ladder(task, budget.n_max) for task in TASKS}
    standings = rank(rows, rungs)
    lines = [[name.replace(" ", "\N{NO-BREAK SPACE}"), *cells] for name, *cells in (summary_row(one, rungs) for one in standings)]
    header = ["agent", *(WORDS.get(task, task) for task in rungs), "climbs", "IQM", "95 %"]
    minutes = sum(float(row["cpu_seconds"] or 0) for row in rows) / 60
    climbs, seeds = sum(len(one.climbs) for one in standings), sorted({int(row["seed"]) for row in rows})
    words = (
        f"Budget `{budget_name}`: {budget.steps:,} environment steps a rung, N up to {budget.n_max}, seeds "
        f"{', '.join(map(str, seeds))}, {budget.episodes:,} fresh trials to evaluate a rung. {climbs} climbs took "
        f"{minutes:.0f} CPU minutes.\n\n"
    )
    figure = ladder_figure(standings, rungs, f"The ladder of working memory, budget {budget_name}", SOLVED)
    return [
        put(folder / f"ladder-{budget_name}.md", words + table(header, lines)),
        put_figure(folder / f"ladder-{budget_name}.svg", figure),
    ]
