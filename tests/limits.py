"""Commands that tests run in processes of their own, limited by CPU time: a busy machine does not use that up."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Sequence
from typing import Any

HANGS = 1_800.0
"""Seconds of wall time after which a command is taken to hang, however busy the machine is."""


def run_limited(command: Sequence[str], *, cpu_seconds: int, **options: Any) -> subprocess.CompletedProcess[str]:
    """``subprocess.run`` with text output captured and a limit on the CPU time of the process and of each of its own.

    Args:
        command: the program and its arguments.
        cpu_seconds: the limit; a process that reaches it is killed by SIGKILL.
        options: further arguments of ``subprocess.run``.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))

    return subprocess.run(command, capture_output=True, text=True, timeout=HANGS, preexec_fn=limit, **options)
