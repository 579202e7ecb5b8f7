"""Restructuring events: jumps of the geometry from one checkpoint to the next, and the fall of the loss.

Axes: C checkpoints of a run.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from baselines.analysis.geometry.components import principal_angles
from baselines.core.tables import Column, Table

Floats = npt.NDArray[np.float64]

MEASURES = ("subspace", "dimension", "distances", "points", "chaos")
LEAST_PAIRS = 6
"""Pairs of neighbouring checkpoints that are needed to tell a jump from the usual change."""
DEVIATIONS = 4
"""A change is a jump when it is above the median by more than so many scaled median absolute deviations."""

CHANGES = (
    Column("run", "run"),
    Column("N", "N of the later checkpoint", "steps"),
    Column("since", "update of the earlier checkpoint"),
    Column("update", "update of the later checkpoint"),
    Column("measure", "what has changed: subspace, dimension, distances, points or chaos"),
    Column("change", "by how much: radians, |ln ratio|, relative, count, 1 / step"),
    Column("threshold", "median of the run's changes + 4 scaled median absolute deviations"),
    Column("event", "the change is above the threshold: a restructuring event"),
    Column("fall", "between these checkpoints the loss falls most, of all pairs with this N"),
    Column("lead", "updates from the event to the fall of the loss, positive if it comes before", "updates"),
)
"""Columns of the table ``changes``: what happens between neighbouring checkpoints."""


def conclude(tables: dict[str, Table]) -> dict[str, Table]:
    """The table ``changes``: changes between neighbouring checkpoints, and which of them are restructuring events.

    Protocol [ours, SCIENCE.md section 8]: ``subspace``: the mean principal angle between the spaces of the kept
    principal components. ``dimension``: |ln of the ratio of the participation ratios|. ``distances``: the change of the
    matrix of distances between memory states, each divided by its mean, Frobenius norm over that of the earlier one.
    ``points``: by how much the numbers of stable and of unstable fixed points change. ``chaos``: the change of the
    Lyapunov exponent under the held input. An event is a change above the median of the run's changes of that measure
    by more than 4 median absolute deviations, scaled by 1.4826 (where these are 0: mean deviations, by 1.2533; Iglewicz
    & Hoaglin 1993); with fewer than 6 pairs of checkpoints there are none. The loss falls between the two checkpoints
    of one N between which its logarithm falls most; ``lead`` is counted between the middles of the two intervals.
    """
    rows = tables["geometry"]
    changes = Table(CHANGES)
    for (run,) in rows.distinct("run"):
        own = rows.where(run=run)
        own = own.keep(np.isfinite(own["participation_ratio"].astype(float)))
        order = np.argsort(own["update"], kind="stable")
        updates, demands, loss = (own[name][order] for name in ("update", "N", "loss"))
        if len(order) < 2:
            continue
        middles = (updates[1:] + updates[:-1]) / 2
        falls = _falls(demands, np.log(np.maximum(loss, 1e-30)))
        for measure, change in _changes(tables, own, order, run).items():
            threshold = _threshold(change)
            event = change > threshold
            ahead = [
                _lead(middle, falls, middles, demands[1:], n) for middle, n in zip(middles, demands[1:], strict=True)
            ]
            changes.add(
                run=run,
                N=demands[1:],
                since=updates[:-1],
                update=updates[1:],
                measure=measure,
                change=change,
                threshold=threshold,
                event=event,
                fall=falls,
                lead=np.where(event, ahead, math.nan),
            )
    return {"changes": changes}


def _changes(tables: dict[str, Table], own: Table, order: npt.NDArray[np.int64], run: str) -> dict[str, Floats]:
    """The change of each measure between neighbouring checkpoints, (C - 1,) each."""
    updates = own["update"][order].tolist()
    spaces = [_space(tables["components"].where(run=run, update=update)) for update in updates]
    apart = [tables["distances"].where(run=run, update=update) for update in updates]
    ratio = np.log(own["participation_ratio"][order].astype(float))
    held = own["lyapunov_held"][order].astype(float)
    counts = np.stack([own[kind][order].astype(float) for kind in ("stable", "unstable")])
    neighbours = range(len(updates) - 1)
    with np.errstate(invalid="ignore"):  # both exponents may be minus infinity
        chaos = np.abs(np.diff(held))
    return {
        "subspace": np.array([principal_angles(spaces[i], spaces[i + 1]).mean() for i in neighbours]),
        "dimension": np.abs(np.diff(ratio)),
        "distances": np.array([_moved(apart[i], apart[i + 1]) for i in neighbours]),
        "points": np.abs(np.diff(counts)).sum(0),
        "chaos": chaos,
    }


def _space(rows: Table) -> Floats:
    """The kept components, one a row, (components, S)."""
    return np.asarray(rows["weight"].astype(float).reshape(len(np.unique(rows["component"])), -1))


def _moved(before: Table, after: Table) -> float:
    """Relative change of a matrix of distances, each divided by its mean; NaN where other memory states occur."""
    same = before["memory"].tolist() == after["memory"].tolist() and before["other"].tolist() == after["other"].tolist()
    if not same or not len(before):
        return math.nan
    a, b = (table["distance"].astype(float) for table in (before, after))
    if not (a.mean() > 0 and b.mean() > 0):
        return math.nan
    a, b = a / a.mean(), b / b.mean()
    return float(np.linalg.norm(b - a) / np.linalg.norm(a))


def _threshold(change: Floats) -> float:
    known = change[np.isfinite(change)]
    if len(known) < LEAST_PAIRS:
        return math.inf
    middle = np.median(known)
    deviations = np.abs(known - middle)
    # Where more than half of the changes are equal, as counts often are, the median deviation is 0.
    scale = 1.4826 * np.median(deviations) or 1.2533 * deviations.mean()
    return float(middle + DEVIATIONS * scale)


def _falls(demands: npt.NDArray[np.int64], logarithm: Floats) -> npt.NDArray[np.bool_]:
    """Which pair of neighbours has the largest fall of the loss among the pairs of its N, (C - 1,)."""
    drop = np.where(demands[1:] == demands[:-1], -np.diff(logarithm), -math.inf)
    falls = np.zeros(len(drop), np.bool_)
    for n in np.unique(demands):
        own = np.flatnonzero((demands[1:] == n) & (drop > 0))
        if len(own):
            falls[own[drop[own].argmax()]] = True
    return falls


def _lead(
    middle: float, falls: npt.NDArray[np.bool_], middles: Floats, demands: npt.NDArray[np.int64], n: int
) -> float:
    """Updates from an event to the fall of the loss at its N; NaN where there is no fall."""
    at = middles[falls & (demands == n)]
    return float(at[0] - middle) if len(at) else math.nan
