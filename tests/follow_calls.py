"""Follows a command from file to file: which of our files run, and the longest chain of them that call one another.

    python -m tests.follow_calls step
    python -m tests.follow_calls train --n-max 2 --units 8 --max-updates 5 --episodes 2 --out runs/followed

``step`` follows one step of ``gym.make("MemoryParity-v0")``; ``rung FOLDER CLIMB`` the process that plays the rungs of
a climb; anything else is a command of ``python -m baselines``. What runs while modules are imported is left out, and
so are the processes that a command starts.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
OURS = (f"{ROOT}/baselines", f"{ROOT}/memory_envs")


def follow(call: Callable[[], object]) -> tuple[list[str], list[str]]:
    """Run ``call()``.

    Returns:
        The files in which a function ran, in the order of the first call; and the longest chain of distinct files that
        called one another, from the first to the last. Both are relative to the checkout.
    """
    seen: dict[str, None] = {}
    longest: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(OURS):
            return
        chain, at = list[str](), frame
        while at is not None:
            if at.f_code.co_name == "<module>" and at.f_back and "importlib" in at.f_back.f_code.co_filename:
                return
            if at.f_code.co_filename.startswith(OURS):
                chain.append(str(Path(at.f_code.co_filename).relative_to(ROOT)))
            at = at.f_back  # type: ignore[assignment]
        seen.setdefault(chain[0])
        files = list(dict.fromkeys(reversed(chain)))
        if len(files) > len(longest):
            longest[:] = files

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return list(seen), longest


def main(words: list[str]) -> None:
    """Print what a command goes through."""
    if words == ["step"]:
        import gymnasium as gym

        import memory_envs  # noqa: F401 (registers the environments)

        env = gym.make("MemoryParity-v0")
        env.reset(seed=0)
        seen, longest = follow(lambda: env.step(1))
    elif words[:1] == ["rung"]:
        from baselines.benchmark import climb

        seen, longest = follow(lambda: climb.main(Path(words[1]), words[2]))
    else:
        from baselines.commands.main import main as run

        seen, longest = follow(lambda: run(words))
    print(f"the longest chain: {len(longest)} files\n  " + "\n  ".join(longest))
    print(f"in all: {len(seen)} files\n  " + "\n  ".join(seen))


if __name__ == "__main__":
    main(sys.argv[1:])
