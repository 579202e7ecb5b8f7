"""The course of several runs on common updates: what can be compared between networks at one moment of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from baselines.core.tables import Column, Table


def columns(geometry: Sequence[Column]) -> tuple[Column, ...]:
    """The columns of the table ``course``: those of the table ``geometry``, and two more."""
    return (
        *geometry,
        Column("measured", "update of the checkpoint that the row is of; update: the common one"),
        Column("held", "the run has ended before this update: the row is of its final network"),
    )


def conclude(tables: Mapping[str, Table]) -> dict[str, Table]:
    """The table ``course``: the rows of ``geometry`` of all runs, on updates at which all can be compared.

    Protocol [ours]: an update is common if every run has a checkpoint of it or has ended before it. A run that has
    ended stays at its final network, which the column ``held`` marks: nothing is interpolated. So a mean over runs at
    an update is always over all runs; without the shorter ones it would be over those that did not solve the task.
    """
    rows = tables["geometry"]
    runs = [run for (run,) in rows.distinct("run")]
    updates = {run: rows.where(run=run)["update"].tolist() for run in runs}
    common = [
        at
        for at in sorted({at for own in updates.values() for at in own})
        if all(at in own or at > max(own) for own in updates.values())
    ]
    course = Table(columns(rows.columns))
    for run, own in updates.items():
        for at in common:
            measured = min(at, max(own))
            (row,) = np.flatnonzero((rows["run"] == run) & (rows["update"] == measured))
            values = {column.name: rows[column.name][row] for column in rows.columns}
            course.add(**values | {"update": at}, measured=measured, held=measured < at)
    return {"course": course}
