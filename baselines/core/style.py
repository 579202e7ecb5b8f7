"""One style for all figures."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from baselines.core.files import replace_files
from baselines.core.tables import Table
from baselines.core.text import for_figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""The colours of Okabe & Ito (2008), told apart with any colour vision; without their yellow, which is hard to see on
white."""

_MORE = ("#882255", "#44AA99", "#999933", "#332288", "#AA4499", "#117733", "#CC6677", "#661100")
"""More of them, from the muted scheme of Paul Tol (SRON/EPS/TN/09-002), for figures with many lines."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")

RULES: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "memory-envs",  # the same figure is the same file
}


@contextmanager
def by(rules: Mapping[Any, Any]) -> Iterator[None]:
    """Draw figures by these settings of matplotlib, and by its defaults otherwise: a context, and a decorator.

    matplotlib reads a file ``matplotlibrc`` of the current directory, which may have come with somebody's folder of
    results: it could have LaTeX run.
    """
    with matplotlib.style.context(["default", dict(rules)]):
        yield


styled = by(RULES)
"""Decorates a function that draws a figure."""


def panels(titles: list[str], title: str = "", *, width: float = 3.4, height: float = 3.2) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side, one for each title; width and height of one in inches."""
    figure = Figure(figsize=(width * len(titles) + 0.3, height), layout="constrained")
    axes = list(figure.subplots(1, len(titles), squeeze=False)[0])
    for one, words in zip(axes, titles, strict=True):
        one.set_title(words)
    if title:
        figure.suptitle(for_figure(title), fontsize=10)
    return figure, axes


def missing(axes: Axes, words: str) -> None:
    """Say in the middle of a panel why it is empty."""
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes, color="grey")


def look(index: int) -> dict[str, Any]:
    """Colour and marker of line number ``index``: in black and white the markers tell lines apart."""
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def distinct(count: int) -> list[Any]:
    """So many colours of which no two are alike."""
    known = (*COLOURS, *_MORE)
    return list(known[:count]) if count <= len(known) else list(colormaps["turbo"](np.linspace(0.02, 0.98, count)))


def scale(least: float, most: float) -> ScalarMappable:
    """A map from the numbers ``least`` to ``most`` to colours."""
    return ScalarMappable(Normalize(least, max(most, least + 1e-9)), colormaps["viridis"])


def colour(mappable: ScalarMappable, value: float) -> Any:
    """The colour of one number."""
    return mappable.to_rgba(np.array(value))


def legend_below(axes: Axes, columns: int = 1) -> None:
    """Put the legend below a panel, where it hides nothing; it has so many columns."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns)


def legend_of_all(figure: Figure, columns: int = 4, title: str | None = None) -> None:
    """Put one legend of all panels below them: what has the same words stands in it once."""
    found: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, words in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(words, handle)
    if found:
        most = max(1, min(columns, len(found)))
        figure.legend(
            list(found.values()), list(found), loc="outside lower center", ncols=most, title=title, handlelength=3
        )


def log_axis(axis: Axis) -> None:
    """Make an axis logarithmic with numbers at its ticks, also where its values lie within one power of ten."""
    axes: Any = axis.axes
    (axes.set_xscale if axis.axis_name == "x" else axes.set_yscale)("log")  # type: ignore[attr-defined]
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low) if low > 0 else 2.0
    steps = (1.0,) if decades >= 3 else (1.0, 2.0, 5.0) if decades >= 0.6 else tuple(np.arange(1.0, 10.0, 0.5))
    axis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as ``path`` with the endings .png and .svg.

    Returns:
        The two files.

    Raises:
        RunError: a file cannot be written; then neither has been replaced.
    """
    drawn = files_of(figure, path)
    replace_files(drawn)
    return list(drawn)


def files_of(figure: Figure, path: Path) -> dict[Path, bytes]:
    """What ``save`` writes: the files of a figure and their contents."""
    with by(RULES):
        return {path.with_suffix(f".{kind}"): rendered(figure, kind) for kind in ("png", "svg")}


def rendered(figure: Figure, kind: str, dpi: float = 150) -> bytes:
    """The contents of a figure's file of the kind ``"png"``, with these dots per inch, or ``"svg"``."""
    data, how = io.BytesIO(), {"dpi": dpi} if kind == "png" else {"metadata": {"Date": None}}
    figure.savefig(data, format=kind, **how)
    return data.getvalue()


Bounds = tuple[float, float]

SHARE: Bounds = (0.0, 1.0)
"""Between these lie shares, such as accuracies."""


def line(
    axes: Axes, summary: Table, label: str, looks: dict[str, Any], x: str, within: Bounds = (-math.inf, math.inf)
) -> None:
    """Draw means against a column, each with its interval (see ``intervals``).

    Args:
        axes: the panel.
        summary: a table with the column ``x`` and those that ``statistics.over_networks`` adds.
        label: what the legend says.
        looks: how it looks, with its ``"color"``; see ``look``.
        x: the column on the x axis.
        within: the least and the largest value that there can be.
    """
    at = summary[x]
    order = np.argsort(at)
    axes.plot(at[order], summary["mean"][order], label=label, **looks)
    low, high = intervals(summary, within)[:, order]
    if np.isfinite(low).any():
        axes.fill_between(at[order], low, high, color=looks["color"], alpha=0.2, lw=0)


def categories(axes: Axes, summary: Table, name: str, label: str, looks: dict[str, Any], aside: float = 0.0) -> None:
    """Draw shares of named cases side by side, with their intervals (see ``intervals``).

    Args:
        axes: the panel.
        summary: a table with the column ``name`` and those that ``statistics.over_networks`` adds; a row is a case.
        name: the column that names the cases.
        label: what the legend says.
        looks: how the points look, with their ``"color"``; see ``look``.
        aside: how far to the right of its place each case is drawn.
    """
    (low, high), mean = intervals(summary, SHARE), summary["mean"].astype(float)
    reach = None if np.isnan(low).all() else np.array([mean - low, high - mean])
    places = np.arange(len(summary[name])) + aside
    axes.errorbar(places, mean, reach, capsize=3, label=label, **looks | {"ls": "none"})


def intervals(summary: Table, within: Bounds = (-math.inf, math.inf)) -> npt.NDArray[np.float64]:
    """The ends of intervals as a figure shows them, (2, rows); NaN where it shows none.

    The interval of two networks, 12.7 standard errors to either side, would hide all else: tables have it. What lies
    beyond the values that there can be is cut.

    Args:
        summary: a table with the columns that ``statistics.over_networks`` adds.
        within: the least and the largest value that there can be.
    """
    ends = np.array([summary["low"], summary["high"]], np.float64)
    return np.where(summary["networks"] > 2, np.clip(ends, *within), np.nan)
