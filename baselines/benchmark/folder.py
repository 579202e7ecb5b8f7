"""A benchmark's folder: the climbs, each a job, and one table of their rungs.

- ``settings.json``: the budget, who climbs, on which tasks, with which seeds; the versions that it was begun with
- ``results.csv``: one row a rung, replaced whenever rungs end
- ``climbs/NAME/N004.json``: the row of a rung, written when it has ended
- ``climbs/NAME/log.txt``: what the agent printed; ``hang.txt``: where it was when its time was up
- ``climbs/NAME/run_N004/``: where a cell climbs, the run folder of its training
- ``lock``: held by the process that works here, if there is one
"""

from __future__ import annotations

import csv
import io
import json
import math
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypedDict

from baselines.benchmark.budgets import FAULTS
from baselines.benchmark.clock import RungClock
from baselines.benchmark.plan import Benchmark, Climb, check_extends, is_benchmark, read_benchmark, read_versions
from baselines.core import files
from baselines.core.files import RunError, foreign_entry, inside, read_json, remove_leftovers, replace_file, writing
from baselines.core.jobs import Ended, Engine, Event, Job
from baselines.core.locks import lock
from baselines.core.settings import SettingsError
from baselines.core.start import worker_environment
from baselines.core.stored import Number, check_stored, short
from baselines.core.text import one_line
from baselines.core.trust import hand_on_trust

COLUMNS = (
    *("agent", "method", "task", "N", "seed", "status", "reason", "steps", "episodes"),
    *("score", "score_low", "score_high", "normalised", "normalised_low", "normalised_high", "accuracy"),
    *("equivalent_memory", "equivalent_memory_low", "equivalent_memory_high", "cpu_seconds", "seconds"),
)
"""The columns of ``results.csv``."""


class _RungEnded(TypedDict):
    status: Literal["solved", "failed", "error", "timeout"]
    episodes: int


class Rung(_RungEnded, total=False):
    """The content of ``N004.json``; where the rung has failed, numbers may be missing."""

    reason: str
    steps: int
    score: Number
    score_low: Number
    score_high: Number
    normalised: Number
    normalised_low: Number
    normalised_high: Number
    accuracy: Number
    equivalent_memory: Number
    equivalent_memory_low: Number
    equivalent_memory_high: Number
    cpu_seconds: float
    seconds: float


UNWRITABLE = 74
"""Exit code of a climb that could not write its folder (``EX_IOERR`` of sysexits.h)."""

CRASHES = {
    *(signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSYS),
    *(signal.SIGALRM, signal.SIGXFSZ, signal.SIGPIPE),
}
"""The signals that a process brings upon itself. Every other one may come from outside."""

TRIES = 3
"""How often a rung is begun whose process is killed by a signal from outside, or cannot write its folder."""

ENVIRONMENT = {
    # One thread a climb; no terminal's display in its log; what is printed is there when the process dies, and may be
    # any text; and sets of strings have the same order every time.
    "OMP_NUM_THREADS": "1",
    "FORCE_COLOR": "",
    "TTY_COMPATIBLE": "0",
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8:backslashreplace",
    "PYTHONHASHSEED": "0",
}


class BenchmarkFolder:
    """The folder of a benchmark, held until ``close`` or the end of the process.

    Args:
        path: the folder; made, with its parents, where it is missing.
        benchmark: what is asked for; see ``check_folder``.

    Attributes:
        rows: the rows of the rungs that have ended, by the name of the climb.
        running: the names of the climbs that are running.
        put_off: the names of the climbs that were killed and will be gone on with when the others have ended, each with
            the reason.
        versions: the versions with which the benchmark was begun, of all that decides its numbers.

    Raises:
        SettingsError: the folder holds something else; nothing has been written.
        RunError: another process holds it, or it cannot be read or written.
    """

    def __init__(self, path: Path, benchmark: Benchmark) -> None:
        self.path = path
        self.benchmark = benchmark
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError("out", f"out must be a folder to write in, got {path} ({error.strerror})") from None
        check_folder(path)  # before the lock is written
        self._release = lock(self, path)
        try:
            check_folder(path, benchmark)
            for name in benchmark.climbs:
                remove_leftovers(climb_folder(path, name))
            self.versions = read_versions(path) if is_benchmark(path) else files.versions()
            self.rows = {name: list(self._read_rows(climb)) for name, climb in benchmark.climbs.items()}
            self.running = set[str]()
            self.put_off = dict[str, str]()
            self._lost = Counter[tuple[str, int]]()
            settings = benchmark.to_dict() | {"versions": self.versions}
            replace_file(path / "settings.json", (json.dumps(settings, indent=2) + "\n").encode())
            self.write_results()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others work here."""
        self._release()

    def has_ended(self, name: str) -> bool:
        """Whether a climb is over: a rung was not solved, or no rung is left."""
        rows = self.rows[name]
        return len(rows) == len(self._rungs(name)) or bool(rows and rows[-1]["status"] != "solved")

    def next_rung(self, name: str) -> int | None:
        """N of the rung that a climb is at, or would be; None where it has ended."""
        return None if self.has_ended(name) else self._rungs(name)[len(self.rows[name])]

    @property
    def complete(self) -> bool:
        """Whether every climb has ended."""
        return all(map(self.has_ended, self.rows))

    def forget_faults(self) -> None:
        """Let every rung that was lost by an error or a timeout be played again."""
        for name, rows in self.rows.items():
            if rows and rows[-1]["status"] in FAULTS:
                with writing(climb_folder(self.path, name)):
                    rung_file(self.path, name, rows[-1]["N"]).unlink()
                self._take_in(name)

    def jobs(self) -> list[Job]:
        """What is left to do: a job for each climb that has not ended.

        Raises:
            UntrustedError: one of them is of an agent or a cell that only ``settings.json`` names.
        """
        names = [name for name in self.rows if not self.has_ended(name)]
        for name in names:
            hand_on_trust(self.benchmark.climbs[name].contestant.what)
        return [self._job(name) for name in names]

    def _job(self, name: str) -> Job:
        command = sys.executable, "-m", "baselines.benchmark.climb", str(self.path), name
        clock = RungClock(self.benchmark.budget.limit, partial(self._played, name))
        log = climb_folder(self.path, name) / "log.txt"
        # An agent may have a handler of its own for Ctrl-C. A climb has nothing to save, so it is killed.
        environment = ENVIRONMENT | worker_environment()
        return Job(name, command, log, environment, overdue=clock, stop=signal.SIGKILL)

    def run(self, engine: Engine, interrupted: Callable[[], bool] = lambda: False) -> Generator[Event, None, None]:
        """Climb what is left. A fault of an agent is its own result; the benchmark goes on.

        Args:
            engine: what runs the jobs.
            interrupted: see ``Engine.run``. The rungs that are being played then leave nothing.

        Yields:
            What happens, once it has been taken in.

        Raises:
            RunError: the folder cannot be read or written.
        """
        jobs = self.jobs()
        while jobs:
            self.put_off.clear()
            with writing(self.path / "climbs"), closing(engine.run(jobs, interrupted)) as events:
                for event in events:
                    name = event.job.name
                    if isinstance(event, Ended):
                        self.running.discard(name)
                        self._take_in_end(event, interrupted)
                    else:
                        self.running.add(name)
                        self._take_in(name)
                    yield event
            jobs = [] if interrupted() else [self._job(name) for name in self.put_off]

    def _take_in(self, name: str, ended: bool = False) -> None:
        """Read what a climb has written down since the last time.

        Args:
            name: the name of the climb.
            ended: whether its process has ended; what cannot be read is then the agent's fault.
        """
        rows = []
        try:
            for row in self._read_rows(self.benchmark.climbs[name]):
                rows.append(row)
        except RunError as error:
            if not ended:
                return
            self._write_fault(name, self._rungs(name)[len(rows)], "error", str(error))
            return self._take_in(name)
        if rows != self.rows[name]:
            self.rows[name] = rows
            self.write_results()

    def _write_fault(self, name: str, n: int, status: str, reason: str) -> None:
        row = {"status": status, "reason": one_line(reason), "episodes": self.benchmark.budget.episodes}
        write_rung(self.path, name, n, row)

    def _take_in_end(self, ended: Ended, interrupted: Callable[[], bool]) -> None:
        """Take in what a climb has left. Where it has not ended by itself, make that the result of its rung."""
        name = ended.job.name
        self._take_in(name, ended=True)
        if self.has_ended(name) or interrupted() or not ended.started:
            return
        n = self.next_rung(name)
        assert n is not None
        status, reason, may_be_others = self._why(ended)
        self._lost[name, n] += may_be_others
        times = self._lost[name, n]
        if may_be_others and times < TRIES:
            self.put_off[name] = reason
            return
        if times > 1:
            reason = f"{reason} ({times} times)"
        if may_be_others and ended.code == -signal.SIGKILL:
            reason += ", as happens where memory runs out"
        self._write_fault(name, n, status, reason)
        self._take_in(name)

    def _why(self, ended: Ended) -> tuple[str, str, bool]:
        """Why the process of a climb ended: a status, a reason, and whether the reason may lie outside the agent."""
        code, limit = ended.code, self.benchmark.budget.limit
        late = f"took more than {limit:g} s of wall time"
        if ended.overdue:
            return "timeout", f"{late}, and its process did not end by itself", False
        said, began = _watch(climb_folder(self.path, ended.job.name) / "hang.txt")
        # An alarm that rings earlier is the agent's own.
        if said or (code == -signal.SIGALRM and time.time() - began >= limit):
            return "timeout", late, False
        if code < 0:
            what = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
            return "error", f"its process was killed by {what}", -code not in CRASHES
        if code == UNWRITABLE:
            return "error", f"its process could not write its folder (exit code {code}; see its log)", True
        return "error", f"its process ended with exit code {code}", False

    def _played(self, name: str) -> int:
        """How many rungs of a climb have a result. Nothing is read, for this is asked often."""
        return sum(rung_file(self.path, name, n).exists() for n in self._rungs(name))

    def _rungs(self, name: str) -> tuple[int, ...]:
        return self.benchmark.rungs(self.benchmark.climbs[name])

    def _read_rows(self, climb: Climb) -> Generator[dict[str, Any], None, None]:
        """The rows of a climb, up to the first rung that is missing or not solved."""
        for n in self.benchmark.rungs(climb):
            row = read_rung(self.path, climb.name, n)
            if row is None:
                return
            one = climb.contestant
            yield {"agent": one.name, "method": one.method, "task": climb.task, "N": n, "seed": climb.seed, **row}
            if row["status"] != "solved":
                return

    def write_results(self) -> None:
        """Replace ``results.csv``, all at once."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(row for rows in self.rows.values() for row in rows)
        replace_file(self.path / "results.csv", text.getvalue().encode())


def check_folder(path: Path, benchmark: Benchmark | None = None) -> None:
    """Refuse a folder that cannot be this benchmark's. Nothing is written.

    Args:
        path: the folder; it need not exist.
        benchmark: what is asked for; None: any. Where the folder holds a benchmark, this must be the same one, or the
            same one with more contestants, tasks or seeds.

    Raises:
        SettingsError: the folder cannot be read, or it holds something else.
        RunError: its ``settings.json`` is damaged.
    """
    if is_benchmark(path):
        if benchmark is not None:
            check_extends(path, read_benchmark(path), benchmark)
        return
    try:
        strange = foreign_entry(path, "settings.json.part")  # which an earlier version may have left
    except OSError as error:
        raise SettingsError("out", f"out must be a folder to write in, got {path} ({error.strerror})") from None
    if strange is not None:
        raise SettingsError("out", f"out must be a new folder or a benchmark's, got {path}, which holds {strange}")


def climb_folder(path: Path, name: str) -> Path:
    """The folder in which a climb of the benchmark at ``path`` keeps its files.

    Raises:
        RunError: it does not lie in the folder of the benchmark.
    """
    return inside(path, "climbs", name)


def rung_file(path: Path, name: str, n: int) -> Path:
    """The file of a rung's result."""
    return climb_folder(path, name) / f"N{n:03}.json"


def read_rung(path: Path, name: str, n: int) -> dict[str, Any] | None:
    """The row that a rung wrote down; None where the rung has not ended.

    Raises:
        RunError: the file cannot be read, or is not that of a rung.
    """
    file = rung_file(path, name, n)
    if not file.exists():
        return None
    row: dict[str, Any] = check_stored(read_json(file), Rung, file, "a rung")
    if strange := [key for key in row if key not in COLUMNS]:
        raise RunError(f"{file} is not that of a rung: it has {short(strange[0])}")
    return row | {"reason": one_line(row["reason"])} if "reason" in row else row


def write_rung(path: Path, name: str, n: int, row: dict[str, Any]) -> None:
    """Write down the row of a rung, all at once."""
    file = rung_file(path, name, n)
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)  # an agent may have removed it
    replace_file(file, (json.dumps(row, indent=2) + "\n").encode())


def _watch(file: Path) -> tuple[bool, float]:
    """What is known from the file of a rung's watch (``climb``).

    Returns:
        Whether it says where the process was when its time was up; when the rung began, in seconds since the epoch.
    """
    try:
        return files.read_bytes(file).startswith(b"Timeout"), file.stat().st_mtime  # as ``faulthandler`` begins
    except (OSError, ValueError):  # ValueError: an agent has put something else in its place
        return False, math.inf
