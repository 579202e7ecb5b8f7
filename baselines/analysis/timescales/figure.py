"""The figure of the analysis ``timescales``."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.core import style
from baselines.core.statistics import over_networks
from baselines.core.tables import Table

TAU, TAU_NET = "$\\tau$", "$\\tau_{net}$"

WAY = "aic"
"""The way that is drawn: the published one. Of the other way the mean stands beside it."""


@style.styled
def draw(units: Table, summary: Table) -> Figure:
    """Of several N, tau, tau_net and counts of units over N; of one, the distributions of tau and tau_net."""
    return _over_n(summary) if len(summary.distinct("N")) > 1 else _distributions(units, summary)


def _over_n(summary: Table) -> Figure:
    figure, (tau, tau_net, counts) = style.panels(
        [
            f"time constant of a unit, {TAU}",
            f"timescale of its activity, {TAU_NET}",
            "what became of the units",
        ],
        width=3.5,
        height=3.9,
    )
    published = summary.where(way=WAY)
    if np.isfinite(published["tau_mean"]).all():
        _band(tau, published, "tau_mean", "tau_sd", "mean, SD over units", 0)
        tau.axhline(1, color="grey", ls=":", lw=0.8)
        style.legend_below(tau)
    else:
        style.missing(tau, f"this cell has no {TAU}")
    for index, (column, words) in enumerate(
        [
            ("tau_net_mean", "mean of kept (published)"),
            ("tau_net_median", "median of kept"),
            ("tau_population", "of the mean activity"),
        ]
    ):
        style.line(tau_net, over_networks(published, ["N"], column), words, index, "N")
    style.line(
        tau_net,
        over_networks(summary.where(way="cross-validated"), ["N"], "tau_net_mean"),
        "mean of kept, cross-validated",
        3,
        "N",
    )
    style.legend_below(tau_net)
    _shares(counts, published)
    for axes in (tau, tau_net):
        axes.set(xlabel="N of the checkpoint", ylabel="timescale (steps)")
    return figure


def _band(axes: Axes, table: Table, mean: str, sd: str, label: str, index: int) -> None:
    """Draw mean and standard deviation over units against N; of several networks, the averages of both."""
    at = np.unique(table["N"])
    middle, reach = (np.array([table.where(N=n)[name].mean() for n in at]) for name in (mean, sd))
    axes.plot(at, middle, label=label, **style.look(index))
    axes.fill_between(at, middle - reach, middle + reach, color=style.look(index)["color"], alpha=0.2, lw=0)


def _shares(axes: Axes, published: Table) -> None:
    """Draw the shares of units that the filter keeps, that lie at a bound, and that have no fit."""
    for index, (column, words) in enumerate(
        [
            ("kept", f"{TAU_NET} above 1 (kept)"),
            ("at_lower", "nothing left at lag 1"),
            ("at_upper", "fit at its upper bound"),
            ("failed", "fit failed"),
            ("silent", "silent"),
            ("diverged", "diverged"),
        ]
    ):
        if published[column].any():
            style.line(axes, over_networks(published, ["N"], column, per="units"), words, index, "N")
    axes.set(xlabel="N of the checkpoint", ylabel="share of units", ylim=(-0.03, 1.03))
    style.legend_below(axes, 2)


def _distributions(units: Table, summary: Table) -> Figure:
    figure, (tau, tau_net, both) = style.panels(
        [
            f"time constant of a unit, {TAU}",
            f"timescale of its activity, {TAU_NET}",
            "one against the other",
        ],
        width=3.5,
    )
    published = units.where(way=WAY)
    x, y = published["tau"].astype(float), published["tau_net"].astype(float)
    if np.isfinite(x).any():
        tau.hist(x[np.isfinite(x)], bins=30, color=style.COLOURS[0])
    else:
        style.missing(tau, f"this cell has no {TAU}")
    known = y[np.isfinite(y)]
    bins = np.geomspace(min(known.min(initial=1.0), 0.1), max(known.max(initial=10.0), 10.0), 30).tolist()
    tau_net.hist(known, bins=bins, color=style.COLOURS[0])
    tau_net.set_xscale("log")
    tau_net.axvline(1, color="grey", ls=":", lw=0.8)
    for index, column in enumerate(("tau_net_mean", "tau_net_median"), 1):
        words = column.removeprefix("tau_net_") + " above 1"
        tau_net.axvline(float(np.mean(summary.where(way=WAY)[column])), color=style.COLOURS[index], label=words)
    tau_net.legend()
    both.scatter(x, y, s=8, color=style.COLOURS[0], lw=0)
    both.set_yscale("log")
    tau.set(xlabel=f"{TAU} (steps)", ylabel="units")
    tau_net.set(xlabel=f"{TAU_NET} (steps)", ylabel="units")
    both.set(xlabel=f"{TAU} (steps)", ylabel=f"{TAU_NET} (steps)")
    return figure
