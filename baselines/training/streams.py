"""Long streams that training goes through window by window, the network's state carried over from each to the next.

Axes: T steps of a window, B streams, H heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from baselines.training.batches import Drawn, drawn_with
from memory_envs import Task, Trials, keys

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]
"""Arrays of streams, (T, B, ...), by name: inputs, targets, mask, and ahead where there are heads ahead."""

DRAWN = 16
"""Streams that are drawn at once: to draw many costs little more than to draw one."""


class Streams:
    """B streams of a task, shown in windows of a few steps. A stream that ends is followed by a new one.

    A stream is a long trial of the task, drawn by its key like any other. It outlives a stage: the next stage asks
    other questions of the same bits. The first streams have different lengths, so that streams end one after another,
    and the network meets fresh starts all along.

    Args:
        task: the task of the stage.
        ahead: further N that are asked about.
        size: B, the number of streams.
        steps: T, the steps of a window.
        length: the steps of a stream, in multiples of N. A stream has at least 8 windows, and only whole ones.
        seed: the seed of the run.
    """

    def __init__(self, task: Task, size: int, steps: int, length: float, seed: int, ahead: Sequence[int] = ()) -> None:
        self.size, self.steps, self.multiple, self.seed = size, steps, length, seed
        self.task, self.ahead = task, ahead
        self.begun = size
        """The number of streams begun so far; the next stream has this number."""
        self.numbers = np.arange(size)
        self.at = np.zeros(size, np.int64)
        self.ends = self._length() * np.arange(1, size + 1) // size // steps * steps + steps
        self._write()

    def set_task(self, task: Task, ahead: Sequence[int] = ()) -> None:
        """Ask the questions of another stage from the next window on; the streams go on."""
        self.task, self.ahead = task, ahead
        self._write()

    def draw(self) -> tuple[Drawn, npt.NDArray[np.bool_]]:
        """The next window: trials of T steps, and which streams begin with it, (B,)."""
        rows, columns = self.at + np.arange(self.steps)[:, None], np.arange(self.size)
        window = {name: array[rows, columns] for name, array in self._written.items()}
        ahead = window.pop("ahead", None)
        return Drawn(Trials(**window, lengths=np.full(self.size, self.steps)), ahead), self.at == 0

    def advance(self) -> None:
        """Go to the next window."""
        self.at = self.at + self.steps
        if (over := np.flatnonzero(self.at >= self.ends)).size:
            self.at[over] = 0
            self.numbers[over] = self.begun + np.arange(over.size)
            self.begun += over.size
            self.ends[over] = self._length()
            self._begin(over)

    def state(self) -> dict[str, Any]:
        """Where each stream is, in a form that JSON can hold."""
        return {
            "begun": self.begun,
            "numbers": self.numbers.tolist(),
            "at": self.at.tolist(),
            "ends": self.ends.tolist(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``state`` of streams with the same arguments.

        Raises:
            ValueError: it is not such a state.
        """
        numbers = [state[name] for name in ("numbers", "at", "ends")]
        if any(len(one) != self.size for one in numbers):
            raise ValueError(f"streams must have {self.size} numbers, places and ends")
        if any(a >= end or a % self.steps for a, end in zip(*numbers[1:], strict=True)):
            raise ValueError(f"streams must be at a multiple of {self.steps} steps before their ends")
        self.begun = int(state["begun"])
        self.numbers, self.at, self.ends = (np.array(state[name], np.int64) for name in ("numbers", "at", "ends"))
        self._write()

    def _length(self) -> int:
        windows = max(8, round(self.multiple * self.task.N / self.steps))
        return windows * self.steps

    def _write(self) -> None:
        """Write all streams ahead: what is shown and asked in each, from its first step on."""
        # Streams of an early stage may be shorter than a later N: then they end before an answer counts.
        self._written = self._sample(self.numbers, max(int(self.ends.max()), self.task.N, *self.ahead))
        self._next: tuple[int, Arrays] | None = None
        """The number of the first of the streams drawn ahead, and these; None: none are."""

    def _begin(self, columns: npt.NDArray[np.int64]) -> None:
        """Write new streams, numbered one after another, ahead in these columns."""
        first, count = int(self.numbers[columns[0]]), len(columns)
        if self._next is None or first + count > self._next[0] + self._next[1]["inputs"].shape[1]:
            numbers = first + np.arange(max(count, DRAWN))
            self._next = first, self._sample(numbers, self._length())
        begin, drawn = first - self._next[0], self._next[1]
        for name, array in self._written.items():
            fresh = drawn[name][:, begin : begin + count]
            if (more := len(fresh) - len(array)) > 0:
                array = np.concatenate([array, np.zeros((more, *array.shape[1:]), array.dtype)])
                self._written[name] = array
            array[: len(fresh), columns] = fresh

    def _sample(self, numbers: npt.NDArray[np.int64], steps: int) -> Arrays:
        """The first steps of the streams with these numbers: arrays (T, B, ...) by name."""
        drawn = keys.trial_keys(keys.stream(self.seed), numbers.astype(np.uint64))
        task = self.task.replace(num_steps=steps, scoring="dense")
        trials, ahead = drawn_with(task, self.ahead, lambda asked: asked.sample(drawn))
        arrays = {"inputs": trials.inputs, "targets": trials.targets, "mask": trials.mask}
        if ahead is not None:
            arrays["ahead"] = ahead
        return {name: np.array(array) for name, array in arrays.items()}
