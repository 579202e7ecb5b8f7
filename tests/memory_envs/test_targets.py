"""Law 3: targets and mask equal a slow recomputation from what is shown; the stimulus has the distribution it claims.

The oracles are written from the definitions, with loops over plain numbers, and see the inputs alone (with final
scoring also where the trial ends). A golden trial pins down every way in which a stimulus is drawn: it may change
with a new version number only.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory_envs import TASKS, DelayedAddition, DelayedMatch, EvidenceAccumulation, FlipFlop, Parity, Task, Trials
from tests.memory_envs.strategies import PerTask, tasks

GOLDEN = Path(__file__).parent / "golden"
every_task = pytest.mark.parametrize("name", TASKS)
law = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Rows = list[list[float]]
Answer = tuple[list[Any], bool]


# -- oracles: what is shown in steps 0 .. t -> the answers of step t, and whether they count ---------------------------


def asked_heads(task: Any) -> list[int]:
    """The N of every active head."""
    heads = [task.N] if task.heads is None else list(task.heads)
    return [n for n in heads if task.active_heads is None or n in task.active_heads]


def from_full_window(task: Any, t: int, last: int) -> bool:
    """Streams: answers count once the largest window that is asked for is full, or at the last step."""
    return t == last if task.scoring == "final" else max(asked_heads(task)) - 1 <= t <= last


def spread(task: Any, answers: dict[int, int]) -> list[int]:
    heads = [task.N] if task.heads is None else list(task.heads)
    return [answers.get(n, 0) for n in heads]


def parity(task: Parity, shown: Rows, last: int) -> Answer:
    t = len(shown) - 1
    answers = {n: sum(int(shown[t - i][0]) for i in range(n) if t - i >= 0) % 2 for n in asked_heads(task)}
    return spread(task, answers), from_full_window(task, t, last)


def delayed_match(task: DelayedMatch, shown: Rows, last: int) -> Answer:
    t = len(shown) - 1
    answers = {n: int(t >= n - 1 and shown[t][0] == shown[t - (n - 1)][0]) for n in asked_heads(task)}
    return spread(task, answers), from_full_window(task, t, last)


def delayed_addition(task: DelayedAddition, shown: Rows, last: int) -> Answer:
    t = len(shown) - 1
    cued = [np.float32(value) for value, cue, _ in shown if cue == 1]
    assert len(cued) <= 2
    assert all(value == 0 for value, cue, _ in shown if cue == 0 and not task.distractors)
    counts = t == last if task.scoring == "final" else len(cued) == 2
    assert shown[t][2] == counts  # go
    return [cued[0] + cued[1]] if counts else [0.0], counts


def evidence_accumulation(task: EvidenceAccumulation, shown: Rows, last: int) -> Answer:
    t = len(shown) - 1
    pulses = [Fraction(evidence) for evidence, _ in shown]
    assert task.noise or all(
        abs(pulse) == (1 if task.heads or i < task.N - task.delay else 0) for i, pulse in enumerate(pulses)
    )
    if task.heads is not None:
        counts = from_full_window(task, t, last)
        assert shown[t][1] == counts
        return spread(task, {n: int(sum(pulses[max(0, t - n + 1) :]) > 0) for n in asked_heads(task)}), counts
    asked = t == last if task.scoring == "final" else True
    assert shown[t][1] == asked
    return [int(sum(pulses) > 0)], asked and sum(pulses) != 0


def flip_flop(task: FlipFlop, shown: Rows, last: int) -> Answer:
    t = len(shown) - 1
    answers = []
    for channel in range(task.bits):
        assert shown[0][channel] != 0
        assert {row[channel] for row in shown} <= {-1, 0, 1}
        pulses = [row[channel] for row in shown if row[channel] != 0]
        answers.append(int(pulses[-1] == 1))
    return answers, t == last if task.scoring == "final" else t <= last


ORACLES: PerTask[Any] = PerTask(
    "ORACLES of tests/memory_envs/test_targets.py",
    {
        "parity": parity,
        "dms": delayed_match,
        "delayed-addition": delayed_addition,
        "evidence-accumulation": evidence_accumulation,
        "flip-flop": flip_flop,
    },
)


# -- the same for lags: what is shown in steps 0 .. t -> the step of the oldest input that a head's answer needs ------


def start_of_window(task: Any, shown: Rows, head: int) -> int:
    return len(shown) - (task.heads[head] if task.heads else task.N)


def start_of_sum(task: EvidenceAccumulation, shown: Rows, head: int) -> int:
    return start_of_window(task, shown, head) if task.heads else 0


def first_cue(task: DelayedAddition, shown: Rows, head: int) -> int:
    return next(i for i, (_, cue, _) in enumerate(shown) if cue == 1)


def last_pulse(task: FlipFlop, shown: Rows, head: int) -> int:
    return max(i for i, row in enumerate(shown) if row[head] != 0)


OLDEST: PerTask[Any] = PerTask(
    "OLDEST of tests/memory_envs/test_targets.py",
    {
        "parity": start_of_window,
        "dms": start_of_window,
        "delayed-addition": first_cue,
        "evidence-accumulation": start_of_sum,
        "flip-flop": last_pulse,
    },
)


def check_lags(task: Task, trials: Trials) -> None:
    lags = task.lags(trials.inputs)
    assert lags.shape == trials.targets.shape
    assert lags.dtype.kind == "i"
    for t, b in zip(*np.nonzero(trials.mask), strict=True):
        rows: Rows = trials.inputs[: t + 1, b].tolist()
        for head in np.flatnonzero(task.active):
            assert t - lags[t, b, head] == OLDEST[task.name](task, rows, int(head))
            assert 0 <= lags[t, b, head] < task.horizon


def check_against_oracle(task: Task, trials: Trials) -> None:
    oracle = ORACLES[task.name]
    for b in range(len(trials.lengths)):
        length = int(trials.lengths[b])
        rows: Rows = trials.inputs[:length, b].tolist()
        targets = np.zeros((task.num_steps, task.num_heads), trials.targets.dtype)
        mask = np.zeros(task.num_steps, np.bool_)
        for t in range(length):
            answers, mask[t] = oracle(task, rows[: t + 1], length - 1)
            if mask[t]:
                targets[t] = answers
        np.testing.assert_array_equal(trials.mask[:, b], mask)
        np.testing.assert_array_equal(trials.targets[:, b], targets)
    check_lags(task, trials)


@every_task
@law
@given(data=st.data())
def test_targets_follow_from_the_inputs(name: str, data: st.DataObject) -> None:
    task = data.draw(tasks(name))
    check_against_oracle(task, task.batch(data.draw(st.integers(0, 2**32)), 0, 3))


@pytest.mark.parametrize(
    "task",
    [
        Parity(N=1),
        Parity(N=64, num_steps=64),
        Parity(N=65, num_steps=200, scoring="final"),
        Parity(heads=(1, 63, 64, 65, 128), num_steps=129),
        DelayedMatch(N=2),
        DelayedMatch(heads=(2, 64, 65, 66), num_steps=260),
        DelayedMatch(N=65, num_steps=67, scoring="final"),
        DelayedAddition(N=3),
        DelayedAddition(N=4, scoring="final"),
        DelayedAddition(N=130, distractors=True),
        EvidenceAccumulation(N=1),
        EvidenceAccumulation(N=1, scoring="final"),
        EvidenceAccumulation(N=5, delay=4),
        EvidenceAccumulation(N=5, delay=4, scoring="final"),
        EvidenceAccumulation(N=2, bias=0, scoring="final"),
        EvidenceAccumulation(N=6, bias=0.5, delay=2),
        EvidenceAccumulation(N=9, noise=3.0, delay=3),
        EvidenceAccumulation(heads=(1,)),
        EvidenceAccumulation(heads=(1, 65), num_steps=130),
        FlipFlop(N=1),
        FlipFlop(N=1, scoring="final", num_steps=3),
        FlipFlop(N=70, bits=1),
        FlipFlop(N=200, bits=2, num_steps=200),
        FlipFlop(N=3, pulse_probability=0.0, num_steps=130),
        FlipFlop(N=3, pulse_probability=1.0, bits=5),
        FlipFlop(N=3, pulse_probability=0.02, num_steps=200),
    ],
    ids=lambda task: repr(task.to_dict()),
)
def test_targets_at_the_edges(task: Task) -> None:
    check_against_oracle(task, task.batch(0, 0, 6))


@every_task
def test_a_lag_follows_from_what_has_been_shown_so_far(name: str) -> None:
    """Nothing behind a step moves its lag: what a vector environment shows after a trial's end is of no matter."""
    task = TASKS[name](N=6)
    inputs = task.batch(0, 0, 20).inputs
    other = inputs.copy()
    other[4:] = task.batch(1, 0, 20).inputs[4:]
    np.testing.assert_array_equal(task.lags(other)[:4], task.lags(inputs)[:4])


# -- golden trials -------------------------------------------------------------------------------------------------

PINNED: PerTask[list[Task]] = PerTask(
    "PINNED of tests/memory_envs/test_targets.py",
    {
        "parity": [
            Parity(),
            Parity(heads=(2, 3, 5), active_heads=(2, 3), p=0.3),
            Parity(N=3, p="uniform", scoring="final"),
        ],
        "dms": [DelayedMatch(), DelayedMatch(heads=(2, 4), p="uniform"), DelayedMatch(N=2, p=0.8, scoring="final")],
        "delayed-addition": [DelayedAddition(), DelayedAddition(N=8, distractors=True, scoring="final")],
        "evidence-accumulation": [
            EvidenceAccumulation(),
            EvidenceAccumulation(N=6, delay=2, bias=0.0, scoring="final"),
            EvidenceAccumulation(N=5, noise=0.5),
            EvidenceAccumulation(heads=(1, 3), scoring="final"),
        ],
        "flip-flop": [FlipFlop(), FlipFlop(N=4, bits=2, scoring="final"), FlipFlop(N=4, bits=2, pulse_probability=0.2)],
    },
)


def as_text(task: Task, seed: int = 0) -> str:
    """The first trial of a seed, a line a step: what each channel shows, whether the step counts, every answer."""
    trials = task.batch(seed, 0, 1)
    length = int(trials.lengths[0])
    # The last bits of a normal are those of the platform's logarithm; everything else is written down exactly.
    decimals = 4 if getattr(task, "noise", 0) else None

    def number(value: Any, signed: bool) -> str:
        text = np.format_float_positional(value, precision=decimals, unique=decimals is None, trim="-")
        return f"+{text}" if signed and value > 0 else text

    table = [("step", [str(t) for t in range(length)])]
    for i, channel in enumerate(task.channels):
        signed = task.input_bounds[i][0] < 0
        table.append((channel, [number(value, signed) for value in trials.inputs[:length, 0, i]]))
    table.append(("counts", [".x"[int(counted)] for counted in trials.mask[:length, 0]]))
    for h, head in enumerate(task.head_labels):
        answers = trials.targets[:length, 0, h]
        table.append((f"target {head}", [number(v, True) if task.real_valued else str(v) for v in answers]))
    widths = [max(len(name), *map(len, cells)) for name, cells in table]
    lines = ["  ".join(name.rjust(width) for (name, _), width in zip(table, widths, strict=True))]
    lines += ["  ".join(c[t].rjust(width) for (_, c), width in zip(table, widths, strict=True)) for t in range(length)]
    given = {key: value for key, value in task.to_dict().items() if key != "task"}
    return "\n".join([f"{task.env_id} {json.dumps(given)}, seed {seed}, trial 0", *lines, ""])


WRITE_GOLDEN = 'python -c "from tests.memory_envs.test_targets import *; write_golden()"'


def golden_file(name: str) -> Path:
    return GOLDEN / f"{name}.txt"


def golden_text(name: str) -> str:
    return "\n".join(as_text(task) for task in PINNED[name])


@every_task
def test_golden_trials(name: str) -> None:
    """If a stimulus is meant to change, give its environment a new version number (``-v1``), then ``WRITE_GOLDEN``."""
    assert golden_file(name).exists(), f"task {name} has no golden trial {golden_file(name)}: {WRITE_GOLDEN}"
    assert golden_text(name) == golden_file(name).read_text(encoding="utf-8")
    assert TASKS[name].env_id.endswith("-v0")


def test_every_golden_file_belongs_to_a_task() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} <= set(TASKS)


def write_golden() -> None:
    for name in TASKS:
        golden_file(name).write_text(golden_text(name), encoding="utf-8")


# -- distributions ---------------------------------------------------------------------------------------------------
# Keys are fixed, so that these never fail by chance. Bounds are 4 standard errors of the quantity that is estimated
# (a right stimulus drawn anew would pass each with probability 0.99994); sizes are such that this is a percent or less.


def assert_share(hits: npt.NDArray[np.bool_], p: float) -> None:
    """Independent events of probability p."""
    assert abs(hits.mean() - p) <= 4 * math.sqrt(p * (1 - p) / hits.size), (hits.mean(), p)


def assert_uniform(drawn: npt.NDArray[np.int64], low: int, high: int) -> None:
    """Independent integers, uniform on low..high: all of them occur, none other, equally often (chi-square)."""
    assert drawn.min() == low
    assert drawn.max() == high
    counts = np.bincount(drawn - low)
    expected = drawn.size / len(counts)
    assert expected > 50, "too few draws to tell"
    freedom = high - low
    # Its mean is its degrees of freedom, its variance twice that; the 8 is for the heavy tail of few of them.
    assert ((counts - expected) ** 2).sum() / expected <= freedom + 4 * math.sqrt(2 * freedom) + 8


def assert_uniform_reals(drawn: npt.NDArray[Any], low: float, high: float) -> None:
    """Independent reals, uniform on [low, high]: the distribution function at 50 places."""
    places = np.linspace(low, high, 52)[1:-1]
    share = (places - low) / (high - low)
    below = np.array([(drawn <= x).mean() for x in places])
    assert (np.abs(below - share) <= 4 * np.sqrt(share * (1 - share) / drawn.size)).all()
    assert low <= drawn.min()
    assert drawn.max() <= high


@pytest.mark.parametrize("kind", [Parity, DelayedMatch])
@pytest.mark.parametrize("p", [0.5, 0.3, 0.02, 0.97])
@pytest.mark.parametrize("scoring", ["dense", "final"])
def test_bits_have_their_probability(kind: Any, p: float, scoring: str) -> None:
    trials = kind(N=20, p=p, scoring=scoring).batch(1, 0, 4000)
    inside = np.arange(len(trials.inputs))[:, None] < trials.lengths
    assert_share(trials.inputs[..., 0][inside] == 1, p)
    # Neighbouring steps, and neighbouring trials, are independent: two ones have probability p^2. Overlapping pairs
    # are correlated a little: every other pair is not.
    bits = trials.inputs[:22, :, 0] == 1  # no trial is shorter
    assert_share((bits[0::2] & bits[1::2]).ravel(), p * p)
    assert_share((bits[:, 0::2] & bits[:, 1::2]).ravel(), p * p)


def test_bits_that_are_certain() -> None:
    assert not Parity(p=0.0).batch(0, 0, 50).inputs.any()
    assert Parity(p=1.0).batch(0, 0, 50).inputs.all()


def test_uniform_bit_probability_is_uniform_over_trials_and_constant_within() -> None:
    """The number of 1s among n bits is then uniform on 0..n: exactly, and only, for a uniform p."""
    bits = Parity(N=5, p="uniform").batch(2, 0, 160_000).inputs[..., 0]
    # The mean over 20 bits of a trial has variance 1/12 + 1/6/20.
    assert abs(bits.mean() - 0.5) < 4 * math.sqrt((1 / 12 + 1 / 120) / bits.shape[1])
    assert_uniform(bits.sum(axis=0).astype(np.int64), 0, 20)
    assert_uniform(bits[:10].sum(axis=0).astype(np.int64), 0, 10)
    assert_uniform(bits[1::2].sum(axis=0).astype(np.int64), 0, 10)


@pytest.mark.parametrize("n", [1, 2, 5, 16])
def test_intervals_between_pulses_are_uniform(n: int) -> None:
    """The first three of each channel: they end within 3 N of the 4 N steps, so that none is cut off."""
    pulses = FlipFlop(N=n, num_steps=4 * n + 1).batch(3, 0, 6000).inputs != 0
    times = np.argsort(~pulses, axis=0, kind="stable")[:4]  # (4, B, bits): the first four pulses
    assert not times[0].any()
    intervals = np.diff(times, axis=0)
    for gap in intervals:
        assert_uniform(gap.ravel(), 1, n)
    if n > 1:
        # Successive intervals, and those of two channels, are independent.
        for a, b in ((intervals[0], intervals[1]), (intervals[0, :, 0], intervals[0, :, 1])):
            product = (a - (n + 1) / 2) * (b - (n + 1) / 2)
            assert abs(product.mean()) < 4 * (n * n - 1) / 12 / math.sqrt(product.size)


def test_no_answer_of_the_flip_flop_lies_further_back_than_its_demand() -> None:
    pulses = FlipFlop(N=7, num_steps=400).batch(0, 0, 300).inputs != 0
    since = np.zeros(pulses.shape[1:], np.int64)
    longest = 0
    for row in pulses:
        since = np.where(row, 0, since + 1)
        longest = max(longest, int(since.max()))
    assert longest == 6


@pytest.mark.parametrize("probability", [None, 0.3])
def test_signs_of_pulses_are_fair_and_independent(probability: float | None) -> None:
    inputs = FlipFlop(N=4, num_steps=40, pulse_probability=probability).batch(4, 0, 3000).inputs
    assert_share(inputs[inputs != 0] > 0, 0.5)
    both = inputs[0::2] * inputs[1::2]
    assert_share(both[both != 0] > 0, 0.5)
    across = inputs[..., 0] * inputs[..., 1]
    assert_share(across[across != 0] > 0, 0.5)


def test_signs_of_pulses_say_nothing_about_their_times() -> None:
    inputs = FlipFlop(N=40).batch(4, 0, 10_000).inputs
    first = 1 + (inputs[1:] != 0).argmax(axis=0)  # the first interval of each channel
    for chosen in (inputs[:, first <= 20], inputs[:, first > 20]):
        for shown in (step for step in chosen if step.any()):
            assert_share(shown[shown != 0] > 0, 0.5)


def test_bernoulli_pulses() -> None:
    pulses = FlipFlop(N=10, pulse_probability=0.15).batch(5, 0, 4000).inputs != 0
    assert pulses[0].all()
    assert_share(pulses[1:], 0.15)
    assert_share((pulses[2::2] & pulses[1:-1:2]).ravel(), 0.15**2)
    assert_share((pulses[1:, :, 0] & pulses[1:, :, 1]).ravel(), 0.15**2)


@pytest.mark.parametrize("n", [3, 4, 5, 8, 9, 20, 21, 22, 23])
@pytest.mark.parametrize("distractors", [False, True])
def test_cues_are_uniform_in_their_ranges(n: int, distractors: bool) -> None:
    """First in the first quarter of the trial, then behind it and before the middle."""
    trials = DelayedAddition(N=n, distractors=distractors).batch(6, 0, 5000)
    cues = trials.inputs[..., 1]
    assert (cues.sum(axis=0) == 2).all()
    first = cues.argmax(axis=0)
    second = n - 1 - cues[::-1].argmax(axis=0)
    quarter = [t for t in range(n) if t < n / 4]
    half = [t for t in range(n) if t < n / 2]
    assert_uniform(first, quarter[0], quarter[-1])
    for f in quarter:
        assert_uniform(second[first == f], f + 1, half[-1])
    np.testing.assert_array_equal(trials.mask.argmax(axis=0), second)


@pytest.mark.parametrize("distractors", [False, True])
def test_values_of_the_addition_are_uniform(distractors: bool) -> None:
    trials = DelayedAddition(N=12, distractors=distractors).batch(7, 0, 10_000)
    values = trials.inputs[..., 0].T
    cued = trials.inputs[..., 1].T == 1
    pairs = values[cued].reshape(-1, 2)
    for place in pairs.T:
        assert_uniform_reals(place, -0.5, 0.5)
    # A product of two has variance 1/144.
    assert abs((pairs[:, 0] * pairs[:, 1]).mean()) < 4 / 12 / math.sqrt(len(pairs))
    if distractors:
        assert_uniform_reals(values[~cued], -0.5, 0.5)
        assert abs((values[:, 1::2] * values[:, 0::2]).mean()) < 4 / 12 / math.sqrt(values.size / 2)
    sums = trials.targets[-1, :, 0].astype(np.float64)
    assert DelayedAddition().target_variance == pytest.approx(1 / 6)
    # The triangular sum has E x^4 = 1/15.
    assert abs((sums**2).mean() - 1 / 6) < 4 * math.sqrt((1 / 15 - 1 / 36) / len(sums))


@pytest.mark.parametrize("bias", [0.0, 0.1, 0.35, 0.5])
@pytest.mark.parametrize("heads", [None, (1, 3)])
def test_pulses_are_biased_up_or_down_from_trial_to_trial(bias: float, heads: tuple[int, ...] | None) -> None:
    task = EvidenceAccumulation(N=10, bias=bias) if heads is None else EvidenceAccumulation(heads=heads, bias=bias)
    up = task.batch(8, 0, 40_000).inputs[..., 0] > 0
    # The number of positive pulses: an even mixture of two binomials, whose whole distribution is compared.
    n = len(up)
    counts = np.bincount(up.sum(axis=0), minlength=n + 1)
    expected = np.zeros(n + 1)
    for p in (0.5 + bias, 0.5 - bias):
        expected += [0.5 * math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    error = np.sqrt(expected * (1 - expected) / up.shape[1])
    assert (np.abs(counts / up.shape[1] - expected) <= 4 * error + 1e-15).all()
    for step in up:
        assert_share(step, 0.5)


@pytest.mark.parametrize("pulses", [1, 2, 4, 5])
@pytest.mark.parametrize("bias", [0.0, 0.2])
def test_final_trials_that_tie_are_drawn_again(pulses: int, bias: float) -> None:
    """The whole distribution of the pulses is the one conditional on a sum that is not zero."""
    trials = EvidenceAccumulation(N=pulses + 1, delay=1, bias=bias, scoring="final").batch(9, 0, 40_000)
    up = (trials.inputs[:pulses, :, 0] > 0).T
    weights = {}
    for code in range(2**pulses):
        ones = bin(code).count("1")
        if 2 * ones != pulses:
            weights[code] = sum(p**ones * (1 - p) ** (pulses - ones) for p in (0.5 + bias, 0.5 - bias))
    codes = up @ (1 << np.arange(pulses))
    assert set(np.unique(codes)) == set(weights)
    for code, weight in weights.items():
        assert_share(codes == code, weight / sum(weights.values()))


def test_noise_on_the_evidence_is_gaussian() -> None:
    """With a width of 0.1 the sign of a pulse is never in doubt, so that the noise itself can be seen."""
    evidence = EvidenceAccumulation(N=20, noise=0.1).batch(10, 0, 10_000).inputs[..., 0].astype(np.float64)
    noise = (evidence - np.sign(evidence)) / 0.1
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((noise**power).mean() - mean) < 4 * math.sqrt(variance / noise.size)
    assert abs((noise[0::2] * noise[1::2]).mean()) < 4 / math.sqrt(noise.size / 2)
    assert abs((noise * np.sign(evidence)).mean()) < 4 / math.sqrt(noise.size)
    assert_share(np.sign(evidence[0]) > 0, 0.5)


@pytest.mark.parametrize(
    ("task", "low", "high"),
    [
        (Parity(N=8, scoring="final"), 10, 33),
        (DelayedMatch(N=5, scoring="final"), 7, 21),
        (DelayedMatch(N=5, scoring="final", num_steps=9), 7, 9),
        (FlipFlop(N=6, scoring="final"), 8, 25),
        (EvidenceAccumulation(heads=(1, 3, 7), scoring="final"), 9, 29),
        (Parity(heads=(2, 3, 8), active_heads=(2, 3), scoring="final"), 5, 13),
        (Parity(N=3, scoring="final", num_steps=5), 5, 5),
    ],
    ids=lambda value: str(value.to_dict()) if isinstance(value, Task) else "",
)
def test_final_lengths_are_uniform(task: Task, low: int, high: int) -> None:
    """On N + 2 .. 4 N + 1, whatever is shown."""
    trials = task.batch(11, 0, 20_000)
    assert_uniform(trials.lengths, low, high)
    assert len(trials.inputs) == high
    for answer in (0, 1):  # the length does not give the answer away
        chosen = trials.targets.sum(axis=(0, 2)) > 0 if answer else trials.targets.sum(axis=(0, 2)) == 0
        assert_uniform(trials.lengths[chosen], low, high)


@pytest.mark.parametrize("task", [Parity(N=8), DelayedMatch(N=5), FlipFlop(N=16), EvidenceAccumulation(heads=(3, 5))])
def test_dense_streams_are_four_times_their_demand_long(task: Task) -> None:
    assert task.num_steps == 4 * task.N
    assert len(task.batch(size=2).inputs) == 4 * task.N
