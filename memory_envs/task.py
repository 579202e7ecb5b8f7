"""What a working-memory task is: parameters, and one pure function from trial keys to trials.

In these tasks the stimulus never depends on the action, so a trial can be written down before it is played. The
Gymnasium environment, the vector environment and the supervised batch are three ways of reading the same arrays.

Axes: T steps, B trials, I inputs, H heads.
"""

from __future__ import annotations

import bisect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, ClassVar, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from memory_envs import checks, keys, sizes
from memory_envs.trials import Floats, Trials

AnySpace = spaces.Box | spaces.Discrete | spaces.MultiDiscrete
T = TypeVar("T", bound="Task")

_EQUAL = 1e-12  # reference scores that differ by less are the same

UNSET: int = cast(int, None)
"""Default of an integer parameter that follows from the others when it is left out (never seen after construction)."""

CORRECT_WITHIN = 0.04
"""A real-valued answer is called correct if its error is smaller: the criterion of Schmidt et al. (ICLR 2021)."""

LARGEST_ANSWER = 1 + 2.0**-19
"""Real-valued answers up to this size are taken, and those beyond [-1, 1] stand for -1 or 1. The excess of 2e-6 is 16
units in the last place of a float32: what a bound gains when an agent's answers are rescaled in single precision."""


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A working-memory task with a memory demand of N steps.

    A task writes ``sample``, ``recall``, ``lags`` and ``_reference_score``, its channels and its bounds; everything
    else is inherited. Tasks are immutable, hashable and picklable; equal parameters make equal tasks.

    Attributes:
        N: memory demand in steps: the oldest input that an answer needs can lie N - 1 steps back.
        scoring: ``"dense"`` (every step from the first one at which the answer is defined counts) or ``"final"``
            (only the last step of the trial counts).

    Raises:
        TypeError, ValueError: a parameter is not allowed; the message names it, its value and what is allowed.
    """

    name: ClassVar[str]
    env_id: ClassVar[str]
    default_N: ClassVar[int]
    least_N: ClassVar[int] = 1
    real_valued: ClassVar[bool] = False
    """Answers are real numbers in [-1, 1] instead of labels 0 and 1. Such a task has one head."""
    perfect_score: ClassVar[float] = 1.0

    N: int = field(default=UNSET, kw_only=False)
    scoring: Literal["dense", "final"] = "dense"
    _given: frozenset[str] = field(init=False, repr=False, compare=False, default=frozenset())

    def __post_init__(self) -> None:
        defaults = {f.name: f.default for f in fields(self) if f.init}
        self._set(_given=frozenset(name for name, value in defaults.items() if not _same(getattr(self, name), value)))
        self._resolve()

    def __init_subclass__(cls) -> None:
        # copy.replace (Python 3.13): @dataclass gives every class a __replace__ of its own that keeps derived values,
        # unless the class has one already.
        cls.__replace__ = cls.replace  # type: ignore[attr-defined]

    @classmethod
    def parameters(cls) -> tuple[str, ...]:
        """Names of the parameters, N first."""
        return tuple(f.name for f in fields(cls) if f.init)

    def _resolve(self) -> None:
        """Check the parameters and fill in those that were left out. A subclass extends it."""
        n = self.default_N if self.N is None else self.N
        self._set(N=checks.integer("N", n, self.least_N, checks.LARGEST))
        checks.choice("scoring", self.scoring, ("dense", "final"))

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    # -- what a task writes ------------------------------------------------------------------------------------

    @abstractmethod
    def sample(self, keys: keys.Words) -> Trials:
        """The trials of these keys, a pure function: keys (B,) uint64 -> Trials with T = ``num_steps``.

        Raises:
            TypeError: the keys are not a one-dimensional array of uint64.
        """

    @abstractmethod
    def recall(self, window: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """The best answers of a subject that remembers the last k inputs.

        Args:
            window: (k, B, I), the last k inputs, the current one last; zeros for steps before the trial's start.

        Returns:
            (B, H) answers: int64 labels or float32 values.
        """

    @abstractmethod
    def lags(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """How many steps back the oldest input lies that each answer needs: 0 is the current one.

        A memory of k steps (``reference_score``) holds the inputs of the lags 0 .. k - 1. Each row depends on the
        inputs up to it alone. What stands where an answer does not count means nothing.

        Args:
            inputs: (T, B, I), what is shown.

        Returns:
            (T, B, H) steps, at most T - 1. May be a read-only view.
        """

    @abstractmethod
    def _reference_score(self, memory: int) -> float:
        """``reference_score`` for 0 <= memory < horizon."""

    @property
    @abstractmethod
    def channels(self) -> tuple[str, ...]:
        """Names of the I input channels."""

    @property
    @abstractmethod
    def head_labels(self) -> tuple[str, ...]:
        """Names of the H answers."""

    @property
    @abstractmethod
    def num_steps(self) -> int:
        """Steps in the longest trial, T."""

    @property
    @abstractmethod
    def input_bounds(self) -> tuple[tuple[float, float], ...]:
        """Lowest and highest input of each channel, I pairs."""

    # -- what every task has -----------------------------------------------------------------------------------

    @property
    def num_inputs(self) -> int:
        """Input channels, I."""
        return len(self.channels)

    @property
    def num_heads(self) -> int:
        """Answers at each step, H."""
        return len(self.head_labels)

    @property
    def question(self) -> str:
        """What is asked at a step, in a line for pictures: ``"parity of the last 8 bits? (1: odd)"``."""
        return ""

    @property
    def heads(self) -> tuple[int, ...] | None:
        """The N of each answer where a task asks for several N at once, increasing; None where it does not.

        Tasks that can (``memory_envs.tasks.streams.HeadedTask``) have it as a parameter.
        """
        return None

    @property
    def active_heads(self) -> tuple[int, ...] | None:
        """The entries of ``heads`` that are asked and paid; None where all are, or where there are no ``heads``."""
        return None

    @property
    def active(self) -> tuple[bool, ...]:
        """Which of the H answers are paid."""
        return (True,) * self.num_heads

    @property
    def horizon(self) -> int:
        """Steps back to which every answer's inputs lie: with this memory an ideal subject is perfect in every trial.

        One step fewer is enough for an even number of pulses of evidence, whose sum is never 1 or -1.
        """
        return self.N

    @property
    def free_length(self) -> bool:
        """Whether ``num_steps`` may be chosen: the task asks about a running stream."""
        return False

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """Shape of one action, of ``info["target"]`` and of ``info["correct"]``: (H,), or () for a single label."""
        return (self.num_heads,)

    @property
    def observation_space(self) -> spaces.Box:
        """A new Box (I,) of float32."""
        low, high = np.array(self.input_bounds, np.float32).T
        # The closing observation is all zeros whatever a channel shows.
        return spaces.Box(np.minimum(low, 0), np.maximum(high, 0), dtype=np.float32)

    @property
    def action_space(self) -> AnySpace:
        """A new space of answers: Discrete(2), MultiDiscrete([2] * H), or Box(-1, 1, (H,)) for real values."""
        if self.real_valued:
            return spaces.Box(-1.0, 1.0, (self.num_heads,), np.float32)
        return spaces.MultiDiscrete([2] * self.num_heads) if self.answer_shape else spaces.Discrete(2)

    @property
    def chance_score(self) -> float:
        """Expected score of answers drawn uniformly from the action space: 0 for labels."""
        return 0.0

    @property
    def memoryless_score(self) -> float:
        """The best expected score of a subject that sees the current input only."""
        return self.reference_score(1)

    def reference_score(self, memory: int) -> float:
        """The expected score of the ideal subject whose answer may depend on the last ``memory`` inputs only.

        At each step it gives the answer that is likeliest (or, for real values, best paid) given those inputs; it has
        no clock. ``memory=1`` sees the current input only, ``memory=0`` sees nothing at all.

        Args:
            memory: steps remembered, the current one included; at least 0.

        Returns:
            The score before ``normalise``: 1 is perfect. Exact: a closed form, a finite sum, or quadrature to 1e-9.

        Raises:
            TypeError, ValueError: ``memory`` is not an integer of at least 0.
        """
        if checks.integer("memory", memory, 0) >= self.horizon:
            return self.perfect_score
        return min(_reference_score(self, int(memory)), self.perfect_score)  # no sum is exact to the last bit

    def normalise(self, score: npt.ArrayLike) -> Any:
        """Rescale scores so that 1 is perfect and 0 is the best that a subject without memory can do.

        Raises:
            ValueError: a subject without memory is perfect already (such as parity with N = 1).
        """
        base = self.memoryless_score
        if base > self.perfect_score - 1e-12:
            raise ValueError(f"{self} needs no memory: there is no normalised score (N must be larger)")
        scaled = (np.asarray(score, np.float64) - base) / (self.perfect_score - base)
        return float(scaled) if np.ndim(score) == 0 else scaled

    def equivalent_memory(self, score: npt.ArrayLike) -> Any:
        """How many steps a subject with this expected score behaves as if it remembered.

        Inverts ``reference_score``, linearly between its distinct values, each standing at the smallest memory that
        reaches it: a score that a shorter memory reaches too proves no more than the shorter one. So chance is worth
        0 steps, a perfect score the smallest memory that is perfect (``horizon``, or a step less for evidence);
        scores outside are clipped.

        Args:
            score: one score or an array of them, before ``normalise``.
        """
        scores = np.asarray(score, np.float64)
        memories = np.array([self._equivalent_memory(s) for s in scores.ravel().tolist()]).reshape(scores.shape)
        return float(memories) if np.ndim(score) == 0 else memories

    def _equivalent_memory(self, score: float) -> float:
        """``equivalent_memory`` of one score, by bisection: more memory is never worth less."""
        if math.isnan(score):
            return math.nan

        def enough(value: float) -> int:  # the smallest memory that reaches it
            return bisect.bisect_left(range(self.horizon), value, key=self.reference_score)

        if score >= self.perfect_score:
            return float(enough(self.perfect_score - _EQUAL))
        k = enough(score)
        if k == 0:
            return 0.0
        below, above = self.reference_score(k - 1), self.reference_score(k)
        least = enough(below - _EQUAL)
        return least + (k - least) * (score - below) / (above - below) if above > below + _EQUAL else float(least)

    def read_answers(self, answers: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """The answers as they are judged, and which of them are labels 0 or 1 (real values: in [-1, 1]).

        A real value that lies outside by rounding alone (``LARGEST_ANSWER``) is clipped to -1 or 1. NaN is not in it.
        """
        if not self.real_valued:
            return answers, (answers == 0) | (answers == 1)
        good = (answers >= -1) & (answers <= 1)
        if not good.all():
            good = (answers >= -LARGEST_ANSWER) & (answers <= LARGEST_ANSWER)
            answers = np.where(good, answers.clip(-1, 1), answers)
        return answers, good

    def correct(self, trials: Trials, answers: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which answers are right: (T, B, H) -> (T, B, H) bool; False where an answer does not count or is not asked.

        Raises:
            ValueError: the answers have another shape than the targets, or are not labels 0 and 1 (numbers in [-1, 1]).
        """
        given = self._answers(trials, answers)
        if self.real_valued:
            right = np.abs(given.astype(np.float64) - trials.targets) < CORRECT_WITHIN
        else:
            right = given == trials.targets
        return np.asarray(right & trials.mask[..., None] & np.array(self.active))

    def rewards(self, trials: Trials, answers: npt.ArrayLike) -> Floats:
        """What the answers (T, B, H) are paid at each step, (T, B): the environments' reward, to the last bit.

        At a counted step (2 correct - 1) / (number of counted steps) for labels; for real values
        max(1 - error^2 / variance, -1) over the same number, with the variance of the target. Labels are averaged over
        active heads. 0 where the answer does not count. The division is that of ``Trials.weights``: the rewards of a
        trial whose answers are all right add up to exactly 1.0, in whatever order they are added.
        """
        weights = trials.weights()
        if self.real_valued:
            error = self._answers(trials, answers).astype(np.float64) - trials.targets
            points = np.maximum(1.0 - error * error * (1.0 / self.target_variance), -1.0)
            # A negative number times a weight of 0 is -0.0: adding 0.0 makes it the 0.0 of a step without pay.
            return np.asarray(points[..., 0] * weights + 0.0)
        right = self.correct(trials, answers).sum(axis=-1)
        return np.asarray(right / sum(self.active) * (weights * 2.0) - weights)

    def score(self, trials: Trials, answers: npt.ArrayLike) -> Floats:
        """The score of each trial, (B,): the sum of its ``rewards``.

        1 is perfect (exactly 1.0, and the mean of perfect trials is 1.0 as well); 0 is guessing, for labels.

        Raises:
            ValueError: the answers have another shape than the targets, or are not labels 0 and 1 (numbers in [-1, 1]).
        """
        return np.asarray(self.rewards(trials, answers).sum(axis=0))

    @property
    def target_variance(self) -> float:
        """Variance of a real-valued target.

        Raises:
            TypeError: the task asks for labels.
        """
        raise TypeError(f"{self.name} asks for labels, which have no variance")

    def batch(self, seed: int = 0, index: int = 0, size: int = 64) -> Trials:
        """Batch number ``index`` of a seed's stream of trials: trials index * size ... of it, ``size`` of them.

        Trial j of seed s is episode j of the environment that was reset with seed s.

        Raises:
            gymnasium.error.Error: ``seed`` is not an integer of at least 0.
            TypeError, ValueError: ``index`` or ``size`` is not an integer that is large enough.
        """
        size = checks.integer("size", size, 1, checks.LARGEST)
        sizes.check(
            self.bytes_of_trials(size),
            f"{size} trials of {str(self)[:100]}",
            "size (or num_steps, or N) must be smaller",
        )
        index = checks.integer("index", index, 0, checks.LARGEST)
        numbers = np.arange(size, dtype=np.uint64) + np.uint64(index * size)
        return self.sample(keys.trial_keys(keys.stream(keys.check_seed(seed)), numbers))

    def bytes_of_trials(self, count: int) -> int:
        """About how many bytes it takes to draw ``count`` trials, at the highest point: twice what is then kept."""
        return 2 * count * self.num_steps * (4 * self.num_inputs + 8 * self.num_heads + 1)

    def batches(self, seed: int = 0, size: int = 64) -> Iterator[Trials]:
        """The endless stream of a seed's batches."""
        index = 0
        while True:
            yield self.batch(seed, index, size)
            index += 1

    def replace(self: T, **changes: Any) -> T:
        """The same task with some parameters changed; those that follow from others are worked out anew.

        A parameter that was given at construction is kept, unless it is named here; naming it None frees it.
        ``copy.replace`` does the same; ``dataclasses.replace`` keeps what was worked out, such as ``num_steps``.
        """
        if changes.get("heads", self.heads) is not self.heads and "N" not in changes:
            changes["N"] = None  # the largest of the heads asked for, whatever N was before
        parameters = {name: getattr(self, name) for name in self._given} | changes
        return type(self)(**{name: value for name, value in parameters.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """The task as plain JSON data: its name and the parameters that were given."""
        given = {name: getattr(self, name) for name in sorted(self._given) if getattr(self, name) is not None}
        return {"task": self.name} | {k: list(v) if isinstance(v, tuple) else v for k, v in given.items()}

    def _answers(self, trials: Trials, answers: npt.ArrayLike) -> npt.NDArray[Any]:
        given = np.asarray(answers)
        if given.shape != trials.targets.shape:
            raise ValueError(
                f"answers must have the shape (T, B, H) = {trials.targets.shape} of the targets, got {given.shape}"
            )
        wanted = f"answers must be {'numbers from -1 to 1' if self.real_valued else 'labels 0 and 1'}"
        if given.dtype.kind not in "fiub":
            raise ValueError(f"{wanted}, got dtype {given.dtype}")
        given, good = self.read_answers(given)
        if not good.all():
            raise ValueError(f"{wanted}, got {given[~good][0]}")
        return given


def _same(value: object, default: object) -> bool:
    """Whether a parameter has its default's value. Values of odd types, such as arrays, have not."""
    return value is default or (isinstance(value, (bool, int, float, str)) and value == default)


@lru_cache(maxsize=4096)
def _reference_score(task: Task, memory: int) -> float:
    return float(task._reference_score(memory))
