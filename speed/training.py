"""Speed of training: recurrences, whole updates and the time to a given N, compared with plain torch and a lower bound.

    python -m speed.training                                   # prints tables in Markdown
    python -m speed.training --quick                           # a smoke run: small sizes, one short repeat
    python -m speed.training --sections recurrence --repeats 7 --out speed.md        # or .json, .csv
    python -m speed.training --time-to-n 10 --cells leaky gru lstm --seeds 0 1 2     # only this

Run it from the folder that contains ``speed/``: it measures the source code there, on one thread. Each measurement is a
process of its own, one after another. The repeats go round all rows in turn, so that a slow spell of the machine
affects all rows alike. The tables show the time of one call, by CPU and by wall time: medians over repeats.

- floor: the time of the matrix products of a recurrence alone, into allocated outputs: those of T forward steps, T
  backward steps and the one large product of the weight gradient. A row's process measures it in turn with its calls.
- share: the floor divided by the row's time, by CPU time. A recurrence with share 1 costs nothing but its products.
- x_plain, x_torch: how many times as fast as the row named plain or torch.nn this row is, from their shares.
- faults: the memory pages that the system had to map during a call.

T is the mean length of the published trials, rounded down; their length is uniform on [N + 2, 4 N + 1].

Sections:

- recurrence: forward and backward pass through the cell alone, without readout, with a dense gradient. fused: the
  leaky-tau RNN as it trains; plain: the same cell as a loop over steps, differentiated by autograd; torch.nn:
  torch.nn.RNN (tanh).
- gated: the same for GRU and LSTM. fused: ours; plain: the loop over steps; torch.nn: torch's own, which does not
  return the LSTM's cell states except for the last.
- update: a whole training update of multi-head parity with all heads from 2 to N: draw the batch, forward, backward,
  optimizer. ours: ``Learner.learn``, with the recipe ``paper`` or on whole trials of 2 N steps; plain: the published
  update written directly in torch (a loop over steps, one readout per head, torch's loss, clipping and SGD) on the same
  batches. "stock malloc": without ``keep_freed_memory``, which all other rows use, as the training command does.
- streams: the same for updates on whole trials of 2 N steps and on streams of 8 steps, with the same settings
  (``UPDATES`` in ``speed/training_cases.py``): two heads ahead, averaged weights, label smoothing.
- time to N: multi-head parity from N = 2 with a recipe (``--recipe``) until the stage of N is solved: CPU seconds of
  training and updates. Each run is a process of its own; medians are over the seeds that solved N within the budget,
  and ``solved`` tells how many these were.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from speed.report import ONE_THREAD, SUFFIXES, Row, check_out, machine, positive, publish, whole
from speed.training_cases import CELLS, OURS, SECTIONS, Case, cases_of


def work(connection: Connection, request: dict[str, Any], seconds: float) -> None:
    """Run in a measuring process: measure, and send the numbers or an error."""
    from speed.training_worker import answer  # here, so that torch is imported in measuring processes only

    try:
        connection.send(answer(request, seconds))
    except Exception as error:
        connection.send({"error": f"{type(error).__name__}: {error}"})


def ask(request: dict[str, Any], seconds: float = 0.0) -> dict[str, Any]:
    """Measure in a new process: name -> number, or an error.

    The process is forked from a server that has imported everything and measured nothing, because importing takes
    longer than measuring.
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
    return answer or {"error": f"the process ended with status {process.exitcode}"}


def measure(cases: Sequence[Case], repeats: int, seconds: float) -> dict[Case, dict[str, Any]]:
    """Measure each case ``repeats`` times: its medians, or the first error."""
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
    """A case as a row of its table; a case without numbers has a note instead."""
    name = f"{case.cell} {case.subject}" + (f", {case.way}" if case.way else "")
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


def time_to_n(n: int, cells: Sequence[str], seeds: Sequence[int], budget: float, recipe: str) -> list[Row]:
    """One row for each cell: medians over the seeds that solved the stage of N."""
    rows: list[Row] = []
    for cell in cells:
        answers = []
        for seed in seeds:
            asked = {"cell": cell, "n": n, "seed": seed, "budget": budget, "recipe": recipe}
            answer = ask({"section": "time to N", **asked})
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


def seed(text: str) -> int:
    """The option's value as a whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, not {text!r}")
    return int(text)


def largest_n(text: str) -> int:
    """The option's value as a whole number of at least 2."""
    value = whole(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"must be at least 2, the N of the first stage, not {text!r}")
    return value


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, checked, with defaults filled in. A bad option ends the program with status 2."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    add = parser.add_argument
    add("--sections", nargs="+", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS))
    add("--repeats", type=whole, help="measurements of each row (5; quick: 1)")
    add("--seconds", type=positive, help="least CPU seconds of each measurement (2; quick: 0.1)")
    add("--quick", action="store_true", help="a smoke run: small sizes, one short repeat")
    add(
        "--time-to-n",
        type=largest_n,
        metavar="N",
        help="only CPU seconds and updates until this N is solved",
    )
    add("--cells", nargs="+", choices=CELLS, metavar="CELL", help=f"with --time-to-n: {', '.join(CELLS)}")
    add("--seeds", nargs="+", type=seed, metavar="SEED", help="with --time-to-n (0 1 2)")
    add(
        "--budget",
        type=positive,
        metavar="SECONDS",
        help="with --time-to-n: the longest training (3600)",
    )
    add("--recipe", choices=OURS, metavar="RECIPE", help=f"with --time-to-n: {', '.join(OURS)} (fast)")
    add("--out", type=Path, metavar="FILE", help="also write the report to FILE: .md, .json or .csv")
    options = parser.parse_args(arguments)
    measured, timed = ("sections", "repeats", "seconds"), ("cells", "seeds", "budget", "recipe")
    for name in timed if options.time_to_n is None else measured:
        if getattr(options, name) is not None:
            needs = "needs" if options.time_to_n is None else "does not go with"
            parser.error(f"--{name} {needs} --time-to-n")
    seeds = options.seeds or []
    if len(set(seeds)) < len(seeds):
        parser.error(f"--seeds {' '.join(map(str, seeds))}: must not name a seed twice")
    check_out(parser, options.out, *SUFFIXES)
    usual: dict[str, Any] = {"repeats": 1, "seconds": 0.1} if options.quick else {"repeats": 5, "seconds": 2.0}
    usual |= {"sections": SECTIONS, "cells": CELLS, "seeds": [0, 1, 2], "budget": 3600.0, "recipe": "fast"}
    given = {name: value for name, value in vars(options).items() if value is not None}
    return argparse.Namespace(**{"out": None, "time_to_n": None} | usual | given)


def main() -> int:
    """Measure and print. Returns 1 if something could not be measured."""
    options, load = parse_options(), os.getloadavg()[0]
    os.environ.update(ONE_THREAD)
    report: dict[str, list[Row]] = {"machine": [machine(load) | ask({"section": "versions"})]}
    if options.time_to_n is not None:
        title = f"time to N = {options.time_to_n}, recipe {options.recipe}, seeds {' '.join(map(str, options.seeds))}"
        report[title] = time_to_n(options.time_to_n, options.cells, options.seeds, options.budget, options.recipe)
    else:
        results = measure(cases_of(options.sections, options.quick), options.repeats, options.seconds)
        for case in results:
            report.setdefault(case.section, []).append(row_of(case, results))
    publish(report, options.out)
    return int(any("note" in row for rows in report.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
