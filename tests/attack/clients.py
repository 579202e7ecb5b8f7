"""Real-valued actions rescaled from drawn bounds in single precision: the ends are taken, alike in every form."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Yield what was tried and whether it held: pairs of round bounds, at their ends, and values truly outside."""
    from gymnasium import error, wrappers

    from memory_envs import DelayedAddition, MemoryEnv, MemoryVectorEnv

    task, draw = DelayedAddition(N=3), np.random.default_rng(seed)
    batch = task.batch(seed, 0, 1)
    for _ in range(count):
        # Bounds of one to three digits; their distance from 0 is at most some ten times their distance.
        digits = int(draw.integers(0, 3))
        middle, reach = draw.uniform(-10, 10), draw.uniform(1, 10)
        low, high = np.float32(round(middle - reach, digits)), np.float32(round(middle + reach, digits))
        one = wrappers.RescaleAction(MemoryEnv(task), low, high)
        many = wrappers.vector.RescaleAction(MemoryVectorEnv(task, 2), low, high)
        held = True
        for end in (low, high):
            one.reset(seed=seed)
            many.reset(seed=seed)
            shown = one.action(np.array([end]))
            for t in range(task.N):
                try:
                    paid = float(one.step(np.array([end]))[1])
                    column = float(many.step(np.full((2, 1), end))[1][0])
                except error.InvalidAction:
                    held = False
                    break
                held &= paid == column == task.rewards(batch, np.full((task.N, 1, 1), shown))[t, 0]
        beyond = np.float32(1 + draw.uniform(1e-5, 1)) * draw.choice([-1, 1])
        plain = MemoryEnv(task)
        plain.reset(seed=seed)
        try:
            plain.step(np.array([beyond]))
            held = False
        except error.InvalidAction:
            pass
        yield f"bounds {low} and {high}, and {beyond} itself", held
