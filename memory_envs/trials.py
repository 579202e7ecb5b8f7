"""Trials, written down: what a task draws and what environments and trainers read.

Axes, here and in the whole project: T steps, B trials, I inputs, H heads (answers a step). Time comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
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
        """What a step is worth, (T, B): 1 over the number of counted steps of its trial, 0 where it does not count."""
        mask = self.mask
        if mask.strides[1] == 0:  # a view of one column: all trials count at the same steps
            one = mask[:, :1] * (1.0 / max(int(mask[:, :1].sum()), 1))
            return np.broadcast_to(one, mask.shape)
        return np.asarray(mask * (1.0 / np.maximum(mask.sum(axis=0), 1)), np.float64)


def time_mask(
    first: int | npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], steps: int, scoring: str
) -> npt.NDArray[np.bool_]:
    """When answers count, (T, B): from step ``first`` (a number, or (B,)) on, or at each trial's last step only."""
    time = np.arange(steps)[:, None]
    if scoring == "final":
        return np.asarray(time == lengths - 1)
    return (time >= first) & (time < lengths)
