"""What a vector environment that draws keeps: which trial each column plays, and what was answered in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from memory_envs import control, keys
from memory_envs.rendering import TrialView
from memory_envs.tape import Tape
from memory_envs.task import Task


class Played:
    """One column's trial as far as it has been played."""

    def __init__(self, task: Task, stream: keys.Words, number: int) -> None:
        self.task, self.stream, self.number = task, stream, number
        self.answers: list[npt.NDArray[Any]] = []

    def view(self) -> TrialView:
        """The view of the trial, to be drawn."""
        trial = control.trial(self.task, self.stream, self.number)
        return control.view(self.task, trial, np.array(self.answers).reshape(-1, self.task.num_heads))


class History:
    """The trials in progress of all columns, kept up beside the tape. A Python loop a step: only for drawing."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.played: dict[int, Played] = {}

    def begin(self, columns: npt.NDArray[np.int64]) -> None:
        """Begin a new record for the columns that have just been reset."""
        streams, numbers = self.tape.streams, self.tape.playing()
        for c in columns.tolist():
            self.played[c] = Played(self.tape.task, streams[c : c + 1].copy(), int(numbers[c]))

    def answer(self, actions: npt.NDArray[Any]) -> None:
        """Record the answers (B, ...) to the tape's current row; begin a new one where a trial ends or has ended."""
        tape = self.tape
        resting = tape.ends[tape.row - 1] if tape.gap else np.zeros(len(tape.streams), np.bool_)
        for c in np.flatnonzero(~resting).tolist():
            self.played[c].answers.append(np.array(actions[c], ndmin=1))
        for c in np.flatnonzero(resting if tape.gap else tape.ends[tape.row]).tolist():
            self.played[c] = Played(tape.task, self.played[c].stream, self.played[c].number + 1)
