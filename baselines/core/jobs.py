"""Engines: they run jobs side by side, each a command in a process of its own, and tell how the jobs fare.

What a job does is none of an engine's business. One process a job: a pool of workers loses every later job when one of
them is killed.
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


@dataclass(frozen=True)
class Job:
    """A command to run.

    Attributes:
        name: tells it from the other jobs.
        command: the program and its arguments. Where ``restarts`` is not 0, the same command must serve to begin and
            to go on after its process was killed.
        log: what it prints is appended to this file; the folder is made where it is missing.
        environment: variables, besides those of this process.
        restarts: how often it is started again when a signal killed it. One that fails by itself would fail again.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0


@dataclass(frozen=True)
class Started:
    """A process of the job runs."""

    job: Job


@dataclass(frozen=True)
class Progressed:
    """The job has printed something; ``line`` is the latest whole line."""

    job: Job
    line: str


@dataclass(frozen=True)
class Ended:
    """The job's process is gone.

    Attributes:
        job: whose.
        code: its exit code; -9 when signal 9 killed it; 127 when it could not be started (the log says why).
        again: it will be started again.
    """

    job: Job
    code: int
    again: bool


Event = Started | Progressed | Ended


class Engine(Protocol):
    """What runs jobs: on this machine, or on others."""

    def run(self, jobs: Sequence[Job], interrupted: Callable[[], bool] = lambda: False) -> Generator[Event, None, None]:
        """Run the jobs, in their order where they have to wait.

        Args:
            jobs: with names of their own.
            interrupted: asked often. Once it says so, no job is started any more, and those that run are asked to end,
                as by Ctrl-C: they have their say in ``Ended``, the others in nothing.

        Yields:
            What happens. A caller that stops listening kills what still runs.
        """


class LocalEngine:
    """Runs jobs on this machine. Each leads a process group, so that what it starts ends with it.

    When this process is killed, its jobs are killed as well.

    Args:
        workers: jobs that run at once.
    """

    PAUSE = 0.05
    """Seconds between two looks at the processes."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, jobs: Sequence[Job], interrupted: Callable[[], bool] = lambda: False) -> Generator[Event, None, None]:
        """See ``Engine``.

        Raises:
            ValueError: two jobs have the same name.
            OSError: a log cannot be written.
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
                    if line := process.new_line():  # asked after the code: nothing follows it
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
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Guard:
    """A small process that kills the groups which this process leaves behind when it is killed.

    The kernel closes a dead process's pipes, so the guard reads the end of the file, however this process ended.
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
        with suppress(BrokenPipeError):  # somebody killed it
            self._process.communicate()

    def _tell(self, line: str) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(line)
            self._process.stdin.flush()


class _Process:
    """A started job."""

    def __init__(self, job: Job, guard: _Guard) -> None:
        self.job = job
        self._guard = guard
        self._popen: subprocess.Popen[bytes] | None = None
        self._cut = b""
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with open(job.log, "ab") as log:
            log.write(f"$ {shlex.join(job.command)}\n".encode())
            log.flush()
            self._reader = open(job.log, "rb")  # noqa: SIM115 (closed by close)
            self._reader.seek(log.tell())  # what an earlier process of the job has printed is no news
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
        """The exit code, once there is one."""
        return 127 if self._popen is None else self._popen.poll()

    def new_line(self) -> str | None:
        """The last whole line that was printed since the last call."""
        lines, _, self._cut = (self._cut + self._reader.read()).rpartition(b"\n")
        return lines.rpartition(b"\n")[2].decode(errors="replace").strip() or None

    def send(self, number: int) -> None:
        """Send a signal to all that the job has started."""
        if self._popen is not None:
            # The group outlives its leader for as long as it has members. On macOS the dead may not be signalled.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, number)

    def close(self) -> None:
        """Kill what is left of it."""
        self.send(signal.SIGKILL)
        if self._popen is not None:
            self._popen.wait()
            self._guard.forget(self._popen.pid)
        self._reader.close()
