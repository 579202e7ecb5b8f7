"""Measure one case of ``speed.environments`` once: ``python -m speed.environments_worker CASE-AS-JSON SECONDS``.

The last line of its standard output is a JSON object: a sample and versions, or an error.
"""

from __future__ import annotations

import gc
import importlib
import json
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from speed.environments import SUBJECTS, Case

Chunk = Callable[[], int]
"""Plays the actions that were drawn beforehand and returns how many steps these were."""

CALLS, MEMORY_CALLS = 64, 400


def make(case: Case, copies: int) -> Any:
    """The environment as a user makes it: nothing is switched off, and the vector form is the native one if any."""
    import gymnasium as gym

    subject = SUBJECTS[case.subject]
    kwargs = {} if case.form == "memory" else dict(subject.kwargs)
    kwargs |= {"scoring": case.scoring} if case.scoring else {}
    if case.form == "scalar":
        return gym.make(subject.env_id, **kwargs)
    kwargs |= {"vectorization_mode": subject.mode} if subject.mode else {}
    return gym.make_vec(subject.env_id, num_envs=copies, **kwargs)


def gymnasium_chunk(case: Case) -> Chunk:
    """A chunk of a scalar or vector environment made through Gymnasium."""
    env = make(case, case.copies)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(CALLS if case.copies > 1 else 16 * CALLS)]
    env.reset(seed=0)

    def scalar() -> int:
        for action in actions:
            _observation, _reward, terminated, truncated, _info = env.step(action)
            if terminated or truncated:
                env.reset()
        return len(actions)

    def vector() -> int:
        for action in actions:
            # Bound to names, as a caller does: the arrays of one call are still alive during the next.
            _observations, _rewards, _terminated, _truncated, _infos = env.step(action)
        return len(actions) * case.copies

    return scalar if case.form == "scalar" else vector


def gymnax_chunk(case: Case) -> Chunk:
    """A chunk of a gymnax environment, stepped from Python or in one compiled scan."""
    gymnax, jax = importlib.import_module("gymnax"), importlib.import_module("jax")
    env, params = gymnax.make(SUBJECTS[case.subject].env_id)
    params = params.replace(**SUBJECTS[case.subject].kwargs)

    key = jax.random.key(0)
    _, state = jax.vmap(env.reset, in_axes=(0, None))(jax.random.split(key, case.copies), params)
    actions = jax.random.randint(key, (CALLS, case.copies), 0, env.num_actions)

    def advance(carry: Any, action: Any) -> tuple[Any, Any]:
        following, now = jax.random.split(carry[0])
        keys = jax.random.split(now, case.copies)
        observed, state, *rest = jax.vmap(env.step, in_axes=(0, 0, 0, None))(keys, carry[1], action, params)
        return (following, state), (observed, *rest)

    carry = (key, state)
    fused = jax.jit(lambda carry, actions: jax.lax.scan(advance, carry, actions))
    play, parts = (fused, [actions]) if case.form == "scan" else (jax.jit(advance), list(actions))

    def chunk() -> int:
        nonlocal carry
        for part in parts:
            # Wait at each call: an agent needs the observation before it can answer.
            carry, _result = jax.block_until_ready(play(carry, part))
        return CALLS * case.copies

    return chunk


def sample_chunk(case: Case) -> Chunk:
    """A chunk of calls of ``task.sample``: each draws 256 parity trials of 100 steps with 9 heads."""
    import numpy as np

    task = importlib.import_module("memory_envs").Parity(heads=tuple(range(2, 11)), num_steps=100)
    keys = np.random.default_rng(0).integers(0, 2**64, (CALLS, 256), dtype=np.uint64)

    def chunk() -> int:
        for row in keys:
            task.sample(row)
        return CALLS

    return chunk


def rate(chunk: Chunk, seconds: float) -> dict[str, float]:
    """Steps per second of CPU time and of wall time, over at least ``seconds`` of CPU time, after one untimed chunk."""
    chunk()
    steps, cpu, wall = 0, time.process_time(), time.perf_counter()
    while time.process_time() - cpu < seconds:
        steps += chunk()
    return {"cpu": steps / (time.process_time() - cpu), "wall": steps / (time.perf_counter() - wall)}


def resident_bytes(field: str) -> int:
    """Resident memory of this process in bytes: VmRSS (now) or VmHWM (its peak)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def memory_growth(case: Case) -> dict[str, float]:
    """The growth of peak resident memory in bytes per copy, as ``speed.environments`` defines it."""
    from gymnasium.vector.utils import batch_space

    small = make(case, 1)
    small.reset(seed=0)
    small.step(small.action_space.sample())
    space = batch_space(small.single_action_space, case.copies)
    actions = [space.sample() for _ in range(CALLS)]
    gc.collect()
    # Resets the recorded peak to what is resident now: an earlier peak of the imports could hide the growth.
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_bytes("VmRSS")
    envs = make(case, case.copies)
    envs.reset(seed=0)
    for call in range(MEMORY_CALLS):
        _result = envs.step(actions[call % CALLS])
    return {"bytes_per_copy": (resident_bytes("VmHWM") - before) / case.copies}


def answer(case: Case, seconds: float) -> dict[str, Any]:
    """Measure the case: a sample and the versions of the packages, or an error."""
    package = SUBJECTS[case.subject].package
    try:
        importlib.import_module(package)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == package
        return {"error": "not installed" if absent else f"installed, but its import fails: {error}"}
    names = {"numpy", "gymnasium", "popgym", "gymnax", "jax"}
    versions = {found.name: found.version for found in distributions() if found.name in names}
    versions["python"] = platform.python_version()
    if case.form == "memory":
        return {"versions": versions, "sample": memory_growth(case)}
    build = gymnax_chunk if package == "gymnax" else sample_chunk if case.form == "sample" else gymnasium_chunk
    return {"versions": versions, "sample": rate(build(case), seconds)}


if __name__ == "__main__":
    print("\n" + json.dumps(answer(Case(**json.loads(sys.argv[1])), float(sys.argv[2]))))
