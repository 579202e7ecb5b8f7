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
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, TypedDict

from baselines.benchmark.plan import Benchmark, Climb, check_extends, is_benchmark, read_benchmark, read_versions
from baselines.core import files
from baselines.core.files import RunError, foreign_entry, inside, read_json, remove_leftovers, replace_file, writing
from baselines.core.jobs import Ended, Engine, Event, Job
from baselines.core.locks import lock
from baselines.core.settings import SettingsError
from baselines.core.start import worker_environment
from baselines.core.stored import Number, check_stored, short

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
"""Exit code of a climb that could not write its folder (``EX_IOERR`` of sysexits.h): that is no fault of the agent."""

ENVIRONMENT = {
    # One thread a climb; no terminal's display in its log; what is printed is there when the process dies; and sets of
    # strings have the same order every time.
    "OMP_NUM_THREADS": "1",
    "FORCE_COLOR": "",
    "TTY_COMPATIBLE": "0",
    "PYTHONUNBUFFERED": "1",
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

    def jobs(self) -> list[Job]:
        """What is left to do: a job for each climb that has not ended."""
        command = sys.executable, "-m", "baselines.benchmark.climb", str(self.path)
        return [
            Job(name, (*command, name), climb_folder(self.path, name) / "log.txt", ENVIRONMENT | worker_environment())
            for name in self.rows
            if not self.has_ended(name)
        ]

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
        with writing(self.path / "climbs"), closing(engine.run(self.jobs(), interrupted)) as events:
            for event in events:
                name = event.job.name
                self._take_in(name)
                if isinstance(event, Ended):
                    self.running.discard(name)
                    if not (self.has_ended(name) or interrupted() or event.code in (UNWRITABLE, 127)):
                        self._note_death(name, event.code)
                else:
                    self.running.add(name)
                yield event

    def _take_in(self, name: str) -> None:
        """Read what a climb has written down since the last time."""
        rows = list(self._read_rows(self.benchmark.climbs[name]))
        if rows != self.rows[name]:
            self.rows[name] = rows
            self.write_results()

    def _note_death(self, name: str, code: int) -> None:
        """Make the death of a climb's process, with this exit code, the result of its rung."""
        n, budget, folder = self.next_rung(name), self.benchmark.budget, climb_folder(self.path, name)
        assert n is not None
        hang = folder / "hang.txt"
        timeout = code == -signal.SIGALRM or (hang.exists() and hang.stat().st_size > 0)
        if timeout:
            reason = f"took more than {budget.limit:g} s of wall time"
        elif code < 0:
            what = signal.Signals(-code).name if -code in list(signal.Signals) else f"signal {-code}"
            reason = f"its process was killed by {what}"
            if -code == signal.SIGKILL:
                reason += ", as happens where memory runs out"
        else:
            reason = f"its process ended with exit code {code}"
        row = {"status": "timeout" if timeout else "error", "reason": reason, "episodes": budget.episodes}
        write_rung(self.path, name, n, row)
        self._take_in(name)

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


def read_rung(path: Path, name: str, n: int) -> dict[str, Any] | None:
    """The row that a rung wrote down; None where the rung has not ended.

    Raises:
        RunError: the file is not that of a rung.
    """
    file = climb_folder(path, name) / f"N{n:03}.json"
    if not file.exists():
        return None
    row: dict[str, Any] = check_stored(read_json(file), Rung, file, "a rung")
    if strange := [key for key in row if key not in COLUMNS]:
        raise RunError(f"{file} is not that of a rung: it has {short(strange[0])}")
    return row


def write_rung(path: Path, name: str, n: int, row: dict[str, Any]) -> None:
    """Write down the row of a rung, all at once."""
    replace_file(climb_folder(path, name) / f"N{n:03}.json", (json.dumps(row, indent=2) + "\n").encode())
