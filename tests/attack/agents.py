"""Agents that harm the process of their climb: every climb ends, for a reason, and the benchmark goes on.

Each agent does one harmful thing when it is to learn, and then learns nothing and answers 0. It is run as the ladder
runs it, in a process of its own. With each stands how its rung must end.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 10.0
"""Seconds of a rung."""

SLACK = 30.0
"""Seconds after which the benchmark's own clock ends a climb: on a busy machine its start takes long."""

PLAYED = "(solved|failed) "
"""How a rung ends whose agent has answered to the end."""

KILLED = r"error its process was killed by {} \(3 times\).*"

HOSTILE: dict[str, str] = {}
"""Name of an agent -> the pattern that the status and the reason of its rung must match."""


class Harmful:
    """An agent that does ``act`` when it is to learn."""

    def __init__(self, act: Callable[[Any], Any], action_space: Any) -> None:
        self.act, self.shape = act, action_space.shape
        self.answer: Any = None

    def learn(self, env: Any, total_steps: int) -> Any:
        """Do harm."""
        self.answer = self.act(env)

    def predict(self, observation: Any, *_: Any, **__: Any) -> Any:
        """Zeros, or what ``act`` has returned."""
        return (np.zeros((len(observation), *self.shape), np.int64) if self.answer is None else self.answer), None


def hostile(end: str) -> Callable[[Callable[[Any], Any]], Callable[..., Harmful]]:
    """Make a harmful act a factory of agents, and note how its rung must end."""

    def make(act: Callable[[Any], Any]) -> Callable[..., Harmful]:
        HOSTILE[act.__name__] = end
        return lambda observation_space, action_space, seed: Harmful(act, action_space)

    return make


def folder() -> Path:
    """The folder of the climb that runs in this process."""
    return Path(sys.argv[1]) / "climbs" / sys.argv[2]


# -- what it says -------------------------------------------------------------------------------------------------


@hostile(r"error learn: ValueError: bad\\udcff")
def a_message_that_is_not_utf8(env: Any) -> None:
    raise ValueError("bad\udcff")


@hostile(r"error learn: ValueError: \[/\] \\x00 :smile:")
def a_message_with_control_characters_and_markup(env: Any) -> None:
    raise ValueError("\x1b[2J\x1b]0;mine\x07[/]\n\x00 :smile:")


@hostile(r"error learn: ValueError: x{200,300}\.\.\.")
def a_message_of_fifty_megabytes(env: Any) -> None:
    raise ValueError("x" * 50_000_000)


@hostile("error learn: OddError")
def a_message_that_raises(env: Any) -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    raise OddError


@hostile(PLAYED)
def bytes_without_a_line_on_the_output(env: Any) -> None:
    for _ in range(20):
        os.write(1, random.randbytes(1_000_000).replace(b"\n", b"\x1b[2J"))


@hostile(PLAYED)
def a_flood_on_the_output(env: Any) -> None:
    for _ in range(1_000):
        os.write(1, b"x" * 99_999 + b"\n")


@hostile("error .*N002.json.*")
def rubbish_in_the_place_of_its_result(env: Any) -> None:
    (folder() / "N002.json").write_text("{")
    os._exit(0)


@hostile("error predict: .*")
def an_answer_that_raises(env: Any) -> Any:
    class Odd:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise SystemExit

    return Odd()


# -- how it ends --------------------------------------------------------------------------------------------------


@hostile("error learn: SystemExit: 0")
def exits(env: Any) -> None:
    sys.exit(0)


@hostile("error learn: KeyboardInterrupt")
def interrupts(env: Any) -> None:
    raise KeyboardInterrupt


@hostile("error learn: RecursionError.*")
def recurs(env: Any) -> None:
    recurs_on()


def recurs_on() -> None:
    recurs_on()


@hostile("error its process ended with exit code 0")
def leaves(env: Any) -> None:
    os._exit(0)


@hostile("error its process ended with exit code 127")
def leaves_like_a_missing_command(env: Any) -> None:
    os._exit(127)


@hostile(r"error its process could not write its folder \(exit code 74.*\) \(3 times\)")
def leaves_like_a_full_disk(env: Any) -> None:
    os._exit(74)


@hostile("error its process was killed by SIGSEGV")
def crashes(env: Any) -> None:
    ctypes.string_at(0)


@hostile("error its process was killed by SIGALRM")
def sets_an_alarm_of_its_own(env: Any) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(5)


@hostile(KILLED.format("SIGKILL"))
def is_killed_every_time(env: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@hostile(KILLED.format("SIGTERM"))
def is_terminated_every_time(env: Any) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@hostile(PLAYED)
def is_killed_once(env: Any) -> None:
    mark = folder() / "killed"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


# -- how it does not end ------------------------------------------------------------------------------------------


@hostile("timeout took more than 10 s of wall time")
def sleeps(env: Any) -> None:
    time.sleep(1_000)


@hostile("timeout took more than 10 s of wall time")
def holds_the_interpreters_lock(env: Any) -> None:
    ctypes.PyDLL(None).sleep(1_000)


@hostile("timeout took more than 10 s of wall time")
def stops_the_first_clock(env: Any) -> None:
    faulthandler.cancel_dump_traceback_later()
    time.sleep(1_000)


@hostile("timeout took more than 10 s of wall time, and its process did not end by itself")
def stops_all_clocks_and_heeds_no_signal(env: Any) -> None:
    faulthandler.cancel_dump_traceback_later()
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1)
        print("still here")


@hostile("timeout took more than 10 s of wall time(, and its process did not end by itself)?")
def stops_itself(env: Any) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


@hostile(PLAYED)
def leaves_a_thread(env: Any) -> None:
    threading.Thread(target=time.sleep, args=(1_000,)).start()


@hostile(PLAYED)
def leaves_a_process_in_a_session_of_its_own(env: Any) -> None:
    if not os.fork():
        os.setsid()
        (folder() / "child").write_text(str(os.getpid()))
        time.sleep(1_000)
        os._exit(0)
    while not (folder() / "child").exists():
        time.sleep(0.01)


@hostile(PLAYED)
def comes_back_twice(env: Any) -> None:
    os.fork()


# -- what it takes away -------------------------------------------------------------------------------------------


@hostile(PLAYED)
def closes_every_descriptor(env: Any) -> None:
    os.closerange(0, 4096)


@hostile(PLAYED)
def closes_its_output(env: Any) -> None:
    sys.stdout.close()
    sys.stderr.close()


@hostile(PLAYED)
def sends_its_output_elsewhere(env: Any) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.stdout = sys.stderr = None


@hostile(PLAYED)
def removes_its_folder(env: Any) -> None:
    shutil.rmtree(folder())


@hostile("error its process could not write its folder .*")
def may_open_no_file(env: Any) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


@hostile("error its process could not write its folder .*")
def may_write_no_file(env: Any) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@hostile("error learn: .*MemoryError.*")
def takes_all_memory_that_it_may_have(env: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
    np.ones(1 << 34)


@hostile(PLAYED)
def changes_what_is_global(env: Any) -> None:
    import torch

    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    os.chdir("/")
    os.environ.clear()
    os.umask(0o777)
    os.nice(5)
    sys.setrecursionlimit(10**6)
    np.seterr(all="raise")


@hostile(PLAYED)
def does_no_harm(env: Any) -> None:
    pass


# -- the attempts -------------------------------------------------------------------------------------------------


def climbed(names: list[str], path: Path) -> dict[str, str]:
    """Let agents climb a ladder of one rung: name -> status and reason of its rung, or what is wrong instead."""
    from baselines.benchmark import Budget, clock
    from baselines.benchmark.contestants import Contestant
    from baselines.benchmark.folder import BenchmarkFolder
    from baselines.benchmark.plan import Benchmark
    from baselines.core.jobs import LARGEST_LOG, LocalEngine

    budget = Budget(steps=200, n_max=2, seeds=(0,), episodes=20, limit=LIMIT)
    who = tuple(Contestant(f"{__name__}:{name}", "agent") for name in names)
    asked = Benchmark(budget_name="attack", budget=budget, contestants=who, tasks=("parity",), seeds=(0,))
    before, clock.SLACK = clock.SLACK, SLACK
    try:
        with closing(BenchmarkFolder(path, asked)) as held:
            for _ in held.run(LocalEngine(2)):
                pass
    finally:
        clock.SLACK = before
    found = {}
    with closing(BenchmarkFolder(path, asked)) as held:  # as a second start would find it
        left = {job.name for job in held.jobs()}
        for name, climb in zip(names, asked.climbs, strict=True):
            home, rows = path / "climbs" / climb, held.rows[climb]
            found[name] = " ".join(f"{row['status']} {row.get('reason', '')}" for row in rows)
            if climb in left:
                found[name] = "something is left to do"
            if (home / "log.txt").exists() and (home / "log.txt").stat().st_size > LARGEST_LOG:
                found[name] = "its log is too long"
            if (home / "child").exists() and _lives(int((home / "child").read_text())):
                found[name] = "its process lives on"
        lost = {name for name, rows in zip(names, held.rows.values(), strict=True) if "normalised" not in rows[-1]}
        held.forget_faults()
        again = {job.name for job in held.jobs()}
        for name, climb in zip(names, asked.climbs, strict=True):
            if (name in lost) != (climb in again):
                found[name] = "it cannot be tried again" if name in lost else "it is tried again without need"
    return found


def _lives(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Let ``count`` of the agents climb, drawn by ``seed``; where there are not so many, all of them."""
    names = random.Random(seed).sample(sorted(HOSTILE), min(count, len(HOSTILE)))
    with tempfile.TemporaryDirectory() as path:
        for name, end in climbed(names, Path(path)).items():
            yield f"{name.replace('_', ' ')}: {end}", re.fullmatch(HOSTILE[name], end) is not None
