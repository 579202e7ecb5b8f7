"""Follows a command from file to file: the files of ours in which a function runs, in the order of the first call.

    python -m tests.follow_calls step
    python -m tests.follow_calls train --n-max 2 --units 8 --max-updates 5 --episodes 2 --out /tmp/run

``step`` follows one step of ``gym.make("MemoryParity-v0")``; anything else is a command of ``python -m baselines``.
What runs while modules are imported is left out, and so are the processes that a command starts.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def follow(call: Any) -> list[str]:
    """The files in which a function runs during ``call()``, relative to the checkout."""
    seen: dict[str, None] = {}

    def note(frame: FrameType, event: str, argument: object) -> None:
        file = frame.f_code.co_filename
        ours = file.startswith((f"{ROOT}/baselines", f"{ROOT}/memory_envs"))
        if event == "call" and ours and not _is_importing(frame):
            seen.setdefault(str(Path(file).relative_to(ROOT)))

    sys.setprofile(note)
    threading.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return list(seen)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a module of ours is being imported further down the stack."""
    while frame is not None:
        caller = frame.f_back
        if frame.f_code.co_name == "<module>" and caller is not None and "importlib" in caller.f_code.co_filename:
            return True
        frame = caller
    return False


def main(words: list[str]) -> None:
    """Print the files that a command goes through."""
    if words == ["step"]:
        import gymnasium as gym

        import memory_envs  # noqa: F401 (registers the environments)

        env = gym.make("MemoryParity-v0")
        env.reset(seed=0)
        files = follow(lambda: env.step(1))
    else:
        from baselines.commands.main import main as run

        files = follow(lambda: run(words))
    print(f"{len(files)} files")
    print("\n".join(f"  {file}" for file in files))


if __name__ == "__main__":
    main(sys.argv[1:])
