"""A benchmark's folder: what is run, what is kept, what the table says. The climbs take place in this process."""

import csv
import dataclasses
import gc
import io
import json
import math
import os
import re
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from baselines.benchmark import BUDGETS, Budget
from baselines.benchmark.climb import climb
from baselines.benchmark.clock import RungClock
from baselines.benchmark.folder import COLUMNS, UNWRITABLE, BenchmarkFolder, _watch, climb_folder, write_rung
from baselines.benchmark.plan import Benchmark, read_benchmark
from baselines.commands.display.jobs import BenchmarkDisplay, benchmark_line
from baselines.commands.main import main
from baselines.core import style
from baselines.core.files import RunError
from baselines.core.jobs import Ended, Event, Job, Progressed, Started
from baselines.core.settings import SettingsError
from baselines.core.text import one_line
from baselines.core.trust import VARIABLE, UntrustedError
from tests.baselines.benchmark.whole import AGENTS, BUDGET, benchmark

Interrupted = Callable[[], bool]


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """A climb in this process changes a handler; and it collects garbage, which takes long among all these modules."""
    before = signal.getsignal(signal.SIGALRM)
    gc.freeze()
    yield
    gc.unfreeze()
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures, for tests of something else: each takes a CPU second."""
    monkeypatch.setattr(style, "save", lambda figure, path: [])


class InPlaceEngine:
    """Climbs in this process, one after the other."""

    ran: list[str]

    def __init__(self, workers: int = 1) -> None:
        InPlaceEngine.ran = []

    def run(self, jobs: Sequence[Job], interrupted: Interrupted = lambda: False) -> Generator[Event, None, None]:
        for job in jobs:
            yield Started(job)
            self.ran.append(job.name)
            assert job.command[:3] == (sys.executable, "-m", "baselines.benchmark.climb")
            job.log.parent.mkdir(parents=True, exist_ok=True)
            with open(job.log, "a") as log, redirect_stdout(log), redirect_stderr(log):
                climb(Path(job.command[3]), job.command[4])
            yield Progressed(job, "done")
            yield Ended(job, 0, again=False)


class DyingEngine:
    """Its jobs end at once, the same way each time.

    Args:
        ends: how, as arguments of ``Ended``, in the order in which the jobs are first given.
    """

    def __init__(self, ends: Sequence[dict[str, Any]]) -> None:
        self.ends = ends
        self.names: list[str] = []

    def run(self, jobs: Sequence[Job], interrupted: Interrupted = lambda: False) -> Generator[Event, None, None]:
        self.names = self.names or [job.name for job in jobs]
        for job in jobs:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            yield Started(job)
            yield Ended(job, again=False, **self.ends[self.names.index(job.name)])


def run(path: Path, asked: Benchmark) -> list[str]:
    """The climbs that were gone on with."""
    folder = BenchmarkFolder(path, asked)
    for _ in folder.run(InPlaceEngine()):
        pass
    assert folder.complete
    folder.close()
    return InPlaceEngine.ran


def table(path: Path) -> list[dict[str, str]]:
    with open(path / "results.csv", newline="") as file:
        reader = csv.DictReader(file)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        return [{name: value for name, value in row.items() if not name.endswith("seconds")} for row in reader]


def short(path: Path) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in ("agent", "task", "N", "seed", "status")) for row in table(path)]


def test_the_table_has_a_row_for_each_rung(tmp_path: Path) -> None:
    asked = benchmark("remembers", "RaisesAtOnce", tasks=("parity", "evidence-accumulation"))
    assert len(run(tmp_path / "a", asked)) == 4
    one, other = f"{AGENTS}:remembers", f"{AGENTS}:RaisesAtOnce"
    assert short(tmp_path / "a") == [
        (one, "parity", "2", "0", "solved"),
        (one, "parity", "4", "0", "solved"),
        (one, "parity", "8", "0", "failed"),
        (one, "evidence-accumulation", "4", "0", "solved"),
        (one, "evidence-accumulation", "8", "0", "failed"),
        (other, "parity", "2", "0", "error"),
        (other, "evidence-accumulation", "4", "0", "error"),
    ]
    first, fault = table(tmp_path / "a")[0], table(tmp_path / "a")[-1]
    assert (first["method"], first["reason"], first["steps"], first["episodes"]) == ("agent", "", "960", "50")
    assert (fault["reason"], fault["score"]) == ("make_agent: RuntimeError: no licence", "")
    assert "learning 64" in (climb_folder(tmp_path / "a", next(iter(asked.climbs))) / "log.txt").read_text()
    assert not list(tmp_path.rglob("hang.txt"))
    run(tmp_path / "b", asked)
    assert table(tmp_path / "a") == table(tmp_path / "b")


def test_what_has_ended_is_kept_and_more_can_be_added(tmp_path: Path) -> None:
    two = dataclasses.replace(BUDGET, n_max=4)
    path, asked = tmp_path / "a", benchmark("remembers", budget=two)
    run(path, asked)
    before = (path / "results.csv").read_bytes()
    assert run(path, asked) == []
    assert (path / "results.csv").read_bytes() == before
    more = benchmark("remembers", "LeavesEarly", tasks=("parity", "dms"), seeds=(0, 1), budget=two)
    assert len(run(path, more)) == 7
    run(tmp_path / "whole", more)
    assert table(path) == table(tmp_path / "whole")
    # A rung that is missing is played again, and those behind it are not taken for granted.
    (climb_folder(path, next(iter(asked.climbs))) / "N002.json").unlink()
    assert len(run(path, more)) == 1
    assert table(path) == table(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"budget_name": "quick"}, "budget must be that of the benchmark in .*, 'tiny', got 'quick'"),
        (
            {"budget": dataclasses.replace(BUDGET, steps=7)},
            "budget must have the steps of the benchmark in .*, 1000, and now has 7",
        ),
        (
            {"seeds": (1,)},
            "out must be another folder: the benchmark in .* has .*, parity, seed 0, which must",
        ),
    ],
    ids=["name", "number", "less"],
)
def test_another_benchmark_is_refused(change: dict[str, object], complaint: str, tmp_path: Path) -> None:
    asked = benchmark("remembers")
    BenchmarkFolder(tmp_path / "a", asked).close()
    before = {path: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    with pytest.raises(SettingsError, match=complaint):
        BenchmarkFolder(tmp_path / "a", dataclasses.replace(asked, **change))  # type: ignore[arg-type]
    assert {path: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before


def test_the_folder_is_held_and_must_be_its_own(tmp_path: Path) -> None:
    folder = BenchmarkFolder(tmp_path / "a", benchmark("remembers"))
    with pytest.raises(RunError, match=f"is in use by process {os.getpid()}"):
        BenchmarkFolder(tmp_path / "a", benchmark("remembers"))
    folder.close()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "letter.txt").touch()
    with pytest.raises(SettingsError, match=r"out must be a new folder or a benchmark's, got .* holds letter.txt"):
        BenchmarkFolder(tmp_path / "b", benchmark("remembers"))
    (tmp_path / "c").touch()
    with pytest.raises(SettingsError, match="out must be a folder to write in"):
        BenchmarkFolder(tmp_path / "c", benchmark("remembers"))


@pytest.mark.parametrize("damage", ["{", "{}", '{"format": 9}', '{"format": 1}'])
def test_damaged_settings_are_named(damage: str, tmp_path: Path) -> None:
    BenchmarkFolder(tmp_path, benchmark("remembers")).close()
    (tmp_path / "settings.json").write_text(damage)
    with pytest.raises(RunError, match=r"settings.json"):
        read_benchmark(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"versions": "torch"}, "versions must be an object, got 'torch'"),
        ({"tasks": ["chess"]}, "task must be one of .*, got 'chess'"),
        ({"tasks": "parity"}, "tasks must be a list, got 'parity'"),
        ({"seeds": "01"}, "seeds must be a list, got '01'"),
        ({"budget": {"steps": 1, "n_max": "8", "seeds": [0], "episodes": 1, "limit": 1}}, "n_max must be an integer"),
        ({"contestants": [1]}, r"contestants\[0\] must be an object, got 1"),
        (
            {"contestants": [{"what": "gru", "method": "sarsa"}]},
            r"contestants\[0\].method must be 'agent' or 'ppo' or 'bptt', got 'sarsa'",
        ),
        (
            {"contestants": [{"what": "gru", "method": "ppo/../../../x"}]},
            r"contestants\[0\].method must be 'agent' or 'ppo' or 'bptt', got 'ppo/",
        ),
        ({"contestants": [{"what": 5, "method": "agent"}]}, r"contestants\[0\].what must be "),
        ({"contestants": [{"what": "bad\udcff", "method": "agent"}]}, "what must be a printable string, got 'bad"),
        ({"budget_name": ["quick"]}, "budget_name must be "),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be_are_named(change: dict[str, object], complaint: str, tmp_path: Path) -> None:
    BenchmarkFolder(tmp_path, benchmark("remembers")).close()
    file = tmp_path / "settings.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps(settings | change))
    with pytest.raises(RunError, match=rf"settings.json is not that of a benchmark: .*{complaint}"):
        read_benchmark(tmp_path)


def test_settings_of_before_versions_are_refused(tmp_path: Path) -> None:
    BenchmarkFolder(tmp_path, benchmark("remembers")).close()
    file = tmp_path / "settings.json"
    settings = json.loads(file.read_text())
    del settings["versions"]
    file.write_text(json.dumps(settings))
    with pytest.raises(RunError, match=r"settings.json is not that of a benchmark: it has no versions"):
        read_benchmark(tmp_path)


def test_another_version_is_mentioned(tmp_path: Path, undrawn: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Of what the benchmark was begun with, also when it has gone on since."""
    path = tmp_path / "a"
    asked = benchmark("returns_nothing", budget=BUDGETS["quick"])
    run(path, dataclasses.replace(asked, budget_name="quick"))
    settings = json.loads((path / "settings.json").read_text())
    (path / "settings.json").write_text(json.dumps(settings | {"versions": settings["versions"] | {"torch": "0.1"}}))
    for _ in range(2):
        assert main(["benchmark", "--out", str(path)]) == 0
        said = capsys.readouterr().err
        assert re.fullmatch(r"note: .* was begun with torch 0.1, and this is .*: numbers may differ\n", said)


def test_the_settings_are_read_back(tmp_path: Path) -> None:
    asked = benchmark("remembers", "gru", tasks=("dms", "parity"), seeds=(4, 2))
    BenchmarkFolder(tmp_path, asked).close()
    assert read_benchmark(tmp_path) == asked


def test_climbs_have_folders_of_their_own() -> None:
    names = ["remembers", "Slow", "SLOW", "Slow.x"]
    whats = [f"{AGENTS}:{name}" for name in names]
    asked = benchmark("remembers")
    climbs = [dataclasses.replace(next(iter(asked.climbs.values())).contestant, what=what) for what in whats]
    found = dataclasses.replace(asked, contestants=tuple(climbs)).climbs
    assert len({name.lower() for name in found}) == len(names)


ENDS: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"code": 0}, ("error", "its process ended with exit code 0")),
    ({"code": 7}, ("error", "its process ended with exit code 7")),
    ({"code": 127}, ("error", "its process ended with exit code 127")),
    ({"code": -9}, ("error", "its process was killed by SIGKILL (3 times), as happens where memory runs out")),
    ({"code": -15}, ("error", "its process was killed by SIGTERM (3 times)")),
    ({"code": -11}, ("error", "its process was killed by SIGSEGV")),
    ({"code": -14}, ("error", "its process was killed by SIGALRM")),  # long before its time was up
    ({"code": -62}, ("error", "its process was killed by signal 62 (3 times)")),
    (
        {"code": UNWRITABLE},
        ("error", "its process could not write its folder (exit code 74; see its log) (3 times)"),
    ),
    (
        {"code": -9, "overdue": True},
        ("timeout", "took more than 60 s of wall time, and its process did not end by itself"),
    ),
]


def test_a_process_that_dies_is_the_result_of_its_rung(tmp_path: Path) -> None:
    asked = benchmark("remembers", seeds=(*range(len(ENDS)), 50, 51))
    folder = BenchmarkFolder(tmp_path, asked)
    *_, hung, missing = asked.climbs
    climb_folder(tmp_path, hung).mkdir(parents=True)
    (climb_folder(tmp_path, hung) / "hang.txt").write_text("Timeout (0:01:00)!\n")
    console = Console(file=io.StringIO(), width=200)
    engine = DyingEngine([*(end for end, _ in ENDS), {"code": 1}, {"code": 127, "started": False}])
    with BenchmarkDisplay(console, folder) as display:
        for event in folder.run(engine):
            display.show(event)
    rows = table(tmp_path)
    late = ("timeout", "took more than 60 s of wall time")
    assert [(row["status"], row["reason"]) for row in rows] == [*(row for _, row in ENDS), late]
    assert {row["N"] for row in rows} == {"2"}
    assert not folder.complete  # what could not be started is nobody's fault
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert f"{AGENTS}:remembers, parity, seed 0: N = 2 error (its process ended with exit code 0)" in said
    assert said.count("parity, seed 4: its process was killed by SIGTERM; will be tried again\n") == 2
    assert f"{AGENTS}:remembers, parity, seed 51: not ended: no output (log: " in said
    go_on = f"\nGo on with: python -m baselines benchmark --out {tmp_path} --trust {AGENTS}:remembers"
    assert benchmark_line(folder).endswith(go_on)
    folder.close()
    again = BenchmarkFolder(tmp_path, asked)
    assert [job.name for job in again.jobs()] == [missing]
    again.close()


def test_a_climb_that_is_killed_once_goes_on(tmp_path: Path) -> None:
    """At each of its rungs, and by the time that it is tried again the others have ended."""
    asked, order = benchmark("remembers", "LeavesEarly"), []
    first = next(iter(asked.climbs))

    class OftenKilled(InPlaceEngine):
        def run(self, jobs: Sequence[Job], interrupted: Interrupted = lambda: False) -> Generator[Event, None, None]:
            for job in jobs:
                order.append(job.name)
                if job.name == first and order.count(first) <= 4:
                    if order.count(first) == 3:
                        write_rung(tmp_path, first, 2, {"status": "solved", "episodes": 50, "normalised": 1.0})
                    yield Started(job)
                    yield Ended(job, -signal.SIGKILL, again=False)
                else:
                    yield from super().run([job], interrupted)

    folder = BenchmarkFolder(tmp_path, asked)
    for _ in folder.run(OftenKilled()):
        pass
    assert order == [first, list(asked.climbs)[1], first, first, first, first]
    assert folder.complete
    assert [row["status"] for row in folder.rows[first]] == ["solved", "solved", "failed"]
    folder.close()


def test_what_an_agent_writes_in_the_place_of_its_result_is_its_fault(tmp_path: Path) -> None:
    asked = benchmark("remembers", seeds=(0, 1, 2, 3))
    damages = ["{", '{"status": "won", "episodes": 1}', '{"status": "failed", "episodes": "[/]\\udcff"}', "[" * 10]

    class Damaged(InPlaceEngine):
        def run(self, jobs: Sequence[Job], interrupted: Interrupted = lambda: False) -> Generator[Event, None, None]:
            for job, damage in zip(jobs, damages, strict=True):
                yield Started(job)
                file = climb_folder(tmp_path, job.name) / "N002.json"
                file.parent.mkdir(parents=True)
                file.write_text(damage)
                yield Progressed(job, "done")
                yield Ended(job, 0, again=False)

    folder = BenchmarkFolder(tmp_path, asked)
    for _ in folder.run(Damaged()):
        pass
    assert folder.complete
    assert [row["status"] for row in table(tmp_path)] == ["error"] * 4
    assert all("N002.json" in row["reason"] for row in table(tmp_path))
    folder.close()
    BenchmarkFolder(tmp_path, asked).close()


@pytest.mark.parametrize("said", ["bad\udcff", "no\n licence", "\x1b[2J[/]\x00", "x" * 10**6])
def test_a_benchmark_with_an_unsafe_reason_can_be_read_and_shown(said: str, tmp_path: Path) -> None:
    """Such rows were written before reasons were made safe."""
    asked = benchmark("remembers")
    (name,) = asked.climbs
    climb_folder(tmp_path, name).mkdir(parents=True)
    row = {"status": "error", "reason": said, "episodes": 50}
    (climb_folder(tmp_path, name) / "N002.json").write_text(json.dumps(row))
    BenchmarkFolder(tmp_path / "new", asked).close()
    (tmp_path / "new" / "settings.json").rename(tmp_path / "settings.json")
    folder = BenchmarkFolder(tmp_path, asked)
    assert folder.complete
    folder.close()
    assert table(tmp_path)[0]["reason"] == one_line(said)


def test_what_was_lost_is_played_again_where_that_is_asked_for(tmp_path: Path) -> None:
    asked = benchmark("remembers", "RaisesAtOnce")
    run(tmp_path, asked)
    before = table(tmp_path)
    won, lost = asked.climbs
    write_rung(tmp_path, won, 4, {"status": "timeout", "reason": "slow", "episodes": 50})
    assert run(tmp_path, asked) == []
    folder = BenchmarkFolder(tmp_path, asked)
    folder.forget_faults()
    assert [row["status"] for rows in folder.rows.values() for row in rows] == ["solved"]
    assert [job.name for job in folder.jobs()] == [won, lost]
    for _ in folder.run(InPlaceEngine()):
        pass
    folder.close()
    assert table(tmp_path) == before


def test_a_rung_has_its_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    now, played = [0.0], [0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    clock = RungClock(10.0, lambda: played[0])

    def late(step: float, looks: int) -> bool:
        for _ in range(looks):
            now[0] += step
            if clock():
                return True
        return False

    assert not late(0.5, 130)
    played[0] = 1
    assert not late(0.5, 130)
    played[0] = 0  # an agent has removed its result
    now[0] += 10_000  # the benchmark was stopped, with Ctrl-Z
    assert not clock()
    assert late(0.5, 12)


def test_an_interrupt_is_no_fault(tmp_path: Path) -> None:
    folder = BenchmarkFolder(tmp_path, benchmark("remembers"))
    for _ in folder.run(DyingEngine([{"code": -signal.SIGKILL}]), lambda: True):
        pass
    assert table(tmp_path) == []
    assert not folder.complete
    folder.close()


# -- the command ------------------------------------------------------------------------------------------------


def command(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], budget: Budget = BUDGET
) -> tuple[int, str, str]:
    monkeypatch.setitem(BUDGETS, "quick", budget)
    monkeypatch.setattr("baselines.commands.benchmark.LocalEngine", InPlaceEngine)
    monkeypatch.setenv("COLUMNS", "150")
    try:
        code = main(["benchmark", *text.split()])
    except SystemExit as error:
        code = int(error.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_benchmark_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an agent of the current directory; then the folder alone, and another agent."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_agents.py").write_text(f"from {AGENTS} import remembers as mine\n")
    code, said, error = command("--agent my_agents:mine --tasks parity dms --seeds 0..1", monkeypatch, capsys)
    assert (code, error) == (0, "")
    assert "my_agents:mine, dms, seed 1: N = 4 solved (normalised score 1.00)\n" in said
    assert re.search(r"my_agents:mine +4 +4 +4 ", said)
    (path,) = (tmp_path / "runs").iterdir()
    assert path.name == "benchmark_quick_my-agents-mine-agent"
    files = f"runs/{path.name}: results.csv, ladder.csv, ladder.png"
    assert said.endswith(f"4 of 4 climbs have ended. Results, table and picture in {files}\n")
    assert (path / "ladder.png").stat().st_size > 10_000
    monkeypatch.setattr(style, "save", lambda figure, path: [])
    code, said, _ = command(f"--out runs/{path.name} --agent {AGENTS}:RaisesAtOnce --tasks parity", monkeypatch, capsys)
    assert code == 0
    assert "already played: 12 rungs; ended: 4 of 8 climbs\n" in said
    assert "8 of 8 climbs have ended, 4 of them with an error or a timeout. Results," in said
    code, said, _ = command(f"--out runs/{path.name}", monkeypatch, capsys)
    assert (code, InPlaceEngine.ran) == (0, [])
    code, said, _ = command(f"--out runs/{path.name} --retry", monkeypatch, capsys)
    assert code == 0
    assert len(InPlaceEngine.ran) == 4
    assert "already played: 12 rungs; ended: 4 of 8 climbs\n" in said
    other = dataclasses.replace(BUDGET, steps=900)
    code, _, error = command(f"--out runs/{path.name} --budget quick", monkeypatch, capsys, other)
    assert code == 2
    assert "argument --budget: budget must have the steps of the benchmark in" in error
    code, _, error = command(f"--out runs/{path.name} --budget standard", monkeypatch, capsys)
    assert code == 2
    assert "argument --budget: budget must be that of the benchmark in" in error


def test_cells_are_contestants_by_each_method(tmp_path: Path) -> None:
    from baselines.benchmark.contestants import contestants

    found = contestants(["gru", f"{AGENTS}:Cell", f"{AGENTS}:remembers"], ["ppo", "bptt"])
    assert [one.name for one in found] == [
        *("gru (ppo)", "gru (bptt)"),
        *(f"{AGENTS}:Cell (ppo)", f"{AGENTS}:Cell (bptt)", f"{AGENTS}:remembers"),
    ]
    assert [one.name for one in contestants(["gru", "gru"])] == ["gru (ppo)"]


def test_the_live_display_says_which_rung_is_played(tmp_path: Path) -> None:
    folder = BenchmarkFolder(tmp_path, benchmark("remembers"))
    console = Console(file=io.StringIO(), force_terminal=True, width=150, color_system=None)
    job = folder.jobs()[0]
    folder.running.add(job.name)
    with BenchmarkDisplay(console, folder) as display:
        display.show(Progressed(job, "loss [/] :smile: 0.5"))
        assert not display.heed(False)
        assert display.heed(True)
        assert display.heed(True)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "N = 2  loss [/] :smile: 0.5" in said
    assert "0 of 1 climbs" in said
    assert said.count("stopping: finished rungs are kept") == 1
    folder.close()


def test_in_python_too_a_folder_of_others_is_refused_before_its_agents_climb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    BenchmarkFolder(tmp_path, benchmark("remembers"))
    monkeypatch.setenv(VARIABLE, "")
    folder = BenchmarkFolder(tmp_path, read_benchmark(tmp_path))
    with pytest.raises(UntrustedError, match=f"add --trust {AGENTS}:remembers"):
        list(folder.run(InPlaceEngine()))
    assert table(tmp_path) == []


def test_a_pipe_in_the_place_of_a_watch_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hang.txt")
    assert _watch(tmp_path / "hang.txt") == (False, math.inf)
