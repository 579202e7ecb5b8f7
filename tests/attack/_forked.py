"""Commands in forked children: importing torch anew for each would take longer than the attempt does."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence


def run_command(words: Sequence[str], limit: int = 300, first: Callable[[], object] = lambda: None) -> tuple[int, str]:
    """Run ``python -m baselines WORDS``.

    Args:
        words: the words of the command line.
        limit: seconds after which it is killed.
        first: called in its process before it begins.

    Returns:
        Its exit code (negative: the signal that killed it) and what it wrote on standard error.
    """
    from baselines.commands.main import main

    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if not child:
            code = 99
            try:
                signal.alarm(limit)
                os.setsid()
                null = os.open(os.devnull, os.O_RDWR)
                for own, descriptor in ((null, 0), (null, 1), (said.fileno(), 2)):
                    os.dup2(own, descriptor)
                sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
                first()
                code = main(words)
            except SystemExit as left:
                code = int(left.code or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read().decode(errors="replace")


def ended_well(code: int, said: str) -> bool:
    """Whether a command succeeded, or ended with one line on standard error."""
    return code in (0, 1, 2) and said.count("\n") <= 1 and "Traceback" not in said
