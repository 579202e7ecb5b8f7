"""The engine alone, with commands that have nothing to do with training."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import baselines
from baselines.core import jobs
from baselines.core.jobs import Ended, Event, Job, LocalEngine, Progressed, Started, available_cores

ROOT = Path(baselines.__file__).parents[1]
DEADLINE = 20.0


def make_job(folder: Path, name: str, code: str, restarts: int = 0, **environment: str) -> Job:
    command = (sys.executable, "-I", "-S", "-u", "-c", code)
    return Job(name, command, folder / "logs" / f"{name}.log", environment, restarts)


def ends(events: list[Event]) -> list[tuple[str, int, bool]]:
    return [(event.job.name, event.code, event.again) for event in events if isinstance(event, Ended)]


def is_alive(pid: int) -> bool:
    """Whether it runs: a zombie whose parent is gone may wait for somebody to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(pids: list[int]) -> None:
    until = time.monotonic() + DEADLINE
    while any(map(is_alive, pids)):
        assert time.monotonic() < until, f"{pids} are still there"
        time.sleep(0.02)


def read_pid(file: Path) -> int:
    until = time.monotonic() + DEADLINE
    while not (file.exists() and file.read_text().endswith("\n")):
        assert time.monotonic() < until, f"no {file}"
        time.sleep(0.02)
    return int(file.read_text())


def test_every_job_runs_and_tells_how_it_ended(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, f"job{code}", f"print('job', {code}); raise SystemExit({code})") for code in (0, 3)]
    events = list(LocalEngine(2).run(jobs))
    assert sorted(ends(events)) == [("job0", 0, False), ("job3", 3, False)]
    assert {(event.job.name, event.line) for event in events if isinstance(event, Progressed)} == {
        ("job0", "job 0"),
        ("job3", "job 3"),
    }
    for job in jobs:
        own = [type(event) for event in events if event.job == job]
        assert own == [Started, Progressed, Ended]
        header, said = job.log.read_text().splitlines()
        assert header.startswith("$ ")
        assert said == f"job {job.name[3:]}"


def test_only_so_many_run_at_once_and_in_their_order(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, str(i), "import time; time.sleep(0.1)") for i in range(5)]
    running, most, order = set[str](), 0, []
    for event in LocalEngine(2).run(jobs):
        if isinstance(event, Started):
            running.add(event.job.name)
            order.append(event.job.name)
        elif isinstance(event, Ended):
            running.remove(event.job.name)
        most = max(most, len(running))
    assert order == list("01234")
    assert most == 2


def test_a_killed_job_is_started_again_and_the_others_do_not_notice(tmp_path: Path) -> None:
    """It kills itself as long as the file is missing that it writes before."""
    once = "import os, pathlib; p = pathlib.Path(os.environ['MARK']); begun = p.exists(); p.touch(); "
    once += "print('again' if begun else 'first'); begun or os.kill(os.getpid(), 9)"
    always = "import os; os.kill(os.getpid(), 9)"
    jobs = [
        make_job(tmp_path, "once", once, 1, MARK=str(tmp_path / "mark")),
        make_job(tmp_path, "always", always, 1),
        make_job(tmp_path, "never again", always),
        make_job(tmp_path, "fails", "raise SystemExit(1)", 1),
        make_job(tmp_path, "well", "import time; time.sleep(0.2)"),
    ]
    events = list(LocalEngine(5).run(jobs))
    found = {job.name: [end[1:] for end in ends(events) if end[0] == job.name] for job in jobs}
    assert found == {
        "once": [(-9, True), (0, False)],
        "always": [(-9, True), (-9, False)],
        "never again": [(-9, False)],
        "fails": [(1, False)],
        "well": [(0, False)],
    }
    own = [event for event in events if event.job.name == "once"]
    assert [type(event) for event in own] == [Started, Progressed, Ended, Started, Progressed, Ended]
    assert [event.line for event in own if isinstance(event, Progressed)] == ["first", "again"]


def test_a_command_that_is_not_there_is_an_end_like_others(tmp_path: Path) -> None:
    missing = Job("missing", (str(tmp_path / "nothing"),), tmp_path / "missing.log")
    events = list(LocalEngine(1).run([missing, make_job(tmp_path, "well", "")]))
    assert ends(events) == [("missing", 127, False), ("well", 0, False)]
    assert "No such file" in (tmp_path / "missing.log").read_text()


def test_two_jobs_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="jobs must have names of their own, got 'a' twice"):
        list(LocalEngine(1).run([make_job(tmp_path, "a", "")] * 2))
    assert list(tmp_path.iterdir()) == []


PATIENT = """
import os, pathlib, signal, sys, time
def leave(*_):
    print("saved")
    sys.exit(130)
signal.signal(signal.SIGINT, leave)
pathlib.Path(os.environ["PID"]).write_text(f"{os.getpid()}\\n")
print("ready")
time.sleep(60)
"""


def test_an_interrupt_asks_every_job_to_end_and_starts_no_other(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, str(i), PATIENT, 1, PID=str(tmp_path / str(i))) for i in range(3)]
    ready = list[str]()
    events = []
    for event in LocalEngine(2).run(jobs, lambda: len(ready) == 2):
        events.append(event)
        if isinstance(event, Progressed) and event.line == "ready":
            ready.append(event.job.name)
    assert sorted(ends(events)) == [("0", 130, False), ("1", 130, False)]
    assert jobs[0].log.read_text().endswith("ready\nsaved\n")
    assert not jobs[2].log.exists()


FAMILY = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
pathlib.Path(os.environ["PID"]).write_text(f"{child.pid}\\n")
print("ready")
"""


def test_what_a_job_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    assert ends(list(LocalEngine(1).run([make_job(tmp_path, "a", FAMILY, PID=str(tmp_path / "pid"))]))) == [
        ("a", 0, False)
    ]
    wait_until_gone([read_pid(tmp_path / "pid")])


def test_a_caller_that_stops_listening_kills_what_runs(tmp_path: Path) -> None:
    job = make_job(tmp_path, "a", FAMILY + "time.sleep(60)", PID=str(tmp_path / "pid"))
    events = LocalEngine(1).run([job])
    for event in events:
        if isinstance(event, Progressed):
            break
    child = read_pid(tmp_path / "pid")
    assert is_alive(child)
    events.close()
    wait_until_gone([child])


def test_a_killed_engine_leaves_no_job_behind(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from tests.baselines.core.test_jobs import PATIENT, LocalEngine, make_job
folder = Path({str(tmp_path)!r})
list(LocalEngine(2).run([make_job(folder, name, PATIENT, PID=str(folder / name)) for name in "ab"]))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as process:
        pids = [read_pid(tmp_path / name) for name in "ab"]
        assert all(map(is_alive, pids))
        process.send_signal(signal.SIGKILL)
    wait_until_gone(pids)


def test_there_is_a_core() -> None:
    assert 1 <= available_cores() <= (os.cpu_count() or 1)


def test_a_job_that_is_overdue_is_killed_and_not_started_again(tmp_path: Path) -> None:
    """It has stopped itself, so that no signal but this one reaches it."""
    code = "import os, signal; print('begun'); os.kill(os.getpid(), signal.SIGSTOP)"
    asked: list[int] = []

    def overdue() -> bool:
        asked.append(1)
        return len(asked) > 10

    job = dataclasses.replace(make_job(tmp_path, "a", code, restarts=3), overdue=overdue)
    events = list(LocalEngine(1).run([job]))
    assert events[-1] == Ended(job, -signal.SIGKILL, again=False, overdue=True)
    assert len(asked) == 11


def test_a_job_may_ask_to_be_killed_by_ctrl_c(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('ready'); time.sleep(60)"
    job = dataclasses.replace(make_job(tmp_path, "a", code), stop=signal.SIGKILL)
    ready: list[str] = []
    events = []
    for event in LocalEngine(1).run([job], lambda: bool(ready)):
        events.append(event)
        if isinstance(event, Progressed):
            ready.append(event.line)
    assert events[-1] == Ended(job, -signal.SIGKILL, again=False)


def test_a_job_that_ends_like_a_missing_command_has_started(tmp_path: Path) -> None:
    missing = Job("missing", (str(tmp_path / "nothing"),), tmp_path / "missing.log")
    events = list(LocalEngine(1).run([missing, make_job(tmp_path, "a", "import os; os._exit(127)")]))
    assert [(e.job.name, e.code, e.started) for e in events if isinstance(e, Ended)] == [
        ("missing", 127, False),
        ("a", 127, True),
    ]


ESCAPED = """
import os, pathlib, sys, time
if not os.fork():
    os.setsid()
    if not os.fork():
        os.closerange(0, 100)
        pathlib.Path(os.environ["PID"]).write_text(f"{os.getpid()}\\n")
        time.sleep(60)
    os._exit(0)
while not os.path.exists(os.environ["PID"]):
    time.sleep(0.01)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux lists processes in /proc")
def test_a_process_that_has_left_the_group_ends_with_the_job(tmp_path: Path) -> None:
    assert ends(list(LocalEngine(1).run([make_job(tmp_path, "a", ESCAPED, PID=str(tmp_path / "pid"))]))) == [
        ("a", 0, False)
    ]
    wait_until_gone([read_pid(tmp_path / "pid")])


def test_a_log_keeps_its_beginning_and_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LARGEST_LOG", 100_000)
    monkeypatch.setattr(jobs, "KEPT_OF_LOG", 10_000)
    path = tmp_path / "log.txt"
    log, lines = jobs._Log(path), []
    with open(path, "ab") as job:
        for i in range(50):
            job.write(f"{i:09}\n".encode() * (20_000 if i % 2 else 300))
            job.flush()
            lines.append(log.new_line())
    log.close()
    assert lines == [f"{i:09}" for i in range(50)]
    text = path.read_bytes()
    assert len(text) < 100_000
    assert text.startswith(b"000000000\n")
    assert text.endswith(b"000000049\n")
    (found,) = re.finditer(rb"\n\[\.\.\. (\d+) bytes of this log have been cut out here \.\.\.\]\n", text)
    assert len(text) - len(found[0]) + int(found[1]) == 25 * 10 * (20_000 + 300)


def test_a_job_that_floods_its_log_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LARGEST_LOG", 100_000)
    monkeypatch.setattr(jobs, "KEPT_OF_LOG", 10_000)
    job = make_job(tmp_path, "a", "for _ in range(1000):\n    print('x' * 9_999)\nprint('last')")
    lines = [event.line for event in LocalEngine(1).run([job]) if isinstance(event, Progressed)]
    assert lines[-1] == "last"
    assert job.log.stat().st_size <= 100_000


def test_what_a_job_prints_is_safe_to_show(tmp_path: Path) -> None:
    said = [b"\\xff\\x1b[2J[/] \\x07", b"10 %\\r20 %\\r30 %"]
    code = f"import os, time\nfor text in {said}:\n    os.write(1, text + b'\\n'); time.sleep(0.3)\n"
    code = code.replace("\\\\", "\\") + "os.write(1, b'x' * 3_000_000)"
    lines = [e.line for e in LocalEngine(1).run([make_job(tmp_path, "a", code)]) if isinstance(e, Progressed)]
    assert lines == ["\ufffd[/] \\x07", "30 %"]
