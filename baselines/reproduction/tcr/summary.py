"""What the rows of tcr.py say: tables with intervals, and a figure.

A run that is not solved is censored: its time is at least the limit. Two summaries allow for that and drop nothing: the
median, given as "> limit" where the median run is unsolved, and the restricted mean, that of min(updates, limit). The
restricted mean cannot exceed the limit, so that its differences understate what a longer limit would show.

Intervals are for 95 %. Those of means are percentile bootstraps over seeds; differences are within seeds, which share
initial weights and trials. With five seeds a percentile bootstrap is too narrow (it covers some 80 to 85 %): take a
difference as found where its interval is far from 0 and all seeds agree. Those of shares are Wilson's, for the
bootstrap of 5 in 5 has no width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.core import style
from baselines.core.files import replace_file
from baselines.core.statistics import wilson
from baselines.reproduction.tcr.conditions import Condition
from baselines.reproduction.tcr.results import Rows, Run, runs_of

RESAMPLES = 10_000


Groups = Mapping[str, Sequence[Condition]]
Interval = tuple[float, float]


def bootstrap(values: Sequence[float]) -> Interval:
    """Percentile bootstrap interval of the mean of values (n,), from a generator of its own: always the same."""
    data: npt.NDArray[np.float64] = np.asarray(values, float)
    draws = np.random.default_rng(0).integers(0, len(data), (RESAMPLES, len(data)))
    low, high = np.percentile(data[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def censored_median(updates: Sequence[int], solved: Sequence[bool]) -> str:
    """The median of times of which those of unsolved runs are only known to be larger."""
    times = sorted(t if done else math.inf for t, done in zip(updates, solved, strict=True))
    middle = median(times)
    return f"> {max(updates)}" if math.isinf(middle) else f"{middle:.0f}"


def tables(groups: Groups, rows: Rows) -> str:
    """A Markdown table for each group, setting and limit of which there are runs, and the CPU time that they took."""
    parts = []
    for name, conditions in groups.items():
        measured: dict[str, list[str]] = {}
        for condition in conditions:
            if runs_of(condition, rows):
                heading = f"**{name}**: {condition.setting()}, at most {condition.limit} updates"
                measured.setdefault(heading, []).append(_line(condition, rows))
        for heading, lines in measured.items():
            heads = ["training", "solved", "median", "restricted mean", "with - without", "sooner / later", "plateau"]
            parts.append("\n".join([heading, "", _row(heads), "|---" * len(heads) + "|", *lines]))
    shown = {condition for conditions in groups.values() for condition in conditions}
    seconds = sum(run.cpu_seconds for (condition, _), run in rows.items() if condition in shown)
    return "\n\n".join([*parts, f"{seconds / 60:.0f} CPU minutes"])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _line(condition: Condition, rows: Rows) -> str:
    runs = runs_of(condition, rows)
    updates, solved = [run.updates for run in runs.values()], [run.solved for run in runs.values()]
    low, high = wilson(sum(solved) / len(solved), len(solved))
    left, right = bootstrap(updates)
    cells = [
        condition.training(),
        f"{sum(solved)} of {len(solved)} [{low:.2f}, {high:.2f}]",
        censored_median(updates, solved),
        f"{np.mean(updates):.0f} [{left:.0f}, {right:.0f}]",
    ]
    difference = paired(condition, rows)
    if condition.regularised and difference:
        left, right = bootstrap(difference)
        sooner, later = sum(d < 0 for d in difference), sum(d > 0 for d in difference)
        cells += [f"{np.mean(difference):+.0f} [{left:+.0f}, {right:+.0f}]", f"{sooner} / {later}"]
    else:
        cells += ["", ""]
    return _row([*cells, f"{median(run.plateau for run in runs.values()):.0f}"])


def paired(condition: Condition, rows: Rows) -> list[float]:
    """min(updates, limit) with the regulariser minus without, for each seed that both have."""
    runs, plain = runs_of(condition, rows), runs_of(condition.without(), rows)
    return [runs[seed].updates - plain[seed].updates for seed in runs if seed in plain]


@style.by({})
def draw(groups: Groups, rows: Rows, path: Path) -> Path:
    """Share solved, and restricted mean of the updates to the criterion, against g: one column a setting.

    Settings trained with one connection strength only are not drawn.
    """
    families: dict[Condition, list[Condition]] = {}
    for condition in dict.fromkeys(c for conditions in groups.values() for c in conditions):
        if "g" in condition.cell_args and runs_of(condition, rows):
            families.setdefault(replace(condition.without(), cell_args={}), []).append(condition)
    families = {k: v for k, v in families.items() if len({c.cell_args["g"] for c in v}) > 1}
    if not families:
        raise ValueError("nothing to draw: no setting was trained with more than one connection strength g")
    figure = Figure(figsize=(2.7 * len(families), 5), layout="constrained")
    panels = figure.subplots(2, len(families), squeeze=False, sharex="col")
    drawn = [c.regulariser() for members in families.values() for c in members]
    labels = sorted(set(drawn), key=lambda label: (label != "without", label))
    for column, (family, members) in enumerate(families.items()):
        top, bottom = panels[0, column], panels[1, column]
        top.set_title(f"{family.setting()}\n{family.updating() or 'adam'}".replace(" ", "\n", 1), fontsize=8)
        for index, label in enumerate(labels):
            some = sorted((c for c in members if c.regulariser() == label), key=lambda c: c.cell_args["g"])
            if some:
                shift = 0.04 * (index - len(labels) / 2)
                colour = "black" if label == "without" else f"C{index - 1}"
                _errorbars(top, some, rows, _share, label, colour, shift)
                _errorbars(bottom, some, rows, _restricted_mean, label, colour, shift)
        top.set(ylim=(-0.05, 1.05))
        bottom.set(ylim=(0, 1.05 * family.limit), xlabel="connection strength g")
        bottom.axhline(family.limit, color="grey", ls=":", lw=0.8)
    panels[0, 0].set_ylabel("share solved (Wilson 95 %)")
    panels[1, 0].set_ylabel("updates to criterion\n(restricted mean, bootstrap 95 %)")
    handles = {h.get_label(): h for panel in panels[0] for h in panel.get_legend_handles_labels()[0]}
    figure.legend([handles[label] for label in labels], labels, loc="outside lower center", ncols=6, frameon=False)
    replace_file(path, style.rendered(figure, "png", dpi=120))
    return path


def _share(runs: Sequence[Run]) -> tuple[float, Interval]:
    solved = sum(run.solved for run in runs)
    low, high = wilson(solved / len(runs), len(runs)).tolist()
    return solved / len(runs), (low, high)


def _restricted_mean(runs: Sequence[Run]) -> tuple[float, Interval]:
    updates = [run.updates for run in runs]
    return float(np.mean(updates)), bootstrap(updates)


def _errorbars(
    axes: Axes,
    conditions: Sequence[Condition],
    rows: Rows,
    summary: Callable[[Sequence[Run]], tuple[float, Interval]],
    label: str,
    colour: str,
    shift: float,
) -> None:
    """One line with intervals: a summary of each condition's runs against its g, moved aside a little."""
    strengths = [condition.cell_args["g"] + shift for condition in conditions]
    values, intervals = zip(*(summary(list(runs_of(c, rows).values())) for c in conditions), strict=True)
    errors = [[v - low for v, (low, _) in zip(values, intervals, strict=True)]]
    errors += [[high - v for v, (_, high) in zip(values, intervals, strict=True)]]
    axes.errorbar(strengths, values, np.maximum(errors, 0), label=label, color=colour, marker="o", ms=4, lw=1.2)
