"""The command ``reproduce``: lists the experiments, runs them, or writes the page of their results."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from baselines.commands.sweep import run_shown
from baselines.core.jobs import available_cores
from baselines.core.process import interruptible
from baselines.core.settings import SettingsError, blame
from baselines.reproduction import report, results
from baselines.reproduction.experiment import SCALES, Experiment
from baselines.reproduction.experiments import EXPERIMENTS, RUN_SETS
from baselines.reproduction.experiments.consistency import ConditionSet
from baselines.reproduction.folder import Reproduction, read_result
from baselines.reproduction.runs import RunSet, Source
from baselines.training.sweep import SweepFolder
from memory_envs import checks

HELP = "run a published experiment again, and print ours beside the published values, with a verdict"


def add_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """The options of the command."""
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"experiments: {', '.join(EXPERIMENTS)}")
    parser.add_argument("--list", action="store_true", help="list the experiments with their expected times")
    parser.add_argument(
        "--scale", choices=SCALES, default="small", help="small: minutes, the direction; full: the published size"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="folder of all experiments of a scale (default: runs/reproduction-SCALE)",
    )
    parser.add_argument("--workers", type=int, metavar="INT", help="runs at once (default: as many as there are cores)")
    parser.add_argument(
        "--report", type=Path, metavar="PATH", help="such a folder, whose results --write makes a page of"
    )
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="the page of --report")


def run(given: dict[str, Any]) -> int:
    """Do what is asked; the exit code: 0 done, 1 some run failed, 130 interrupted."""
    if (given["report"] is None) != (given["write"] is None):
        missing = "write" if given["write"] is None else "report"
        raise SettingsError(missing, f"{missing} must be given with {'report' if missing == 'write' else 'write'}")
    if given["report"] is not None:
        if given["names"]:
            raise SettingsError("report", f"report must be given without NAME, got {given['names'][0]!r}")
        print(f"Written to {given['write']}: {', '.join(report.write(given['report'], given['write']))}")
        return 0
    if given["list"] or not given["names"]:
        print(listing())
        return 0
    for name in given["names"]:
        if name not in EXPERIMENTS:
            raise SettingsError("names", f"NAME must be among {', '.join(EXPERIMENTS)}, got {name!r}")
    workers = available_cores() if given["workers"] is None else given["workers"]
    blame("workers", checks.integer, "workers", workers, 1, 1_000)
    scale = given["scale"]
    out = Path("runs") / f"reproduction-{scale}" if given["out"] is None else given["out"]
    reproduction = Reproduction(out, scale)
    options = [f"--scale={scale}", f"--out={out}", f"--workers={workers}"]
    for name in given["names"]:
        code = _run(reproduction, EXPERIMENTS[name], workers)
        if code:
            print(f"Go on with: python -m baselines reproduce {shlex.join([*given['names'], *options])}")
            return code
    return 0


def listing() -> str:
    """Every experiment and how long it takes from nothing, on one core and with nothing shared."""
    lines = ["CPU time of each experiment by itself; those that share runs take less together. full: estimated.", ""]
    for experiment in EXPERIMENTS.values():
        times = []
        for name in SCALES:
            scale = experiment.scales[name]
            sets = {part.runs for part in scale.parts}
            minutes = scale.cpu_minutes + sum(RUN_SETS[name][one].cpu_minutes for one in sets)
            times.append(f"{name} {duration(minutes)}")
        lines.append(f"{experiment.name:<16} {', '.join(times):<32} {experiment.title}")
    return "\n".join(lines)


def duration(minutes: float) -> str:
    """Minutes, hours or days in words."""
    if minutes < 100:
        return f"{max(1, math.ceil(minutes))} min"
    return f"{minutes / 60:.0f} h" if minutes < 100 * 60 else f"{minutes / 60 / 24:.0f} days"


def _run(reproduction: Reproduction, experiment: Experiment, workers: int) -> int:
    """Train what is missing, measure, print; the exit code."""
    console, name = Console(), experiment.name
    minutes = reproduction.cpu_minutes(experiment)
    side = min(workers, available_cores())
    kind = "estimated" if reproduction.scale == "full" else "expected"
    print(
        f"{name}: {experiment.title} {kind}: {duration(minutes)} of CPU time, {duration(minutes / side)} with "
        f"{side} runs at once",
        flush=True,
    )
    for one, source in reproduction.sources(experiment).items():
        if code := _train(source, reproduction.path / "runs" / one, workers, console):
            return code
    try:
        for words in reproduction.measure(experiment):
            print(f"{name}: measured {words}", flush=True)
    except KeyboardInterrupt:
        print(f"{name}: interrupted; what was measured is kept")
        return 130
    _show(reproduction.path / name, name)
    return 0


def _train(source: Source, path: Path, workers: int, console: Console) -> int:
    """Train the runs of a set that have not ended, and show how; the exit code."""
    if isinstance(source, RunSet):
        code, line = run_shown(SweepFolder(path, source.sweep), workers, console)
        line = line.partition("\n")[0]  # how to go on is for this command to say
        console.print(f"{path.name}: {line}", soft_wrap=True, highlight=False)
        return code
    assert isinstance(source, ConditionSet)
    with interruptible() as interrupt:
        wrong = source.train(path, workers, partial(print, flush=True), lambda: interrupt.requested)
    if interrupt.requested:
        return 130
    for line in wrong:
        console.print(f"{path.name}: failed: {line}", soft_wrap=True, highlight=False)
    return 1 if wrong else 0


def _show(path: Path, name: str) -> None:
    result = read_result(path / "result.json")
    words: Sequence[str] = ["", result["claim"], "", results.text(result), "", report.made(result)]
    print("\n".join(words))
    files = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    print(f"Saved in {path}: {', '.join(files)}")
