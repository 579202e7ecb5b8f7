"""The figure of the analysis ``geometry``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.analysis import comparison
from baselines.analysis.geometry.restructuring import LEAST_PAIRS, MEASURES
from baselines.core import style
from baselines.core.statistics import over_networks
from baselines.core.tables import Table
from baselines.core.text import for_figure

_MANY = 3  # with so many checkpoints or more, their course is drawn
_MEMORIES = (*style.COLOURS[:6], "#999999", "#882255")
"""Colours of memory states. Black is left out: it is the colour of points."""
_POINTS: dict[str, dict[str, Any]] = {
    "stable": {
        "marker": "o",
        "facecolors": "black",
        "edgecolors": "white",
        "lw": 0.7,
        "s": 42,
        "label": "stable fixed point",
    },
    "unstable": {"marker": "o", "facecolors": "none", "edgecolors": "black", "s": 30, "label": "unstable fixed point"},
    "slow": {"marker": "x", "color": "#555555", "s": 9, "lw": 0.8, "label": "slow point"},
}


@style.styled
def draw(tables: dict[str, Table]) -> Figure:
    """The latest checkpoint in principal components, with its points; beside it their eigenvalues, or the course.

    Of one or two checkpoints the eigenvalues at the points are drawn, of more the course of learning: of several runs
    the means over them on their common updates, with 95 % intervals, and the latest checkpoint of the last one.
    """
    rows = tables["geometry"]
    run, n, update = rows["run"][-1], rows["N"][-1], rows["update"][-1]
    course = tables.get("course", rows.where(run=run))
    runs = len(course.distinct("run"))
    latest = {name: tables[name].where(run=run, update=update) for name in ("trajectories", "points", "components")}
    several = len(course.distinct("update")) >= _MANY
    width = 15.0 if several else 9.5
    # Placed by hand: the layout engine overlooks the labels of axes in space.
    figure = Figure(figsize=(width, 4.8))
    groups = comparison.groups(course)
    which = f"{runs} runs" if len(groups) == 1 else f"the runs of each group, {runs} in all"
    over = f"; the course: means over {which} (grey: one has ended)" if several and runs > 1 else ""
    figure.suptitle(f"{for_figure(run)}, N = {n}, update {update}{over}", fontsize=10)
    _states(figure, width, latest)
    grid = figure.add_gridspec(
        2, 3, left=6.1 / width, right=1 - 0.2 / width, bottom=0.12, top=0.86, wspace=0.4, hspace=0.48
    )
    if not several:
        _eigenvalues(figure.add_subplot(grid[:, :]), latest["points"])
        return figure
    changes = tables.get("changes", Table([]))
    _loss(figure.add_subplot(grid[0, 0]), course, changes)
    _events(figure.add_subplot(grid[1, 0]), course, changes)
    for place, columns, words, within in _COURSES:
        axes = figure.add_subplot(grid[place])
        for index, (column, label) in enumerate(columns.items()):
            _curve(axes, course, column, label, index, within)
        axes.set(xlabel="updates of training", ylabel=words)
        if len(columns) > 1:
            legend = axes.legend(
                loc="lower center", bbox_to_anchor=(0.5, 0.97), ncols=2, columnspacing=0.8, fontsize=7, handlelength=2.5
            )
            for handle in legend.get_lines() if len(groups) > 1 else ():  # colours and markers are the groups'
                handle.set(color="black", marker="none")
        if "exponent" in words:
            axes.axhline(0, color="grey", ls=":", lw=0.8)
    return figure


BY_GROUP = "by group"
"""The label of a line that is called by its group of runs."""

_COURSES: list[tuple[tuple[int, int], dict[str, str], str, style.Bounds]] = [
    (
        (0, 1),
        {"participation_ratio": "participation ratio", "dimension_90": "PCs for 90 % of variance"},
        "dimensions",
        (1.0, math.inf),
    ),
    ((1, 1), {"stable": ""}, "stable fixed points", (0.0, math.inf)),
    ((0, 2), {"separation": ""}, "memory states:\ndistance / spread within", (0.0, math.inf)),
    (
        (1, 2),
        {"lyapunov_driven": "task's input", "lyapunov_held": "held input"},
        "largest Lyapunov\nexponent (1 / step)",
        (-math.inf, math.inf),
    ),
]
"""The panels of the course of learning: place, columns and their labels, label of the y axis, least and largest value
that there can be."""


def _states(figure: Figure, width: float, latest: dict[str, Table]) -> None:
    """Draw trajectories, coloured by memory state, and points; in space if more than four memory states occur."""
    paths, points = latest["trajectories"], latest["points"]
    labels = np.unique(paths["memory"][paths["memory"] >= 0]) if len(paths) else np.zeros(0)
    in_space = len(labels) > 4
    place = (0.1 / width, 0.12, 5.0 / width, 0.78) if in_space else (0.7 / width, 0.2, 4.3 / width, 0.66)
    axes: Any = figure.add_axes(place, projection="3d" if in_space else None)
    if not len(paths):
        style.missing(axes, "the activity has diverged")
        return
    names = ["pc1", "pc2", "pc3"] if in_space else ["pc1", "pc2"]
    for (trial,) in paths.distinct("trial"):
        rows = paths.where(trial=trial)
        axes.plot(*(rows[name] for name in names), color="lightgrey", lw=0.6, zorder=0)
    for index, label in enumerate(labels):
        rows = paths.where(memory=label)
        colour = _MEMORIES[index % len(_MEMORIES)]
        axes.scatter(*(rows[name] for name in names), s=6, lw=0, color=colour, label=f"holds {rows['holds'][0]}")
    flat = {"depthshade": False} if in_space else {}
    for kind, looks in reversed(_POINTS.items()):
        rows = points.where(kind=kind)
        if len(rows):
            axes.scatter(*(rows[name] for name in names), zorder=5, **looks, **flat)
    for name, i in zip("xyz", range(1, len(names) + 1), strict=False):
        shares = latest["components"].where(component=i)["variance"]
        share = f" ({100 * shares[0]:.0f} % of variance)" if len(shares) else ""
        getattr(axes, f"set_{name}label")(
            f"PC {i}{share}" if not in_space else f"PC {i}{share.replace(' of variance', '')}"
        )
    if in_space:
        axes.computed_zorder = False  # points lie over states
        axes.set_box_aspect(None, zoom=0.85)
        axes.view_init(elev=22, azim=-50)
    axes.set_title("states, coloured by what is held")
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower left",
        bbox_to_anchor=(0.1 / width, 0.0),
        ncols=4 if in_space else 3,
        columnspacing=0.8,
        handletextpad=0.2,
        fontsize=7,
    )


def _eigenvalues(axes: Axes, points: Table) -> None:
    """Draw the three largest eigenvalues of each point in the complex plane."""
    angle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(angle), np.sin(angle), color="grey", lw=0.8)
    for kind, looks in reversed(_POINTS.items()):
        rows = points.where(kind=kind)
        if len(rows):
            real, imaginary = (
                np.concatenate([rows[f"eigenvalue{i}_{part}"].astype(float) for i in (1, 2, 3)])
                for part in ("real", "imaginary")
            )
            # Complex ones come in pairs, of which the third by size may be one half.
            pair = imaginary != 0
            real, imaginary = np.append(real, real[pair]), np.append(imaginary, -imaginary[pair])
            axes.scatter(real, imaginary, **looks | {"s": 14})
    axes.set_aspect("equal")
    axes.set(xlabel="real part", ylabel="imaginary part")
    axes.set_title("three largest eigenvalues at each point, with their\nconjugates (inside the circle: stable)")


def _loss(axes: Axes, course: Table, changes: Table) -> None:
    """Draw the loss, and where it falls most."""
    _curve(axes, course, "loss", BY_GROUP, 0, (0.0, math.inf))
    if len(comparison.groups(course)) > 1:
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 0.97), ncols=2, columnspacing=0.8, fontsize=7)
    axes.set(xlabel="updates of training", ylabel="loss (dashed: its fall)")
    style.log_axis(axes.yaxis)
    _mark_falls(axes, changes)


def _events(axes: Axes, course: Table, changes: Table) -> None:
    """Draw restructuring events, one row a measure."""
    if len(course.distinct("update")) <= LEAST_PAIRS:
        style.missing(axes, f"needs {LEAST_PAIRS + 1}\ncheckpoints")
    for index, measure in enumerate(MEASURES):
        if len(changes):
            own = changes.where(measure=measure, event=True)
            at = (own["since"] + own["update"]) / 2 if len(own) else np.zeros(0)
            colour = {"color": "black"} if len(comparison.groups(course)) > 1 else {}  # colours are the groups'
            axes.plot(at, np.full(len(at), index), ls="none", **style.look(index) | colour)
    axes.set_yticks(range(len(MEASURES)), list(MEASURES))
    axes.set(xlabel="updates of training", ylabel="jumps of", ylim=(-0.6, len(MEASURES) - 0.4))
    axes.set_xlim(*np.array([-0.05, 1.05]) * float(course["update"].max()))
    _mark_falls(axes, changes)


def _curve(axes: Axes, course: Table, column: str, label: str, index: int, within: style.Bounds) -> None:
    """Draw a column against updates: of several runs the mean with its interval, in grey where one has ended.

    Of several groups of runs each has a line in its colour; ``label`` stands for those of the first.
    """
    known = course.keep(np.isfinite(course[column].astype(float)))
    names = comparison.groups(course)
    for number, group in enumerate(names):
        if len(rows := known.where(group=group)):
            looks = comparison.look(number, index, len(names) > 1)
            words = label if label == BY_GROUP or not number else ""
            words = group if words == BY_GROUP else words
            style.line(axes, over_networks(rows, ["update"], column), words, looks, "update", within)
    if "held" in {column.name for column in course.columns} and course["held"].any() and index == 0:
        held = course.where(held=True)["update"]
        axes.axvspan(float(held.min()), float(course["update"].max()), color="#eeeeee", zorder=0, lw=0)


def _mark_falls(axes: Axes, changes: Table) -> None:
    if len(changes):
        falls = changes.where(fall=True)
        for x in np.unique((falls["since"] + falls["update"]) / 2) if len(falls) else ():
            axes.axvline(x, color="black", ls="--", lw=0.8)
