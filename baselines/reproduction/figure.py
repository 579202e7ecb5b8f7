"""The figure of an experiment: ours as points with intervals over networks, published values as hollow diamonds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from baselines.core import style
from baselines.reproduction.experiment import Experiment, Quantity
from baselines.reproduction.measurements import Observed


@style.styled
def draw(experiment: Experiment, observed: Observed) -> Figure:
    """A panel for each quantity: over x, a line for each kind of network; without x, a row for each."""
    drawn = [one for one in experiment.quantities if observed.cases(one.name)]
    most = max((len(observed.cases(one.name)) for one in drawn if not one.x), default=0)
    named = list(dict.fromkeys(case for one in drawn if one.x for case in observed.cases(one.name)))
    below = 0.2 * (1 + len(named) / (2 if len(drawn) > 1 else 1))  # for the legend
    height = max(2.9, 1.0 + 0.28 * most) + below
    figure, panels = style.panels([one.name for one in drawn], width=4.2, height=height)
    for axes, quantity in zip(panels, drawn, strict=True):
        if quantity.x:
            _draw_lines(axes, experiment, quantity, observed, named)
        else:
            _draw_rows(axes, experiment, quantity, observed)
    handles = {
        words: handle for axes in panels for handle, words in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    columns = 2 if len(panels) > 1 or most else 1
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns)
    return figure


def _draw_lines(
    axes: Axes, experiment: Experiment, quantity: Quantity, observed: Observed, named: Sequence[str]
) -> None:
    published = experiment.published.get(quantity.name, {})
    reach = 0.0
    for case in observed.cases(quantity.name):
        series, look = (quantity.name, case), style.look(named.index(case))  # one look in all panels
        xs = observed.xs(series)
        reach = max(reach, xs[-1])
        found = [observed.mean(series, x) for x in xs]
        # The interval of two networks is so wide that nothing else would be seen; tables have it.
        means = np.array(
            [[mean, *((low, high) if count > 2 else (np.nan,) * 2)] for mean, low, high, count, _ in found]
        )
        axes.plot(xs, means[:, 0], label=case, **look)
        if np.isfinite(means[:, 1]).any():
            axes.fill_between(xs, means[:, 1], means[:, 2], color=look["color"], alpha=0.2, lw=0)
    for case in observed.cases(quantity.name):
        points = {x: np.mean(values) for x, values in published.get(case, {}).items() if x is not None}
        # Twice as far as ours came: values beyond would press ours into a corner.
        shown = sorted(x for x in points if x <= 2 * reach)
        if shown:
            axes.plot(
                shown,
                [points[x] for x in shown],
                ls=":",
                lw=1,
                marker="D",
                mfc="white",
                color=style.look(named.index(case))["color"],
                label="published" if not any(line.get_label() == "published" for line in axes.lines) else None,
            )
    axes.set(xlabel=quantity.x, ylabel=quantity.label, **({f"{quantity.log}scale": "log"} if quantity.log else {}))
    if quantity.x == "N":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_rows(axes: Axes, experiment: Experiment, quantity: Quantity, observed: Observed) -> None:
    published = experiment.published.get(quantity.name, {})
    cases = observed.cases(quantity.name)
    for row, case in enumerate(cases):
        seen = list(observed.at((quantity.name, case), None).values())
        theirs = list(published.get(case, {}).get(None, ()))
        _label_once(axes, axes.plot(theirs, [row + 0.15] * len(theirs), "kD", mfc="white"), "published")
        for bound, marker, words in (("", "o", "ours, a network"), ("at least", ">", "ours, at least")):
            values = [one.value for one in seen if one.bound == bound]
            spread = row - 0.15 + np.linspace(-0.08, 0.08, len(values))
            _label_once(axes, axes.plot(values, spread, ls="none", marker=marker, color=style.COLOURS[0]), words)
    axes.set_yticks(range(len(cases)), cases)
    axes.set(xlabel=quantity.label, ylim=(len(cases) - 0.5, -0.5))
    axes.grid(axis="x", lw=0.3)


def _label_once(axes: Axes, lines: list[Line2D], words: str) -> None:
    """Put a line into the legend, unless it is empty or its words are there already."""
    if len(lines[0].get_xdata()) and words not in axes.get_legend_handles_labels()[1]:  # type: ignore[arg-type]
        lines[0].set_label(words)
