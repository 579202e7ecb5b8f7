"""What can be trained with and without temporal consistency: GROUPS, lists of conditions, as data.

``python -m baselines.reproduction.tcr`` and the experiments ``tcr`` and ``tcr-lstm`` of ``reproduce`` read them: a new
question is a new entry.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import product
from typing import Any

Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One way of training, whatever the seed. The defaults are those of the first probes (see the README).

    Attributes:
        task, task_args: the task and its arguments.
        cell, cell_args, units: the cell, its options and its number of units.
        tcr: weight of temporal consistency, on the sum over units.
        tcr_on: the activity whose change is penalised: the cell's output, state, or a named part of it.
        schedule, schedule_updates: how the weight goes with the update (``baselines.training.schedules``).
        manifold, activity_l2: weights of the regularisers to compare with.
        optimizer, momentum, learning_rate, clip_norm, batch_size: of the updates.
        limit: updates after which a run counts as unsolved, its time censored; a multiple of the 25 between tests.
    """

    task: str = "delayed-addition"
    task_args: Options = field(default_factory=lambda: {"N": 50})
    cell: str = "rate"
    cell_args: Options = field(default_factory=dict)
    units: int = 100
    tcr: float = 0.0
    tcr_on: str = "output"
    schedule: str = "constant"
    schedule_updates: int = 0
    manifold: float = 0.0
    activity_l2: float = 0.0
    optimizer: str = "adam"
    momentum: float = 0.0
    learning_rate: float = 1e-3
    clip_norm: float = 1.0
    batch_size: int = 32
    limit: int = 2000

    def row(self) -> dict[str, str]:
        """The fields as the CSV holds them; mappings are JSON."""
        return {
            name: json.dumps(value, sort_keys=True) if isinstance(value, dict) else str(value)
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> Condition:
        """The condition of a row of the CSV; the inverse of ``row``."""
        kinds: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float, "Options": json.loads}
        return cls(**{f.name: kinds[str(f.type)](row[f.name]) for f in fields(cls)})

    def __hash__(self) -> int:
        return hash(tuple(self.row().items()))

    @property
    def regularised(self) -> bool:
        """Whether anything but the task's own loss is minimised."""
        return any((self.tcr, self.manifold, self.activity_l2))

    def without(self) -> Condition:
        """The same training by the task's loss alone: what this condition is compared with."""
        plain: dict[str, Any] = {f.name: f.default for f in fields(self) if f.name in _REGULARISERS}
        return replace(self, **plain)

    def regulariser(self) -> str:
        """What is minimised beside the task's loss, in words."""
        parts = []
        if self.tcr:
            where = "" if self.tcr_on == "output" else f" on {self.tcr_on}"
            when = "" if self.schedule == "constant" else f", {self.schedule} {self.schedule_updates}"
            parts.append(f"TCR {self.tcr:g}{where}{when}")
        parts += [f"manifold {self.manifold:g}"] if self.manifold else []
        parts += [f"L2 {self.activity_l2:g}"] if self.activity_l2 else []
        return " + ".join(parts) or "without"

    def setting(self) -> str:
        """The task and its arguments, in words."""
        return " ".join([self.task, *(f"{name}={value}" for name, value in self.task_args.items())])

    def updating(self) -> str:
        """The optimizer in words; nothing where it is Adam."""
        momentum = f" momentum {self.momentum:g}" if self.momentum else ""
        return "" if self.optimizer == "adam" else f"{self.optimizer} {self.learning_rate:g}{momentum}"

    def training(self) -> str:
        """Everything but the setting, in words."""
        cell = " ".join([self.cell, *(f"{name}={value:g}" for name, value in self.cell_args.items())])
        return ", ".join(filter(None, [cell, self.updating(), self.regulariser()]))

    def label(self) -> str:
        """The condition in words, without what is the same in all."""
        return f"{self.setting()}, {self.training()}"


_REGULARISERS = ("tcr", "tcr_on", "schedule", "schedule_updates", "manifold", "activity_l2")


def _rate(
    strengths: tuple[float, ...], weights: tuple[float, ...], rank: int | None = None, **changes: Any
) -> list[Condition]:
    """Rate RNNs with each of the connection strengths g and of the weights of TCR."""
    options = {} if rank is None else {"rank": rank}
    return [Condition(cell_args={"g": g} | options, tcr=weight, **changes) for g, weight in product(strengths, weights)]


def _evidence(n: int, delay: int) -> dict[str, Any]:
    """N steps, ``delay`` of them silent, one answer at the end."""
    return {"task": "evidence-accumulation", "task_args": {"N": n, "delay": delay, "scoring": "final"}}


def _flip_flop(probability: float) -> dict[str, Any]:
    """Three channels over 100 steps (4 N), each of which pulses at any step with this probability."""
    return {"task": "flip-flop", "task_args": {"N": 25, "pulse_probability": probability}}


def _nesterov(learning_rate: float) -> dict[str, Any]:
    return {"optimizer": "nesterov", "momentum": 0.9, "learning_rate": learning_rate}


_FINAL = {"N": 50, "scoring": "final"}

GROUPS: dict[str, list[Condition]] = {
    "probes": _rate((0.5, 1.0, 2.0, 3.0), (0.0, 0.03, 1.0), task_args=_FINAL),
    "delays": _rate((0.5, 1.0), (0.0, 0.03, 1.0), task_args={"N": 100, "scoring": "final"}),
    "cells": [
        *(Condition(cell="plrnn", tcr=weight, task_args=_FINAL, limit=1000) for weight in (0.0, 0.03)),
        *(Condition(cell="lstm", tcr=weight, task_args=_FINAL, limit=1000) for weight in (0.0, 0.03)),
        Condition(cell="lstm", tcr=0.03, tcr_on="c", task_args=_FINAL, limit=1000),
        *_rate((2.0,), (0.0, 0.03), rank=1, task_args=_FINAL, limit=1000),
    ],
    "optimizers": [
        *_rate((0.5, 1.0, 3.0), (0.0, 0.03), task_args=_FINAL, limit=1000, **_nesterov(0.003)),
        *_rate((1.0,), (0.0, 0.03), task_args=_FINAL, limit=1000, **_nesterov(0.03)),  # too large a step
    ],
    "evidence": _rate((1.0, 3.0), (0.0, 0.03), limit=500, **_evidence(50, 25)),
    "flip-flop": _rate((1.0, 3.0), (0.0, 0.03), limit=500, **_flip_flop(0.02)),
    "strong": _rate((3.0, 5.0), (0.0, 0.003), task_args=_FINAL),
    "schedules": _rate((3.0,), (1.0,), task_args=_FINAL, schedule="linear-decay", schedule_updates=500),
    "dense": _rate((0.5, 1.0, 2.0, 3.0), (0.0, 1.0)),
    "distractors": _rate((1.0, 2.0), (0.0, 0.03), task_args={"N": 30, "distractors": True}),
    "manifold": [Condition(cell="plrnn", manifold=weight, task_args=_FINAL, limit=1000) for weight in (0.0, 5.0)],
}
