"""The figure of ablations."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.analysis import style
from baselines.analysis.intervals import over_networks
from baselines.analysis.tables import Table


@style.styled
def draw(tables: dict[str, Table]) -> Figure:
    """Relative accuracy with one unit ablated (or its mean over N), and with groups of the largest N."""
    table = tables["ablation"]
    largest = table.where(N=table["N"].max())
    title = f"ablation, {table['way'][0]}"
    several = len(table.distinct("N")) > 1
    figure, (single, groups) = style.panels(["one unit at a time", f"groups, N = {table['N'].max()}"], title, width=3.8)
    ones = table.where(count=1)
    for index, (selection,) in enumerate(table.distinct("selection")):
        chosen = ones.where(selection=selection)
        if len(chosen) and several:
            style.line(single, over_networks(chosen, ["N"], "relative"), selection, index)
        elif len(chosen):
            _units(single, chosen, selection, index)
        style.line(
            groups, over_networks(largest.where(selection=selection), ["count"], "relative"), selection, index, "count"
        )
    if several:
        single.set_xlabel("N of the checkpoint")
        single.legend(title="units")
    else:
        black = " and 95 % interval over networks" if len(table.distinct("run")) > 1 else ""
        names = [selection for (selection,) in table.distinct("selection")]
        single.set_xticks(range(len(names)), names)
        single.set(xlabel="units", xlim=(-0.5, len(names) - 0.5))
        single.set_title(f"one unit at a time, N = {table['N'].max()}\n(black: mean{black})")
    groups.set(xlabel="units ablated at once", xscale="log")
    groups.set_xticks(np.unique(largest["count"]).tolist(), [str(n) for n in np.unique(largest["count"])])
    groups.minorticks_off()
    groups.legend(title="units")
    for axes in (single, groups):
        axes.set_ylabel(style.RELATIVE)
        axes.axhline(1, color="grey", ls=":", lw=0.8)
        axes.axhline(0, color="grey", ls=":", lw=0.8)
    return figure


def _units(axes: Axes, chosen: Table, selection: str, index: int) -> None:
    """A dot for each unit; the mean, and its interval where there are several networks."""
    spread = np.linspace(-0.25, 0.25, len(chosen))
    axes.scatter(index + spread, chosen["relative"], s=12, alpha=0.6, lw=0, color=style.look(index)["color"])
    (mean, low, high) = (over_networks(chosen, ["selection"], "relative")[name][0] for name in ("mean", "low", "high"))
    axes.plot([index - 0.3, index + 0.3], [mean, mean], color="black", lw=1.5)
    if np.isfinite(low):
        axes.errorbar([index], [mean], [[mean - low], [high - mean]], color="black", capsize=3)
