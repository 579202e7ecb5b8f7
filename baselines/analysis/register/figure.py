"""The figure of the analysis ``register``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from baselines.analysis import comparison
from baselines.core import style
from baselines.core.statistics import over_networks
from baselines.core.tables import Table

Floats = npt.NDArray[np.float64]

SHOWN = {"last": "last update", "averaged": "averaged"}
"""Kinds of weights -> what the legend says."""

ENOUGH = 10
"""Errors of the head before, from which on the share is drawn that they pass on."""


@style.styled
def draw(tables: dict[str, Table]) -> Figure:
    """Maps of one network, the first one with the largest N, and lines for each group at its largest N."""
    largest = {name: comparison.largest(table) for name, table in tables.items()}
    register = largest["register"]
    (run, n), *_ = sorted(register.distinct("run", "N"), key=lambda one: -one[1])
    one = {name: table.where(run=run, N=n) for name, table in largest.items()}
    update = one["register"]["update"].max()  # of several checkpoints at this N, the last
    one = {name: table.where(update=update) for name, table in one.items()}
    names = comparison.groups(register)
    rows = 0.25 * -(-len(names) // 3) if len(names) > 1 else 0.0
    figure = Figure(figsize=(13.6, 7.6 + rows), layout="constrained")
    # A part for each panel: each has a legend of its own below it.
    heights = [3.4, 4.2, *([rows] if rows else [])]
    parts = np.atleast_1d(np.array(figure.subfigures(len(heights), 1, height_ratios=heights)))
    panels = np.array([[part.subplots() for part in row.subfigures(1, 4)] for row in parts[:2]])
    of_one = f"{run}, N = {n}" if len(register) > 1 else f"N = {n}"
    _units(panels[0, 0], one["units"], of_one)
    _map(
        panels[0, 1], one["matrix"], "flipped", "head whose answer changes", "place flipped", "share of answers changed"
    )
    _map(panels[0, 2], one["matrix"], "by_patterns", "place led to", "place led from", "share of squared lengths")
    _map(
        panels[0, 3], one["matrix"], "by_units", "place led to", "place led from (0: none)", "share of squared weights"
    )
    _decoding(panels[1, 0], largest["decoding"])
    _places(panels[1, 1], largest["places"])
    _errors(panels[1, 2], largest["errors"])
    _passed_on(panels[1, 3], largest["errors"])
    for axes, words in zip(
        panels.flat,
        (
            "what single units hold",
            "one step after a flip",
            "weights, by patterns",
            "weights, by units",
            "linear readout of all units",
            "units a place",
            "errors along the chain",
            "one step after the head before",
        ),
        strict=True,
    ):
        axes.set_title(words)
    if rows:  # the names of groups are long: one legend, in the part below all panels, has them
        handles = [Line2D([], [], **style.look(i)) for i in range(len(names))]
        figure.legend(handles, names, loc="lower center", ncols=min(3, len(names)))
    return figure


def _units(axes: Axes, table: Table, words: str) -> None:
    """A map of the share of variance by place and unit, units sorted by their best place."""
    places, units = np.unique(table["place"]), np.unique(table["unit"])
    shares = table["share"].astype(float).reshape(len(units), len(places))
    order = np.lexsort((-shares.max(1), shares.argmax(1)))
    image = axes.imshow(
        shares[order].T,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        vmin=0,
        vmax=1,
        extent=(0, len(units), places[0] - 0.5, places[-1] + 0.5),
    )
    _bar(axes, image, "share of the unit's variance")
    axes.set(xlabel=f"unit, sorted ({words})", ylabel="place")


def _map(axes: Axes, table: Table, column: str, y: str, x: str, words: str) -> None:
    """A map of a column of ``matrix`` by source and target; grey where it is empty."""
    targets, sources = np.unique(table["target"]), np.unique(table["source"])
    values = table[column].astype(float).reshape(len(targets), len(sources))
    image = axes.imshow(
        values,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        vmin=0,
        vmax=1,
        extent=(sources[0] - 0.5, sources[-1] + 0.5, targets[0] - 0.5, targets[-1] + 0.5),
    )
    axes.set_facecolor("lightgrey")
    _bar(axes, image, words)
    axes.set(xlabel=x, ylabel=y)
    if np.isnan(values).all():
        style.missing(axes, "none are known")


def _bar(axes: Axes, image: AxesImage, words: str) -> None:
    axes.figure.colorbar(image, ax=axes, label=words)


def _lines(
    axes: Axes, table: Table, x: str, cases: list[tuple[Table, str, str]], within: style.Bounds = (0.0, float("inf"))
) -> None:
    """Lines of means over networks: for each group one of each case, (rows, column, label)."""
    names = comparison.groups(table)
    drawn = dict.fromkeys(range(len(cases)), False)
    for i, group in enumerate(names):
        for j, (rows, column, label) in enumerate(cases):
            known = rows.where(group=group)
            known = known.keep(np.isfinite(known[column].astype(float)))
            if len(known):
                looks = comparison.look(i, j, len(names) > 1)
                style.line(axes, over_networks(known, [x], column), "" if len(names) > 1 else label, looks, x, within)
                drawn[j] = True
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(names) > 1:
        for j, (_, _, label) in enumerate(cases):
            if drawn[j]:
                axes.plot([], [], color="grey", ls=comparison.DASHES[j], label=label)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.figure.legend(handles, labels, loc="outside lower center", ncols=2)


def _decoding(axes: Axes, table: Table) -> None:
    words = {"answer": "answer for k", "previous": "for k - 1, a step ago", "bit": "bit of k steps ago"}
    cases = [(table.where(kind=kind), "accuracy", label) for kind, label in words.items()]
    _lines(axes, table, "number", cases, style.SHARE)
    axes.axhline(0.5, color="grey", ls=":", lw=0.8)
    axes.set(xlabel="k", ylabel="accuracy on other trials", ylim=(0.45, 1.02))


def _places(axes: Axes, table: Table) -> None:
    words = {"units_effective": "share in it", "units_read": "its readout rests on", "units": "hold it"}
    _lines(axes, table, "place", [(table, column, label) for column, label in words.items()])
    axes.set(xlabel="place", ylabel="units (participation ratio, or number)", ylim=(0, None))


def _errors(axes: Axes, table: Table) -> None:
    _lines(axes, table, "head", [(table.where(weights=kind), "error", label) for kind, label in SHOWN.items()])
    axes.set(xlabel="head k", ylabel="share of wrong answers", xlim=(0, table["head"].max() + 1))
    if (table["error"] > 0).any():
        axes.set_yscale("log", nonpositive="mask")


def _passed_on(axes: Axes, table: Table) -> None:
    """Error rates after a wrong and after a right answer of the head before, with the weights that were tested."""
    averaged = {run for (run,) in table.where(weights="averaged").distinct("run")}
    last = np.array([run not in averaged for run in table["run"]])
    tested = table.keep((table["weights"] == "averaged") | last)
    words = {"after_wrong": "it was wrong", "after_right": "it was right"}
    enough = tested.keep(tested["before_wrong"] >= ENOUGH)
    _lines(axes, tested, "head", [(enough, column, label) for column, label in words.items()], style.SHARE)
    axes.set(xlabel="head k", ylabel="share of wrong answers", ylim=(-0.03, 1.03))
    axes.set_xlim(0, table["head"].max() + 1)
    if not axes.lines:
        style.missing(axes, f"no head has\n{ENOUGH} errors")
