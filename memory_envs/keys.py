"""The counter-based random generator: a trial's 64-bit key -> its words, uniforms, normals and integers.

Word number ``i`` of key ``k`` is ``mix64(k + (i + 1) * GAMMA)`` modulo 2**64: SplitMix64 (Steele, Lea & Flood,
OOPSLA 2014) with the key as its seed, so that its published output is our test vector. A word depends on nothing but
its key and its number: any trial can be drawn again by itself, in any order, by any worker, without a stored state.

A variable of a trial draws from a *lane* of its own (lane ``l`` starts at word ``l * 2**32``), so that reading more
words of one variable never moves another.

Axes: B keys, n draws. Everything here is a pure function of its arguments.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from gymnasium import error

Words: TypeAlias = npt.NDArray[np.uint64]

GAMMA = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1
_LANE = 2**32
_S30, _S27, _S31, _S11, _S32 = (np.uint64(shift) for shift in (30, 27, 31, 11, 32))
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mix64(words: Words) -> Words:
    """SplitMix64's output function, a bijection of 64-bit words. ``words`` (any shape) is overwritten and returned."""
    words ^= words >> _S30
    words *= _M1
    words ^= words >> _S27
    words *= _M2
    words ^= words >> _S31
    return words


def check_keys(keys: Words) -> None:
    """Raise a TypeError if these are not a one-dimensional array of uint64: other numbers would be mixed as floats."""
    if not isinstance(keys, np.ndarray) or keys.dtype != np.uint64 or keys.ndim != 1:
        raise TypeError(f"keys must be a one-dimensional array of dtype uint64, got {keys!r}")


def words(keys: Words, count: int, lane: int = 0, start: int = 0) -> Words:
    """Words ``start`` .. ``start + count - 1`` of a lane: keys (B,) -> (count, B).

    Raises:
        TypeError: see ``check_keys``.
    """
    check_keys(keys)
    counters = (lane * _LANE + start + 1 + np.arange(count, dtype=np.uint64)) * np.uint64(GAMMA)
    return mix64(counters[:, None] + keys)


def uniforms(keys: Words, count: int, lane: int = 0) -> npt.NDArray[np.float64]:
    """Uniform numbers in [0, 1), multiples of 2**-53: keys (B,) -> (count, B)."""
    return (words(keys, count, lane) >> _S11) * 2.0**-53


def halves(keys: Words, count: int, lane: int = 0, start: int = 0) -> npt.NDArray[np.uint32]:
    """Random 32-bit words, two from each 64-bit word from word ``start`` on: keys (B,) -> (count, B)."""
    drawn = words(keys, (count + 1) // 2, lane, start)
    out = np.empty((2 * len(drawn), *drawn.shape[1:]), np.uint32)
    out[0::2] = drawn  # casting to 32 bits keeps the low half
    out[1::2] = drawn >> _S32
    return out[:count]


def integers(keys: Words, low: npt.ArrayLike, high: npt.ArrayLike, lane: int) -> npt.NDArray[np.int64]:
    """One integer per key, uniform on low..high inclusive: keys (B,) -> (B,). The bounds are numbers or one a key.

    A 32-bit word is scaled and cut down (Lemire 2019, without the rejection): no value is favoured by more than
    (high - low + 1) / 2**32 of its probability, far below what any sample of trials can show.
    """
    least = np.asarray(low, np.int64)
    drawn = (words(keys, 1, lane)[0] >> _S32).astype(np.int64)
    return least + ((drawn * (np.asarray(high, np.int64) - least + 1)) >> 32)


NORMAL_LIMIT = 8.6
"""No normal drawn here is larger in size: sqrt(-2 ln 2**-53) = 8.57."""


def normals(keys: Words, count: int, lane: int = 0) -> npt.NDArray[np.float64]:
    """Standard normal numbers by Box and Muller's transform: keys (B,) -> (count, B)."""
    pairs = (count + 1) // 2
    drawn = uniforms(keys, 2 * pairs, lane)
    radius = np.sqrt(-2.0 * np.log1p(-drawn[0::2]))  # 1 - u lies in (0, 1]: the logarithm is finite
    angle = 2.0 * np.pi * drawn[1::2]
    out = np.empty_like(drawn)
    np.multiply(radius, np.cos(angle), out=out[0::2])
    np.multiply(radius, np.sin(angle), out=out[1::2])
    return out[:count]


def check_seed(seed: object) -> int:
    """``seed`` as a Python integer.

    Raises:
        gymnasium.error.Error: it is not an integer, or negative: Gymnasium's own class for a bad seed.
    """
    try:
        value = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        raise error.Error(f"seed must be an integer of at least 0, got {seed!r}") from None
    if isinstance(seed, bool) or value < 0:
        raise error.Error(f"seed must be an integer of at least 0, got {seed!r}")
    return value


def stream(seed: int) -> Words:
    """The 64-bit name of a seed's stream of trials, as an array (1,). Integers of any size are folded word by word."""
    state = np.zeros(1, np.uint64)
    while True:
        state = mix64((state ^ np.uint64(seed & _MASK)) + np.uint64(GAMMA))
        seed >>= 64
        if not seed:
            return state


def streams(seeds: Sequence[int]) -> Words:
    """``stream`` of many seeds: B integers -> (B,)."""
    if max(seeds, default=0) <= _MASK:
        return mix64(np.array(seeds, np.uint64) + np.uint64(GAMMA))
    return np.concatenate([stream(seed) for seed in seeds])


def trial_keys(stream_names: Words, numbers: npt.ArrayLike) -> Words:
    """The key of trial ``numbers`` of each stream (broadcast together): that word of the stream's name."""
    counters = (np.atleast_1d(np.asarray(numbers, np.uint64)) + np.uint64(1)) * np.uint64(GAMMA)
    return mix64(stream_names + counters)
