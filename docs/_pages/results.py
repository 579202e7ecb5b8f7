"""Tables and figures of the results, from the tables that are stored with the project: no number is typed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from baselines.benchmark.budgets import BUDGETS, SHORT_NAMES, SOLVED, ladder
from baselines.benchmark.figure import ladder_figure
from baselines.benchmark.ranking import rank
from baselines.benchmark.summary import stored_results, summary_row
from baselines.reproduction.tcr import results as tcr_results
from baselines.reproduction.tcr import summary as tcr_summary
from baselines.reproduction.tcr.conditions import GROUPS
from docs._pages.files import GENERATED, put, put_figure, table
from memory_envs import TASKS
from speed import ppo


def write(docs: Path) -> list[Path]:
    """Write the tables and figures that the pages of ``docs/results/`` include."""
    folder = docs / GENERATED
    folder.mkdir(exist_ok=True)
    ladders = [path for name in BUDGETS for path in write_ladder(folder, name)]
    return [*ladders, *write_speed(folder), *write_tcr(folder), write_reliability(folder)]


PPO_SPEED = {
    "environments": "environments",
    "hyperparameters": "hyperparameters",
    "model": "model",
    "steps/CPU s": "steps per CPU second",
    "ratio": "ratio",
    "least": "least",
    "most": "most",
    "turns": "turns",
}

STORED = Path(__file__).parents[2] / "speed" / "results"
"""Folder of the stored measurements."""

ATTEMPTS = Path(__file__).parents[2] / "tests" / "attack" / "results.csv"
"""Stored table of ``python -m tests.attack``."""

TABLES = {
    "training": {
        "row": "",
        "units": "units",
        "batch": "batch",
        "T": "T",
        "N": "N",
        "cpu_ms": "CPU ms",
        "share": "share of the floor's speed",
        "x_plain": "to the plain loop",
        "x_torch": "to `torch.nn`",
    },
    "streams": {
        "row": "",
        "units": "units",
        "T": "T",
        "N": "N",
        "cpu_ms": "CPU ms of an update",
        "share": "share of the floor's speed",
    },
    "time_to_n": {"N": "N", "seed": "seed", "cpu_s": "CPU seconds of training", "updates": "updates"},
    "ppo_speed_16": PPO_SPEED,
    "ppo_speed_64": PPO_SPEED,
    "ppo_learning": {
        name: name
        for name in (
            "task",
            "N",
            "cell",
            "learned",
            "steps, each seed",
            "CPU s, median",
            "accuracy or score at the end",
        )
    },
}
"""Stored table -> each column that is shown and its heading."""


def write_ladder(folder: Path, budget_name: str) -> list[Path]:
    """The table and the figure of the stored results of a budget."""
    budget, rows = BUDGETS[budget_name], stored_results(budget_name)
    rungs = {task: ladder(task, budget.n_max) for task in TASKS}
    standings = rank(rows, rungs)
    lines = [
        [name.replace(" ", "\N{NO-BREAK SPACE}"), *cells]
        for name, *cells in (summary_row(one, rungs) for one in standings)
    ]
    header = ["agent", *(SHORT_NAMES.get(task, task) for task in rungs), "climbs", "IQM", "95 %"]
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


def write_speed(folder: Path) -> list[Path]:
    """The tables of the measurements of speed, and the learning curves of PPO."""
    written = [put(folder / f"speed-{name}.md", stored_table(name)) for name in TABLES]
    written.append(put(folder / "speed-environments.md", environments_table(read("environments"))))
    curves = [row | {key: float(row[key]) for key in ("steps", "accuracy")} for row in read("ppo_curves")]
    ppo.draw([row | {"seed": int(row["seed"])} for row in curves], "DMS, N = 4", folder / "speed-ppo.png")
    return [*written, folder / "speed-ppo.png"]


def stored_table(name: str) -> str:
    """A stored table as it is, with the headings of ``TABLES`` for some of its columns."""
    rows, headings = read(name), TABLES[name]
    return table([headings[key] for key in headings], ([row[key] for key in headings] for row in rows))


def environments_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Million steps per CPU second: a row for each environment, a column for each number of copies."""

    def cell(subject: str, copies: str, column: str) -> str:
        values = [row[column] for row in rows if row["subject"] == subject and row["copies"] == copies]
        return "" if not values or not values[0] else values[0]

    def million(text: str) -> str:
        return f"{float(text) / 1e6:.3g}" if text else ""

    subjects = dict.fromkeys(
        row["subject"] for row in rows if row["form"] in ("scalar", "vector") and not row["x_dense"]
    )
    lines = []
    for one in subjects:
        rates = [million(cell(one, copies, "steps_per_cpu_s")) for copies in ("1", "64", "1024")]
        lines.append([one, *rates, cell(one, "1024", "x_cartpole"), cell(f"{one} (final)", "1024", "x_dense")])
    header = ["", "scalar", "64 copies", "1,024 copies", "to CartPole at 1,024", "final scoring, to dense"]
    return table(header, lines)


def write_tcr(folder: Path) -> list[Path]:
    """The tables of training with and without temporal consistency, one file a group of conditions, and the figure."""
    rows = tcr_results.read(STORED / "tcr.csv")
    groups = {name: tcr_summary.tables({name: conditions}, rows) for name, conditions in GROUPS.items()}
    tables = [put(folder / f"tcr-{name}.md", words + "\n") for name, words in groups.items()]
    return [*tables, tcr_summary.draw(GROUPS, rows, folder / "tcr.png")]


def write_reliability(folder: Path) -> Path:
    """The table of attempts to break the suite: how many of each kind were made, and how many held."""
    with ATTEMPTS.open(newline="", encoding="utf-8") as file:
        rows = [[f"`{row['kind']}`", row["what"], row["tried"], row["held"]] for row in csv.DictReader(file)]
    header = ["kind", "what was tried, and what must happen", "tried", "held"]
    return put(folder / "reliability.md", table(header, rows))


def read(name: str) -> list[dict[str, str]]:
    """The rows of a stored table."""
    with (STORED / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
