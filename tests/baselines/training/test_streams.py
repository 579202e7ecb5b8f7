"""Streams: windows of long trials, one after another, that outlive a stage and begin anew now and then."""

from __future__ import annotations

import numpy as np
import pytest

from baselines.training.streams import Streams
from memory_envs import DelayedMatch, EvidenceAccumulation, FlipFlop, Parity, Task, keys

TASKS = [
    Parity(heads=(2, 3, 5)),
    Parity(heads=(2, 3, 5), p="uniform"),
    DelayedMatch(N=4),
    FlipFlop(N=5),
    FlipFlop(N=5, pulse_probability=0.3),
    EvidenceAccumulation(heads=(3, 5)),
]


def stream(task: Task, number: int, steps: int, seed: int = 3) -> dict[str, np.ndarray]:
    """A stream drawn whole, as any other trial is."""
    trials = task.replace(num_steps=steps).sample(keys.trial_keys(keys.stream(seed), np.array([number], np.uint64)))
    return {name: getattr(trials, name)[:, 0] for name in ("inputs", "targets", "mask")}


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_windows_one_after_another_are_trials_drawn_by_key(task: Task) -> None:
    streams = Streams(task, size=5, steps=4, length=4, seed=3)
    assert len(set(streams.ends.tolist())) > 1  # the first streams end one after another
    shown: dict[int, list[dict[str, np.ndarray]]] = {}
    for _ in range(60):
        window, begun = streams.draw()
        for column, number in enumerate(streams.numbers.tolist()):
            assert begun[column] == (number not in shown)
            pieces = shown.setdefault(number, [])
            pieces.append({name: getattr(window, name)[:, column] for name in ("inputs", "targets", "mask")})
        streams.advance()
    assert len(shown) > 15
    assert sorted(shown) == list(range(len(shown)))
    for number, pieces in shown.items():
        whole = stream(task, number, 4 * max(len(pieces), 8))
        for name, array in whole.items():
            np.testing.assert_array_equal(np.concatenate([piece[name] for piece in pieces]), array[: 4 * len(pieces)])


def test_the_next_stage_asks_other_questions_of_the_same_bits() -> None:
    streams = Streams(Parity(heads=(2, 3)), size=4, steps=8, length=20, seed=3)
    for _ in range(3):
        streams.advance()
    before, at = streams.draw()[0], streams.at.copy()
    assert len(set(at.tolist())) > 1
    streams.set_task(Parity(heads=(2, 3, 4)))
    after, _ = streams.draw()
    assert streams.at.tolist() == at.tolist()
    np.testing.assert_array_equal(before.inputs, after.inputs)
    for column, (number, first) in enumerate(zip(streams.numbers.tolist(), at.tolist(), strict=True)):
        whole = stream(Parity(heads=(2, 3, 4)), number, 64)
        np.testing.assert_array_equal(after.targets[:, column], whole["targets"][first : first + 8])


def test_streams_restored_go_on_as_if_never_stopped() -> None:
    def windows(streams: Streams, count: int) -> list[np.ndarray]:
        found = []
        for _ in range(count):
            window, begun = streams.draw()
            found.append(np.concatenate([window.inputs.ravel(), window.targets.ravel(), window.mask.ravel(), begun]))
            streams.advance()
        return found

    first, second = Parity(heads=(2, 3)), Parity(heads=tuple(range(2, 12)))
    streams = Streams(first, size=6, steps=4, length=8, seed=1)
    windows(streams, 20)
    streams.set_task(second)
    windows(streams, 7)
    other = Streams(second, size=6, steps=4, length=8, seed=1)
    other.restore(streams.state())
    np.testing.assert_array_equal(windows(streams, 80), windows(other, 80))
