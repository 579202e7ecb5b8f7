"""What a drawing of a trial is made from, and the choices that text and pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class TrialView:
    """One trial as far as it has been played: t steps answered, and the step that waits for its answer.

    Axes: I channels, H heads.

    Attributes:
        title: What is being played, such as ``"MemoryParity-v0  N=8"``.
        question: what is asked, such as ``"parity of the last 3 bits? (1: odd)"``. May be empty.
        channels: I names, one for each input channel.
        heads: H names, one for each answer.
        active: (H,) which heads are paid.
        inputs: (t+1, I) float32, what has been shown; the last row waits for its answer. (t, I) once the
            trial is over.
        targets: (t, H) what was asked at the answered steps: labels 0 and 1, or numbers in [-1, 1].
        counted: (t,) bool, whether the answer counted.
        answers: (t, H) what was answered.
        correct: (t, H) bool, whether the answer was right.
        num_steps: The longest that a trial of this task can be. It fixes the size of the picture.
        real_valued: Whether answers are numbers in [-1, 1] rather than labels.
        score: The return so far.
        over: Whether every step has been answered.
        signed: (I,) which channels can show negative values. Left empty, what has been shown decides.
    """

    title: str
    question: str
    channels: tuple[str, ...]
    heads: tuple[str, ...]
    active: tuple[bool, ...]
    inputs: npt.NDArray[np.float32]
    targets: npt.NDArray[Any]
    counted: npt.NDArray[np.bool_]
    answers: npt.NDArray[Any]
    correct: npt.NDArray[np.bool_]
    num_steps: int
    real_valued: bool
    score: float
    over: bool
    signed: tuple[bool, ...] = ()


def is_signed(view: TrialView, channel: int) -> bool:
    """Whether a channel can show negative values."""
    return view.signed[channel] if view.signed else bool((view.inputs[:, channel] < 0).any())


def needs_decimals(view: TrialView) -> bool:
    """Whether whole numbers are not enough to tell what was shown, asked and answered."""
    return view.real_valued or not bool((view.inputs == np.rint(view.inputs)).all())


def paid(view: TrialView) -> npt.NDArray[np.bool_]:
    """(t, H): whether an answer was paid, because its step counted and its head is active."""
    return np.logical_and(view.counted[:, None], view.active)


def tally(view: TrialView, heads: Sequence[int]) -> tuple[int, int]:
    """How many of the paid answers of some heads were right, and how many there were."""
    counts = paid(view)[:, heads]
    return int((counts & view.correct[:, heads]).sum()), int(counts.sum())


def rows_to_draw(active: Sequence[bool], limit: int) -> tuple[int, ...]:
    """Which of many rows to draw: the first and the last active ones, then others where room is left."""
    first = [i for i, on in enumerate(active) if on]
    if len(first) > limit:
        return tuple(first[: (limit + 1) // 2] + first[len(first) - limit // 2 :])
    rest = [i for i, on in enumerate(active) if not on]
    return tuple(sorted(first + rest[: limit - len(first)]))


def left_out(view: TrialView, channels: Sequence[int], heads: Sequence[int]) -> str:
    """A line that tells of the channels and heads that are not drawn; empty where all are."""
    parts = []
    if len(channels) < len(view.channels):
        parts.append(_more(len(view.channels) - len(channels), "channel"))
    hidden = sorted(set(range(len(view.heads))) - set(heads))
    if hidden:
        right, total = tally(view, hidden)
        parts.append(_more(len(hidden), "head") + (f" ({right} of {total} right)" if total else ""))
    return " and ".join(parts) + " not drawn" if parts else ""


def _more(count: int, what: str) -> str:
    return f"{count} more {what}{'s' if count > 1 else ''}"


def progress(view: TrialView) -> str:
    """How far the trial is and how many of the paid answers were right."""
    right, total = tally(view, range(len(view.heads)))
    answered = len(view.answers)
    steps = f"trial over, {answered} steps" if view.over else f"{answered} of at most {view.num_steps} steps"
    return f"{steps} answered, {right} of {total} right"


def score(view: TrialView) -> str:
    """The return so far."""
    return f"score {rounded(view.score, 3):+.3f}"


def rounded(value: float, digits: int) -> float:
    """A rounded number that never is -0.0, which would print its sign."""
    return round(float(value), digits) + 0.0
