"""Steps per second of the five environments, beside Gymnasium's CartPole, POPGym and gymnax.

    python -m speed.environments                          # tables: text that is also Markdown
    python -m speed.environments --quick --envs parity dms --peers cartpole --copies 64 1024
    python -m speed.environments --memory --final --sample --out speed.md     # or .json, .csv

It measures the checkout in which it lies, and needs numpy and gymnasium. A peer that is missing is reported
as such. gymnax 1.0.1 refuses Gymnasium 1.4 and imports `six` without declaring it, so each peer has its own
environment:

    python -m venv popgym && popgym/bin/pip install popgym
    python -m venv gymnax && gymnax/bin/pip install gymnax six
    python -m speed.environments --python popgym=popgym/bin/python --python gymnax=gymnax/bin/python

A step is one copy advanced by one call of `step`, in a vector environment also the call that starts a
copy's next trial (default autoreset; gymnax resets within the last step). In the scalar form the time of
`reset` counts, but it is no step. Actions are drawn beforehand, infos are produced, and nothing that
`gym.make` and `gym.make_vec` do by default is switched off. N = 8, one head (flip-flop: its 3 bits);
RepeatPrevious and MemoryChain have the same demand of 8. POPGym has no vector form: Gymnasium's synchronous
one is measured, up to 1,024 copies. gymnax is `jit(vmap(step))`: "vector" is called from Python and waited
for at each step, as the others are; "scan" plays 64 steps in one compiled call, which no agent outside of
JAX can use.

Each measurement is a process of its own with one thread; the repeats go round all cases in turn, so that a
slow spell of the machine strikes all alike. Shown are medians, by CPU and by wall time, and the fastest
repeat by CPU time: the better figure where other programs share the cores. x_cartpole: to CartPole in the
same form at as many copies; x_popgym: to the fastest form of RepeatPrevious; x_dense: final scoring to
dense; all of medians by CPU time. Memory is the growth of the process's peak resident memory over
construction, reset and 400 calls of the default task, divided by the copies (Linux only; imports and
actions are there before).
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Subject:
    """What can be measured. `mode`: the vectorization_mode to ask for (None: the id's own default)."""

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
PEERS = {"cartpole": "gymnasium", "popgym": "popgym", "gymnax": "gymnax"}  # as typed: package
ONE_THREAD = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")},
    "NPROC": "1",  # the size of XLA's own thread pool
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
SUFFIXES = (".md", ".json", ".csv")
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What one process measures. `form`: scalar, vector, scan, sample (`task.sample`) or memory."""

    subject: str
    form: str
    copies: int = 1
    scoring: str | None = None


@dataclass
class Result:
    """All measurements of one case: numbers by name, one dictionary a repeat; `error` says why none."""

    samples: list[dict[str, float]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    error: str | None = None

    def of(self, name: str, choose: Callable[[list[float]], float] = median) -> float:
        """The median, or another choice, of one number over the repeats; NaN where nothing was measured."""
        return choose([sample[name] for sample in self.samples]) if self.samples else math.nan


def cases_of(options: argparse.Namespace) -> list[Case]:
    """Every case that the options ask for, once."""
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
    """The answer of one worker process: a sample and versions, or an error."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [python, "-m", "speed.environments_worker", json.dumps(asdict(case)), str(seconds)]
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return {"error": f"failed with status {done.returncode}: " + done.stderr.strip().split("\n")[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.strip().split("\n")[-1])
    return answer


def run(options: argparse.Namespace) -> dict[Case, Result]:
    """Measures all cases in turn, `repeats` times; a case that fails once is not tried again."""
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
    """One case as a row of its table."""

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
    """The sections of the report, each a list of rows; a case that gave no number has a note instead."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")]
    machine = {
        "cpu": (models or [platform.processor()])[0],
        "cores": os.cpu_count(),
        "load_average_before": load,
    }
    versions = {SUBJECTS[case.subject].package: result.versions for case, result in results.items() if result.versions}
    sections: dict[str, list[Row]] = {
        "machine": [machine | {"system": platform.platform()}],
        "versions": [{"package": package, **found} for package, found in versions.items()],
    }
    for case in results:
        title = {"memory": "memory", "sample": "task.sample: parity, 256 trials, 100 steps, 9 heads"}
        sections.setdefault(title.get(case.form, "throughput"), []).append(row_of(case, results))
    return sections


def shown(value: object) -> str:
    """A cell of a table: three significant digits, M for millions; "-" where there is no number."""
    if not isinstance(value, float):
        return "" if value is None else str(value).replace("|", "/")
    if math.isnan(value):
        return "-"
    return f"{value / 1e6:.3g} M" if value >= 1e4 else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def without_nan(sections: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """The same with None for NaN, which JSON does not know."""
    return {
        title: [{key: None if value != value else value for key, value in row.items()} for row in rows]
        for title, rows in sections.items()
    }


def markdown(sections: Mapping[str, list[Row]]) -> str:
    """The sections as Markdown tables, padded so that they also read well as text."""
    lines: list[str] = []
    for title, rows in sections.items():
        header = sorted(dict.fromkeys(key for row in rows for key in row), key="note".__eq__)
        cells = [header, *([shown(row.get(key)) for key in header] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        cells.insert(1, ["-" * width for width in widths])
        lines += [
            f"## {title}",
            "",
            *("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells),
            "",
        ]
    return "\n".join(lines)


def save(sections: Mapping[str, list[Row]], path: Path) -> None:
    """Write a report: all of it as Markdown or JSON, or the measured rows as CSV (``speed/results/`` holds such files).

    Raises:
        ValueError: the name of the file ends in none of these.
    """
    if path.suffix == ".md":
        path.write_text(markdown(sections))
    elif path.suffix == ".json":
        path.write_text(json.dumps(without_nan(sections), indent=1) + "\n")
    elif path.suffix == ".csv":
        measured = {title: rows for title, rows in sections.items() if title not in ("machine", "versions")}
        rows = [row for rows in without_nan(measured).values() for row in rows]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, dict.fromkeys(key for row in rows for key in row), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    else:
        raise ValueError(f"path must end in .md, .json or .csv, got {path}")


def whole(text: str) -> int:
    """A whole number of at least 1, from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def copies_option(text: str) -> int:
    """A number of copies; 0 stands for the scalar form."""
    return 0 if text == "scalar" else whole(text)


def parse_options() -> argparse.Namespace:
    """The options, checked, with the defaults filled in; a bad one ends the program with status 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--envs", nargs="*", choices=ENVS, default=ENVS, metavar="ENV", help=", ".join(ENVS))
    add("--peers", nargs="*", choices=PEERS, default=list(PEERS), metavar="PEER", help=", ".join(PEERS))
    add("--copies", nargs="*", type=copies_option, metavar="COPIES", help="'scalar' and numbers of copies")
    add("--repeats", type=whole, help="processes a case (5; quick: 3)")
    add("--seconds", type=float, help="least CPU seconds a measurement (0.5; quick: 0.15)")
    add("--quick", action="store_true", help="fewer and shorter repeats; scalar, 64 and 1024 copies")
    add("--memory", action="store_true", help="also bytes per copy at 16,384 copies")
    add("--final", action="store_true", help="also final scoring against dense, at 1,024 copies")
    add("--sample", action="store_true", help="also the time of one task.sample")
    add("--python", action="append", default=[], metavar="PEER=PROGRAM", help="the Python that has this peer")
    add("--out", type=Path, metavar="FILE", help="also write the report to FILE: .md, .json or .csv")
    options = parser.parse_args()
    for text in options.python:
        peer, _, program = text.partition("=")
        if peer not in PEERS or shutil.which(program) is None:
            parser.error(f"--python {text}: must be PEER=PROGRAM, PEER of {', '.join(PEERS)}, PROGRAM a Python")
    options.python = {PEERS[peer]: program for peer, _, program in (text.partition("=") for text in options.python)}
    if options.out and (options.out.suffix not in SUFFIXES or not options.out.parent.is_dir()):
        parser.error(f"--out {options.out}: must end in .md, .json or .csv and lie in a folder that exists")
    if options.memory and sys.platform != "linux":
        parser.error("--memory reads /proc, which only Linux has")
    if options.seconds is not None and not 0 < options.seconds < math.inf:
        parser.error(f"--seconds {options.seconds}: must be above 0 and finite")
    usual = {"copies": [0, 64, 1024], "repeats": 3, "seconds": 0.15}
    if not options.quick:
        usual = {"copies": [0, 1, 64, 1024, 16384], "repeats": 5, "seconds": 0.5}
    given = {name: value for name, value in vars(options).items() if value is not None}
    return argparse.Namespace(**{"out": None} | usual | given)


def main() -> int:
    """Returns 1 where one of the five environments could not be measured; a peer may be missing."""
    options, load = parse_options(), os.getloadavg()[0]
    results = run(options)
    sections = report(results, load)
    print(markdown(sections))
    if options.out is not None:
        save(sections, options.out)
    return int(any(result.error for case, result in results.items() if case.subject in ENVS))


if __name__ == "__main__":
    sys.exit(main())
