"""The command line, without logic: ``options`` reads what is asked for, and the work is done elsewhere."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from baselines import ppo_recipes, recipes
from baselines.allocator import keep_freed_memory
from baselines.analyses import AnalysisRun
from baselines.analysis import ANALYSES
from baselines.analysis.figures import training_figure
from baselines.benchmark.asked import BenchmarkOptions
from baselines.benchmark.asked import read as read_benchmark
from baselines.benchmark.budgets import SOLVED, ladder
from baselines.benchmark.display import BenchmarkDisplay, benchmark_line
from baselines.benchmark.folder import BenchmarkFolder
from baselines.benchmark.scores import write_summary
from baselines.checking import SettingsError
from baselines.engines import LocalEngine
from baselines.evaluation import EvaluationSettings, evaluate_run
from baselines.interrupt import interruptible
from baselines.options import READERS, Parser, add_option, add_options, add_run_options, axes_of, merged, read_options
from baselines.progress import Display
from baselines.reproduction import command as reproduction
from baselines.rl_settings import RLSettings
from baselines.runs import RunError, changed_versions, is_run, read_versions
from baselines.score_tables import print_scores, save_scores
from baselines.settings import Settings
from baselines.sweep import SweepFolder
from baselines.sweep.asked import SweepOptions, read
from baselines.sweep.axes import SETTINGS
from baselines.sweep.display import SweepDisplay, sweep_line
from baselines.training import TrainingRun


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 the run failed, 2 bad arguments, 130 interrupted."""
    parser = Parser(prog="python -m baselines", description="Train and evaluate recurrent networks on memory tasks.")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    train_help = "train a network by backpropagation through time, then let it play the environment"
    train_parser = commands.add_parser("train", help=train_help, description=train_help, allow_abbrev=False)
    add_run_options(train_parser, Settings, recipes.options())
    go_on_help = "go on with the run in --out where there is one: the same command begins it and goes on with it"
    train_parser.add_argument("--go-on", action="store_true", help=go_on_help)
    rl_help = "train a network by reinforcement learning: RecurrentPPO in the vector environment"
    rl_parser = commands.add_parser("train-rl", help=rl_help, description=rl_help, allow_abbrev=False)
    add_run_options(rl_parser, RLSettings, ppo_recipes.options())
    evaluate_help = "let the network of a run play the environment: other N, longer trials, other arguments"
    evaluate_parser = commands.add_parser("evaluate", help=evaluate_help, description=evaluate_help, allow_abbrev=False)
    evaluate_parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    add_options(evaluate_parser, EvaluationSettings)
    lags_help = "accuracy by lag as well: how many steps back the oldest input lies that an answer needs"
    evaluate_parser.add_argument("--lags", action="store_true", help=lags_help)
    scores_help = "write every number, by lag too, into this table (CSV)"
    evaluate_parser.add_argument("--out", type=Path, metavar="FILE.csv", help=scores_help)
    add_analyze(commands, sys.argv[1:] if arguments is None else arguments)
    sweep_help = "run the product of settings, side by side, and write one table: several values make an axis"
    sweep_parser = commands.add_parser("sweep", help=sweep_help, description=sweep_help, allow_abbrev=False)
    file_help = "the same options (with underscores), lists where they are axes; or a sweep's folder, to go on with"
    sweep_parser.add_argument("file", type=Path, nargs="?", metavar="FILE.toml", help=file_help)
    add_options(sweep_parser, SweepOptions)
    group = sweep_parser.add_argument_group("settings and axes", "each with one value or several; 0..4 is 0 1 2 3 4")
    for setting in SETTINGS.values():
        add_option(group, setting, getattr(Settings, setting.name, None), axis=True)
    benchmark_help = "let agents climb: growing N on each task, with a budget of environment steps for each"
    benchmark_parser = commands.add_parser(
        "benchmark", help=benchmark_help, description=benchmark_help, allow_abbrev=False
    )
    add_options(benchmark_parser, BenchmarkOptions)
    add = commands.add_parser("reproduce", help=reproduction.HELP, description=reproduction.HELP, allow_abbrev=False)
    reproduction.add_options(add)
    given = vars(parser.parse_args(arguments))
    command = given.pop("command")
    # The products are small (64 x 128 by 128 x 128): with a second thread, on two busy cores, the main job took ten
    # times the CPU time and ten times as long.
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        if command == "evaluate":
            path, lags, out = (given.pop(name) for name in ("run", "lags", "out"))
            return evaluate(path, EvaluationSettings(**merged(given)), lags, out)
        if command == "analyze":
            return analyze(given)
        if command == "sweep":
            return sweep(given.pop("file"), given)
        if command == "benchmark":
            return benchmark(BenchmarkOptions(**merged(given)))
        if command == "reproduce":
            return reproduction.reproduce(given)
        if command == "train-rl":
            return train_rl(given.pop("resume", None), given)
        return train(begin(given.pop("resume", None), given.pop("go_on"), given))
    except SettingsError as error:
        commands.choices[command].error(f"argument {argument_name(commands.choices[command], error.name)}: {error}")
    except (RunError, OSError) as error:  # the latter of what is no part of a run: the figure, the output
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        what = str(error).strip().partition("\n")[0]
        print(f"{parser.prog}: error: out of memory ({what}): fewer units, trials or steps need less", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130


def argument_name(parser: argparse.ArgumentParser, setting: str) -> str:
    """What a setting is called: ``--n-max/--N``, ``RUN`` by position, or its own name where only a file can give it."""
    names = {action.dest: "/".join(action.option_strings) or action.metavar for action in parser._actions}
    return str(names.get(setting) or setting)


def _out_of_memory(error: Exception) -> bool:
    # On the CPU torch raises a plain RuntimeError.
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def begin(resume: Path | None, go_on: bool, given: dict[str, Any]) -> TrainingRun:
    """The run that is asked for: a new one, or one that is there."""
    if go_on and (resume or "out" not in given):
        raise SettingsError("go_on", f"go_on needs out, and no resume, got {'resume' if resume else 'no out'}")
    if go_on and is_run(given["out"]):
        resume = given["out"]
    return TrainingRun(read_options(given, Settings, recipes.options())) if resume is None else take_up(resume, given)


def take_up(path: Path, given: dict[str, Any]) -> TrainingRun:
    """The run in a folder, to go on with, and a word where that may not be exact."""
    run = TrainingRun.resume(path, merged(given))
    _note_versions(path, read_versions(path))
    return run


def train_rl(resume: Path | None, given: dict[str, Any]) -> int:
    """Train by reinforcement learning, play and sum up; the exit code."""
    settings = read_options(given, RLSettings, ppo_recipes.options()) if resume is None else None
    if settings is not None:
        settings.plan()  # a wrong option is found before a missing package
    try:
        from baselines.ppo.display import show
        from baselines.ppo.training import RLRun
    except ModuleNotFoundError as error:
        if error.name not in ("stable_baselines3", "sb3_contrib"):
            raise
        raise RunError('train-rl needs stable-baselines3 and sb3-contrib: pip install ".[rl]"') from None
    if settings is not None:
        return show(RLRun(settings))
    assert resume is not None
    run = RLRun.resume(resume, merged(given))
    _note_versions(resume, read_versions(resume))
    return show(run)


def _note_versions(path: Path, begun: Mapping[str, str]) -> None:
    for name, (then, now) in changed_versions(begun).items():
        print(f"note: {path} was begun with {name} {then}, and this is {now}: numbers may differ", file=sys.stderr)


def train(run: TrainingRun) -> int:
    """Train, play, draw and sum up; the exit code."""
    console = Console()
    try:
        with interruptible() as interrupt, Display(console, run.plan, run.seconds) as display:
            for progress in run.train(lambda: interrupt.requested):
                display.show(progress)
        if run.tested and run.status in ("solved", "updates", "budget", "steps"):
            print_scores(console, run.play())
        if run.tested:
            training_figure(run.folder.path)
        summary = run.finish()
    except KeyboardInterrupt:  # at the final play, or the second one
        print(f"interrupted; the checkpoint is that of update {run.saved_update}\n{go_on(run)}", file=sys.stderr)
        return 130
    finally:
        run.folder.close()
    console.print(closing_line(summary, run), soft_wrap=True, highlight=False)
    return {"interrupted": 130, "diverged": 1}.get(run.status, 0)


def evaluate(path: Path, settings: EvaluationSettings, lags: bool, out: Path | None) -> int:
    """Play and print; the exit code."""
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise SettingsError("out", f"out must be a file in a folder that exists, got {out}")
    console, all_played = Console(), []
    for played in evaluate_run(path, settings):
        print_scores(console, played, memory=True, lags=lags)
        all_played.append(played)
    if out is not None:
        save_scores(all_played, out)
    return 0


def add_analyze(commands: Any, arguments: Sequence[str]) -> Parser:
    """The command ``analyze``, with the options of the analysis that ``arguments`` name."""
    help = "what a network learned: a table and a figure"
    more = "python -m baselines analyze --what WHAT --help lists the options of an analysis."
    parser: Parser = commands.add_parser("analyze", help=help, description=f"{help}. {more}", allow_abbrev=False)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run folder, or several for intervals")
    parser.add_argument("--what", choices=list(ANALYSES), required=True, help="the analysis")
    help = "those kept when these N were solved (default: all, the latest or --keep-every's, by the analysis)"
    parser.add_argument("--checkpoints", type=READERS["tuple[int, ...]"], nargs="+", default=(), metavar="N", help=help)
    help = "folder to write into (default: analysis/WHAT in that of the run)"
    parser.add_argument("--out", type=Path, metavar="PATH", help=help)
    for name, analysis in ANALYSES.items():
        # The options of one analysis only, so that they can share names; argparse says the rest of what is wrong.
        if f"--what={name}" in arguments or ("--what", name) in pairwise(arguments):
            add_options(parser.add_argument_group(f"options of {name}"), analysis.settings)
            break
    return parser


def analyze(given: dict[str, Any]) -> int:
    """Measure, write and draw; the exit code. Ctrl-C leaves what is finished, drawn too."""
    given = merged(given)
    paths, what, checkpoints, out = (given.pop(name) for name in ("runs", "what", "checkpoints", "out"))
    run = AnalysisRun(paths, what, ANALYSES[what].settings(**given), checkpoints, out)
    stopped = False
    try:
        for words in run.parts():
            print(f"{what}: {words}", flush=True)
    except KeyboardInterrupt:
        stopped = True
    files = run.draw() if run.tables else []
    done = f"Saved in {run.folder}: {', '.join([*(f'{name}.csv' for name in run.tables), *(f.name for f in files)])}"
    print("interrupted. " + done if stopped else done)
    return 130 if stopped else 0


def sweep(source: Path | None, given: dict[str, Any]) -> int:
    """Run what is left of a sweep; the exit code."""
    asked, path, workers = read(source, axes_of(given))
    folder, console = SweepFolder(path, asked), Console()
    try:
        with interruptible() as interrupt, SweepDisplay(console, folder) as display:
            for event in folder.run(LocalEngine(workers), lambda: display.heed(interrupt.requested)):
                display.show(event)
    finally:
        folder.close()
    console.print(sweep_line(folder), soft_wrap=True, highlight=False)
    return 130 if interrupt.requested else 0 if folder.complete else 1


def benchmark(options: BenchmarkOptions) -> int:
    """Climb what is left of a benchmark; the exit code."""
    asked, path, workers = read_benchmark(options)
    folder, console = BenchmarkFolder(path, asked), Console()
    _note_versions(path, folder.versions)
    try:
        with interruptible() as interrupt, BenchmarkDisplay(console, folder) as display:
            for event in folder.run(LocalEngine(workers), lambda: display.heed(interrupt.requested)):
                display.show(event)
        if rows := [row for climb in folder.rows.values() for row in climb]:
            rungs = {task: ladder(task, asked.budget.n_max) for task in asked.tasks}
            write_summary(rows, path, asked.budget_name, rungs, SOLVED, console)
    finally:
        folder.close()
    console.print(benchmark_line(folder), soft_wrap=True, highlight=False)
    return 130 if interrupt.requested else 0 if folder.complete else 1


def closing_line(summary: dict[str, Any], run: TrainingRun) -> str:
    """How the run ended, where it is, and how to go on."""
    path = run.folder.path
    why = {
        "solved": "solved",
        "updates": "stopped, for all its updates are done,",
        "budget": "stopped, for the budget is used up,",
        "steps": f"stopped after {run.steps} steps, for the next update would take more than are allowed,",
        "interrupted": "interrupted",
        "diverged": f"stopped, for the loss or its gradient is not finite at update {run.diverged_at} "
        f"(the checkpoint is that of update {run.saved_update}),",
    }[summary["status"]]
    largest = "none" if summary["largest_n"] is None else summary["largest_n"]
    saved = ", ".join(sorted(entry.name for entry in path.iterdir() if entry.name != "lock"))
    line = (
        f"{why} after {summary['updates']} updates, {summary['cpu_seconds']:.1f} CPU s; "
        f"largest N solved: {largest}. Saved in {path}: {saved}"
    )
    return f"{line}\n{go_on(run)}" if run.status in ("interrupted", "budget", "steps") else line


def go_on(run: TrainingRun) -> str:
    """The command that takes a run up again."""
    command = f"python -m baselines train --resume {shlex.quote(str(run.folder.path))}"
    if run.status == "budget":
        command += f" --budget {2 * run.plan.settings.budget:g}"
    elif run.status == "steps":
        command += f" --steps {2 * (run.plan.settings.steps or 1)}"
    return f"Go on with: {command}"
