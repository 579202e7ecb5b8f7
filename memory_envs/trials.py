"""Trials, written down: what a task draws and what environments and trainers read.

Axes, here and in the whole project: T steps, B trials, I inputs, H heads (answers a step). Time comes first.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
T = TypeVar("T", bound="Trials")

_UNIT = 2.0**-53  # every whole number of these up to 1 is a float64, and so is every sum of them up to 1


@dataclass(frozen=True, eq=False, repr=False)
class Trials:
    """B trials, written down: what is shown and what should be answered at each step.

    Attributes:
        inputs: (T, B, I) float32, what is shown. Zeros past the end of a trial.
        targets: (T, B, H), what should be answered: int64 labels 0 or 1, or float32 values in [-1, 1].
            Zero wherever the answer does not count, and for heads that are not active.
        mask: (T, B) bool, when the answer counts. May be a read-only view.
        lengths: (B,) int64, steps in each trial; rows past them are padding.
    """

    inputs: npt.NDArray[np.float32]
    targets: npt.NDArray[Any]
    mask: npt.NDArray[np.bool_]
    lengths: npt.NDArray[np.int64]

    def weights(self) -> Floats:
        """What each step is worth, (T, B): 1/n at the n counted steps of a trial, 0 elsewhere.

        1/n is rounded down to a multiple of 2**-53, and a trial's first counted step has what is missing (less than
        n * 2**-53). So the weights of a trial add up to exactly 1.0, in whatever order they are added.
        """
        if self.mask.strides[1] == 0:  # a view of one column: all trials count at the same steps
            return np.broadcast_to(_weights(self.mask[:, :1]), self.mask.shape)
        return _weights(self.mask)

    def columns(self: T, some: slice) -> T:
        """Some of the trials, as views."""
        timed = ("inputs", "targets", "mask", "shares")
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return type(self)(**{name: a[:, some] if name in timed else a[some] for name, a in arrays.items()})

    def __repr__(self) -> str:
        """The shapes and dtypes, not the numbers."""
        arrays = {name: getattr(self, name) for name in ("inputs", "targets", "mask", "lengths")}
        return f"Trials({', '.join(f'{name}: {array.dtype} {array.shape}' for name, array in arrays.items())})"


@dataclass(frozen=True, eq=False, repr=False)
class CutTrials(Trials):
    """The first steps of trials, as far as a limit on the steps of an episode lets them be played.

    Attributes:
        shares: (T, B) float64, the weights of the whole trials: a step is paid the same wherever its trial is cut.
        closing: (B, I) float32, the observation behind the last step that is played: zeros where the trial is over.
        terminated: (B,) bool, whether the trial is over by itself at its last step.
        truncated: (B,) bool, whether the limit is reached there. Both may be.
    """

    shares: Floats
    closing: npt.NDArray[np.float32]
    terminated: npt.NDArray[np.bool_]
    truncated: npt.NDArray[np.bool_]

    def weights(self) -> Floats:
        return self.shares


def cut(trials: Trials, limit: int) -> CutTrials:
    """The first ``limit`` steps of these trials, which have at least as many rows."""
    inputs, lengths = trials.inputs, trials.lengths
    return CutTrials(
        inputs[:limit],
        trials.targets[:limit],
        trials.mask[:limit],
        np.minimum(lengths, limit),
        trials.weights()[:limit],
        inputs[limit] if limit < len(inputs) else np.zeros_like(inputs[0]),
        lengths <= limit,
        lengths >= limit,
    )


def _weights(mask: npt.NDArray[np.bool_]) -> Floats:
    counted = np.maximum(mask.sum(axis=0), 1)
    share = np.floor((1.0 / _UNIT) / counted) * _UNIT
    weights = mask * share
    weights[mask.argmax(axis=0), np.arange(mask.shape[1])] += (1.0 - counted * share) * mask.any(axis=0)
    return weights


def time_mask(
    first: int | npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], steps: int, scoring: str
) -> npt.NDArray[np.bool_]:
    """When answers count, (T, B): from step ``first`` (a number, or (B,)) on, or at each trial's last step only."""
    time = np.arange(steps)[:, None]
    if scoring == "final":
        return np.asarray(time == lengths - 1)
    return (time >= first) & (time < lengths)
