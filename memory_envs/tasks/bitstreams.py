"""Binary signals with time packed into 64-bit words: bit ``t % 64`` of word ``t // 64`` is step ``t``.

One integer operation then serves 64 steps, which is what makes drawing a trial cheap. Arrays are (W, ...) words,
W = ceil(T / 64); the axes behind the first (trials, channels, heads) are untouched by every function.

NumPy defines a shift by 64 or more (and so by a "negative" number that has wrapped round) as 0, unlike C.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from memory_envs.keys import Words

_WIDTH = 64
_ONE = np.uint64(1)
_LAST = np.uint64(_WIDTH - 1)
_ALL = np.uint64(2**64 - 1)
_DOUBLINGS = tuple(np.uint64(2**i) for i in range(6))
_BIT_IN_BYTE = np.arange(8, dtype=np.uint8)[:, None]


def num_words(steps: int) -> int:
    """Words that hold ``steps`` steps."""
    return -(-steps // _WIDTH)


def unpack(words: Words, steps: int) -> npt.NDArray[np.uint8]:
    """Packed (W, ...) -> the bits of the first ``steps`` steps, (steps, ...) of 0 and 1."""
    count, columns = len(words), int(np.prod(words.shape[1:]))
    # (W, n) words -> (8 W, n) bytes in the order of time, whatever the machine's own byte order
    octets = words.astype("<u8", copy=False).reshape(count, columns, 1).view(np.uint8)
    used = -(-steps // 8)
    octets = np.ascontiguousarray(octets.transpose(0, 2, 1)).reshape(8 * count, 1, columns)[:used]
    bits = octets >> _BIT_IN_BYTE
    bits &= np.uint8(1)
    return bits.reshape(8 * used, *words.shape[1:])[:steps]


def pack(bits: npt.NDArray[np.bool_]) -> Words:
    """(T, ...) -> packed (W, ...): the inverse of ``unpack``; steps past T are 0."""
    count, columns = num_words(len(bits)), int(np.prod(bits.shape[1:]))
    octets = np.zeros((8 * count, columns), np.uint8)
    for i in range(8):  # bit i of every byte: steps i, i + 8, ...
        every_eighth = bits[i::8].reshape(-1, columns).view(np.uint8)
        octets[: len(every_eighth)] |= every_eighth << np.uint8(i)
    in_words = np.ascontiguousarray(octets.reshape(count, 8, columns).transpose(0, 2, 1))
    return in_words.view("<u8").astype(np.uint64, copy=False).reshape(count, *bits.shape[1:])


def from_step(words: Words, first: int, lengths: npt.NDArray[np.int64] | None = None) -> Words:
    """A copy with every step before ``first``, and from step ``lengths`` (B,) of each trial on, set to 0.

    ``words`` is (W, B, ...); steps from ``first`` up to the end are kept where ``lengths`` is None.
    """
    starts = np.arange(len(words)) * _WIDTH
    kept = _ALL ^ _below(np.clip(first - starts, 0, _WIDTH))
    if lengths is None:
        return words & kept.reshape(-1, *[1] * (words.ndim - 1))
    upto = _below(np.clip(lengths - starts[:, None], 0, _WIDTH)) & kept[:, None]
    return words & upto.reshape(*upto.shape, *[1] * (words.ndim - 2))


def at_step(steps: npt.NDArray[np.int64], count: int) -> Words:
    """Signals that are 1 at one step only: steps (B,) -> (count, B) packed."""
    return _ONE << (steps - np.arange(count)[:, None] * _WIDTH).astype(np.uint64)


def delay(words: Words, steps: int) -> Words:
    """The signal ``steps`` steps later: y(t) = x(t - steps), 0 before the start."""
    whole, part = divmod(steps, _WIDTH)
    out = np.zeros_like(words)
    if whole >= len(words):
        return out
    kept = words[: len(words) - whole]
    out[whole:] = kept << np.uint64(part)
    out[whole + 1 :] |= kept[:-1] >> np.uint64(_WIDTH - part)
    return out


def running_parity(words: Words) -> Words:
    """y(t) = x(0) xor ... xor x(t): an exclusive-or scan by doubling within words, then across them."""
    out = words.copy()
    for shift in _DOUBLINGS:
        out ^= out << shift
    if len(out) > 1:
        carried = np.bitwise_xor.accumulate(out >> _LAST, axis=0)[:-1]  # parity of all the words before
        out[1:] ^= carried * _ALL
    return out


def last_value(values: Words, known: Words) -> Words:
    """Each step's latest known value: y(t) = x(s), s the last step up to t with ``known``; 0 where there is none."""
    out, filled = values & known, known.copy()
    for shift in _DOUBLINGS:
        out |= (out << shift) & ~filled
        filled |= filled << shift
    if len(out) > 1:
        # The word to carry from: the latest before that knows anything.
        latest = np.maximum.accumulate(np.where(known != 0, np.arange(len(out)).reshape(-1, *[1] * (out.ndim - 1)), 0))
        carried = np.take_along_axis(out >> _LAST, latest, axis=0)[:-1]
        out[1:] |= (carried * _ALL) & ~filled[1:]
    return out


def _below(counts: npt.NDArray[np.int64]) -> Words:
    """Words whose lowest ``counts`` bits (0..64) are set."""
    return (_ONE << counts.astype(np.uint64)) - _ONE
