"""The generator equals its published output and slow twins in Python's integers; packed signals equal plain lists."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_envs import keys
from memory_envs.tasks import bitstreams

GAMMA = 0x9E3779B97F4A7C15
MASK = 2**64 - 1
SEEDS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**32, 2**63, MASK - 1, MASK]))
law = settings(max_examples=60, deadline=None)

Bits = list[int]


def as_keys(*values: int) -> keys.Words:
    return np.array(values, np.uint64)


def counted_keys(count: int) -> keys.Words:
    """Neighbouring numbers as keys: a generator that mixes poorly would show it here first."""
    return np.arange(count, dtype=np.uint64)


# -- the generator in Python's own integers --------------------------------------------------------------------


def slow_mix(word: int) -> int:
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def slow_word(key: int, number: int) -> int:
    return slow_mix((key + (number + 1) * GAMMA) & MASK)


def slow_stream(seed: int) -> int:
    state = 0
    for word in [seed & MASK] if seed == 0 else [(seed >> s) & MASK for s in range(0, seed.bit_length(), 64)]:
        state = slow_mix(((state ^ word) + GAMMA) & MASK)
    return state


def test_published_vectors() -> None:
    """SplitMix64 with the seed 1234567, as its reference implementation in C prints it."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert keys.words(as_keys(1234567), 5)[:, 0].tolist() == published
    assert [slow_word(1234567, i) for i in range(5)] == published
    assert keys.GAMMA == GAMMA


@law
@given(st.lists(SEEDS, min_size=1, max_size=5), st.integers(0, 6), st.integers(0, 4), st.integers(0, 2**32))
def test_words_equal_their_twin(seeds: list[int], count: int, lane: int, start: int) -> None:
    given_keys = as_keys(*seeds)
    before = given_keys.copy()
    drawn = keys.words(given_keys, count, lane, start)
    assert drawn.dtype == np.uint64
    assert drawn.tolist() == [[slow_word(k, lane * 2**32 + start + i) for k in seeds] for i in range(count)]
    np.testing.assert_array_equal(given_keys, before)


@law
@given(SEEDS, st.integers(0, 9), st.integers(0, 3), st.integers(0, 99))
def test_halves_are_the_low_and_the_high_part_of_each_word(key: int, count: int, lane: int, start: int) -> None:
    drawn = keys.halves(as_keys(key), count, lane, start)
    assert drawn.dtype == np.uint32
    both = [slow_word(key, lane * 2**32 + start + i // 2) >> (32 * (i % 2)) & (2**32 - 1) for i in range(count)]
    assert drawn[:, 0].tolist() == both


@law
@given(SEEDS, st.integers(0, 5), st.integers(0, 3))
def test_uniforms_are_the_top_53_bits(key: int, count: int, lane: int) -> None:
    drawn = keys.uniforms(as_keys(key), count, lane)
    assert drawn[:, 0].tolist() == [(slow_word(key, lane * 2**32 + i) >> 11) / 2**53 for i in range(count)]


@law
@given(SEEDS, st.integers(-50, 50), st.integers(0, 2**20), st.integers(0, 3))
def test_integers_equal_their_twin(key: int, low: int, width: int, lane: int) -> None:
    drawn = keys.integers(as_keys(key, key), low, np.array([low + width, low]), lane)
    assert drawn.dtype == np.int64
    assert drawn.tolist() == [low + ((slow_word(key, lane * 2**32) >> 32) * (width + 1) >> 32), low]


@law
@given(SEEDS, st.integers(0, 7), st.integers(0, 3))
def test_normals_equal_their_twin(key: int, count: int, lane: int) -> None:
    drawn = keys.normals(as_keys(key), count, lane)[:, 0]
    u = [(slow_word(key, lane * 2**32 + i) >> 11) / 2**53 for i in range(2 * math.ceil(count / 2))]
    pairs = zip(u[::2], u[1::2], strict=True)
    slow = [math.sqrt(-2 * math.log1p(-a)) * f(2 * math.pi * b) for a, b in pairs for f in (math.cos, math.sin)]
    # Both end in the platform's own logarithm and cosine, which may differ in the last place.
    np.testing.assert_allclose(drawn, slow[:count], rtol=1e-12, atol=1e-14)


@law
@given(st.lists(st.integers(0, 2**200), min_size=1, max_size=4))
def test_streams_fold_seeds_of_any_size(seeds: list[int]) -> None:
    slow = [slow_stream(seed) for seed in seeds]
    assert [keys.stream(seed).tolist() for seed in seeds] == [[s] for s in slow]
    assert keys.streams(seeds).tolist() == slow


def test_every_word_of_a_seed_counts() -> None:
    seeds = [7, 7 + 2**64, 7 + 2**65, 7 + 2**128, 7 << 64, 0, 2**64, 2**128]
    assert len(set(keys.streams(seeds).tolist())) == len(seeds)


@law
@given(st.lists(st.integers(0, 2**70), min_size=1, max_size=4), st.lists(SEEDS, min_size=1, max_size=3))
def test_trial_keys_equal_their_twin(seeds: list[int], numbers: list[int]) -> None:
    names = keys.streams(seeds)
    table = keys.trial_keys(names, np.array(numbers, np.uint64)[:, None])
    assert table.tolist() == [[slow_word(name, number) for name in names.tolist()] for number in numbers]
    assert keys.trial_keys(names, numbers[0]).tolist() == table[0].tolist()


def test_neighbouring_seeds_and_numbers_never_meet() -> None:
    """A hundred thousand trials of neighbouring seeds: no key twice (by chance: once in four billion)."""
    names = keys.streams(range(100))
    drawn = keys.trial_keys(names, np.arange(1000)[:, None])
    assert len(np.unique(drawn)) == drawn.size


def test_overflow_is_silent() -> None:
    """Arithmetic modulo 2**64 is meant: no warning, and no error where the caller has asked NumPy for errors."""
    edge = as_keys(MASK)
    with np.errstate(all="raise"):
        assert keys.words(edge, 2).tolist() == [[slow_word(MASK, 0)], [slow_word(MASK, 1)]]
        keys.normals(edge, 3)
        keys.integers(edge, 0, 9, 1)
        assert keys.stream(MASK).tolist() == [slow_stream(MASK)]
        assert keys.streams([MASK]).tolist() == [slow_stream(MASK)]
        assert keys.trial_keys(edge, MASK).tolist() == [slow_word(MASK, MASK)]


@pytest.mark.parametrize(
    "bad",
    [
        np.arange(3),
        np.arange(3, dtype=np.float64),
        np.zeros((2, 2), np.uint64),
        np.uint64(3),
        np.zeros((), np.uint64),
        [1, 2],
        3,
    ],
    ids=lambda bad: f"{type(bad).__name__}-{getattr(bad, 'dtype', '')}-{np.ndim(bad)}d",
)
def test_other_keys_are_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match="keys must be a one-dimensional array of dtype uint64, got"):
        keys.words(bad, 1)


@pytest.mark.parametrize("seed", [-1, 1.0, "1", None, True, [1], np.float64(2)])
def test_other_seeds_are_refused(seed: Any) -> None:
    with pytest.raises(gym.error.Error, match="seed must be an integer of at least 0, got"):
        keys.check_seed(seed)


@pytest.mark.parametrize("seed", [0, 5, np.int8(5), np.uint64(MASK), 2**200])
def test_seeds_become_python_integers(seed: Any) -> None:
    assert keys.check_seed(seed) == int(seed)
    assert type(keys.check_seed(seed)) is int


# -- distributions ---------------------------------------------------------------------------------------------
# Keys are fixed, so that these never fail by chance. Bounds are 4 standard errors of the sample: should the draws
# ever be changed on purpose, a right generator passes each with probability 0.99994.

DRAWS = 400_000


def test_uniforms_are_uniform() -> None:
    drawn = keys.uniforms(counted_keys(DRAWS // 4), 4)
    assert 0 <= drawn.min() < 1e-4
    assert 1 - 1e-4 < drawn.max() < 1
    assert abs(drawn.mean() - 1 / 2) < 4 * math.sqrt(1 / 12 / DRAWS)
    assert abs(drawn.var() - 1 / 12) < 4 * math.sqrt(1 / 180 / DRAWS)
    # Across the draws of one key, across neighbouring keys, and across lanes; each product has variance 1/144.
    other = keys.uniforms(counted_keys(DRAWS // 4), 4, lane=1)
    for a, b in ((drawn[:-1], drawn[1:]), (drawn[:, :-1], drawn[:, 1:]), (drawn, other)):
        assert abs(((a - 0.5) * (b - 0.5)).mean()) < 4 / 12 / math.sqrt(a.size)


def test_every_bit_of_a_word_is_fair() -> None:
    drawn = keys.words(counted_keys(DRAWS // 8), 2)
    ones = bitstreams.unpack(drawn.reshape(1, -1), 64).sum(axis=1)
    assert (np.abs(ones - drawn.size / 2) < 4 * math.sqrt(drawn.size / 4)).all()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 3), (5, 14), (0, 96)])
def test_integers_favour_none(low: int, high: int) -> None:
    drawn = keys.integers(counted_keys(DRAWS), low, high, lane=1)
    counts = np.bincount(drawn - low, minlength=high - low + 1)
    assert len(counts) == high - low + 1
    expected = DRAWS / len(counts)
    chi_square, freedom = float(((counts - expected) ** 2).sum() / expected), high - low
    assert chi_square < freedom + 4 * math.sqrt(2 * freedom) + 8  # the tail of few degrees of freedom is a heavy one


def test_normals_are_normal() -> None:
    drawn = keys.normals(counted_keys(DRAWS // 4), 4).ravel()
    # Variances of the sample's moments 1 to 4 of a standard normal: E x^2k - (E x^k)^2.
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((drawn**power).mean() - mean) < 4 * math.sqrt(variance / DRAWS), power
    below = np.array([(drawn < x).mean() for x in np.linspace(-3, 3, 25)])
    normal = np.array([(1 + math.erf(x / math.sqrt(2))) / 2 for x in np.linspace(-3, 3, 25)])
    assert (np.abs(below - normal) < 4 * np.sqrt(normal * (1 - normal) / DRAWS)).all()
    first, second = keys.normals(counted_keys(DRAWS // 2), 2)
    assert abs((first * second).mean()) < 4 / math.sqrt(DRAWS // 2)
    assert abs((first**2 * second**2).mean() - 1) < 4 * math.sqrt(8 / (DRAWS // 2))


def test_the_largest_normal_stays_below_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def extreme(names: keys.Words, count: int, lane: int = 0) -> npt.NDArray[np.float64]:
        assert count % 2 == 0
        return np.array([1 - 2.0**-53, 0.0] * (count // 2))[:, None]

    monkeypatch.setattr(keys, "uniforms", extreme)
    assert 8.5 < keys.normals(as_keys(0), 1).max() < keys.NORMAL_LIMIT < 8.7


# -- packed signals --------------------------------------------------------------------------------------------


def plain(draw: Callable[..., Any], steps: int, columns: int) -> npt.NDArray[np.bool_]:
    """Random bits (steps, columns) of a random density: rare bits try the scans over long gaps."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32), label="bits"))
    return generator.random((steps, columns)) < draw(st.sampled_from([0.5, 0.02, 0.98]), label="density")


STEPS = st.one_of(st.integers(1, 200), st.sampled_from([1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 192]))


def columns_of(bits: npt.NDArray[Any]) -> list[Bits]:
    return [[int(b) for b in column] for column in bits.reshape(len(bits), -1).T]


def word_by_word(column: Bits) -> list[int]:
    """Bit t % 64 of word t // 64 is step t."""
    words = [0] * -(-len(column) // 64)
    for t, bit in enumerate(column):
        words[t // 64] |= bit << (t % 64)
    return words


@law
@given(st.data(), STEPS, st.integers(1, 3))
def test_pack_and_unpack(data: st.DataObject, steps: int, columns: int) -> None:
    bits = plain(data.draw, steps, columns)
    packed = bitstreams.pack(bits)
    assert packed.dtype == np.uint64
    assert packed.T.tolist() == [word_by_word(column) for column in columns_of(bits)]
    assert len(packed) == bitstreams.num_words(steps)
    unpacked = bitstreams.unpack(packed, steps)
    assert unpacked.dtype == np.uint8
    np.testing.assert_array_equal(unpacked, bits)
    fewer = data.draw(st.integers(1, steps))
    np.testing.assert_array_equal(bitstreams.unpack(packed, fewer), bits[:fewer])


@pytest.mark.parametrize("shape", [(130, 2, 3), (64, 1, 1), (5, 4), (70, 2, 2, 2)])
def test_axes_behind_time_are_untouched(shape: tuple[int, ...]) -> None:
    bits = np.random.default_rng(0).random(shape) < 0.3
    packed = bitstreams.pack(bits)
    assert packed.shape == (-(-shape[0] // 64), *shape[1:])
    np.testing.assert_array_equal(bitstreams.unpack(packed, shape[0]), bits)
    flat = packed.reshape(len(packed), -1)
    for apply in (lambda w: bitstreams.delay(w, 3), bitstreams.running_parity, lambda w: bitstreams.last_value(w, ~w)):
        np.testing.assert_array_equal(apply(packed), apply(flat).reshape(packed.shape))
        transposed = np.moveaxis(np.ascontiguousarray(np.moveaxis(packed, 0, -1)), -1, 0)  # not in order of memory
        np.testing.assert_array_equal(apply(transposed), apply(packed))
        np.testing.assert_array_equal(bitstreams.unpack(transposed, shape[0]), bits)


@law
@given(st.data(), STEPS, st.integers(0, 210))
def test_delay(data: st.DataObject, steps: int, by: int) -> None:
    bits = plain(data.draw, steps, 2)
    packed = bitstreams.pack(bits)
    before = packed.copy()
    late = columns_of(bitstreams.unpack(bitstreams.delay(packed, by), steps))
    assert late == [[c[t - by] if t >= by else 0 for t in range(steps)] for c in columns_of(bits)]
    np.testing.assert_array_equal(packed, before)


@law
@given(st.data(), STEPS)
def test_running_parity(data: st.DataObject, steps: int) -> None:
    bits = plain(data.draw, steps, 2)
    packed = bitstreams.pack(bits)
    before = packed.copy()
    parity = columns_of(bitstreams.unpack(bitstreams.running_parity(packed), steps))
    assert parity == [[sum(c[: t + 1]) % 2 for t in range(steps)] for c in columns_of(bits)]
    np.testing.assert_array_equal(packed, before)


@law
@given(st.data(), STEPS)
def test_last_value(data: st.DataObject, steps: int) -> None:
    values, known = plain(data.draw, steps, 2), plain(data.draw, steps, 2)
    packed = bitstreams.pack(values), bitstreams.pack(known)
    before = [words.copy() for words in packed]
    got = columns_of(bitstreams.unpack(bitstreams.last_value(*packed), steps))
    for column, value, mark in zip(got, columns_of(values), columns_of(known), strict=True):
        held, expected = 0, []
        for v, k in zip(value, mark, strict=True):
            held = v if k else held
            expected.append(held)
        assert column == expected
    for words, as_it_was in zip(packed, before, strict=True):
        np.testing.assert_array_equal(words, as_it_was)


@law
@given(st.data(), STEPS, st.integers(0, 210), st.booleans())
def test_from_step(data: st.DataObject, steps: int, first: int, cut: bool) -> None:
    bits = plain(data.draw, steps, 3)
    lengths = data.draw(st.lists(st.integers(0, steps), min_size=3, max_size=3)) if cut else [steps] * 3
    packed = bitstreams.pack(bits)
    before = packed.copy()
    kept = bitstreams.from_step(packed, first, np.array(lengths) if cut else None)
    expected = [
        [c[t] if first <= t < length else 0 for t in range(steps)]
        for c, length in zip(columns_of(bits), lengths, strict=True)
    ]
    assert columns_of(bitstreams.unpack(kept, steps)) == expected
    by_head = bitstreams.from_step(np.stack([packed, packed], axis=-1), first, np.array(lengths) if cut else None)
    np.testing.assert_array_equal(by_head, np.stack([kept, kept], axis=-1))
    np.testing.assert_array_equal(packed, before)


@law
@given(st.lists(st.integers(0, 199), min_size=1, max_size=4), st.integers(1, 4))
def test_at_step(steps: list[int], count: int) -> None:
    signals = bitstreams.at_step(np.array(steps), count)
    assert signals.dtype == np.uint64
    unpacked = columns_of(bitstreams.unpack(signals, 64 * count))
    assert unpacked == [[int(t == step) for t in range(64 * count)] for step in steps]
