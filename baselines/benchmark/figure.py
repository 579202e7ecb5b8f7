"""The picture of a ladder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from baselines.benchmark.budgets import SHORT_NAMES
from baselines.benchmark.ranking import ClimbResult, Rungs, Standing, mean_curve
from baselines.core import style
from memory_envs import make_task


@style.styled
def ladder_figure(standings: Sequence[Standing], rungs: Rungs, title: str, solved: float) -> Figure:
    """Largest N solved per task, interquartile mean of ladder scores, and normalised score against N.

    Args:
        standings: the contestants, the best first, one row each; a row in the middle and its line on the right have
            the same colour, which no other has, and marker. The legend names them.
        rungs: the rungs of the budget.
        title: the title of the figure.
        solved: the least normalised score that solves a rung.
    """
    rows, tasks = len(standings), list(rungs)
    figure = Figure(figsize=(14.2, 2.1 + max(1.6, 0.36 * rows)), layout="constrained")
    table, means, curves = figure.subplots(1, 3, width_ratios=[0.9 * len(tasks), 3.2, 4.4])
    figure.suptitle(title, fontsize=10)
    _draw_largest(table, standings, rungs, tasks)
    _draw_means(means, standings)
    _draw_curves(curves, standings, rungs, solved)
    return figure


def _look_of_row(index: int, rows: int, stored: bool) -> dict[str, Any]:
    """Colour and marker of a row; no other row has its colour."""
    marker = style.MARKERS[index % len(style.MARKERS)]
    return {"color": style.distinct(rows)[index], "marker": marker, "mfc": "white" if stored else None}


def _draw_largest(axes: Axes, standings: Sequence[Standing], rungs: Rungs, tasks: list[str]) -> None:
    top = math.log2(max(max(own) for own in rungs.values()))
    median = np.array([[one.largest_n(task) for task in tasks] for one in standings])
    shade = np.log2(np.maximum(median, 1)) / top  # NaN stays NaN: an empty cell
    axes.imshow(shade, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    for y, one in enumerate(standings):
        for x, task in enumerate(tasks):
            climbs = one.on(task)
            words = f"{median[y, x]:g}" if climbs else "\N{EN DASH}"
            words += "!" if any(climb.fault for climb in climbs) else ""
            words += "+" if not all(climb.ended for climb in climbs) else ""
            each = " ".join(str(climb.largest_n) for climb in climbs)
            colour = "white" if shade[y, x] > 0.7 else "black"
            several = len({climb.largest_n for climb in climbs}) > 1
            how: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center", "color": colour}
            axes.annotate(words, (x, y), (0, 4 * several), **how)
            if several:
                axes.annotate(each, (x, y), (0, -7), fontsize=6, **how)
    axes.set_xticks(range(len(tasks)), [SHORT_NAMES.get(task, task) for task in tasks])
    axes.set_yticks(range(len(standings)), [one.name for one in standings])
    axes.tick_params(length=0)
    axes.set_title("largest N solved:\nmedian over seeds (small: each seed's)")
    notes = []
    if any(climb.fault for one in standings for climb in one.climbs):
        notes.append("!: a climb ended in a fault")
    if not all(climb.ended for one in standings for climb in one.climbs):
        notes.append("+: a climb is not over")
    if np.isnan(median).any():
        notes.append("\N{EN DASH}: not played")
    axes.set_xlabel("   ".join(notes), fontsize=8)


def _draw_means(axes: Axes, standings: Sequence[Standing]) -> None:
    for y, one in enumerate(standings):
        low, high = one.interval
        reach = None if math.isnan(low) else [[max(one.iqm - low, 0.0)], [max(high - one.iqm, 0.0)]]
        axes.errorbar([one.iqm], [y], xerr=reach, capsize=3, ls="none", **_look_of_row(y, len(standings), one.stored))
    axes.set(xlim=(-0.03, 1.03), ylim=(len(standings) - 0.5, -0.5), xlabel="interquartile mean (1: every rung perfect)")
    axes.set_yticks(range(len(standings)), [""] * len(standings))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.set_title("ladder score over seeds and tasks,\nwith 95 % interval over seeds")


def _draw_curves(axes: Axes, standings: Sequence[Standing], rungs: Rungs, solved: float) -> None:
    ns = sorted({n for own in rungs.values() for n in own})
    greys = colormaps["Greys"]
    for memory in ns[:-1]:
        curve = mean_curve(_reference(task, rungs[task], memory, solved) for task in rungs)
        axes.plot(list(curve), list(curve.values()), color=greys(0.35), lw=0.9, zorder=1)
        # Its name stands where the curve has fallen from the top.
        n = min((n for n in curve if n > memory), default=ns[-1])
        axes.text(n, curve[n], f"{memory} ", color="0.45", fontsize=7, va="top", ha="right", zorder=1)
    for index, one in enumerate(standings):
        curve = mean_curve(one.climbs)
        how: dict[str, Any] = {"ls": ":", "lw": 1.1} if one.stored else {}
        how |= _look_of_row(index, len(standings), one.stored)
        axes.plot(list(curve), list(curve.values()), zorder=3, label=one.name, **how)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    stored = any(one.stored for one in standings)
    axes.set_xlabel("N of the rung (dotted: stored with the project)" if stored else "N of the rung")
    axes.set_xscale("log", base=2)
    axes.set_xticks(ns, [str(n) for n in ns])
    axes.minorticks_off()
    axes.set(ylabel="normalised score, mean over tasks and seeds", ylim=(-0.03, 1.03))
    axes.set_title("mean over tasks; grey: ideal subjects that\nremember so many steps climb by the same rule")


def _reference(task: str, rungs: Sequence[int], memory: int, solved: float) -> ClimbResult:
    """How the ideal subject that remembers ``memory`` steps climbs: it, too, ends where it fails."""
    scores, over = dict.fromkeys(rungs, 0.0), False
    for n in rungs:
        if not over:
            one = make_task(task, N=n)
            scores[n] = min(max(one.normalise(one.reference_score(memory)), 0.0), 1.0)
            over = scores[n] < solved
    return ClimbResult(task, 0, scores, 0, True, "")
