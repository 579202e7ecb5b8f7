"""Delayed addition: the sum of two values that were shown, with a cue, some time ago."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory_envs import checks, keys
from memory_envs.task import Task
from memory_envs.trials import Trials, time_mask

_VALUES, _FIRST, _SECOND = 0, 2, 3  # lanes


@dataclass(frozen=True, kw_only=True)
class DelayedAddition(Task):
    """Delayed addition (Haputhanthri et al. 2025; the adding problem of Hochreiter & Schmidhuber 1997 on a delay).

    ## Description
    A trial has N steps. Two values, each uniform on [-0.5, 0.5], are shown with a cue: the first in the first quarter
    of the trial, the second after it and before the middle. From the second cue on, the subject gives their sum.

    **Relatives in other suites:** the adding problem of Schmidt et al. (2021) draws values from [0, 1] and scores the
    last step; that of the temporal convolutional networks (TCN) puts the cues anywhere.

    ## Observation space
    ``Box((-0.5, 0, 0), (0.5, 1, 1), (3,), float32)``: value, cue (1 where the value is to be added), go (1 where the
    answer counts). After the last answer: zeros.

    ## Action space
    ``Box(-1, 1, (1,), float32)``: the sum.

    ## Reward
    At a counted step max(1 - 6 error^2, -1) / (counted steps of the trial), in the same ``step`` as the answer; 1/6 is
    the variance of the sum. A perfect episode returns 1. Steps count from the second cue on, or only the last step
    counts (``scoring="final"``). ``info["correct"]``: the error is under 0.04.

    ## Episode end
    ``terminated`` after the answer to the trial's last step, N steps after the reset. Never ``truncated``.

    ## Arguments
    - ``N`` (20): steps in a trial, at least 3. The first cue may lie N - 1 steps before the last answer. The go channel
      says when to answer, so that trials need no random length even with final scoring.
    - ``scoring`` ("dense"): "dense" or "final".
    - ``distractors`` (False): a fresh value at every step (the adding problem) instead of zeros between the cues.

    There are no ``heads``: a trial has one sum.

    ## Reference scores
    A step is worth 1 if both cues lie within the last k steps, 1/2 if only the second does (the variance of a value
    is half that of the sum), and 2/9 sqrt(3) + 2/sqrt(3) - 4/3 = 0.2063 if neither does (the answer is then 0);
    averaged over the places of the cues. Answers drawn uniformly (chance): -0.2559.

    ## Lag
    How many steps back the oldest input lies that an answer needs (``lags``): steps since the first cue.

    ## Version history
    - v0: first version.
    """

    name = "delayed-addition"
    env_id = "MemoryDelayedAddition-v0"
    default_N = 20
    least_N = 3
    real_valued = True
    target_variance = 1 / 6

    distractors: bool = False

    def _resolve(self) -> None:
        super()._resolve()
        self._set(distractors=checks.flag("distractors", self.distractors))

    @property
    def num_steps(self) -> int:
        return self.N

    @property
    def question(self) -> str:
        return "sum of the two values with a cue?"

    @property
    def channels(self) -> tuple[str, ...]:
        return ("value", "cue", "go")

    @property
    def head_labels(self) -> tuple[str, ...]:
        return ("sum",)

    @property
    def input_bounds(self) -> tuple[tuple[float, float], ...]:
        return ((-0.5, 0.5), (0.0, 1.0), (0.0, 1.0))

    @property
    def last_first(self) -> int:
        """The last step at which the first cue may fall: it lies in the first quarter."""
        return -(-self.N // 4) - 1

    @property
    def last_second(self) -> int:
        """The last step at which the second cue may fall: it lies before the middle."""
        return -(-self.N // 2) - 1

    def sample(self, trial_keys: keys.Words) -> Trials:
        steps, count = self.num_steps, len(trial_keys)
        first = keys.integers(trial_keys, 0, self.last_first, _FIRST)
        second = keys.integers(trial_keys, first + 1, self.last_second, _SECOND)
        lengths = np.broadcast_to(np.int64(steps), (count,))
        columns = np.arange(count)

        inputs = np.zeros((steps, count, 3), np.float32)
        # Rounded once, here: the target is the sum of the values as they are shown.
        values = (keys.uniforms(trial_keys, steps if self.distractors else 2, _VALUES) - 0.5).astype(np.float32)
        if self.distractors:
            inputs[..., 0] = values
            addends = values[first, columns], values[second, columns]
        else:
            addends = values[0], values[1]
            inputs[first, columns, 0], inputs[second, columns, 0] = addends
        inputs[first, columns, 1] = inputs[second, columns, 1] = 1
        mask = time_mask(second, lengths, steps, self.scoring)
        inputs[..., 2] = mask
        targets = np.where(mask, addends[0] + addends[1], np.float32(0))[..., None]
        return Trials(inputs, targets, mask, lengths)

    def recall(self, window: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return (window[..., 0] * window[..., 1]).sum(axis=0, dtype=np.float32)[:, None]

    def lags(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Steps since the first cue; the second one, no older, is needed as well."""
        time, cued = np.arange(len(inputs))[:, None], inputs[..., 1] != 0
        return np.where(np.logical_or.accumulate(cued, axis=0), time - cued.argmax(axis=0), 0)[..., None]

    @property
    def chance_score(self) -> float:
        # E max(1 - 6 e^2, -1) for e = answer - sum, answer uniform on [-1, 1]. Its density is even, and on [0, 2] it is
        # F(1 - e) / 2 with F the distribution function of the sum: F(x) = 1 - (1 - x)^2 / 2 for 0 <= x <= 1. The floor
        # is reached at a = 1/sqrt(3) < 1. With F(1 - e) = 1 - e^2 / 2:
        a = 3**-0.5
        inside = 2 * ((a - a**3 / 6) / 2)  # P(|e| < a)
        square = 2 * ((a**3 / 3 - a**5 / 10) / 2)  # E[e^2; |e| < a]
        return inside - 6 * square - (1 - inside)

    def _reference_score(self, memory: int) -> float:
        a = 3**-0.5  # beyond this error the reward is at its floor
        nothing = 2 * (a - a**2 / 2 - 2 * a**3 + 1.5 * a**4) - (1 - a) ** 2
        first, second, last = np.arange(self.last_first + 1), np.arange(self.last_second + 1), self.N - 1
        # The first cue is uniform, and the second is uniform on what lies behind it.
        likelihood = 1 / ((self.last_first + 1) * (self.last_second - first))  # of both, for each second > first
        of_second = np.append(0.0, np.cumsum(likelihood))[np.minimum(second, self.last_first + 1)]
        # Counted steps (one with final scoring, else from the second cue on) at which the second cue is remembered.
        steps = np.where(self.scoring == "final", 1, self.N - second)
        known = np.clip(np.minimum(second + memory - 1, last) - (last - steps), 0, steps)
        worth = (0.5 * known + nothing * (steps - known)) / steps
        # Where the first one is remembered as well, another 0.5: at all of them before step e, summed over the second.
        e = np.minimum(first + memory, self.N)
        if self.scoring == "final":
            shares = np.where(e == self.N, self.last_second - first, 0).astype(np.float64)
        else:  # sum of (e - second) / (N - second), first < second < e
            inverse = np.cumsum(1 / (self.N - second))
            most = np.minimum(e, self.last_second)
            shares = np.where(
                most > first, most - first - (self.N - e) * (inverse[np.maximum(most, first)] - inverse[first]), 0
            )
        return float((worth * of_second).sum() + 0.5 * (shares * likelihood).sum())
