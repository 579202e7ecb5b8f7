"""Long streams that training goes through window by window, the network's state carried over from each to the next.

Axes: T steps of a window, B streams, H heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from memory_envs import Task, Trials, keys

DRAWN = 16
"""Streams that are drawn at once: to draw many costs little more than to draw one."""


class Streams:
    """B streams of a task, shown in windows of a few steps. A stream that ends is followed by a new one.

    A stream is a long trial of the task, drawn by its key like any other. It outlives a stage: the next stage asks
    other questions of the same bits. The first streams have different lengths, so that streams end one after another,
    and the network meets fresh starts all along.

    Args:
        task: the task of the stage.
        size: B, the number of streams.
        steps: T, the steps of a window.
        length: the steps of a stream, in multiples of N. A stream has at least 8 windows, and only whole ones.
        seed: the seed of the run.
    """

    def __init__(self, task: Task, size: int, steps: int, length: float, seed: int) -> None:
        self.size, self.steps, self.multiple, self.seed = size, steps, length, seed
        self.task = task
        self.begun = size
        """The number of streams begun so far; the next stream has this number."""
        self.numbers = np.arange(size)
        self.at = np.zeros(size, np.int64)
        self.ends = self._length() * np.arange(1, size + 1) // size // steps * steps + steps
        self._write()

    def set_task(self, task: Task) -> None:
        """Ask the questions of another stage from the next window on; the streams go on."""
        self.task = task
        self._write()

    def draw(self) -> tuple[Trials, npt.NDArray[np.bool_]]:
        """The next window: trials of T steps, and which streams begin with it, (B,)."""
        rows, columns = self.at + np.arange(self.steps)[:, None], np.arange(self.size)
        window = Trials(
            self._inputs[rows, columns],
            self._targets[rows, columns],
            self._mask[rows, columns],
            np.full(self.size, self.steps),
        )
        return window, self.at == 0

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
        new = self._sample(self.numbers, max(int(self.ends.max()), self.task.N))
        self._inputs, self._targets, self._mask = map(np.array, (new.inputs, new.targets, new.mask))
        self._next: tuple[int, Trials] | None = None
        """The number of the first of the streams drawn ahead, and these; None: none are."""

    def _begin(self, columns: npt.NDArray[np.int64]) -> None:
        """Write new streams, numbered one after another, ahead in these columns."""
        first, count = int(self.numbers[columns[0]]), len(columns)
        if self._next is None or first + count > self._next[0] + self._next[1].inputs.shape[1]:
            numbers = first + np.arange(max(count, DRAWN))
            self._next = first, self._sample(numbers, self._length())
        begin, drawn = first - self._next[0], self._next[1]
        for name in ("inputs", "targets", "mask"):
            array, fresh = getattr(self, f"_{name}"), getattr(drawn, name)[:, begin : begin + count]
            if (more := len(fresh) - len(array)) > 0:
                array = np.concatenate([array, np.zeros((more, *array.shape[1:]), array.dtype)])
                setattr(self, f"_{name}", array)
            array[: len(fresh), columns] = fresh

    def _sample(self, numbers: npt.NDArray[np.int64], steps: int) -> Trials:
        """The first steps of the streams with these numbers."""
        drawn = keys.trial_keys(keys.stream(self.seed), numbers.astype(np.uint64))
        return self.task.replace(num_steps=steps, scoring="dense").sample(drawn)
