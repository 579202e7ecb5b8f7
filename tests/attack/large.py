"""Legal but very large arguments: an answer within seconds, or at once a refusal that names the bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

AT_ONCE, SOON = 1.0, 10.0
"""CPU seconds of a refusal, and of an answer about whatever is allowed."""


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Yield what was tried and whether it held. Sizes are uniform in their logarithm, up to 2^70."""
    import gymnasium as gym

    from memory_envs import TASKS

    draw, kinds = np.random.default_rng(seed), list(TASKS.values())

    def size() -> int:
        return 1 + int(2 ** draw.uniform(4, 70))

    def play(make: Any, env_id: str, **parameters: Any) -> None:
        env = make(env_id, **parameters)
        env.reset(seed=0)
        env.step(env.action_space.sample())

    for number in range(count):
        kind = kinds[number % len(kinds)]
        odd = size() | 1
        ways: dict[str, Any] = {
            f"N={odd}": lambda kind=kind, n=odd: play(gym.make, kind.env_id, N=n),
            f"3 environments, N={odd}": lambda kind=kind, n=odd: play(gym.make_vec, kind.env_id, num_envs=3, N=n),
            f"num_envs={odd}": lambda kind=kind, n=odd: play(gym.make_vec, kind.env_id, num_envs=n),
            f"size={odd}": lambda kind=kind, n=odd: kind().batch(size=n),
            f"reference score of N={odd}": lambda kind=kind, n=odd: kind(n).reference_score(n // 3),
            f"equivalent memory of N={odd}": lambda kind=kind, n=odd: kind(n).equivalent_memory(0.6),
        }
        if kind().free_length:
            ways[f"num_steps={odd}"] = lambda kind=kind, n=odd: play(gym.make, kind.env_id, N=5, num_steps=max(n, 20))
        if "bits" in kind.parameters():
            ways[f"bits={odd}"] = lambda kind=kind, n=odd: play(gym.make, kind.env_id, bits=n)
        what = str(draw.choice(list(ways)))
        begin = time.process_time()
        try:
            ways[what]()
            held = time.process_time() - begin < SOON
        except ValueError as said:
            named = "bytes" in str(said) or "at most" in str(said)
            held = named and time.process_time() - begin < AT_ONCE
        except Exception:
            held = False
        yield f"{kind.name}, {what}: {time.process_time() - begin:.1f} s", held
