"""Engines run jobs in parallel, each a command in its own process, and report what happens to them.

An engine does not know what a job computes. Each job has its own process, because a pool of workers would lose all
later jobs when one worker is killed.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from baselines.core.files import open_own, writing


@dataclass(frozen=True)
class Job:
    """A command to run.

    Attributes:
        name: the unique name of the job.
        command: the program and its arguments. Where ``restarts`` is above 0, the same command must be able to start
            the work and to resume it after its process was killed.
        log: the file that the output is appended to; missing folders are made.
        environment: environment variables that are added to those of this process.
        restarts: how often the job is started again after a signal killed it. A job that fails with an exit code is
            not started again, since it would fail again.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0


@dataclass(frozen=True)
class Started:
    """A process of the job has started."""

    job: Job


@dataclass(frozen=True)
class Progressed:
    """The job has printed something.

    Attributes:
        job: the job that printed it.
        line: the latest complete line.
    """

    job: Job
    line: str


@dataclass(frozen=True)
class Ended:
    """The process of the job has ended.

    Attributes:
        job: the job that the process belonged to.
        code: the exit code; -9 if signal 9 killed the process; 127 if it could not be started (the log says why).
        again: whether the job will be started again.
    """

    job: Job
    code: int
    again: bool


Event = Started | Progressed | Ended


class Engine(Protocol):
    """Runs jobs, on this machine or on others."""

    def run(self, jobs: Sequence[Job], interrupted: Callable[[], bool] = lambda: False) -> Generator[Event, None, None]:
        """Run the jobs; those that must wait are started in their order.

        Args:
            jobs: the jobs; their names must be unique.
            interrupted: called often. Once it returns True, no further job is started, and the running jobs get the
                signal of Ctrl-C. Each of these still yields ``Ended``; the jobs that were not started yield nothing.

        Yields:
            Every event. If the caller closes the generator, the running jobs are killed.
        """


class LocalEngine:
    """Runs jobs on this machine. Each job leads a process group, so that the processes it starts end with it.

    When this process is killed, its jobs are killed as well.

    Args:
        workers: the number of jobs that run at once.
    """

    PAUSE = 0.05
    """Seconds between two checks of the processes."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, jobs: Sequence[Job], interrupted: Callable[[], bool] = lambda: False) -> Generator[Event, None, None]:
        """See ``Engine``.

        Raises:
            ValueError: two jobs have the same name.
            RunError: a log cannot be written.
        """
        if twice := [name for name, times in Counter(job.name for job in jobs).items() if times > 1]:
            raise ValueError(f"jobs must have names of their own, got {twice[0]!r} twice")
        waiting, running = deque(jobs), list[_Process]()
        starts = Counter[str]()
        stopping = False
        guard = _Guard()
        try:
            while running or (waiting and not stopping):
                if not stopping and interrupted():
                    stopping = True
                    for process in running:
                        process.send(signal.SIGINT)
                while waiting and len(running) < self.workers and not stopping:
                    job = waiting.popleft()
                    starts[job.name] += 1
                    running.append(_Process(job, guard))
                    yield Started(job)
                time.sleep(self.PAUSE)
                for process in list(running):
                    job, code = process.job, process.poll()
                    if line := process.new_line():  # poll first: after exit, this read gets all output
                        yield Progressed(job, line)
                    if code is not None:
                        running.remove(process)
                        process.close()
                        again = code < 0 and not stopping and starts[job.name] <= job.restarts
                        if again:
                            waiting.appendleft(job)
                        yield Ended(job, code, again)
        finally:
            for process in running:
                process.close()
            guard.close()


def available_cores() -> int:
    """The number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Guard:
    """A small process that kills the running jobs when this process is killed and cannot do it.

    The kernel closes the pipes of a dead process. So the guard reads the end of its input, however this process ended.
    """

    CODE = """if True:
        import os, signal, sys
        groups = set()
        for line in sys.stdin:
            (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
        for group in groups:
            try:
                os.killpg(group, signal.SIGKILL)
            except OSError:
                pass
    """

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-S", "-c", self.CODE]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)

    def watch(self, group: int) -> None:
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._tell(f"-{group}\n")

    def close(self) -> None:
        with suppress(BrokenPipeError):  # the guard itself was killed
            self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(line)
            self._process.stdin.flush()


class _Process:
    """The running process of a job."""

    def __init__(self, job: Job, guard: _Guard) -> None:
        self.job = job
        self._guard = guard
        self._popen: subprocess.Popen[bytes] | None = None
        self._cut = b""
        with writing(job.log):
            job.log.parent.mkdir(parents=True, exist_ok=True)
            log_file = open_own(job.log, os.O_WRONLY | os.O_APPEND)
        with open(log_file, "ab") as log:
            log.write(f"$ {shlex.join(job.command)}\n".encode())
            log.flush()
            self._reader = open(job.log, "rb")  # noqa: SIM115 (closed by close)
            self._reader.seek(log.tell())  # skip what earlier processes of the job printed
            try:
                self._popen = subprocess.Popen(
                    job.command,
                    env={**os.environ, **job.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                log.write(f"{error}\n".encode())
                return
        guard.watch(self._popen.pid)

    def poll(self) -> int | None:
        """The exit code; None while the process runs."""
        return 127 if self._popen is None else self._popen.poll()

    def new_line(self) -> str | None:
        """The last complete line printed since the last call; None if there is none."""
        lines, _, self._cut = (self._cut + self._reader.read()).rpartition(b"\n")
        return lines.rpartition(b"\n")[2].decode(errors="replace").strip() or None

    def send(self, number: int) -> None:
        """Send a signal to all processes that the job has started."""
        if self._popen is not None:
            # A group lives on after its leader while it has members. On macOS, signalling an ended process is an error.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, number)

    def close(self) -> None:
        """Kill all that is left of the job and close its log."""
        self.send(signal.SIGKILL)
        if self._popen is not None:
            self._popen.wait()
            self._guard.forget(self._popen.pid)
        self._reader.close()
