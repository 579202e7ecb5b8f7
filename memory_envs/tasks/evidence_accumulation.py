"""Evidence accumulation: which sign have more of the pulses had?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory_envs import checks, keys
from memory_envs.tasks import accumulation_scores
from memory_envs.tasks.streams import HeadedTask
from memory_envs.trials import Trials, time_mask

_PULSES, _DRIFT, _NOISE = 0, 2, 3  # lanes
LEAST_NOISE = 1e-3
"""Less would be lost in rounding to float32, and sums would tie that the reference scores take to be apart."""


@dataclass(frozen=True, kw_only=True)
class EvidenceAccumulation(HeadedTask):
    """Evidence accumulation (Haputhanthri et al. 2025; a discrete form of the field's perceptual decision).

    ## Description
    A trial has N steps: N - ``delay`` pulses of evidence, each +1 or -1, then ``delay`` silent ones. At each step the
    subject says the sign of the sum so far. Pulses are +1 with probability 0.5 + ``bias`` in half of the trials and
    0.5 - ``bias`` in the others. A step at which the sum is zero does not count. With ``heads`` the task is a stream,
    and each answer is the sign of the sum of the last n pulses: a graded sibling of parity and DMS.

    **Relatives in other suites:** Valente et al. and Dubreuil et al. give coherences of 1, 2, 4 and ask for one
    decision at the end; NeuroGym's perceptual decision counts in milliseconds and has three actions.

    ## Observation space
    ``Box((-1, 0), (1, 1), (2,), float32)``: evidence, go (1 in the steps that are asked about, whether or not the sum
    is zero there: it gives nothing away). With noise the evidence lies within 1 + 8.6 ``noise``. After the last answer:
    zeros.

    ## Action space
    ``Discrete(2)``: 1 for a positive sum. With ``heads``: ``MultiDiscrete([2] * H)``, one answer for each window.

    ## Reward
    At a counted step (2 correct - 1) / (counted steps of the trial), averaged over active heads, in the same ``step``
    as the answer: a perfect episode returns 1, guessing 0 on average. Every step counts at which the sum is not zero
    (heads: every step from the one at which the largest active window is full), or only the last step counts
    (``scoring="final"``; trials whose whole sum is zero are then drawn again, pulse by pulse).

    ## Episode end
    ``terminated`` after the answer to the trial's last step: N steps after the reset; with ``heads`` ``num_steps``
    (final scoring: a random number of steps). Never ``truncated``.

    ## Arguments
    - ``N`` (10): steps in a trial, at least 1. The go channel says when to answer, so that trials need no random length
      even with final scoring.
    - ``delay`` (0): silent steps at the end of the trial, fewer than N.
    - ``bias`` (0.1): how far the probability of a positive pulse lies from 0.5, at most 0.5.
    - ``noise`` (0): standard deviation of Gaussian noise on the evidence. The noisy values are summed, so that a
      perfect subject still scores 1; a sum is then never zero. At least 0.001 where it is not 0.
    - ``heads`` (None): windows, increasing and odd (an even window could tie for one head and not for another), such
      as (1, 3, 5); N is then the largest and may be left out, and ``delay`` must be 0.
    - ``active_heads`` (all): the entries of ``heads`` that are asked and paid.
    - ``num_steps``: N; with ``heads`` any number, by default 4 N (final scoring 4 N + 1, the longest: lengths are
      uniform on N + 2 .. num_steps).
    - ``scoring`` ("dense"): "dense" or "final".

    ## Reference scores
    Chance 0. A memory of k steps answers the sign of the last k steps' evidence, and in a tie that of the last k - 1:
    the likeliest answer, by binomial sums and walks over the sums, exact. As a trial's score is divided by its own
    number of counted steps, answers in a tie that also bet on few counted steps could gain a little for even k (less
    than 0.003 at N = 10). All k together take about a second at N = 1,000 and ten at 4,000; from about 5,000 on they
    need more memory than is allowed (final scoring: none of this). With noise, Fourier integrals; with
    noise and bias together the score is that of this subject, which weighing every value by its likelihood could
    better a little.

    ## Lag
    How many steps back the oldest input lies that an answer needs (``lags``): steps since the trial began, for the sum
    so far includes the first pulse (heads: n - 1 for a window of n).

    ## Version history
    - v0: first version.
    """

    name = "evidence-accumulation"
    env_id = "MemoryEvidenceAccumulation-v0"
    default_N = 10

    delay: int = 0
    bias: float = 0.1
    noise: float = 0.0

    def _resolve(self) -> None:
        super()._resolve()
        self._set(bias=checks.real("bias", self.bias, 0.0, 0.5), noise=checks.real("noise", self.noise, 0.0, 1e6))
        if 0 < self.noise < LEAST_NOISE:
            raise ValueError(f"noise must be 0 or at least {LEAST_NOISE}, got {self.noise!r}")
        if self.heads is None:
            self._set(delay=checks.integer("delay", self.delay, 0, self.N - 1))
            return
        if any(n % 2 == 0 for n in self.heads):
            raise ValueError(f"heads must be odd windows (an even number of pulses can tie), got {self.heads}")
        self._set(delay=checks.integer("delay", self.delay, 0))
        if self.delay:
            raise ValueError(f"delay must be 0 where heads are given, got {self.delay}")

    def _resolve_num_steps(self) -> None:
        if self.heads is not None:
            super()._resolve_num_steps()
        elif self.num_steps is None:
            self._set(num_steps=self.N)
        elif checks.integer("num_steps", self.num_steps, 1) != self.N:
            raise ValueError(f"num_steps must be N = {self.N} or be left out where heads is None, got {self.num_steps}")

    @property
    def free_length(self) -> bool:
        return self.heads is not None

    @property
    def question(self) -> str:
        return f"sign of the sum of {'the last N pulses' if self.heads else 'all pulses so far'}? (1: positive)"

    @property
    def channels(self) -> tuple[str, ...]:
        return ("evidence", "go")

    @property
    def input_bounds(self) -> tuple[tuple[float, float], ...]:
        most = 1 + keys.NORMAL_LIMIT * self.noise
        return ((-most, most), (0.0, 1.0))

    def sample(self, trial_keys: keys.Words) -> Trials:
        return self._sample_trials(trial_keys) if self.heads is None else self._sample_stream(trial_keys)

    def _sample_trials(self, trial_keys: keys.Words) -> Trials:
        steps, pulses = self.num_steps, self.num_steps - self.delay
        lengths = np.broadcast_to(np.int64(steps), trial_keys.shape)
        evidence = self._evidence(trial_keys, pulses)
        if self.scoring == "final":
            self._redraw_ties(evidence, trial_keys)
        sums = np.cumsum(evidence, axis=0, dtype=evidence.dtype)
        counted = sums != 0
        asked = slice(steps - 1 if self.scoring == "final" else 0, steps)

        inputs = np.zeros((steps, len(trial_keys), 2), np.float32)
        inputs[:pulses, :, 0] = evidence
        inputs[asked, :, 1] = 1
        targets = np.zeros((steps, len(trial_keys), 1), np.int64)
        mask = np.zeros((steps, len(trial_keys)), np.bool_)
        settled = np.minimum(np.arange(asked.start, steps), pulses - 1)  # silent steps ask about the whole sum
        if asked.start == 0 and self.delay == 0:  # the usual case needs no gathering
            mask[:], targets[..., 0] = counted, sums > 0
        else:
            mask[asked], targets[asked, :, 0] = counted[settled], sums[settled] > 0
        return Trials(inputs, targets, mask, lengths)

    def _sample_stream(self, trial_keys: keys.Words) -> Trials:
        steps, lengths = self.num_steps, self.lengths(trial_keys)
        evidence = self._evidence(trial_keys, steps)
        mask = time_mask(self.first_counted, lengths, steps, self.scoring)
        sums = np.cumsum(evidence, axis=0, dtype=evidence.dtype)
        targets = np.zeros((steps, len(trial_keys), len(self.asked)), np.int64)
        for i, n in enumerate(self.asked):
            targets[:n, :, i] = sums[:n] > 0
            targets[n:, :, i] = sums[n:] > sums[:-n]
        targets *= mask[..., None]
        inputs = np.stack([evidence, mask], axis=-1, dtype=np.float32)
        inputs[np.arange(steps)[:, None] >= lengths] = 0
        return Trials(inputs, self.per_head(targets), mask, lengths)

    def _evidence(self, trial_keys: keys.Words, pulses: int, attempt: int = 0) -> npt.NDArray[np.int32 | np.float64]:
        """The evidence of each pulse, (pulses, B). Attempts are independent."""
        up = (keys.words(trial_keys, 1, _DRIFT)[0] & np.uint64(1)).astype(np.float64)
        threshold = ((0.5 - self.bias + 2 * self.bias * up) * 2.0**32).astype(np.uint64)
        positive = keys.halves(trial_keys, pulses, _PULSES, attempt * pulses) < threshold
        signs = 2 * positive.view(np.int8).astype(np.int32) - 1
        if not self.noise:
            return signs
        # Rounded to what is shown, so that the sum of the values shown is the sum asked for.
        return (signs + self.noise * keys.normals(trial_keys, pulses, _NOISE)).astype(np.float32).astype(np.float64)

    def _redraw_ties(self, evidence: npt.NDArray[np.int32 | np.float64], trial_keys: keys.Words) -> None:
        """Draw the pulses of trials that sum to zero again, in place, until none does."""
        attempt, tied = 0, np.flatnonzero(evidence.sum(axis=0) == 0)
        while len(tied):
            attempt += 1
            evidence[:, tied] = again = self._evidence(trial_keys[tied], len(evidence), attempt)
            tied = tied[again.sum(axis=0) == 0]

    def recall(self, window: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        evidence = window[..., 0].astype(np.float64)
        windows = (len(window),) if self.heads is None else self.asked
        answers = []
        for n in windows:
            remembered = evidence[max(0, len(window) - n) :]
            total = remembered.sum(axis=0)
            # In a tie both answers are equally likely right: then one pulse less decides, as with one step less memory.
            answers.append(np.where(total == 0, total - remembered[:1].sum(axis=0), total) > 0)
        return self.per_head(np.stack(answers, axis=-1).astype(np.int64))

    def lags(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Steps since the trial began, whose first pulse every sum includes; n - 1 for a window of n."""
        if self.heads is not None:
            return super().lags(inputs)
        return np.broadcast_to(np.arange(len(inputs))[:, None, None], (*inputs.shape[:2], 1))

    def _head_score(self, n: int, memory: int) -> float:
        if memory == 0:  # both signs are equally likely
            return 0.0
        if self.heads is not None:
            return accumulation_scores.agreement(min(memory, n), n, self.bias, self.noise)
        if self.scoring == "final":
            # Trials that tie are drawn again, so that agreement is conditional on a sum that is not zero.
            return accumulation_scores.final_score(n - self.delay, self.delay, self.bias, self.noise, memory)
        return accumulation_scores.dense_score(n - self.delay, self.delay, self.bias, self.noise, memory)
