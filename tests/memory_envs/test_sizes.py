"""Large but legal arguments are answered, or refused at once with the bytes that they would need."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from memory_envs import TASKS, FlipFlop, MemoryEnv, MemoryVectorEnv, Parity, ReferenceAgent, sizes
from memory_envs.tape import Tape, bytes_needed

every_task = pytest.mark.parametrize("name", TASKS)


def refused(make: Callable[[], Any], *words: str) -> None:
    """Within a second of CPU time, in one line that names what would be too large, the bytes and the way out."""
    begin = time.process_time()
    with pytest.raises(ValueError, match="would need about") as caught:
        make()
    assert time.process_time() - begin < 1
    said = str(caught.value)
    assert "\n" not in said
    for word in ("bytes)", "must be smaller", "MEMORY_ENVS_MAX_BYTES larger", *words):
        assert word in said


@every_task
def test_what_is_too_large_is_refused_at_once(name: str) -> None:
    kind = TASKS[name]
    refused(lambda: gym.make(kind.env_id, N=2 * 10**8), "an environment of")
    refused(lambda: gym.make_vec(kind.env_id, num_envs=2, N=2 * 10**8), "2 environments of", "num_envs or")
    refused(lambda: gym.make_vec(kind.env_id, num_envs=10**9), "1000000000 environments of", "num_envs or")
    refused(lambda: kind().batch(size=10**9), "1000000000 trials of", "size")
    with pytest.raises(ValueError, match=r"num_envs must be an integer of at least 1 and at most 2147483647, got 11"):
        gym.make_vec(kind.env_id, num_envs=2**70)
    if kind().free_length:
        refused(lambda: gym.make(kind.env_id, N=5, num_steps=10**9), "num_steps or N")
    for env in (MemoryEnv(name, N=5), MemoryVectorEnv(name, 2, N=5)):
        env.reset(seed=0)
        refused(lambda env=env: env.set_task(kind(2 * 10**8)), "N=200000000")  # type: ignore[misc]
        assert env.task == kind(5)
        env.step(env.action_space.sample())


def test_other_large_things_are_refused() -> None:
    refused(lambda: gym.make("MemoryFlipFlop-v0", bits=10**9), "bits must be smaller")
    refused(lambda: gym.make("MemoryParity-v0", heads=range(1, 20_000)), "heads must be smaller")
    many = np.zeros((10**4, 1), np.float32)
    refused(lambda: ReferenceAgent(Parity(10**6)).predict(many), "memory must be smaller")
    refused(lambda: FlipFlop(10**8).reference_score(5), "num_steps must be smaller")
    refused(lambda: TASKS["evidence-accumulation"](10**5).reference_score(5), "N must be smaller")


@pytest.mark.parametrize("task", [Parity(10**5), FlipFlop(5, num_steps=10**5), FlipFlop(10**5)], ids=repr)
def test_long_trials_are_played(task: Any) -> None:
    for env in (MemoryEnv(task), MemoryVectorEnv(task, 2)):
        begin = time.process_time()
        env.reset(seed=0)
        env.step(env.action_space.sample())
        assert time.process_time() - begin < 2


def test_the_limit_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sizes.VARIABLE, "100000")
    refused(lambda: Parity(8).batch(size=1000), "97.7 KiB (100000 bytes) are allowed")
    monkeypatch.setenv(sizes.VARIABLE, str(10**7))
    Parity(8).batch(size=1000)
    for wrong in ("", "0", "-1", "1e9", "many", "2.5"):
        monkeypatch.setenv(sizes.VARIABLE, wrong)
        with pytest.raises(ValueError, match="MEMORY_ENVS_MAX_BYTES must be a number of bytes"):
            Parity(8).batch()


@pytest.mark.parametrize("limit", [None, 7])
@pytest.mark.parametrize("gap", [0, 1])
@every_task
def test_the_estimate_is_about_what_a_tape_holds(name: str, gap: int, limit: int | None) -> None:
    for scoring in ("dense", "final"):
        task = TASKS[name](N=30, scoring=scoring)
        tape = Tape(task, 3000, gap, True, limit)
        tape.restart(np.arange(3000, dtype=np.uint64))
        held = sum(array.nbytes for array in tape._arrays())
        drawn = task.bytes_of_trials(1 + 2**17 // task.num_steps)
        assert held <= bytes_needed(task, 3000, gap, True, limit) < 4 * held + drawn
