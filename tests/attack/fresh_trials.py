"""Trials of random tasks, twice with one key, in another batch and in another order: the same trial, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Yield what was tried and whether it held."""
    from memory_envs import TASKS

    generator = np.random.default_rng(seed)
    kinds = list(TASKS.values())
    for number in range(count):
        kind = kinds[number % len(kinds)]
        parameters: dict[str, Any] = {
            "N": int(generator.integers(kind.least_N, 40)),
            "scoring": str(generator.choice(["dense", "final"])),
        }
        task = kind(**parameters)
        keys = generator.integers(0, 2**64, size=int(generator.integers(2, 9)), dtype=np.uint64)
        order = generator.permutation(len(keys))
        together, shuffled = task.sample(keys), task.sample(keys[order])
        column = int(generator.integers(len(keys)))
        alone = task.sample(keys[column : column + 1])
        steps = int(together.lengths[column])
        held = all(
            np.array_equal(getattr(together, name)[:steps, column], getattr(alone, name)[:steps, 0])
            and np.array_equal(getattr(together, name)[:, order], getattr(shuffled, name))
            for name in ("inputs", "targets", "mask")
        )
        yield f"{kind.name} {parameters}, trial {column} of {len(keys)}", held
