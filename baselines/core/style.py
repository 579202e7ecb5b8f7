"""One style for all figures."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from baselines.core.files import replace_files
from baselines.core.tables import Table
from baselines.core.text import for_figure

P = ParamSpec("P")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""The colours of Okabe & Ito (2008), told apart with any colour vision; without their yellow, which is hard to see on
white."""

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


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a drawing function draw under ``RULES``."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(RULES):
            return draw(*args, **kwargs)

    return drawn


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


def scale(least: float, most: float) -> ScalarMappable:
    """A map from the numbers ``least`` to ``most`` to colours."""
    return ScalarMappable(Normalize(least, max(most, least + 1e-9)), colormaps["viridis"])


def colour(mappable: ScalarMappable, value: float) -> Any:
    """The colour of one number."""
    return mappable.to_rgba(np.array(value))


def legend_below(axes: Axes, columns: int = 1) -> None:
    """Put the legend below a panel, where it hides nothing; it has so many columns."""
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=columns)


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
    with matplotlib.rc_context(RULES):
        return {path.with_suffix(f".{kind}"): rendered(figure, kind) for kind in ("png", "svg")}


def rendered(figure: Figure, kind: str, dpi: float = 150) -> bytes:
    """The contents of a figure's file of the kind ``"png"``, with these dots per inch, or ``"svg"``."""
    data, how = io.BytesIO(), {"dpi": dpi} if kind == "png" else {"metadata": {"Date": None}}
    figure.savefig(data, format=kind, **how)
    return data.getvalue()


def line(axes: Axes, summary: Table, label: str, index: int, x: str) -> None:
    """Draw means against a column, with the interval of each mean where there is one.

    Args:
        axes: the panel.
        summary: a table with the columns ``x``, ``mean``, ``low`` and ``high``, as ``statistics.over_networks`` makes.
        label: what the legend says.
        index: the number of the line, which decides its colour and marker.
        x: the column on the x axis.
    """
    at, looks = summary[x], look(index)
    order = np.argsort(at)
    axes.plot(at[order], summary["mean"][order], label=label, **looks)
    low, high = (summary[end][order].astype(float) for end in ("low", "high"))
    if np.isfinite(low).any():
        axes.fill_between(at[order], low, high, color=looks["color"], alpha=0.2, lw=0)


def categories(axes: Axes, summary: Table, name: str) -> None:
    """Draw the means of named cases side by side, with their intervals.

    Args:
        axes: the panel.
        summary: a table with the columns ``name``, ``mean``, ``low`` and ``high``; a row is a case.
        name: the column that names the cases.
    """
    low, high, mean = (summary[column].astype(float) for column in ("low", "high", "mean"))
    reach = None if np.isnan(low).all() else np.array([mean - low, high - mean])
    axes.errorbar(np.arange(len(summary[name])), mean, reach, ls="none", capsize=3, **look(0))
