"""The command ``reproduce``: it lists the experiments, runs them, or writes a page of their results."""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.commands.options import add_options_of
from baselines.commands.say import say
from baselines.commands.sweep import run_shown
from baselines.core.jobs import available_cores
from baselines.core.process import interruptible, prepare_to_compute
from baselines.core.settings import SettingsError, check_fields
from baselines.reproduction import report, results
from baselines.reproduction.experiment import SCALES, Experiment
from baselines.reproduction.experiments import EXPERIMENTS, RUN_SETS, ConditionSet, Source
from baselines.reproduction.folder import Reproduction, read_result
from baselines.reproduction.runs import RunSet
from baselines.training.sweep import SweepFolder

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class ReproduceOptions:
    """The options of the command, besides the names of the experiments and ``--list``."""

    scale: str = field(
        default="small",
        metadata={
            "help": "small: takes minutes, shows the direction of an effect; full: has the published size. One of",
            "choices": SCALES,
        },
    )
    out: Path | None = field(
        default=None, metadata={"help": "folder for all experiments of a scale (default: runs/reproduction-SCALE)"}
    )
    workers: int | None = field(
        default=None, metadata={"help": "runs at once (default: the number of cores)", "range": (1, 1_000)}
    )
    report: Path | None = field(
        default=None, metadata={"help": "a folder as in --out, whose results become the page of --write"}
    )
    write: Path | None = field(default=None, metadata={"help": "Markdown file to write with --report"})


def add_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the options of the command."""
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"experiments: {', '.join(EXPERIMENTS)}")
    parser.add_argument("--list", action="store_true", help="list the experiments with their expected times")
    add_options_of(parser, ReproduceOptions)


def run(given: dict[str, Any]) -> int:
    """List or run the experiments, or write the page.

    Returns:
        The exit code: 0 done, 1 if a run failed, 130 after Ctrl-C.
    """
    names, listed = given.pop("names"), given.pop("list")
    asked = ReproduceOptions(**given)
    check_fields(asked)
    for name in names:
        if name not in EXPERIMENTS:
            raise SettingsError("names", f"NAME must be among {', '.join(EXPERIMENTS)}, got {name!r}")
    if asked.report is not None and asked.write is not None:
        if names:
            raise SettingsError("report", f"report must be given without NAME, got {names[0]!r}")
        say(f"Written to {asked.write}: {', '.join(report.write(asked.report, asked.write))}")
        return 0
    if asked.report is not None:
        raise SettingsError("write", "write must be given with report")
    if asked.write is not None:
        raise SettingsError("report", "report must be given with write")
    if listed or not names:
        say(listing())
        return 0
    workers = available_cores() if asked.workers is None else asked.workers
    out = Path("runs") / f"reproduction-{asked.scale}" if asked.out is None else asked.out
    reproduction = Reproduction(out, asked.scale)
    prepare_to_compute("baselines.commands.display.jobs", "baselines.reproduction.figure")
    for name in names:
        if code := _reproduce(reproduction, EXPERIMENTS[name], workers):
            options = [f"--scale={asked.scale}", f"--out={out}", f"--workers={workers}"]
            say(f"Go on with: python -m baselines reproduce {shlex.join([*names, *options])}")
            return code
    return 0


def listing() -> str:
    """Every experiment and its CPU time on one core, when no run is shared with another experiment."""
    lines = ["CPU time of each experiment alone; experiments that share runs take less together. full: estimated.", ""]
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
    """A time given in minutes, in words: minutes, hours or days."""
    if minutes < 100:
        return f"{max(1, math.ceil(minutes))} min"
    return f"{minutes / 60:.0f} h" if minutes < 100 * 60 else f"{minutes / 60 / 24:.0f} days"


def _reproduce(reproduction: Reproduction, experiment: Experiment, workers: int) -> int:
    """Train the missing runs, measure them and print the results; the exit code."""
    name = experiment.name
    minutes = reproduction.cpu_minutes(experiment)
    side = min(workers, available_cores())
    kind = "estimated" if reproduction.scale == "full" else "expected"
    say(
        f"{name}: {experiment.title} {kind}: {duration(minutes)} of CPU time, {duration(minutes / side)} with "
        f"{side} runs at once"
    )
    for one, source in reproduction.sources(experiment).items():
        if code := _train(source, reproduction.runs(one), workers):
            return code
    try:
        for words in reproduction.measure(experiment):
            say(f"{name}: measured {words}")
    except KeyboardInterrupt:
        say(f"{name}: interrupted; what was measured is kept")
        return 130
    _show(reproduction.path / name, name)
    return 0


def _train(source: Source, path: Path, workers: int) -> int:
    """Train the runs of a set that have not ended, and show their progress; the exit code."""
    from baselines.commands.display.console import PlainConsole

    console = PlainConsole()
    if isinstance(source, RunSet):
        code, line = run_shown(SweepFolder(path, source.sweep), workers, console)
        line = line.partition("\n")[0]  # without the second line: this command prints how to continue
        console.print(f"{path.name}: {line}", soft_wrap=True)
        return code
    return _train_conditions(source, path, workers, console)


def _train_conditions(source: ConditionSet, path: Path, workers: int, console: Console) -> int:
    with interruptible() as interrupt:
        wrong = source.train(path, workers, say, lambda: interrupt.requested)
    if interrupt.requested:
        return 130
    for line in wrong:
        console.print(f"{path.name}: failed: {line}", soft_wrap=True)
    return 1 if wrong else 0


def _show(path: Path, name: str) -> None:
    result = read_result(path / "result.json")
    say("\n".join(["", result["claim"], "", results.text(result), "", report.origin(result)]))
    files = sorted(entry.name for entry in path.iterdir() if entry.is_file())
    say(f"Saved in {path}: {', '.join(files)}")
