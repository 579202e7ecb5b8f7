"""Curricula: (task, scores) -> the next task, or None at the end. The task is the whole state of a curriculum.

A stage is named by its N. ``CURRICULA`` lists them by the names of the command line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memory_envs import Task


@dataclass(frozen=True, kw_only=True)
class Curriculum(ABC):
    """Stages of growing N (Khajehabdollahi et al., ICLR 2024).

    Attributes:
        first_n: N of the first stage.
        n_max: N of the last one.
        step: by how much N grows.
        threshold: a stage is solved when the mean accuracy over heads and that of the last head are above it.
    """

    first_n: int = 2
    n_max: int
    step: int = 1
    threshold: float = 0.98

    def __post_init__(self) -> None:
        if not 1 <= self.first_n <= self.n_max:
            raise ValueError(f"n_max must be at least first_n = {self.first_n}, which is at least 1, got {self.n_max}")
        if self.step < 1:
            raise ValueError(f"step must be at least 1, got {self.step}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold}")

    @abstractmethod
    def stage(self, task: Task, n: int) -> Task:
        """The task of stage ``n``."""

    def refusal(self, task: Task) -> str | None:
        """Why this curriculum cannot serve ``task``, or None."""
        return None

    def first(self, task: Task) -> Task:
        """The task of the first stage."""
        return self.stage(task, self.first_n)

    def stages(self) -> Iterator[int]:
        """The N of every stage."""
        n = self.first_n
        while n < self.n_max:
            yield n
            n += self.step
        yield self.n_max

    def solved(self, scores: Sequence[float]) -> bool:
        """Whether the accuracies of the H heads pass the threshold."""
        return sum(scores) / len(scores) > self.threshold and scores[-1] > self.threshold

    def __call__(self, task: Task, scores: Sequence[float]) -> Task | None:
        """The task to go on with after a test: the same one, the next stage's, or None when the last is solved.

        Args:
            task: the stage that was tested.
            scores: accuracy of each of its H heads.
        """
        if not self.solved(scores):
            return task
        later = [n for n in self.stages() if n > task.N]
        return self.stage(task, later[0]) if later else None


@dataclass(frozen=True, kw_only=True)
class SingleHead(Curriculum):
    """One N at a time, with one readout that is re-used: the network is free to forget smaller N."""

    def stage(self, task: Task, n: int) -> Task:
        return task.replace(N=n)


@dataclass(frozen=True, kw_only=True)
class MultiHead(Curriculum):
    """All N up to the stage's at once, one readout each: what was learnt has to be kept."""

    def stage(self, task: Task, n: int) -> Task:
        return task.replace(heads=tuple(m for m in self.stages() if m <= n))

    def refusal(self, task: Task) -> str | None:
        if "heads" not in task.parameters():
            return f"needs a task with heads, and {task.name} has none"
        return None


CURRICULA: dict[str, type[Curriculum]] = {"single-head": SingleHead, "multi-head": MultiHead}
