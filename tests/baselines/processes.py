"""Commands in processes of their own, as people run them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import baselines

ROOT = Path(baselines.__file__).parents[1]
DEADLINE = 200.0
"""Seconds that a test waits at most."""


def until(what: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + DEADLINE
    while not what():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextmanager
def python_module(*words: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """``python -m WORDS`` while the block runs; killed at its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
