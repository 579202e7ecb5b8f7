"""The n-bit flip-flop: each channel's last pulse, held until the next one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from memory_envs import checks, keys, sizes
from memory_envs.tasks import bitstreams
from memory_envs.tasks.streams import StreamTask
from memory_envs.trials import Trials

_PULSES, _SIGNS = 0, 2  # lanes
_FEW_STEPS = 512  # up to here, setting bits word by word is quicker
_ONE, _S32, _LOW32 = np.uint64(1), np.uint64(32), np.uint64(2**32 - 1)


@dataclass(frozen=True, kw_only=True)
class FlipFlop(StreamTask):
    """3-bit flip-flop (Sussillo & Barak 2013; Haputhanthri et al. 2025).

    ## Description
    Each of ``bits`` channels shows 0, or now and then a pulse of +1 or -1, each sign equally likely. At each step the
    subject says the sign of every channel's last pulse. All channels pulse at step 0, so that every answer is defined
    from the start. The intervals between the pulses of a channel are uniform on 1 .. N: the answer never lies more than
    N - 1 steps back.

    **Relatives in other suites:** Golub's FlipFlopData pulses with probability 0.5 for T = 64 steps; the
    Computation-through-Dynamics Benchmark with 0.01 up and 0.01 down for T = 500, with noise and some steps masked.

    ## Observation space
    ``Box(-1, 1, (bits,), float32)``: the pulses. After the last answer: zeros.

    ## Action space
    ``MultiDiscrete([2] * bits)``: for each channel 1 if its last pulse was +1, else 0.

    ## Reward
    At a counted step (2 correct - 1) / (counted steps of the trial), averaged over the channels, in the same ``step``
    as the answer: a perfect episode returns 1, guessing 0 on average. Every step counts, or only the last one
    (``scoring="final"``).

    ## Episode end
    ``terminated`` after the answer to the trial's last step, ``num_steps`` steps after the reset (final scoring: a
    random number of steps). Never ``truncated``.

    ## Arguments
    - ``N`` (16): longest interval between the pulses of a channel, at least 1.
    - ``bits`` (3): channels, at least 1. They are the heads of this task: one answer each.
    - ``num_steps`` (4 N; final scoring 4 N + 1): steps in a trial. With final scoring the longest: lengths are uniform
      on N + 2 .. num_steps.
    - ``scoring`` ("dense"): "dense" or "final".
    - ``pulse_probability`` (None): each channel pulses at each step after the first with this probability, instead of
      at intervals up to N. The last pulse may then lie any number of steps back.

    ## Reference scores
    Chance 0. A memory of k steps is worth the share of counted steps whose last pulse lies within the last k steps (the
    rest is guessed): exact from the renewal equation of the pulses. Without memory: the share of pulses themselves.

    ## Lag
    How many steps back the oldest input lies that an answer needs (``lags``): steps since the channel's last pulse.

    ## Version history
    - v0: first version.
    """

    name = "flip-flop"
    env_id = "MemoryFlipFlop-v0"
    default_N = 16

    bits: int = 3
    pulse_probability: float | None = None

    def _resolve(self) -> None:
        super()._resolve()
        self._set(bits=checks.integer("bits", self.bits, 1))
        if self.pulse_probability is not None:
            self._set(pulse_probability=checks.real("pulse_probability", self.pulse_probability, 0.0, 1.0))

    @property
    def num_inputs(self) -> int:
        return self.bits

    @property
    def num_heads(self) -> int:
        return self.bits

    @property
    def question(self) -> str:
        return "sign of each channel's last pulse? (1: positive)"

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(f"pulse {i + 1}" for i in range(self.bits))

    @property
    def head_labels(self) -> tuple[str, ...]:
        return tuple(f"bit {i + 1}" for i in range(self.bits))

    @property
    def input_bounds(self) -> tuple[tuple[float, float], ...]:
        return ((-1.0, 1.0),) * self.bits

    @property
    def horizon(self) -> int:
        return self.N if self.pulse_probability is None else self.num_steps

    def sample(self, trial_keys: keys.Words) -> Trials:
        steps, lengths = self.num_steps, self.lengths(trial_keys)
        # Each channel is a stream of its own: one key for each trial and channel, (B * bits,).
        channel_keys = keys.trial_keys(trial_keys[:, None], np.arange(self.bits)).reshape(-1)
        pulses = self._draw_pulses(channel_keys)
        signs = keys.words(channel_keys, len(pulses), _SIGNS)  # a sign for every step, used where there is a pulse
        answers = bitstreams.last_value(signs, pulses)
        shape = len(pulses), len(trial_keys), self.bits
        pulses, answers = pulses.reshape(shape), answers.reshape(shape)
        if self.scoring == "final":
            pulses = bitstreams.from_step(pulses, 0, lengths)
        # At a pulse the answer is its sign: 0 and 1 become -1 and 1, and 0 where there is no pulse.
        up = bitstreams.unpack(answers, steps).view(np.int8)
        inputs = ((2 * up - 1) * bitstreams.unpack(pulses, steps).view(np.int8)).astype(np.float32)
        mask, answers = self.keep_counted(answers, lengths)
        targets = up if self.scoring == "dense" else bitstreams.unpack(answers, steps)
        return Trials(inputs, targets.astype(np.int64), mask, lengths)

    def _draw_pulses(self, channel_keys: keys.Words) -> keys.Words:
        """When the channels pulse, packed: keys (n,) -> (W, n). Step 0 always does."""
        steps = self.num_steps
        if self.pulse_probability is not None:
            threshold = np.uint64(self.pulse_probability * 2.0**32)
            pulses = bitstreams.pack(keys.halves(channel_keys, steps, _PULSES) < threshold)
            pulses[0] |= _ONE
            return pulses
        if steps > _FEW_STEPS:
            return self._draw_many_pulses(channel_keys)
        pulses = np.zeros((bitstreams.num_words(steps), len(channel_keys)), np.uint64)
        pulses[0] = _ONE
        going_on, now, drawn = np.arange(len(channel_keys)), np.zeros(len(channel_keys), np.uint64), 0
        chunk = 1 + steps // (self.N + 1)  # words of two intervals each: the mean trial's need
        while len(going_on):
            more = np.zeros((len(pulses), len(going_on)), np.uint64)
            for word in keys.words(channel_keys[going_on], chunk, _PULSES, drawn):
                for half in (word & _LOW32, word >> _S32):
                    half *= np.uint64(self.N)
                    half >>= _S32
                    half += _ONE
                    now += half
                    for w in range(len(pulses)):
                        more[w] |= _ONE << (now - np.uint64(64 * w))  # 0 outside this word's 64 steps
            pulses[:, going_on] |= more
            drawn += chunk
            short = now < steps
            going_on, now = going_on[short], now[short]
        return pulses

    def _draw_many_pulses(self, channel_keys: keys.Words) -> keys.Words:
        """The same pulses in long trials: all their steps at once."""
        steps = self.num_steps
        shown = np.zeros((steps, len(channel_keys)), np.bool_)
        shown[0] = True
        going_on, now, drawn = np.arange(len(channel_keys)), np.zeros(len(channel_keys), np.int64), 0
        chunk = 1 + steps // (self.N + 1)
        while len(going_on):
            intervals = keys.halves(channel_keys[going_on], 2 * chunk, _PULSES, drawn).astype(np.uint64)
            intervals *= np.uint64(self.N)
            intervals >>= _S32
            times = now + np.cumsum(intervals.astype(np.int64) + 1, axis=0)
            order, column = np.nonzero(times < steps)
            shown[times[order, column], going_on[column]] = True
            drawn += chunk
            short = times[-1] < steps
            going_on, now = going_on[short], times[-1][short]
        return bitstreams.pack(shown)

    def recall(self, window: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        steps = np.arange(1, len(window) + 1)[:, None, None]
        latest = (steps * (window != 0)).max(axis=0, initial=0)  # 1 + index of the last pulse, 0 if there is none
        shown = np.concatenate([np.zeros((1, *window.shape[1:]), np.float32), window])
        return (np.take_along_axis(shown, latest[None], axis=0)[0] > 0).astype(np.int64)

    def lags(self, inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Steps since the channel's last pulse."""
        time = np.arange(len(inputs))[:, None, None]
        return time - np.maximum.accumulate(np.where(inputs != 0, time, 0), axis=0)

    def _reference_score(self, memory: int) -> float:
        if memory == 0:  # both signs are equally likely
            return 0.0
        # The last pulse lies a steps back if there was one then, and the interval that began there is longer than a.
        # Over all counted steps: the sum over a of P(interval > a) times the pulses expected a steps before them.
        back = np.arange(min(memory, self.num_steps))
        if self.pulse_probability is None:
            survival = np.maximum(1 - back / self.N, 0)
        else:
            survival = (1 - self.pulse_probability) ** back
        upto, first = (
            _expected_pulses(self.N, self.num_steps, self.pulse_probability),
            self.N + 1 if self.scoring == "final" else 0,
        )
        before = np.where(back < first, upto[np.maximum(first - 1 - back, 0)], 0)
        return float(survival @ (upto[self.num_steps - 1 - back] - before)) / (self.num_steps - first)


@lru_cache(maxsize=2)
def _expected_pulses(n: int, steps: int, probability: float | None) -> npt.NDArray[np.float64]:
    """How many pulses a channel shows on average at the steps 0 .. t, (T,), by the renewal equation."""
    sizes.check(40.0 * steps, f"the reference score of a flip-flop of {steps} steps", "num_steps must be smaller")
    if probability is not None:
        return 1 + probability * np.arange(steps, dtype=np.float64)
    # A pulse at step t: one at any of the n steps before, each with 1 / n. So y(t) = r y(t - 1) - y(t - 1 - n) / n.
    r, y = 1 + 1 / n, np.ones(steps)
    settled = min(steps, 40 * n + 1)  # then the chance of a pulse is 2 / (n + 1), to the last bits
    for start in range(1, settled, n):  # n steps at once: those before them are known
        t = np.arange(start, min(start + n, settled))
        gone = y[t - 1 - n] if start > n else np.where(t > n, y[np.maximum(t - 1 - n, 0)], 0)
        powers = r ** np.arange(1, len(t) + 1)
        y[t] = powers * (y[start - 1] - np.cumsum(gone / powers) / n)
    y[settled:] = y[settled - 1] + 2 / (n + 1) * np.arange(1, steps - settled + 1)
    return y
