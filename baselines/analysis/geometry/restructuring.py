"""Restructuring events: jumps of the geometry from one checkpoint to the next, and the fall of the loss.

Axes: C checkpoints of a run, K kept components, S state size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from baselines.analysis.geometry.components import principal_angles
from baselines.core.tables import Column, Table

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]

MEASURES = ("subspace", "dimension", "distances", "points", "chaos")
LEAST_PAIRS = 6
"""Pairs of neighbouring checkpoints that are needed to tell a jump from the usual change."""
DEVIATIONS = 4
"""A jump is above the median of the run's changes by more than so many scaled median absolute deviations."""
LEAST: Mapping[str, float] = {
    "subspace": math.pi / 8,
    "dimension": math.log(1.25),
    "distances": 0.25,
    "points": 1.0,
    "chaos": 1.0,
}
"""Measure -> the least change that matters: a quarter of the way to a subspace at right angles (radians); a quarter
more dimensions; a quarter of the distances; one stable point more or fewer, which is a memory won or lost; and, for the
exponent, a factor e in what is left of a small difference after the N steps that the network must remember: 1 / N."""
LEAST_FALL = math.log(2)
"""The least fall of the loss, as its logarithm: to half."""
NOISE_FACTOR = 4
"""A change is above the noise if it is above so many root mean squares of what two sets of trials differ by."""

CHANGES = (
    Column("run", "run"),
    Column("N", "N of the later checkpoint", "steps"),
    Column("since", "update of the earlier checkpoint"),
    Column("update", "update of the later checkpoint"),
    Column("measure", "what has changed: subspace, dimension, distances, points or chaos"),
    Column("change", "by how much: radians, |ln ratio|, relative, count, 1 / step"),
    Column(
        "usual", "median of the run's changes + 4 scaled median absolute deviations; inf with fewer than 7 checkpoints"
    ),
    Column(
        "noise", "what two sets of trials differ by: 4 root mean squares over the run, or more at either checkpoint"
    ),
    Column("least", "the least change that matters"),
    Column("event", "the change is above usual and above noise, and not below least: a restructuring event"),
    Column("fall", "between these checkpoints the loss falls most, of all pairs with this N, and at least to half"),
    Column("lead", "updates from the event to the fall of the loss, positive if it comes before", "updates"),
)
"""Columns of the table ``changes``: what happens between neighbouring checkpoints."""


@dataclass(frozen=True)
class Shape:
    """What is compared between two checkpoints, or between two sets of trials at one of them.

    Attributes:
        space: the kept principal components, unit vectors, one a row, (K, S).
        ratio: the participation ratio.
        pairs: the pairs of memory states that occur.
        distances: the distances of their mean states, (pairs,).
        exponent: the largest Lyapunov exponent under the held input, in 1 / step.
    """

    space: Floats
    ratio: float
    pairs: tuple[tuple[int, int], ...]
    distances: Floats
    exponent: float


def differences(a: Shape, b: Shape) -> dict[str, float]:
    """By how much two shapes differ in each measure but ``points``; NaN where they cannot be compared."""
    grown = a.space.shape[1] != b.space.shape[1]  # then the states are of another space
    return {
        "subspace": math.nan if grown else float(principal_angles(a.space, b.space).mean()),
        "dimension": abs(math.log(b.ratio / a.ratio)) if a.ratio > 0 and b.ratio > 0 else math.nan,
        "distances": _moved(a, b),
        # Both exponents may be minus infinity: then nothing has changed.
        "chaos": 0.0 if a.exponent == b.exponent else abs(b.exponent - a.exponent),
    }


def conclude(tables: Mapping[str, Table]) -> dict[str, Table]:
    """The table ``changes``: changes between neighbouring checkpoints, and which of them are restructuring events.

    Protocol [ours]: changes are those of the first set of trials. ``subspace``: the mean principal angle between the
    spaces of the kept principal components. ``dimension``: |ln of the ratio of the participation ratios|.
    ``distances``: the change of the matrix of distances between memory states, each divided by its mean, Frobenius norm
    over that of the earlier one. ``points``: by how much the number of stable fixed points changes, found by either
    search (that of unstable ones varies with the search). ``chaos``: the change of the Lyapunov exponent under the held
    input.

    A change is an event if three things hold. It is unusual: above the median of the run's changes of that measure by
    more than 4 median absolute deviations, scaled by 1.4826 (where these are 0: mean deviations, by 1.2533; Iglewicz &
    Hoaglin 1993). It is above the noise, which is what the same measure differs by between the two sets of trials of
    one checkpoint (for ``points``: stable points that one search found alone): above 4 times the root mean square of
    that over the run's checkpoints, and above that at either of the two. And it matters: it is at least ``LEAST``, for
    ``chaos`` divided by the later N. With fewer than 6 pairs of checkpoints there are no events.

    The loss falls between the two checkpoints of one N between which ln of its smallest value so far (of that N) falls
    most, if it falls at least to half and by more than the noise of ln of the loss. ``lead`` is counted between the
    middles of the two intervals.
    """
    rows, changes = tables["geometry"], Table(CHANGES)
    for (run,) in rows.distinct("run"):
        own = rows.where(run=run)
        order = np.argsort(own["update"], kind="stable")
        updates, demands, loss = (own[name][order] for name in ("update", "N", "loss"))
        if len(order) < 2:
            continue
        noise = {
            measure: tables["noise"].where(run=run, measure=measure)["difference"].astype(float)[order]
            for measure in (*MEASURES, "loss")
        }
        middles = (updates[1:] + updates[:-1]) / 2
        falls = _falls(demands, np.log(np.maximum(loss, 1e-30)), noise_of_pairs(noise["loss"]))
        ahead = np.array(
            [_lead(middle, falls, middles, demands[1:], n) for middle, n in zip(middles, demands[1:], strict=True)]
        )
        for measure, change in _changes(tables, own, order, run).items():
            usual, between = usual_change(change), noise_of_pairs(noise[measure])
            least = LEAST[measure] / (demands[1:] if measure == "chaos" else np.ones(len(change)))
            event = (change > usual) & (change > between) & (change >= least)
            changes.add(
                run=run,
                N=demands[1:],
                since=updates[:-1],
                update=updates[1:],
                measure=measure,
                change=change,
                usual=usual,
                noise=between,
                least=least,
                event=event,
                fall=falls,
                lead=np.where(event, ahead, math.nan),
            )
    return {"changes": changes}


def _changes(tables: Mapping[str, Table], own: Table, order: Whole, run: str) -> dict[str, Floats]:
    """The change of each measure between neighbouring checkpoints, (C - 1,) each."""
    shapes = [
        Shape(
            _space(tables["components"].where(run=run, update=update)),
            ratio,
            *_distances(tables["distances"].where(run=run, update=update)),
            exponent,
        )
        for update, ratio, exponent in zip(
            *(own[name][order].tolist() for name in ("update", "participation_ratio", "lyapunov_held")), strict=True
        )
    ]
    found = [differences(before, after) for before, after in pairwise(shapes)]
    counts = own["stable"][order].astype(float)
    own_changes = {name: np.array([one[name] for one in found]) for name in found[0]}
    return {name: own_changes[name] if name in own_changes else np.abs(np.diff(counts)) for name in MEASURES}


def _space(rows: Table) -> Floats:
    """The kept components, one a row, (K, S)."""
    return np.asarray(rows["weight"].astype(float).reshape(len(np.unique(rows["component"])), -1))


def _distances(rows: Table) -> tuple[tuple[tuple[int, int], ...], Floats]:
    """The pairs of memory states and the distances of their mean states."""
    pairs = tuple(zip(rows["memory"].tolist(), rows["other"].tolist(), strict=True))
    return pairs, np.asarray(rows["distance"], np.float64)


def _moved(before: Shape, after: Shape) -> float:
    """Relative change of the distances, each divided by their mean; NaN where other memory states occur."""
    a, b = before.distances, after.distances
    if before.pairs != after.pairs or not len(a) or not (a.mean() > 0 and b.mean() > 0):
        return math.nan
    a, b = a / a.mean(), b / b.mean()
    return float(np.linalg.norm(b - a) / np.linalg.norm(a))


def usual_change(change: Floats) -> float:
    """What a change (C - 1,) must exceed to be unusual in its run; infinite with fewer than ``LEAST_PAIRS``."""
    known = change[np.isfinite(change)]
    if len(known) < LEAST_PAIRS:
        return math.inf
    middle = np.median(known)
    deviations = np.abs(known - middle)
    # Where more than half of the changes are equal, as counts often are, the median deviation is 0.
    scale = 1.4826 * np.median(deviations) or 1.2533 * deviations.mean()
    return float(middle + DEVIATIONS * scale)


def noise_of_pairs(noise: Floats) -> Floats:
    """The noise of each pair of neighbours from that of each checkpoint (C,), (C - 1,); infinite where none is known.

    One difference may be small by chance. So that of the whole run counts, too.
    """
    known = noise[np.isfinite(noise)]
    if not len(known):
        return np.full(len(noise) - 1, math.inf)
    usual = NOISE_FACTOR * float(np.sqrt((known**2).mean()))
    return np.fmax(np.fmax(noise[1:], noise[:-1]), usual)


def _falls(demands: Whole, logarithm: Floats, noise: Floats) -> Flags:
    """Which pair of neighbours has the largest fall of the loss among the pairs of its N, (C - 1,)."""
    falls = np.zeros(len(demands) - 1, np.bool_)
    for n in np.unique(demands):
        at = np.flatnonzero(demands == n)
        drop = -np.diff(np.minimum.accumulate(logarithm[at]))
        if len(drop) and drop.max() >= LEAST_FALL and drop.max() > noise[at[drop.argmax()]]:
            falls[at[drop.argmax()]] = True
    return falls


def _lead(middle: float, falls: Flags, middles: Floats, demands: Whole, n: int) -> float:
    """Updates from an event to the fall of the loss at its N; NaN where there is no fall."""
    at = middles[falls & (demands == n)]
    return float(at[0] - middle) if len(at) else math.nan
