"""Curricula: (task, scores) -> the next task, or None at the end. The current task is a curriculum's only state.

A stage is named by its largest N. ``CURRICULA`` lists the curricula by their names on the command line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from memory_envs import Task


@dataclass(frozen=True, kw_only=True)
class Curriculum(ABC):
    """Stages of growing N (Khajehabdollahi et al., ICLR 2024).

    Attributes:
        first_n: the smallest N.
        n_max: the largest N, which is the N of the last stage.
        step: the difference between neighbouring N; the last one is shorter where ``n_max`` requires it.
        threshold: a stage is solved when the mean accuracy over heads and the accuracy of the last head exceed it.
        last_threshold: the threshold of the last stage, whose solution ends training. None: ``threshold``.
    """

    first_n: int = 2
    n_max: int
    step: int = 1
    threshold: float = 0.98
    last_threshold: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.first_n <= self.n_max:
            raise ValueError(f"n_max must be at least first_n = {self.first_n}, which is at least 1, got {self.n_max}")
        if self.step < 1:
            raise ValueError(f"step must be at least 1, got {self.step}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold}")
        if self.last_threshold is not None and not 0 < self.last_threshold < 1:
            raise ValueError(f"last_threshold must lie between 0 and 1, got {self.last_threshold}")

    @property
    def ns(self) -> tuple[int, ...]:
        """Every N of the curriculum, increasing."""
        return (*range(self.first_n, self.n_max, self.step), self.n_max)

    def stages(self) -> Sequence[int]:
        """The N of every stage, increasing."""
        return self.ns

    @abstractmethod
    def stage(self, task: Task, n: int) -> Task:
        """The task of stage ``n``."""

    def check(self, task: Task) -> None:
        """Refuse a task that this curriculum cannot train on.

        Raises:
            ValueError: the message says why.
        """
        for n in self.stages():
            try:
                self.stage(task, n)
            except ValueError as error:
                raise ValueError(f"stage N = {n}: {error}") from None

    def first(self, task: Task) -> Task:
        """The task of the first stage."""
        return self.stage(task, self.stages()[0])

    def threshold_at(self, n: int) -> float:
        """The threshold of stage ``n``."""
        return self.threshold if self.last_threshold is None or n < self.n_max else self.last_threshold

    def __call__(self, task: Task, scores: Sequence[float]) -> Task | None:
        """The task to train on after a test: the same task, that of the next stage, or None after the last stage.

        Args:
            task: the task of the stage that was tested.
            scores: the accuracy of each of the task's H heads, between 0 and 1.
        """
        threshold = self.threshold_at(task.N)
        if not (sum(scores) / len(scores) > threshold and scores[-1] > threshold):
            return task
        return self.after(task)

    def after(self, task: Task) -> Task | None:
        """The task of the stage after that of this one, or None after the last."""
        later = [n for n in self.stages() if n > task.N]
        return self.stage(task, later[0]) if later else None

    def ahead(self, task: Task, count: int) -> tuple[int, ...]:
        """The next N, up to ``count`` of them, whose heads may be learned ahead of their stage: none by default."""
        return ()


@dataclass(frozen=True, kw_only=True)
class SingleHead(Curriculum):
    """One N at a time, with a single readout for all stages: the network may forget smaller N."""

    def stage(self, task: Task, n: int) -> Task:
        return task.replace(N=n)


@dataclass(frozen=True, kw_only=True)
class MultiHead(Curriculum):
    """All N up to that of the stage at once, each with its own readout: the network must keep what it learned."""

    def stage(self, task: Task, n: int) -> Task:
        return task.replace(heads=tuple(m for m in self.ns if m <= n))

    def ahead(self, task: Task, count: int) -> tuple[int, ...]:
        return tuple(n for n in self.ns if n > task.N)[:count]

    def check(self, task: Task) -> None:
        if "heads" not in task.parameters():
            raise ValueError(f"needs a task that asks for several N at once (heads), {task.name} asks for one")
        for n in self.ns:  # a task that accepts every single head accepts any set of them
            try:
                task.replace(heads=(n,))
            except ValueError as error:
                if n % 2 == 0 and _accepts(task, n - 1):
                    raise ValueError(f"{error}: use first_n 1, step 2 and an odd n_max") from None
                raise


def _accepts(task: Task, n: int) -> bool:
    """Whether the task can be asked for this N as one of several heads."""
    try:
        task.replace(heads=(n,))
    except ValueError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class SlidingWindow(MultiHead):
    """The latest few N at once: the network may forget an N once it has left the window.

    A stage has ``window`` neighbouring N. When it is solved, the window moves on by ``shift`` N; the last move is
    shorter where fewer are left. Readouts belong to an N: an N in two windows keeps its readout (the published code
    re-uses readouts by position).

    Attributes:
        window: the number of heads in a stage, w in the paper.
        shift: the number of heads that are replaced from one stage to the next, f in the paper.
    """

    window: int = 10
    shift: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.shift <= self.window:
            raise ValueError(f"shift must be from 1 to window = {self.window}, got {self.shift}")
        if self.window > len(self.ns):
            raise ValueError(f"window must be at most {len(self.ns)}, the number of N there are, got {self.window}")

    def stages(self) -> Sequence[int]:
        return (*self.ns[self.window - 1 : -1 : self.shift], self.n_max)

    def stage(self, task: Task, n: int) -> Task:
        end = self.ns.index(n) + 1
        return task.replace(heads=self.ns[end - self.window : end])


@dataclass(frozen=True, kw_only=True)
class NoneSingle(SingleHead):
    """Control without a curriculum: ``n_max`` alone from the start. The paper reports failure on parity for N > 10."""

    def stages(self) -> Sequence[int]:
        return (self.n_max,)


@dataclass(frozen=True, kw_only=True)
class NoneMulti(MultiHead):
    """Control without a curriculum: all N from the start. In the paper, networks then learn smaller N first."""

    def stages(self) -> Sequence[int]:
        return (self.n_max,)


CURRICULA: dict[str, type[Curriculum]] = {
    "single-head": SingleHead,
    "multi-head": MultiHead,
    "sliding-window": SlidingWindow,
    "none-single": NoneSingle,
    "none-multi": NoneMulti,
}
