"""A climb, the process of a job: ``python -m baselines.benchmark.climb FOLDER NAME`` plays rung after rung.

The rungs that have ended are left as they are; the first one that is not solved is the last. A line on the standard
output says what came of each rung: the process of the benchmark shows the latest line of every climb.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from baselines.benchmark.folder import UNWRITABLE, climb_folder, read_rung, write_rung
from baselines.benchmark.output import StandardOutput
from baselines.benchmark.plan import read_benchmark
from baselines.benchmark.rung import play
from baselines.core.files import RunError, open_own
from baselines.core.process import keep_freed_memory, search_current_directory
from baselines.core.start import SAFE_PATH
from baselines.core.trust import check_trusted

GRACE = 5.0
"""Seconds after the limit at which the kernel ends a process that is still there."""


def main(path: Path, name: str) -> int:
    """The process of a climb; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as an exception it would be a fault of the agent
    faulthandler.enable()
    os.environ.pop(SAFE_PATH, None)  # the processes that an agent starts are as usual
    _volunteer_to_be_killed()
    keep_freed_memory()
    try:
        climb(path, name)
    except (RunError, OSError) as error:
        _say(f"error: {error}")
        return UNWRITABLE
    return 0


def climb(path: Path, name: str) -> None:
    """Play the rungs that are left of a climb.

    Args:
        path: the folder of the benchmark.
        name: the name of the climb.

    Raises:
        RunError, OSError: the folder cannot be read or written.
    """
    here, path = os.getcwd(), path.resolve()  # before an agent goes elsewhere
    benchmark = read_benchmark(path)
    check_trusted(benchmark.climbs[name].contestant.what)  # a refusal here is no fault of the agent
    search_current_directory()  # where the agent was found, what it imports later is looked for, too
    asked, folder = benchmark.climbs[name], climb_folder(path, name)
    process, output = os.getpid(), StandardOutput(folder / "log.txt")
    for n in benchmark.rungs(asked):
        if (row := read_rung(path, name, n)) is None:
            os.chdir(here)
            with _watched(benchmark.budget.limit, folder / "hang.txt"):
                row = play(asked.contestant, asked.task, n, asked.seed, benchmark.budget, folder / f"run_N{n:03}")
                if os.getpid() != process:
                    os._exit(0)  # a process that the agent has forked, and which has come back as well
            output.restore()
            write_rung(path, name, n, row)
            _say(f"N = {n}: {row['status']} {row.get('reason', row.get('normalised'))}")
        if row["status"] != "solved":
            break
        gc.collect()  # the next rung has the memory for itself


@contextmanager
def _watched(limit: float, hang: Path) -> Iterator[None]:
    """Within the block the process ends when it has taken ``limit`` seconds, whatever it does.

    The first watch writes down where the process was. Its thread does not need the interpreter's lock, so it also ends
    code in C that never returns. The second watch is the kernel's, for agents that switch the first one off.

    Args:
        limit: seconds of wall time.
        hang: the file that says where the process was; it is removed where the block ends in time.
    """
    hang.parent.mkdir(parents=True, exist_ok=True)  # an agent may have removed it
    file = open(open_own(hang, os.O_WRONLY), "wb")  # noqa: SIM115 (closed below, where that is possible)
    file.truncate()
    faulthandler.dump_traceback_later(limit, exit=True, file=file)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limit + GRACE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        with suppress(OSError):  # an agent may have closed its descriptor
            file.close()
        hang.unlink(missing_ok=True)


def _volunteer_to_be_killed() -> None:
    """Where memory runs out, Linux is to kill this process, not the benchmark and not another climb."""
    with suppress(OSError):  # not on macOS
        Path("/proc/self/oom_score_adj").write_text("1000")


def _say(line: str) -> None:
    """A line for the process of the benchmark."""
    with suppress(Exception):  # an agent may have closed the standard output
        print(line, flush=True)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), sys.argv[2])
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)  # an agent's threads, and what it wants done at exit, are not waited for
