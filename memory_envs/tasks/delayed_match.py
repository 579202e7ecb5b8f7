"""N-delayed match to sample: is the current bit the same as the one N - 1 steps ago?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory_envs import keys
from memory_envs.tasks import bitstreams
from memory_envs.tasks.bits import BitTask


@dataclass(frozen=True, kw_only=True)
class DelayedMatch(BitTask):
    """N-delayed match to sample, DMS, on a stream (Khajehabdollahi et al., ICLR 2024).

    ## Description
    A stream of bits. At each step the subject says whether the current bit equals the one N - 1 steps before. N counts
    both ends: N = 2 compares neighbours. The subject must hold N - 1 bits, of which one matters at a time.

    **Relatives in other suites:** NeuroGym's delayed match to sample is another task, made of single trials (sample,
    delay, test); POPGym's RepeatPrevious counts its k from the current card, so that its k is our N - 1.

    ## Observation space
    ``Box(0, 1, (1,), float32)``: the current bit. After the last answer: 0.

    ## Action space
    ``Discrete(2)``: 1 for a match. With ``heads``: ``MultiDiscrete([2] * H)``, one answer for each head's N.

    ## Reward
    At a counted step (2 correct - 1) / (counted steps of the trial), averaged over active heads, in the same ``step``
    as the answer: a perfect episode returns 1, guessing 0 on average. Steps count from step N - 1 on (heads: the
    largest active N), or only the last step counts (``scoring="final"``).

    ## Episode end
    ``terminated`` after the answer to the trial's last step, ``num_steps`` steps after the reset (final scoring: a
    random number of steps). Never ``truncated``.

    ## Arguments
    - ``N`` (5): the current bit is compared with the one N - 1 steps ago; at least 2.
    - ``heads`` (None): several N at once, increasing, such as (2, 4, 8); N is then the largest and may be left out.
    - ``active_heads`` (all): the entries of ``heads`` that are asked and paid.
    - ``num_steps`` (4 N; final scoring 4 N + 1): steps in a trial. With final scoring the longest: lengths are uniform
      on N + 2 .. num_steps.
    - ``scoring`` ("dense"): "dense" or "final".
    - ``p`` (0.5): probability of a 1, or "uniform" (drawn for each trial).

    ## Reference scores
    Chance 0. With p = 0.5 a memory of k < N bits is worth nothing (score 0, so 0 without memory as well) and k = N is
    perfect. Else a subject that sees the current bit guesses the likelier past one: |1 - 2p| for 1 <= k < N,
    (1 - 2p)^2 for k = 0; with p = "uniform" the mean over h of |1 - 2 (h + 1) / (k + 2)|, h the number of 1s among
    the k bits seen, and 1/3 for k = 0.

    ## Lag
    How many steps back the oldest input lies that an answer needs (``lags``): N - 1 (heads: of each answer's N).

    ## Version history
    - v0: first version.
    """

    name = "dms"
    env_id = "MemoryDMS-v0"
    default_N = 5
    least_N = 2

    @property
    def question(self) -> str:
        ago = "N - 1 steps" if self.heads else "1 step" if self.N == 2 else f"{self.N - 1} steps"
        return f"same bit as {ago} ago? (1: yes)"

    def _answer(self, bits: keys.Words) -> keys.Words:
        return np.stack([~(bits ^ bitstreams.delay(bits, n - 1)) for n in self.asked], axis=-1)

    def recall(self, window: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        bits = window[..., 0].astype(np.int64)
        if not len(bits):
            return self.per_head(np.ones((bits.shape[1], len(self.asked)), np.int64))  # a match is never unlikelier
        return self.per_head(
            np.stack([bits[-1] == self._recall(bits, n) for n in self.asked], axis=-1).astype(np.int64)
        )

    def _recall(self, bits: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
        """The bit of n - 1 steps ago, or the likelier one where it is not remembered."""
        if len(bits) >= n:
            return bits[-n]
        ones = bits.sum(axis=0)
        return (2 * ones > len(bits) if self.p == "uniform" else np.full(ones.shape, self.p > 0.5)).astype(np.int64)

    def _head_score(self, n: int, memory: int) -> float:
        if memory >= n:
            return 1.0
        if memory == 0:
            return 1 / 3 if self.p == "uniform" else (1 - 2 * self.p) ** 2
        if self.p != "uniform":
            return float(abs(1 - 2 * self.p))
        # Every number h of 1s among the bits seen is equally likely; after it a bit is 1 with (h + 1) / (memory + 2).
        return float(np.abs(1 - 2 * np.arange(1, memory + 2) / (memory + 2)).mean())
