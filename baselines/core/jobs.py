"""Engines run jobs in parallel, each a command in its own process, and report what happens to them.

An engine does not know what a job computes. Each job has its own process, because a pool of workers would lose all
later jobs when one worker is killed.
"""

from __future__ import annotations

import os
import secrets
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
from baselines.core.text import one_line

LARGEST_LOG = 10_000_000
"""Bytes of a log: of a longer one the beginning and the end are kept."""

KEPT_OF_LOG = 1_000_000
"""Bytes that are kept of the beginning of a log that is too long, and of its end."""

LONGEST_LINE = 1_000
"""Characters of a line of output that are reported."""

MARK = "BASELINES_JOB"
"""The environment variable by which the processes of a job are known."""


@dataclass(frozen=True)
class Job:
    """A command to run.

    Attributes:
        name: the unique name of the job.
        command: the program and its arguments. Where ``restarts`` is above 0, the same command must be able to start
            the work and to resume it after its process was killed.
        log: the file that the output is appended to; missing folders are made. It is kept below ``LARGEST_LOG``.
        environment: environment variables that are added to those of this process.
        restarts: how often the job is started again after a signal killed it. A job that fails with an exit code is
            not started again, since it would fail again.
        overdue: asked at every check of the process, twenty times a second; once it says yes, the job is killed. None:
            a job may take as long as it wants.
        stop: the signal that asks the job to end after Ctrl-C.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0
    overdue: Callable[[], bool] | None = None
    stop: signal.Signals = signal.SIGINT


@dataclass(frozen=True)
class Started:
    """A process of the job has started."""

    job: Job


@dataclass(frozen=True)
class Progressed:
    """The job has printed something.

    Attributes:
        job: the job that printed it.
        line: the latest complete line, safe to be shown (``baselines.core.text.one_line``).
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
        overdue: whether it was killed because the job was overdue.
        started: whether there was a process at all.
    """

    job: Job
    code: int
    again: bool
    overdue: bool = False
    started: bool = True


Event = Started | Progressed | Ended


class Engine(Protocol):
    """Runs jobs, on this machine or on others."""

    def run(self, jobs: Sequence[Job], interrupted: Callable[[], bool] = lambda: False) -> Generator[Event, None, None]:
        """Run the jobs; those that must wait are started in their order.

        Args:
            jobs: the jobs; their names must be unique.
            interrupted: called often. Once it returns True, no further job is started, and the running jobs get their
                signal to stop. Each of these still yields ``Ended``; the jobs that were not started yield nothing.

        Yields:
            Every event. If the caller closes the generator, the running jobs are killed.
        """


class LocalEngine:
    """Runs jobs on this machine. The processes that a job starts end with it.

    Each job leads a process group. On Linux, processes that have left the group are found by ``MARK`` in their
    environment. When this process is killed, the groups of its jobs are killed as well.

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
                        process.send(process.job.stop)
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
                        again = code < 0 and not stopping and starts[job.name] <= job.restarts and not process.overdue
                        if again:
                            waiting.appendleft(job)
                        yield Ended(job, code, again, process.overdue, process.started)
                    elif job.overdue is not None and not process.overdue and job.overdue():
                        process.overdue = True
                        process.send(signal.SIGKILL)
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
    """The running process of a job.

    Attributes:
        overdue: whether it has been killed because the job was overdue.
    """

    def __init__(self, job: Job, guard: _Guard) -> None:
        self.job = job
        self.overdue = False
        self._guard = guard
        self._popen: subprocess.Popen[bytes] | None = None
        self._mark = secrets.token_hex(16)
        with writing(job.log):
            job.log.parent.mkdir(parents=True, exist_ok=True)
            self._log = _Log(job.log)
        self._log.write(os.fsencode(f"$ {shlex.join(job.command)}\n"))
        self._log.skip()  # what earlier processes of the job printed
        try:
            self._popen = subprocess.Popen(
                job.command,
                env={**os.environ, **job.environment, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=self._log.file,
                stderr=self._log.file,
                start_new_session=True,
            )
        except OSError as error:
            self._log.write(f"{error}\n".encode(errors="replace"))
            return
        guard.watch(self._popen.pid)

    @property
    def started(self) -> bool:
        """Whether the process could be started."""
        return self._popen is not None

    def poll(self) -> int | None:
        """The exit code; None while the process runs."""
        return 127 if self._popen is None else self._popen.poll()

    def new_line(self) -> str | None:
        """The last complete line printed since the last call; None if there is none."""
        return self._log.new_line()

    def send(self, number: int) -> None:
        """Send a signal to all processes of the job's group."""
        if self._popen is not None:
            # A group lives on after its leader while it has members. On macOS, signalling an ended process is an error.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, number)

    def close(self) -> None:
        """Kill all that is left of the job and close its log."""
        self.send(signal.SIGKILL)
        if self._popen is not None:
            self._popen.wait()
            _kill_marked(self._mark)
            self._guard.forget(self._popen.pid)
        self._log.close()


class _Log:
    """The log of a job: the job appends to it, and what gets too much is cut out of its middle."""

    def __init__(self, path: Path) -> None:
        # In this mode the system appends whatever is written, by whomever: cutting does not overwrite new output.
        self.file = open(open_own(path, os.O_RDWR | os.O_APPEND), "a+b", buffering=0)  # noqa: SIM115 (closed by close)
        self._at = 0
        self._begun = b""
        self._cut = 0
        self._note = b""

    def write(self, data: bytes) -> None:
        self.file.write(data)

    def skip(self) -> None:
        """Do not report what is there already."""
        self._at = self._size

    @property
    def _size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def new_line(self) -> str | None:
        """The last complete line since the last call; None if there is none."""
        size = self._size
        start = min(max(self._at, size - KEPT_OF_LOG), size)  # of a flood only the end; a job may have emptied the file
        if start != self._at:
            self._begun = b""
        lines, _, rest = (self._begun + self._read(start, size - start)).rpartition(b"\n")
        self._at, self._begun = size, rest[-KEPT_OF_LOG:]
        if size > LARGEST_LOG:
            self._shorten(size)
        # A progress bar returns to the beginning of its line again and again.
        last = lines.rpartition(b"\n")[2].rstrip().rpartition(b"\r")[2]
        return one_line(last.decode(errors="replace"), LONGEST_LINE) or None

    def _read(self, start: int, size: int) -> bytes:
        return os.pread(self.file.fileno(), size, start)

    def _shorten(self, size: int) -> None:
        end = self._read(size - KEPT_OF_LOG, KEPT_OF_LOG)
        self._cut += size - 2 * KEPT_OF_LOG - len(self._note)
        self._note = f"\n[... {self._cut} bytes of this log have been cut out here ...]\n".encode()
        os.ftruncate(self.file.fileno(), KEPT_OF_LOG)
        self.write(self._note + end)
        self._at = self._size

    def close(self) -> None:
        self.file.close()


def _kill_marked(mark: str) -> None:
    """Kill every process of this user whose environment has the mark. Only Linux lists processes in ``/proc``."""
    wanted = f"{MARK}={mark}".encode()
    for _ in range(3):  # one that is found may have forked meanwhile
        found = False
        for folder in Path("/proc").glob("[0-9]*"):
            # Most processes are another user's, and any may end meanwhile.
            with suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    os.kill(int(folder.name), signal.SIGKILL)
                    found = True
        if not found:
            return
