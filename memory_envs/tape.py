"""The tape: each column's trials laid end to end, written ahead in blocks, so that a step reads one row of each array.

A cell (row, column) holds one observation and what becomes of its answer. Every column is read at the same row, however
long its trials are; to reset a column is to write its next trial from the current row on.

Axes: R rows, B columns (copies of the environment), I inputs, H heads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from memory_envs import keys
from memory_envs.task import Task
from memory_envs.trials import CutTrials, Trials, cut

_BLOCK_CELLS = 2**17  # written at a time, in all columns: long enough that the cost of a call is spread thin
_CHUNK_CELLS = 2**17  # drawn at a time: bounds the memory of a draw where there are very many columns
_MOST_ROWS = 2**12
NOT_ASKED = -1
"""The label of a head that is not active, on the tape: no answer equals it."""

Columns = npt.NDArray[np.int64]


def bytes_needed(task: Task, columns: int, gap: int, endless: bool, limit: int | None) -> int:
    """About how many bytes a ``Tape`` of these arguments takes at the highest point: its cells, and a draw."""
    span = (task.num_steps if limit is None else min(task.num_steps, limit)) + gap
    count = _trials_ahead(task, columns, span, endless)
    cell = 4 * task.num_inputs + (4 if task.real_valued else 1) * task.num_heads + 19  # weights, pay and three marks
    cell += 0 if limit is None else 2 if gap else 2 + 4 * task.num_inputs
    vary = 2 if task.free_length and task.scoring == "final" else 1  # short trials leave room for more of them
    return columns * (2 + count * span) * cell * vary + task.bytes_of_trials(
        max(_CHUNK_CELLS // max(span, task.num_steps), count)
    )


def _trials_ahead(task: Task, columns: int, span: int, endless: bool) -> int:
    """How many trials a block has room for in each column: many short ones, one where they are long.

    A trial takes ``span`` rows; where a limit cuts it, it is still drawn in full.
    """
    span = max(span, task.num_steps)
    return max(1, min(_BLOCK_CELLS // (columns * span), _MOST_ROWS // span)) if endless else 1


class Tape:
    """Trials of B streams, laid out for reading row by row.

    Cells behind a column's last written trial hold nothing that is ever read; once columns are out of step with each
    other they are kept blank, so that a trial can be written by filling in what is not zero.

    Attributes:
        row: the current row: its observations wait for their answers. Row - 1 is always kept.
        observations: (R, B, I) float32; zeros in the row behind a trial's end.
        targets: (R, B, H), or (R, B) for single labels: int8 labels or float32 values.
        weights: (R, B) float64, what a step is worth (``Trials.weights``).
        pay: (R, B) float64, twice ``weights``: what labels that are all right earn beyond labels that are all wrong.
        counted, ends, starts: (R, B) bool: the answer counts, is the last of its trial, the first.
        numbers: (B,) uint64, the number of the trial that is written next in each column.
        some_not_asked: whether ``NOT_ASKED`` can occur.
        terminated, truncated: (R, B) bool, with a limit only: the trial ends by itself, ends at the limit.
        closing: (R, B, I) float32, with a limit and no gap only: the observation behind the last step of a trial.
    """

    def __init__(self, task: Task, columns: int, gap: int, endless: bool, limit: int | None = None) -> None:
        """An empty tape.

        Args:
            task: what is played.
            columns: number of columns, B.
            gap: rows between two trials: 1 to read the zeros behind a trial in a row of their own, else 0.
            endless: write trials up to the end of the block; else one trial where a column is reset.
            limit: the most steps of a trial that are played; None: all.
        """
        self.task, self.gap, self.endless, self.limit = task, gap, endless, limit
        self.streams = np.zeros(columns, np.uint64)
        self.numbers = np.zeros(columns, np.uint64)
        self._heads = np.ones(columns, np.int64)  # first row of each column that is not written
        self._lay_out()

    def _lay_out(self) -> None:
        """Fresh arrays for a block of the task's trials."""
        columns, span = len(self.streams), self._span
        self._rows = (
            1 + _trials_ahead(self.task, columns, span, self.endless) * span
        )  # row 0 is the one before the current row
        shape = (self._rows + 1, columns)
        labels = np.float32 if self.task.real_valued else np.int8
        self.observations = np.zeros((*shape, self.task.num_inputs), np.float32)
        self.targets: npt.NDArray[Any] = np.zeros((*shape, *self.task.answer_shape), labels)
        self.weights, self.pay = np.zeros(shape), np.zeros(shape)
        self.counted, self.ends, self.starts = (np.zeros(shape, np.bool_) for _ in range(3))
        self._names = ["observations", "targets", "weights", "pay", "counted", "ends", "starts"]
        if self.limit is not None:
            self.terminated, self.truncated = (np.zeros(shape, np.bool_) for _ in range(2))
            self._names += ["terminated", "truncated"]
            if not self.gap:  # else the observation stands in the gap
                self.closing = np.zeros_like(self.observations)
                self._names.append("closing")
        self._laid_out_for = span
        self._layout: tuple[Task, int, int] | None = None
        self._fresh = True  # nothing has been written
        self.row, self._in_step, self.some_not_asked = 1, True, False

    @property
    def _steps(self) -> int:
        """Rows of the longest trial."""
        return self.task.num_steps if self.limit is None else min(self.task.num_steps, self.limit)

    @property
    def _span(self) -> int:
        """Rows of the longest trial and the gap behind it."""
        return self._steps + self.gap

    def restart(self, streams: keys.Words | None = None) -> None:
        """Begin the next trial in all columns; with ``streams`` (B,), the first one of each."""
        self.numbers -= self._waiting()
        if streams is not None:
            self.streams, self.numbers = streams, np.zeros(len(streams), np.uint64)
        if self._laid_out_for != self._span or not self._in_step:
            self._lay_out()
        self.row, self.some_not_asked = 1, False
        self.ends[0] = False
        self._heads[:] = 1
        self._write(np.arange(len(self.streams)))

    def reset_columns(self, columns: Columns, streams: keys.Words | None = None) -> None:
        """Begin the next trial of some columns at the current row; with ``streams`` (one a column), the first one."""
        self.numbers[columns] -= self._waiting()[columns]
        self._heads[columns] = self.row
        self.ends[self.row - 1, columns] = False  # these do not rest in the gap behind a trial
        self._fall_out_of_step()
        if streams is not None:
            self.streams[columns], self.numbers[columns] = streams, 0
        self._write(columns)

    def set_task(self, task: Task) -> None:
        """Play ``task`` in each column from its next trial on."""
        later = self._later()
        self.numbers -= later.sum(axis=0, dtype=np.uint64)
        self._heads = np.where(later.any(axis=0), later.argmax(axis=0), self._heads)
        self._fall_out_of_step()
        self.task = task
        if self.endless:
            self._write(np.arange(len(self.streams)))

    def advance(self) -> None:
        """Go to the next row, and write the next block where this one ends."""
        self.row += 1
        if self.row < self._rows:
            return
        gone = self.row - 1
        kept = max(int(self._heads.max()) - gone, 1)
        for array in self._arrays():
            array[:kept] = array[gone : gone + kept]
            if not self._in_step:
                array[kept:] = 0
        self._heads -= gone
        self.row = 1
        if self.endless:
            self._write(np.arange(len(self.streams)))

    def playing(self) -> keys.Words:
        """The number of each column's trial in progress, (B,); in a gap, that of the trial that has just ended."""
        return self.numbers - self._waiting() - np.uint64(1)

    def _arrays(self) -> list[npt.NDArray[Any]]:
        return [getattr(self, name) for name in self._names]

    def _later(self) -> npt.NDArray[np.bool_]:
        """(R, B): where a written trial starts behind the current row."""
        rows = np.arange(len(self.starts))[:, None]
        later: npt.NDArray[np.bool_] = self.starts & (rows > self.row) & (rows < self._heads)
        return later

    def _waiting(self) -> keys.Words:
        """How many trials are written behind those in progress, (B,)."""
        return np.asarray(self._later().sum(axis=0, dtype=np.uint64))

    def _fall_out_of_step(self) -> None:
        """Blank what is not written, in every column."""
        fresh, self._in_step, self._layout, self._fresh = self._fresh, False, None, False
        if fresh:
            return
        cells = np.nonzero(np.arange(len(self.starts))[:, None] >= self._heads)
        for array in self._arrays():
            array[cells] = 0

    def _write(self, columns: Columns) -> None:
        """Write trials of some columns: until the block is full, or one each where the tape is not endless."""
        if not self.endless:
            self._write_trials(columns, 1)
            return
        while len(columns := columns[self._heads[columns] < self._rows]):
            # As many as surely fit in every column; trials shorter than the longest leave room for another round.
            room = self._rows - int(self._heads[columns].max())
            self._write_trials(columns, -(-room // self._span))

    def _write_trials(self, columns: Columns, count: int) -> None:
        """Write ``count`` trials of each of these columns behind what is written, some columns at a time."""
        needed = int(self._heads[columns].max()) + count * self._span
        if (missing := needed - len(self.starts)) > 0:
            for name, array in zip(self._names, self._arrays(), strict=True):
                setattr(self, name, np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)]))
        # In step, what does not depend on the trial may stand where the last block had it; it is not written again.
        layout = (self.task, int(self._heads[columns[0]]), count) if self._in_step else None
        known, self._layout = layout is not None and layout == self._layout, layout
        chunk = max(1, _CHUNK_CELLS // (max(self._span, self.task.num_steps) * count))
        for first in range(0, len(columns), chunk):
            self._write_chunk(columns[first : first + chunk], count, known)

    def _write_chunk(self, columns: Columns, count: int, known: bool) -> None:
        task, heads = self.task, self._heads[columns]
        numbers = self.numbers[columns] + np.arange(count, dtype=np.uint64)[:, None]
        trials = task.sample(keys.trial_keys(self.streams[columns], numbers).reshape(-1))
        self.numbers[columns] += np.uint64(count)
        if self.limit is not None:
            trials = cut(trials, self.limit)
        targets = trials.targets if task.answer_shape else trials.targets[..., 0]
        if not task.real_valued:
            targets = targets.astype(np.int8)
            if not all(task.active):
                targets[..., ~np.array(task.active)] = NOT_ASKED
                self.some_not_asked = True
        trials = replace(trials, targets=targets)
        if self._in_step and (trials.lengths == self._steps).all():
            alike = known and trials.mask.strides[1] == 0
            self._write_together(trials, slice(int(columns[0]), int(columns[-1]) + 1), int(heads[0]), alike)
            self._heads[columns] += count * self._span
            self._fresh = False
            return
        if self._in_step:
            self._fall_out_of_step()
        m = len(columns)
        for j in range(0, count * m, m):
            self._write_apart(trials.columns(slice(j, j + m)), columns)

    def _write_together(self, trials: Trials, columns: slice, head: int, alike: bool) -> None:
        """Write trials of one length into neighbouring columns, from row ``head`` on.

        Trials are in the order (number, column). ``alike``: all of them count at the steps already on the tape.
        """
        steps = self._steps
        count = trials.inputs.shape[1] // (columns.stop - columns.start)
        rows = slice(head, head + count * self._span)
        cells: dict[str, npt.NDArray[Any]] = {"observations": trials.inputs, "targets": trials.targets}
        if not alike:
            weights = trials.weights()
            cells |= {"weights": weights, "pay": weights * 2.0, "counted": trials.mask}
            for array, step in ((self.starts, 0), (self.ends, steps - 1)):
                array[rows, columns] = False
                array[head + step : rows.stop : self._span, columns] = True
        for name, values in cells.items():
            # (rows, columns, ...) seen as (trial, step, column, ...)
            place = getattr(self, name)[rows, columns]
            place = place.reshape(count, self._span, *place.shape[1:])
            place[:, :steps] = values.reshape(steps, count, -1, *values.shape[2:]).swapaxes(0, 1)
            place[:, steps:] = 0
        if isinstance(trials, CutTrials):
            last = slice(head + steps - 1, rows.stop, self._span)
            behind = self.observations[last.start + 1 : rows.stop : self._span] if self.gap else self.closing[last]
            behind[:, columns] = trials.closing.reshape(count, -1, trials.closing.shape[1])
            for array, flags in ((self.terminated, trials.terminated), (self.truncated, trials.truncated)):
                array[rows, columns] = False
                array[last, columns] = flags.reshape(count, -1)

    def _write_apart(self, trials: Trials, columns: Columns) -> None:
        """Write one trial into each column, from its own head on, over cells that are blank."""
        heads, steps = self._heads[columns], self._steps
        flat = (heads + np.arange(steps)[:, None]) * len(self.streams) + columns  # (T, m), indices of cells
        # Zeros past the end of a trial: the next one writes over them. A cell's inputs are moved as one item.
        cell = np.dtype((np.void, 4 * self.task.num_inputs))
        shown = np.ascontiguousarray(trials.inputs).view(cell)
        self.observations.view(cell).reshape(-1)[flat.reshape(-1)] = shown.reshape(-1)
        counted = np.flatnonzero(trials.mask)
        places = flat.reshape(-1)[counted]
        # Final scoring: no whole trial counts fewer than one step.
        one_each = len(counted) == len(columns) and self.limit is None
        weights = np.ones(len(counted)) if one_each else trials.weights().reshape(-1)[counted]
        targets = trials.targets.reshape(-1, *trials.targets.shape[2:])[counted]
        for array, values in (
            (self.targets, targets),
            (self.weights, weights),
            (self.pay, weights * 2.0),
            (self.counted, True),
        ):
            array.reshape(-1, *array.shape[2:])[places] = values
        self.starts[heads, columns] = True
        last = heads + trials.lengths - 1
        self.ends[last, columns] = True
        if isinstance(trials, CutTrials):
            self.terminated[last, columns], self.truncated[last, columns] = trials.terminated, trials.truncated
            if self.gap:
                self.observations[last + 1, columns] = trials.closing
            else:
                self.closing[last, columns] = trials.closing
        self._heads[columns] = heads + trials.lengths + self.gap
