"""The figure of the geometry of learning."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.analysis import style
from baselines.analysis.tables import Table

_MANY = 3  # checkpoints from which on their course is drawn
_MEMORIES = (*style.COLOURS[:6], "#999999", "#882255")
"""Of memory states: without black, which is for points."""
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
    "slow": {"marker": "x", "color": "black", "s": 18, "label": "slow point"},
}


@style.styled
def draw(tables: dict[str, Table]) -> Figure:
    """The latest checkpoint in principal components, with its points; their eigenvalues, or the course of learning."""
    rows = tables["geometry"]
    run, n, update = rows["run"][-1], rows["N"][-1], rows["update"][-1]
    course = rows.where(run=run)
    latest = {name: tables[name].where(run=run, update=update) for name in ("trajectories", "points", "components")}
    several = len(course) >= _MANY
    figure = Figure(figsize=(15 if several else 9, 4.2), layout="constrained")
    grid = figure.add_gridspec(2, 3 if several else 2, width_ratios=[1.4, 1, 1] if several else [1.4, 1])
    figure.suptitle(f"{run}, N = {n}, update {update}", fontsize=10)
    _states(figure, grid[:, 0], latest)
    if not several:
        _eigenvalues(figure.add_subplot(grid[:, 1]), latest["points"])
        return figure
    loss = figure.add_subplot(grid[0, 1])
    _loss(loss, course, tables.get("changes"))
    for axes, columns, words in (
        (
            figure.add_subplot(grid[1, 1]),
            {"participation_ratio": "participation ratio", "dimension_90": "PCs for 90 %"},
            "dimensions",
        ),
        (
            figure.add_subplot(grid[0, 2]),
            {"stable": "stable", "unstable": "unstable", "slow": "slow, not fixed"},
            "points",
        ),
        (
            figure.add_subplot(grid[1, 2]),
            {"lyapunov_driven": "task's input", "lyapunov_held": "held input"},
            "largest Lyapunov\nexponent (1 / step)",
        ),
    ):
        for index, (column, label) in enumerate(columns.items()):
            axes.plot(course["update"], course[column].astype(float), label=label, **style.look(index))
        axes.set(xlabel="updates of training", ylabel=words)
        axes.legend()
        if "exponent" in words:
            axes.axhline(0, color="grey", ls=":", lw=0.8)
    return figure


def _states(figure: Figure, place: Any, latest: dict[str, Table]) -> None:
    """Trajectories coloured by memory state, and points; in space where eight memory states make a cube."""
    paths, points = latest["trajectories"], latest["points"]
    if not len(paths):
        style.missing(figure.add_subplot(place), "the activity has diverged")
        return
    labels = np.unique(paths["memory"][paths["memory"] >= 0])
    in_space = len(labels) > 4
    names = ["pc1", "pc2", "pc3"] if in_space else ["pc1", "pc2"]
    axes: Any = figure.add_subplot(place, projection="3d" if in_space else None)
    for (trial,) in paths.distinct("trial"):
        rows = paths.where(trial=trial)
        axes.plot(*(rows[name] for name in names), color="lightgrey", lw=0.6, zorder=0)
    for index, label in enumerate(labels):
        rows = paths.where(memory=label)
        colour = _MEMORIES[index % len(_MEMORIES)]
        axes.scatter(
            *(rows[name] for name in names), s=6, lw=0, color=colour, label=f"holds {label}" if not in_space else None
        )
    for kind, looks in _POINTS.items():
        rows = points.where(kind=kind)
        if len(rows):
            axes.scatter(*(rows[name] for name in names), zorder=5, **looks)
    shares = {i: latest["components"].where(component=i)["variance"] for i in (1, 2, 3)}
    for name, i in zip("xyz", range(1, len(names) + 1), strict=False):
        share = f" ({100 * shares[i][0]:.0f} % of variance)" if len(shares[i]) else ""
        getattr(axes, f"set_{name}label")(
            f"PC {i}{share}" if not in_space else f"PC {i}{share.replace(' of variance', '')}"
        )
    if in_space:  # the layout engine does not know of the labels of an axis in space
        axes.set_box_aspect(None, zoom=0.82)
        axes.view_init(elev=22, azim=-50)
    axes.set_title("states, coloured by what is held")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1) if not in_space else (-0.1, 1.0))


def _eigenvalues(axes: Axes, points: Table) -> None:
    """The three largest eigenvalues of each point in the complex plane."""
    angle = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(angle), np.sin(angle), color="grey", lw=0.8)
    for kind, looks in _POINTS.items():
        rows = points.where(kind=kind)
        if len(rows):
            real, imaginary = (
                np.concatenate([rows[f"eigenvalue{i}_{part}"].astype(float) for i in (1, 2, 3)])
                for part in ("real", "imaginary")
            )
            axes.scatter(real, imaginary, **looks | {"s": 14})
    axes.set_aspect("equal")
    axes.set(xlabel="real part", ylabel="imaginary part")
    axes.set_title("three largest eigenvalues at each point\n(inside the circle: stable)")
    if len(points):
        axes.legend(loc="center")


def _loss(axes: Axes, course: Table, changes: Table | None) -> None:
    """The loss, its fall, and restructuring events as marks above it, one row a measure."""
    axes.plot(course["update"], course["loss"], **style.look(0))
    axes.set(xlabel="updates of training", ylabel="loss (dashed: its fall)", yscale="log")
    own = None if changes is None or not len(changes) else changes.where(run=course["run"][0])
    if own is None:
        return
    middles = (own["since"] + own["update"]) / 2
    for x in np.unique(middles[own["fall"]]):
        axes.axvline(x, color="black", ls="--", lw=0.8)
    for index, (measure,) in enumerate(own.distinct("measure"), 1):
        at = middles[own["event"] & (own["measure"] == measure)]
        height = np.full(len(at), 1.04 + 0.06 * index)
        looks = style.look(index)
        axes.plot(at, height, ls="none", transform=axes.get_xaxis_transform(), clip_on=False, label=measure, **looks)
    axes.legend(title="jumps of", loc="center left", bbox_to_anchor=(1, 0.6), fontsize=7, title_fontsize=7)
