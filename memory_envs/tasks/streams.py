"""Tasks that ask about a running stream: their trial lengths, and their heads (one answer for each of several N)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory_envs import checks, keys
from memory_envs.task import UNSET, Task
from memory_envs.tasks import bitstreams

LENGTH_LANE = 1
"""The lane of the words that draw a trial's length; lane 0 and those above 1 belong to the stimulus."""


@dataclass(frozen=True, kw_only=True)
class StreamTask(Task):
    """A task whose trial may be of any length.

    Attributes:
        num_steps: steps in a trial. Default 4 N with dense scoring. With final scoring the length is drawn for each
            trial, uniform on N + 2 .. num_steps, so that the subject cannot count; the default is then 4 N + 1
            (Khajehabdollahi et al. 2024).
    """

    num_steps: int = UNSET

    @property
    def demand(self) -> int:
        """Steps that the answers asked for reach back, the current one included."""
        return self.N

    @property
    def first_counted(self) -> int:
        """The first step whose answer is defined."""
        return 0

    @property
    def free_length(self) -> bool:
        return True

    def _resolve(self) -> None:
        super()._resolve()
        self._resolve_num_steps()

    def _resolve_num_steps(self) -> None:
        if self.num_steps is None:
            self._set(num_steps=4 * self.demand + (self.scoring == "final"))
        else:
            least = self.demand + (2 if self.scoring == "final" else 0)
            try:
                self._set(num_steps=checks.integer("num_steps", self.num_steps, least, checks.LARGEST))
            except ValueError as error:
                raise ValueError(f"{error} (N = {self.demand}, scoring = {self.scoring!r})") from None

    def lengths(self, trial_keys: keys.Words) -> npt.NDArray[np.int64]:
        """Steps in each trial, (B,)."""
        keys.check_keys(trial_keys)
        if self.scoring == "dense":
            return np.broadcast_to(np.int64(self.num_steps), trial_keys.shape)
        return keys.integers(trial_keys, self.demand + 2, self.num_steps, LENGTH_LANE)

    def keep_counted(
        self, answers: keys.Words, lengths: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.bool_], keys.Words]:
        """When answers count, (T, B), and the packed answers (W, B, A) with those that do not count set to 0."""
        if self.scoring == "dense":
            mask = np.arange(self.num_steps)[:, None] >= self.first_counted
            return np.broadcast_to(mask, (self.num_steps, len(lengths))), bitstreams.from_step(
                answers, self.first_counted
            )
        last = bitstreams.at_step(lengths - 1, len(answers))
        return bitstreams.unpack(last, self.num_steps).view(np.bool_), answers & last[..., None]


@dataclass(frozen=True, kw_only=True)
class HeadedTask(StreamTask):
    """A stream task that can ask several questions of one stream, one for each of several N.

    Attributes:
        heads: the N of each answer, increasing, such as (2, 4, 8). N may then be left out: it is the largest. None
            (the default): one answer, for N.
        active_heads: the entries of ``heads`` that are asked and paid, by default all. Trials are as long, and count
            from the same step, as if only these existed: a curriculum can grow within a fixed action space.
    """

    heads: tuple[int, ...] | None = None
    active_heads: tuple[int, ...] | None = None

    @property
    def demand(self) -> int:
        return self.asked[-1]

    @property
    def asked(self) -> tuple[int, ...]:
        """The N of the answers that are paid, increasing."""
        return self.active_heads or self.heads or (self.N,)

    @property
    def active(self) -> tuple[bool, ...]:
        asked = set(self.asked)
        return tuple(n in asked for n in self.heads or (self.N,))

    @property
    def head_labels(self) -> tuple[str, ...]:
        return tuple(f"N={n}" for n in self.heads or (self.N,))

    @property
    def answer_shape(self) -> tuple[int, ...]:
        return () if self.heads is None else (len(self.heads),)

    @property
    def horizon(self) -> int:
        return self.demand

    @property
    def first_counted(self) -> int:
        return self.demand - 1

    def _resolve(self) -> None:
        if self.heads is not None:
            heads = checks.increasing("heads", self.heads, self.least_N)
            if self.N is not None and checks.integer("N", self.N, self.least_N) != heads[-1]:
                raise ValueError(f"N must be the largest of heads={heads} or be left out, got {self.N}")
            self._set(heads=heads, N=heads[-1])
        if self.active_heads is not None:
            if self.heads is None:
                raise ValueError(f"active_heads must be left out where heads is None, got {self.active_heads!r}")
            active = checks.increasing("active_heads", self.active_heads, self.least_N)
            if not set(active) <= set(self.heads):
                raise ValueError(f"active_heads must be some of heads={self.heads}, got {active}")
            self._set(active_heads=None if active == self.heads else active)
        super()._resolve()

    def per_head(self, targets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Spread what the A active heads say, (..., A), over all H heads, with zeros for the others: (..., H)."""
        if all(self.active):
            return targets
        out = np.zeros((*targets.shape[:-1], self.num_heads), targets.dtype)
        out[..., np.array(self.active)] = targets
        return out

    def lags(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Each head's N - 1, at every step: its window is full wherever it counts."""
        return np.broadcast_to(np.array(self.heads or (self.N,)) - 1, (*inputs.shape[:2], self.num_heads))

    def _reference_score(self, memory: int) -> float:
        return float(np.mean([self._head_score(n, memory) for n in self.asked]))

    @abstractmethod
    def _head_score(self, n: int, memory: int) -> float:
        """The reference score of the answer for ``n`` alone."""
