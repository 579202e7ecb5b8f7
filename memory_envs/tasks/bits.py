"""A stream of random bits: what the parity and the delayed-match tasks show."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np

from memory_envs import checks, keys
from memory_envs.tasks import bitstreams
from memory_envs.tasks.streams import HeadedTask
from memory_envs.trials import Trials

_BITS, _P = 0, 2  # lanes


@dataclass(frozen=True, kw_only=True)
class BitTask(HeadedTask):
    """A task on one channel of independent bits, equal to 1 with probability ``p``.

    Attributes:
        p: probability of a 1, or ``"uniform"``: drawn for each trial, uniform on [0, 1], as in the published training
            (Khajehabdollahi et al. 2024).
    """

    p: float | Literal["uniform"] = 0.5

    def _resolve(self) -> None:
        super()._resolve()
        if not (isinstance(self.p, str) and self.p == "uniform"):
            try:
                self._set(p=checks.real("p", self.p, 0.0, 1.0))
            except TypeError:
                raise TypeError(f"p must be a number from 0 to 1 or 'uniform', got {self.p!r}") from None

    @property
    def channels(self) -> tuple[str, ...]:
        return ("bit",)

    @property
    def input_bounds(self) -> tuple[tuple[float, float], ...]:
        return ((0.0, 1.0),)

    def sample(self, trial_keys: keys.Words) -> Trials:
        steps, lengths = self.num_steps, self.lengths(trial_keys)
        bits = self._draw(trial_keys)
        if self.scoring == "final":
            bits = bitstreams.from_step(bits, 0, lengths)
        inputs = bitstreams.unpack(bits, steps).astype(np.float32)[..., None]
        mask, answers = self.keep_counted(self._answer(bits), lengths)
        targets = bitstreams.unpack(answers, steps).astype(np.int64)
        return Trials(inputs, self.per_head(targets), mask, lengths)

    def _draw(self, trial_keys: keys.Words) -> keys.Words:
        """Packed bits (W, B)."""
        steps = self.num_steps
        if self.p == 0.5:  # a random word is 64 fair bits
            return keys.words(trial_keys, bitstreams.num_words(steps), _BITS)
        p = keys.uniforms(trial_keys, 1, _P)[0] if self.p == "uniform" else self.p
        threshold = np.floor(np.asarray(p, np.float64) * 2.0**32).astype(np.uint64)
        return bitstreams.pack(keys.halves(trial_keys, steps, _BITS) < threshold)

    @abstractmethod
    def _answer(self, bits: keys.Words) -> keys.Words:
        """Packed answers (W, B, A) of the active heads to packed bits (W, B)."""
