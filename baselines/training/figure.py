"""The figure of a training run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from baselines.core import files, style
from baselines.core.text import for_figure
from baselines.training import run_files

Rows = list[dict[str, float]]


@style.by({})
def training_figure(path: Path) -> Path:
    """Draw ``training.png`` in a run folder: the accuracy of each head, and the time constants tau where there are any.

    Args:
        path: the run folder.

    Returns:
        The path of the figure.

    Raises:
        RunError: the folder holds no metrics, or the figure cannot be written.
    """
    rows, settings = run_files.read_metrics(path), run_files.read_settings(path)
    if not rows:
        raise files.RunError(f"{path / 'metrics.csv'} has no report yet: nothing to draw")
    has_tau = "tau_mean" in rows[-1]
    figure = Figure(figsize=(10 if has_tau else 6.5, 4), layout="constrained")
    panels = figure.subplots(1, 2 if has_tau else 1, width_ratios=[3, 2] if has_tau else [1], squeeze=False)[0]
    title = f"{settings.task}, {settings.cell}, {settings.curriculum}, seed {settings.seed}"
    figure.suptitle(for_figure(title))
    _accuracy(panels[0], rows, settings.threshold)
    if has_tau:
        _tau(panels[1], rows)
    out = path / "training.png"
    files.replace_file(out, style.rendered(figure, "png"))
    return out


def _accuracy(axes: Axes, rows: Rows, threshold: float) -> None:
    """Accuracy over updates: one line per head, coloured by its N. Ticks on the axis mark solved stages."""
    heads = [name for name in dict.fromkeys(name for row in rows for name in row) if name.startswith("accuracy_")]
    demands = {name: float(name.removeprefix("accuracy_")) for name in heads}
    by_stage = len(heads) == 1  # a single readout serves all stages, so N is that of the stage
    largest = max(row["N"] for row in rows) if by_stage else max(demands.values())
    smallest = min(row["N"] for row in rows) if by_stage else min(demands.values())
    scale = ScalarMappable(Normalize(smallest, max(largest, smallest + 1)), colormaps["viridis"])
    for name in heads:
        for n in sorted({row["N"] for row in rows}) if by_stage else [demands[name]]:
            kept = [row for row in rows if name in row and (not by_stage or row["N"] == n)]
            axes.plot(
                [row["update"] for row in kept], [row[name] for row in kept], color=scale.to_rgba(np.array(n)), lw=1.2
            )
    for row in rows:
        if row["solved"]:
            axes.axvline(row["update"], ymax=0.03, color="black", lw=0.8)
    axes.axhline(threshold, color="grey", ls="--", lw=0.8)
    axes.axhline(0.5, color="grey", ls=":", lw=0.8)
    axes.set_title("dashed: threshold, dotted: guessing labels", fontsize=8)
    axes.set(xlabel="updates (tick: stage solved)", ylabel="accuracy on fresh batches", ylim=(None, 1.01))
    axes.figure.colorbar(scale, ax=axes, label="N of the head")


def _tau(axes: Axes, rows: Rows) -> None:
    """Mean and standard deviation over units of the time constant, when each N was solved."""
    solved = [row for row in rows if row["solved"]] or rows[-1:]
    demands = [row["N"] for row in solved]
    mean = [row["tau_mean"] for row in solved]
    low, high = (np.array([row["tau_mean"] + sign * row["tau_sd"] for row in solved]) for sign in (-1, 1))
    # No unit has a tau below 1: where the mean is near it, the spread is upwards.
    axes.fill_between(demands, np.maximum(low, 1), high, alpha=0.25, lw=0, label="SD over units (cut at 1, the least)")
    axes.plot(demands, mean, marker="o", ms=4, label="mean")
    axes.axhline(1, color="grey", ls=":", lw=0.8)
    axes.set(xlabel="N solved", ylabel="time constant (steps)")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
