"""Speed of training: recurrences, whole updates, and the time to an N, each against what it could be.

    python -m speed.training                                   # tables: text that is also Markdown
    python -m speed.training --quick                           # a smoke run: small sizes, few repeats
    python -m speed.training --sections recurrence --repeats 7 --out speed.md        # or .json, .csv
    python -m speed.training --time-to-n 10 --cells leaky gru lstm --seeds 0 1 2     # this alone

It measures the checkout in which it lies, on one thread. Every measurement is a process of its own, one after another;
the repeats go round all rows in turn, so that a slow spell of the machine strikes all alike. Shown are medians over the
repeats, by CPU and by wall time, of one call each. A row's process times the *floor* too, in turn with the row's own
calls: of a recurrence's matrix products alone, those of its T forward steps, its T backward steps and the one large
product of the weight gradient, with outputs allocated before. `share` is the floor over the row, by CPU time: 1 would
be a recurrence that costs nothing but its products. `x_plain` and `x_torch` say how many times as fast as the row
called plain or torch.nn the row is, by the quotient of their shares. `faults`: pages that the system had to map
during a call.

T is the typical length of the published trials, whose length is uniform on [N + 2, 4 N + 1]: the mean, rounded down.

- recurrence: forward and backward through the cell alone, no readout, a dense gradient. fused: the leaky-tau RNN as it
  trains; plain: the same cell by the loop over its steps, differentiated by autograd; torch.nn: torch.nn.RNN (tanh).
- gated: the same for GRU and LSTM. fused: ours; plain: the loop over steps; torch.nn: torch's own, which keeps the
  LSTM's cell states of all steps but the last to itself.
- update: a whole training update of multi-head parity, all heads from 2 to N: drawing the batch, forward, backward,
  optimizer. ours: `Learner.learn` with the recipe named; plain: the published update written straight in torch (the
  loop over steps, a readout a head, torch's loss, clipping and SGD) on the same batches. `stock malloc`: without
  `keep_freed_memory`, which every other row has, as the training command has it.
- time to N: multi-head parity from N = 2 with the recipe `fast`, until the stage of N is solved: CPU seconds of
  training and updates, each run in a process of its own, medians over seeds; `solved` says how many got there within
  the budget, and the medians are over these.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from baselines.training import recipes
from speed.environments import ONE_THREAD, SUFFIXES, Row, markdown, save, whole
from speed.training_worker import Case

SECTIONS = ("recurrence", "gated", "update")
CELLS = ("leaky", "rate", "gru", "lstm", "plrnn")


def typical_steps(n: int) -> int:
    """The mean length of the published trials for N, rounded down."""
    return (5 * n + 3) // 2


def cases_of(sections: Sequence[str], quick: bool) -> list[Case]:
    """Every row of the tables."""
    large, cases = [] if quick else [(500, 256)], []
    ns = (10,) if quick else (10, 30)
    for units, batch in [*large, (128, 64)]:
        for steps in map(typical_steps, ns):
            cases += [Case("recurrence", way, "leaky", units, batch, steps) for way in ("fused", "plain", "torch.nn")]
    sizes = [(100, 64, 20)] if quick else [(100, 64, 200), (128, 64, typical_steps(10)), (500, 64, typical_steps(10))]
    for units, batch, steps in sizes:
        for cell in ("gru", "lstm"):
            cases += [Case("gated", way, cell, units, batch, steps) for way in ("fused", "plain", "torch.nn")]
    fast = recipes.find("fast", "parity", "leaky")
    for n in ns:
        if not quick:
            shape = (500, 256, typical_steps(n), n, "paper")
            cases += [
                Case("update", way, "leaky", *shape, stock) for way in ("ours", "plain") for stock in (False, True)
            ]
        cases += [
            Case("update", "ours", "leaky", fast.units, fast.batch_size, 2 * n, n, "fast", stock)
            for stock in (False, True)
        ]
    return [case for case in cases if case.section in sections]


def work(connection: Connection, request: dict[str, Any], seconds: float) -> None:
    """What a measuring process does: measures, and sends the numbers or why there are none."""
    from speed.training_worker import answer  # with torch, which this process need not have

    try:
        connection.send(answer(request, seconds))
    except Exception as error:
        connection.send({"error": f"{type(error).__name__}: {error}"})


def ask(request: dict[str, Any], seconds: float = 0.0) -> dict[str, Any]:
    """The answer of a new process: numbers by name, or an error.

    It is forked from a server that has imported everything and measured nothing, for importing takes longer than
    measuring.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["speed.training_worker"])
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(there, request, seconds))
    process.start()
    there.close()
    try:
        answer: dict[str, Any] = here.recv()
    except EOFError:
        answer = {}
    process.join()
    return answer or {"error": f"its process ended with status {process.exitcode}"}


def measure(cases: Sequence[Case], repeats: int, seconds: float) -> dict[Case, dict[str, Any]]:
    """Medians over the repeats of what each case's processes measured, or the error of the first that failed."""
    answers: dict[Case, list[dict[str, Any]]] = {case: [] for case in cases}
    for repeat in range(repeats):
        print(f"repeat {repeat + 1} of {repeats}, {len(cases)} rows", file=sys.stderr)
        for case, found in answers.items():
            if not (found and "error" in found[-1]):
                found.append(ask(asdict(case), seconds))
    results = {}
    for case, found in answers.items():
        failed = [answer for answer in found if "error" in answer]
        results[case] = failed[0] if failed else {key: median(one[key] for one in found) for key in found[0]}
    return results


def row_of(case: Case, results: dict[Case, dict[str, Any]]) -> Row:
    """One case as a row of its table."""
    name = f"{case.subject}, {case.recipe}" if case.recipe else f"{case.cell} {case.subject}"
    row: Row = {"row": name + (", stock malloc" if case.stock else "")}
    row |= {"units": case.units, "batch": case.batch, "T": case.steps} | ({"N": case.n} if case.n else {})
    found = results[case]
    if "error" in found:
        return row | {"note": found["error"]}
    row |= {f"{key}_ms": 1e3 * found[key] for key in ("cpu", "wall", "floor")}
    row |= {"share": found["share"], "faults": found["faults"]}
    for other in ("plain", "torch.nn"):
        twins = [
            found["share"] / results[twin]["share"]
            for twin in results
            if asdict(twin) | {"subject": case.subject} == asdict(case)
            and twin.subject == other
            and "share" in results[twin]
        ]
        if twins:
            row[f"x_{other.partition('.')[0]}"] = twins[0]
    return row


def time_to_n(n: int, cells: Sequence[str], seeds: Sequence[int], budget: float) -> list[Row]:
    """One row a cell: medians over the seeds that solved the stage of N."""
    rows: list[Row] = []
    for cell in cells:
        answers = []
        for seed in seeds:
            answer = ask({"section": "time to N", "cell": cell, "n": n, "seed": seed, "budget": budget})
            print(f"{cell}, seed {seed}: {answer}", file=sys.stderr)
            answers.append(answer)
        row: Row = {"cell": cell, "N": n}
        if errors := [answer["error"] for answer in answers if "error" in answer]:
            rows.append(row | {"note": errors[0]})
            continue
        solved = [answer for answer in answers if answer["solved"]]
        numbers: Row = {
            "cpu_s": float(median(a["cpu_s"] for a in solved)) if solved else math.nan,
            "updates": int(median(a["updates"] for a in solved)) if solved else math.nan,
            "cpu_ms_per_update": 1e3 * median(a["cpu_s"] / max(a["updates"], 1) for a in answers),
        }
        largest = "/".join(str(answer["largest_n"]) for answer in answers)
        rows.append(row | numbers | {"solved": f"{len(solved)} of {len(seeds)}", "largest N": largest})
    return rows


def machine(load: float) -> Row:
    """Where this was measured."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")]
    versions = ask({"section": "versions"})
    row = {"cpu": (models or [platform.processor()])[0], "cores": os.cpu_count(), "load_average_before": load}
    return row | versions


def positive(text: str) -> float:
    """A number above 0, from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def seed(text: str) -> int:
    """A whole number of at least 0, from the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, not {text!r}")
    return int(text)


def largest_n(text: str) -> int:
    """An N from 2 on, from the command line."""
    value = whole(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"must be at least 2, the N of the first stage, not {text!r}")
    return value


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked; a bad one ends the program with status 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--sections", nargs="+", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS))
    add("--repeats", type=whole, help="processes a row (5; quick: 1)")
    add("--seconds", type=positive, help="least CPU seconds a measurement (2; quick: 0.1)")
    add("--quick", action="store_true", help="a smoke run: small sizes, one short repeat")
    add("--time-to-n", type=largest_n, metavar="N", help="CPU seconds and updates to this N; nothing else is measured")
    add("--cells", nargs="+", choices=CELLS, metavar="CELL", help=f"of --time-to-n: {', '.join(CELLS)}")
    add("--seeds", nargs="+", type=seed, metavar="SEED", help="of --time-to-n (0 1 2)")
    add("--budget", type=positive, metavar="SECONDS", help="of --time-to-n: when a run is given up (3600)")
    add("--out", type=Path, metavar="FILE", help="also write the report to FILE: .md, .json or .csv")
    options = parser.parse_args(arguments)
    measured, timed = ("sections", "repeats", "seconds"), ("cells", "seeds", "budget")
    for name in timed if options.time_to_n is None else measured:
        if getattr(options, name) is not None:
            needs = "needs" if options.time_to_n is None else "does not go with"
            parser.error(f"--{name} {needs} --time-to-n")
    seeds = options.seeds or []
    if len(set(seeds)) < len(seeds):
        parser.error(f"--seeds {' '.join(map(str, seeds))}: must not name a seed twice")
    if options.out and (options.out.suffix not in SUFFIXES or not options.out.parent.is_dir()):
        parser.error(f"--out {options.out}: must end in .md, .json or .csv and lie in a folder that exists")
    usual: dict[str, Any] = {"repeats": 1, "seconds": 0.1} if options.quick else {"repeats": 5, "seconds": 2.0}
    usual |= {"sections": SECTIONS, "cells": CELLS, "seeds": [0, 1, 2], "budget": 3600.0}
    given = {name: value for name, value in vars(options).items() if value is not None}
    return argparse.Namespace(**{"out": None, "time_to_n": None} | usual | given)


def main() -> int:
    """Returns 1 where something could not be measured."""
    options, load = parse_options(), os.getloadavg()[0]
    os.environ.update(ONE_THREAD)
    report: dict[str, list[Row]] = {"machine": [machine(load)]}
    if options.time_to_n is not None:
        title = f"time to N = {options.time_to_n}, seeds {' '.join(map(str, options.seeds))}"
        report[title] = time_to_n(options.time_to_n, options.cells, options.seeds, options.budget)
    else:
        results = measure(cases_of(options.sections, options.quick), options.repeats, options.seconds)
        for case in results:
            report.setdefault(case.section, []).append(row_of(case, results))
    print(markdown(report))
    if options.out is not None:
        save(report, options.out)
    return int(any("note" in row for rows in report.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
