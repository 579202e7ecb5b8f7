"""N-parity: is the number of 1s among the last N bits odd?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory_envs import keys
from memory_envs.tasks import bitstreams
from memory_envs.tasks.bits import BitTask, posterior_mean


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
        odd = self._bias(seen.sum(axis=0), len(seen), unseen) < 0  # the unseen bits are likelier odd than even
        return seen.sum(axis=0) % 2 ^ odd

    def _head_score(self, n: int, memory: int) -> float:
        seen = min(memory, n)
        if self.p != "uniform":
            return float(abs(1 - 2 * self.p) ** (n - seen))
        # With p uniform, every number of 1s among the bits seen is equally likely.
        return float(np.abs(self._bias(np.arange(seen + 1), seen, n - seen)).mean())

    def _bias(self, ones: npt.NDArray[np.int64], seen: int, unseen: int) -> npt.NDArray[np.float64]:
        """P(even) - P(odd) of the parity of ``unseen`` bits, after ``ones`` 1s among ``seen``."""
        if self.p == "uniform":
            return posterior_mean(unseen, ones, seen)
        return np.full(ones.shape, (1 - 2 * self.p) ** unseen)
