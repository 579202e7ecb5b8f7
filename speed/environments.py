"""Steps per second of our environments, compared with Gymnasium's CartPole, POPGym and gymnax.

    python -m speed.environments                          # prints tables in Markdown
    python -m speed.environments --quick --envs parity dms --peers cartpole --copies 64 1024
    python -m speed.environments --memory --final --sample --out speed.md     # or .json, .csv

Run it from the folder that contains ``speed/``: it measures the source code there. It needs numpy and gymnasium only. A
peer that is not installed is reported as such. gymnax 1.0.1 refuses Gymnasium 1.4 and imports ``six`` without declaring
it, so give each peer its own virtual environment:

    python -m venv popgym && popgym/bin/pip install popgym
    python -m venv gymnax && gymnax/bin/pip install gymnax six
    python -m speed.environments --python popgym=popgym/bin/python --python gymnax=gymnax/bin/python

What counts as a step: one call of ``step`` advances one copy by one step. In a vector environment this includes the
call that starts a copy's next trial (default autoreset; gymnax resets within the last step). In the scalar form the
time of ``reset`` counts, but ``reset`` is no step. Actions are drawn beforehand, infos are produced, and nothing that
``gym.make`` and ``gym.make_vec`` do by default is switched off.

What is compared: N = 8 with one head (flip-flop: with its 3 bits); RepeatPrevious and MemoryChain need a memory of 8
steps, too. POPGym has no vector form: Gymnasium's synchronous one is measured, up to 1,024 copies. gymnax is
``jit(vmap(step))``. Its form "vector" is called from Python and waited for at each step, as the others are. Its form
"scan" plays 64 steps in one compiled call, which only an agent written in JAX can use.

How it is measured: each measurement is a process of its own with one thread. The repeats go round all cases in turn, so
that a slow spell of the machine affects all cases alike. The tables show medians over repeats, by CPU and by wall time,
and the fastest repeat by CPU time, which is the better figure if other programs use the same cores. The columns of
ratios are made from medians by CPU time:

- x_cartpole: to CartPole in the same form with as many copies
- x_popgym: to the fastest form of RepeatPrevious
- x_dense: final scoring to dense scoring

Memory is the growth of the process's peak resident memory over construction, reset and 400 calls of ``step`` of the
default task, divided by the number of copies (Linux only). Imports and actions come before and do not count.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from speed.report import ONE_THREAD, SUFFIXES, Row, check_out, machine, positive, publish, whole

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Subject:
    """An environment that can be measured.

    Attributes:
        package: the package that must be installed.
        env_id: the environment's id.
        kwargs: arguments of the environment.
        mode: ``vectorization_mode`` for ``gym.make_vec``; None: the default of the environment.
        forms: the forms that are measured: scalar, vector, scan.
        most_copies: the largest number of copies that is measured.
    """

    package: str
    env_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    mode: str | None = None
    forms: tuple[str, ...] = ("scalar", "vector")
    most_copies: int = sys.maxsize


SUBJECTS = {
    "parity": Subject("memory_envs", "MemoryParity-v0", {"N": 8}),
    "dms": Subject("memory_envs", "MemoryDMS-v0", {"N": 8}),
    "delayed-addition": Subject("memory_envs", "MemoryDelayedAddition-v0", {"N": 8}),
    "evidence-accumulation": Subject("memory_envs", "MemoryEvidenceAccumulation-v0", {"N": 8}),
    "flip-flop": Subject("memory_envs", "MemoryFlipFlop-v0", {"N": 8}),
    "CartPole": Subject("gymnasium", "CartPole-v1", mode="vector_entry_point"),
    "RepeatPrevious": Subject("popgym", "popgym-RepeatPreviousEasy-v0", {"k": 8}, "sync", most_copies=1024),
    "RepeatFirst": Subject("popgym", "popgym-RepeatFirstEasy-v0", forms=("scalar",)),
    "Autoencode": Subject("popgym", "popgym-AutoencodeEasy-v0", forms=("scalar",)),
    "CountRecall": Subject("popgym", "popgym-CountRecallEasy-v0", forms=("scalar",)),
    "MemoryChain": Subject("gymnax", "MemoryChain-bsuite", {"memory_length": 8}, forms=("vector", "scan")),
}
ENVS = [name for name, subject in SUBJECTS.items() if subject.package == "memory_envs"]
PEERS = {"cartpole": "gymnasium", "popgym": "popgym", "gymnax": "gymnax"}
"""Peer, as named on the command line -> its package."""


@dataclass(frozen=True)
class Case:
    """What one process measures.

    Attributes:
        subject: a name in ``SUBJECTS``.
        form: scalar, vector, scan, sample (``task.sample``) or memory.
        copies: the number of copies of the environment.
        scoring: the task's ``scoring``; None: the default.
    """

    subject: str
    form: str
    copies: int = 1
    scoring: str | None = None


@dataclass
class Result:
    """All measurements of one case.

    Attributes:
        samples: one dictionary per repeat: name -> number.
        versions: package -> its version.
        error: why nothing could be measured; None if it could.
    """

    samples: list[dict[str, float]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    def of(self, name: str, choose: Callable[[list[float]], float] = median) -> float:
        """One number over all repeats: their median, or what ``choose`` picks. NaN if nothing was measured."""
        return choose([sample[name] for sample in self.samples]) if self.samples else math.nan


def cases_of(options: argparse.Namespace) -> list[Case]:
    """All cases that the options ask for, without duplicates."""
    packages = {PEERS[peer] for peer in options.peers}
    names = options.envs + [name for name in SUBJECTS if SUBJECTS[name].package in packages]
    cases = []
    for copies in options.copies:
        for name in names:
            fit = [form for form in SUBJECTS[name].forms if (form == "scalar") == (copies == 0)]
            cases += [Case(name, form, max(copies, 1)) for form in fit if copies <= SUBJECTS[name].most_copies]
    if options.final:
        cases += [Case(name, "vector", 1024, scoring) for name in options.envs for scoring in (None, "final")]
    if options.sample:
        cases.append(Case("parity", "sample"))
    if options.memory:
        cases += [Case(name, "memory", 16384) for name in names if name in (*options.envs, "CartPole")]
    return list(dict.fromkeys(cases))


def measure(case: Case, python: str, seconds: float) -> dict[str, Any]:
    """Measure a case in a worker process: its answer has a sample and versions, or an error."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [python, "-m", "speed.environments_worker", json.dumps(asdict(case)), str(seconds)]
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return {"error": f"failed with status {done.returncode}: " + done.stderr.strip().split("\n")[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.strip().split("\n")[-1])
    return answer


def run(options: argparse.Namespace) -> dict[Case, Result]:
    """Measure all cases in turn, ``repeats`` times. A case that fails is not tried again."""
    results = {case: Result() for case in cases_of(options)}
    for repeat in range(options.repeats):
        print(f"repeat {repeat + 1} of {options.repeats}, {len(results)} cases", file=sys.stderr)
        for case, result in results.items():
            if result.error is None:
                python = options.python.get(SUBJECTS[case.subject].package, sys.executable)
                answer = measure(case, python, options.seconds)
                result.error, result.versions = answer.get("error"), answer.get("versions", result.versions)
                result.samples += [answer["sample"]] if "sample" in answer else []
    return results


def row_of(case: Case, results: Mapping[Case, Result]) -> Row:
    """A case as a row of its table; a case without numbers has a note instead."""

    def rate(subject: str, form: str, copies: int) -> float:
        return results.get(Case(subject, form, copies), Result()).of("cpu")

    result = results[case]
    package = SUBJECTS[case.subject].package
    name = case.subject if package in ("memory_envs", "gymnasium") else f"{package} {case.subject}"
    name += f" ({case.scoring})" if case.scoring else ""
    row: Row = {"subject": name, "form": case.form, "copies": case.copies}
    if result.error is not None:
        return row | {"note": result.error}
    if case.form == "memory":
        return row | {"bytes_per_copy": result.of("bytes_per_copy")}
    cpu, wall = result.of("cpu"), result.of("wall")
    if case.form == "sample":
        return row | {
            "cpu_ms": 1e3 / cpu,
            "wall_ms": 1e3 / wall,
            "fastest_cpu_ms": 1e3 / result.of("cpu", max),
        }
    row |= {"steps_per_cpu_s": cpu, "fastest_per_cpu_s": result.of("cpu", max), "steps_per_wall_s": wall}
    popgym = [other.of("cpu") for key, other in results.items() if key.subject == "RepeatPrevious" and other.samples]
    row["x_cartpole"] = cpu / rate("CartPole", "scalar" if case.form == "scalar" else "vector", case.copies)
    row["x_popgym"] = cpu / max(popgym, default=math.nan)
    return row | ({"x_dense": cpu / rate(case.subject, case.form, case.copies)} if case.scoring else {})


def report(results: Mapping[Case, Result], load: float) -> dict[str, list[Row]]:
    """The report: title of each section -> its rows."""
    versions = {SUBJECTS[case.subject].package: result.versions for case, result in results.items() if result.versions}
    sections: dict[str, list[Row]] = {
        "machine": [machine(load) | {"system": platform.platform()}],
        "versions": [{"package": package, **found} for package, found in versions.items()],
    }
    for case in results:
        title = {"memory": "memory", "sample": "task.sample: parity, 256 trials, 100 steps, 9 heads"}
        sections.setdefault(title.get(case.form, "throughput"), []).append(row_of(case, results))
    return sections


def copies_option(text: str) -> int:
    """The option's value as a number of copies; 0 stands for the scalar form."""
    return 0 if text == "scalar" else whole(text)


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked, with defaults filled in. A bad option ends the program with status 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--envs", nargs="*", choices=ENVS, default=ENVS, metavar="ENV", help=", ".join(ENVS))
    add("--peers", nargs="*", choices=PEERS, default=list(PEERS), metavar="PEER", help=", ".join(PEERS))
    add("--copies", nargs="*", type=copies_option, metavar="COPIES", help="'scalar' and numbers of copies")
    add("--repeats", type=whole, help="measurements of each case (5; quick: 3)")
    add("--seconds", type=positive, help="least CPU seconds of each measurement (0.5; quick: 0.15)")
    add("--quick", action="store_true", help="fewer and shorter repeats; scalar, 64 and 1024 copies")
    add("--memory", action="store_true", help="also measure the bytes of memory per copy, with 16,384 copies")
    add("--final", action="store_true", help="also compare final with dense scoring, with 1,024 copies")
    add("--sample", action="store_true", help="also measure the time of one task.sample")
    add(
        "--python",
        action="append",
        default=[],
        metavar="PEER=PROGRAM",
        help="the Python that has this peer installed",
    )
    add("--out", type=Path, metavar="FILE", help="also write the report to FILE: .md, .json or .csv")
    options = parser.parse_args(arguments)
    for text in options.python:
        peer, _, program = text.partition("=")
        if peer not in PEERS or shutil.which(program) is None:
            parser.error(f"--python {text}: must be PEER=PROGRAM, PEER of {', '.join(PEERS)}, PROGRAM a Python")
    options.python = {PEERS[peer]: program for peer, _, program in (text.partition("=") for text in options.python)}
    check_out(parser, options.out, *SUFFIXES)
    if options.memory and sys.platform != "linux":
        parser.error("--memory needs /proc, which only Linux has")
    usual = {"copies": [0, 64, 1024], "repeats": 3, "seconds": 0.15}
    if not options.quick:
        usual = {"copies": [0, 1, 64, 1024, 16384], "repeats": 5, "seconds": 0.5}
    given = {name: value for name, value in vars(options).items() if value is not None}
    return argparse.Namespace(**{"out": None} | usual | given)


def main() -> int:
    """Measure and print. Returns 1 if one of our own environments could not be measured; a peer may be missing."""
    options, load = parse_options(), os.getloadavg()[0]
    results = run(options)
    publish(report(results, load), options.out)
    return int(any(result.error for case, result in results.items() if case.subject in ENVS))


if __name__ == "__main__":
    sys.exit(main())
