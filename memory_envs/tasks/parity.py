"""N-parity: is the number of 1s among the last N bits odd?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory_envs import keys
from memory_envs.tasks import bitstreams
from memory_envs.tasks.bits import BitTask


@dataclass(frozen=True, kw_only=True)
class Parity(BitTask):
    """N-parity (Khajehabdollahi et al., ICLR 2024).

    ## Description
    A stream of bits. At each step the subject says the parity of the last N of them, the current one included: it must
    hold N - 1 bits, and every one of them matters.

    **Relatives in other suites:** POPGym has no parity task; its RepeatPrevious asks for one past item only.

    ## Observation space
    ``Box(0, 1, (1,), float32)``: the current bit. After the last answer: 0.

    ## Action space
    ``Discrete(2)``: the parity, 1 for odd. With ``heads``: ``MultiDiscrete([2] * H)``, one parity for each head's N.

    ## Reward
    At a counted step (2 correct - 1) / (counted steps of the trial), averaged over active heads, in the same ``step``
    as the answer: a perfect episode returns 1, guessing 0 on average. Steps count from step N - 1 on (heads: the
    largest active N), or only the last step counts (``scoring="final"``).

    ## Episode end
    ``terminated`` after the answer to the trial's last step, ``num_steps`` steps after the reset (final scoring: a
    random number of steps). Never ``truncated``.

    ## Arguments
    - ``N`` (8): bits in the parity, at least 1.
    - ``heads`` (None): several N at once, increasing, such as (2, 4, 8); N is then the largest and may be left out.
    - ``active_heads`` (all): the entries of ``heads`` that are asked and paid.
    - ``num_steps`` (4 N; final scoring 4 N + 1): steps in a trial. With final scoring the longest: lengths are uniform
      on N + 2 .. num_steps.
    - ``scoring`` ("dense"): "dense" or "final".
    - ``p`` (0.5): probability of a 1, or "uniform" (drawn for each trial).

    ## Reference scores
    Chance 0. With p = 0.5 a memory of k < N bits is worth nothing (score 0, so 0 without memory as well) and k = N is
    perfect. Else k bits are worth |1 - 2p|^(N - k), the bias of the parity of the bits not seen; with p = "uniform"
    the mean over h of |E[(1 - 2p)^(N - k) | h]|, h the number of 1s among the k bits seen.

    ## Lag
    How many steps back the oldest input lies that an answer needs (``lags``): N - 1 (heads: of each answer's N).

    ## Version history
    - v0: first version.
    """

    name = "parity"
    env_id = "MemoryParity-v0"
    default_N = 8

    @property
    def question(self) -> str:
        last = "N bits" if self.heads else "bit" if self.N == 1 else f"{self.N} bits"
        return f"parity of the last {last}? (1: odd)"

    def _answer(self, bits: keys.Words) -> keys.Words:
        total = bitstreams.running_parity(bits)
        return np.stack([total ^ bitstreams.delay(total, n) for n in self.asked], axis=-1)

    def recall(self, window: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        bits = window[..., 0].astype(np.int64)
        return self.per_head(np.stack([self._recall(bits[-min(n, len(bits)) :], n) for n in self.asked], axis=-1))

    def _recall(self, seen: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
        unseen = n - len(seen)
        ones = seen.sum(axis=0)
        mostly_ones = 2 * ones > len(seen) if self.p == "uniform" else self.p > 0.5
        return np.asarray(ones % 2 ^ (mostly_ones & (unseen % 2 == 1)))  # are the unseen bits likelier odd than even?

    def _head_score(self, n: int, memory: int) -> float:
        seen = min(memory, n)
        if self.p != "uniform":
            return float(abs(1 - 2 * self.p) ** (n - seen))
        # The mean over h of |E[x^r | h]|, x = 1 - 2 p uniform on [-1, 1], r bits unseen, h of the bits seen are 1s.
        r = n - seen
        if r % 2 == 0:  # never negative: E[x^r]
            return 1 / (r + 1)
        # The sign is that of seen / 2 - h, so that the mean is E[x^r D(x)], D = P(h < seen / 2) - P(h > seen / 2). By
        # parts: (1 - E[y^(r + 1)]) / (r + 1), where y has the density D'(y) / 2, and y^2 is Beta(1/2, m + 1).
        m = (seen - 1) // 2  # two equal halves say nothing: an even number of bits is worth one fewer
        i = np.arange((r + 1) // 2)
        return float(-np.expm1(np.log1p(-(m + 1) / (m + 1.5 + i)).sum()) / (r + 1)) if seen else 0.0
