"""The figure of the analysis ``timescales``."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.analysis import comparison
from baselines.core import style
from baselines.core.statistics import over_networks
from baselines.core.tables import Table

TAU, TAU_NET = "$\\tau$", "$\\tau_{net}$"

WAY = "aic"
"""The way that is drawn: the published one. Of the other way the mean stands beside it."""

MIDDLE = (0.1, 0.9)
"""Shares of units at the ends of the band of tau. It lies where units are, unlike one of mean and deviation."""

SLOW = (1.0, np.inf)
"""Between these lie tau, and tau_net of the units that the filter keeps."""

LASTING = (0.0, np.inf)
"""Between these lies any timescale."""

KEPT = f"mean of {TAU_NET} above 1, without fits at the bound"


@style.styled
def draw(units: Table, summary: Table) -> Figure:
    """Of several N, tau, tau_net and counts of units over N; of one, the distributions of tau and tau_net."""
    units, published = units.where(way=WAY), summary.where(way=WAY)
    names = comparison.groups(summary)
    if len(summary.distinct("N")) == 1:
        return _distributions(units, published, names)
    if len(names) > 1:
        return _compared(published, names)
    return _over_n(units, summary)


def _panels() -> tuple[Figure, list[Axes]]:
    titles = [
        f"time constant of a unit, {TAU}",
        f"timescale of its activity, {TAU_NET}",
        "what became of the units",
    ]
    figure, panels = style.panels(titles, width=3.5, height=4.0)
    for axes, label in zip(panels, ("timescale (steps)", "timescale (steps)", "share of units"), strict=True):
        axes.set(xlabel="N of the checkpoint", ylabel=label)
    panels[0].axhline(1, color="grey", ls=":", lw=0.8)
    panels[2].set_ylim(-0.03, 1.03)
    return figure, panels


def _compared(published: Table, names: list[str]) -> Figure:
    """A line for each group of runs: the means over networks, and their intervals."""
    figure, (tau, tau_net, counts) = _panels()
    for index, group in enumerate(names):
        rows = published.where(group=group)
        looks = comparison.look(index, 0, True)
        if np.isfinite(rows["tau_mean"]).any():
            style.line(tau, over_networks(rows, ["N"], "tau_mean"), group, looks, "N", SLOW)
        style.line(tau_net, over_networks(rows, ["N"], "tau_net_mean"), group, looks, "N", SLOW)
        for kind, column in enumerate(("kept", "left_out")):
            summary = over_networks(rows, ["N"], column, per="units")
            style.line(counts, summary, group if not kind else "", comparison.look(index, kind, True), "N", style.SHARE)
    tau.set_title(f"time constant of a unit, {TAU}: mean")
    tau_net.set_title(f"timescale of its activity, {TAU_NET}:\nmean of those above 1, without fits at the bound")
    counts.set_title(f"units with {TAU_NET} above 1\n(dashed: of these, left out at the bound)")
    style.legend_of_all(figure)
    return figure


def _over_n(units: Table, summary: Table) -> Figure:
    figure, (tau, tau_net, counts) = _panels()
    published = summary.where(way=WAY)
    if np.isfinite(published["tau_mean"]).all():
        _band(tau, units, published)
        style.legend_below(tau)
    else:
        style.missing(tau, f"this cell has no {TAU}")
    for index, (column, words) in enumerate(
        [
            ("tau_net_mean", KEPT),
            ("tau_net_mean_published", "with them (published)"),
            ("tau_net_median", "median, without them"),
            ("tau_population", "of the mean activity"),
        ]
    ):
        looks = style.look(index) | ({"ls": "--"} if column.endswith("_published") else {})  # may hide the line before
        style.line(tau_net, over_networks(published, ["N"], column), words, looks, "N", LASTING)
    found = over_networks(summary.where(way="cross-validated"), ["N"], "tau_net_mean")
    style.line(tau_net, found, "mean, without them, cross-validated", style.look(4), "N", SLOW)
    style.legend_below(tau_net)
    _shares(counts, published)
    return figure


def _band(axes: Axes, units: Table, published: Table) -> None:
    """Draw mean and middle 80 % of tau over units against N; of several networks, over the units of all."""
    at = np.unique(units["N"])
    ends = np.array([np.quantile(units.where(N=n)["tau"].astype(float), MIDDLE) for n in at])
    style.line(axes, over_networks(published, ["N"], "tau_mean"), "mean", style.look(0), "N", SLOW)
    colour = style.look(0)["color"]
    axes.fill_between(at, ends[:, 0], ends[:, 1], color=colour, alpha=0.12, lw=0, label="middle 80 % of units")


def _shares(axes: Axes, published: Table) -> None:
    """Draw the shares of units that the filter keeps, that lie at a bound, and that have no fit."""
    for index, (column, words) in enumerate(
        [
            ("kept", f"{TAU_NET} above 1"),
            ("at_lower", "nothing left at lag 1"),
            ("left_out", "left out: at the upper bound"),
            ("failed", "fit failed"),
            ("silent", "silent"),
            ("diverged", "diverged"),
        ]
    ):
        if published[column].any():
            style.line(
                axes, over_networks(published, ["N"], column, per="units"), words, style.look(index), "N", style.SHARE
            )
    style.legend_below(axes)


def _distributions(units: Table, published: Table, names: list[str]) -> Figure:
    figure, (tau, tau_net, both) = style.panels(
        [
            f"time constant of a unit, {TAU}",
            f"timescale of its activity, {TAU_NET}",
            "one against the other",
        ],
        comparison.demands(units),
        width=3.5,
        height=3.8,
    )
    x, y = units["tau"].astype(float), units["tau_net"].astype(float)
    known = y[np.isfinite(y)]
    bins = {
        tau: np.linspace(np.nanmin(x), max(np.nanmax(x), np.nanmin(x) + 1e-3), 31) if np.isfinite(x).any() else x[:0],
        tau_net: np.geomspace(min(known.min(initial=1.0), 0.1), max(known.max(initial=10.0), 10.0), 30),
    }
    if not len(bins[tau]):
        style.missing(tau, f"this cell has no {TAU}")
    for index, group in enumerate(names):
        rows, colour = units.where(group=group), style.COLOURS[index % len(style.COLOURS)]
        x, y = rows["tau"].astype(float), rows["tau_net"].astype(float)
        for axes, values in ((tau, x), (tau_net, y)):
            values = values[np.isfinite(values)]
            if len(values) and len(bins[axes]):
                filled = {"histtype": "step", "lw": 1.4} if len(names) > 1 else {}
                weights = np.full(len(values), 1 / len(rows))
                axes.hist(values, bins=bins[axes].tolist(), weights=weights, color=colour, label=group, **filled)  # type: ignore[arg-type]
        looks: dict[str, Any] = {"color": colour if len(names) > 1 else style.COLOURS[1], "ls": "--"}
        mean = over_networks(published.where(group=group), ["group"], "tau_net_mean")["mean"][0]
        tau_net.axvline(float(mean), label=comparison.named(group, KEPT), **looks)
        both.scatter(x, y, s=8, color=colour, lw=0, alpha=0.6)
    left, fitted = int(published["left_out"].sum()), int(published["units"].sum())
    style.log_axis(tau_net.xaxis)
    style.log_axis(both.yaxis)
    tau.set(xlabel=f"{TAU} (steps)", ylabel="share of units")
    tau_net.set(xlabel=f"{TAU_NET} (steps); {left} of {fitted} fits end at the bound", ylabel="share of units")
    tau_net.axvline(1, color="grey", ls=":", lw=0.8)
    both.set(xlabel=f"{TAU} (steps)", ylabel=f"{TAU_NET} (steps)")
    style.legend_of_all(figure, 2)
    return figure
