"""The command line, without logic: ``options`` reads what is asked for, and the work is done elsewhere."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from baselines.commands import reproduce
from baselines.commands.analyze import add_analyze, analyze
from baselines.commands.benchmark import BenchmarkOptions, benchmark
from baselines.commands.evaluate import EvaluationSettings, evaluate
from baselines.commands.options import Parser, add_option, add_options, add_run_options, merged
from baselines.commands.sweep import SweepOptions, sweep
from baselines.commands.train import begin, train
from baselines.commands.train_rl import train_rl
from baselines.core.files import RunError
from baselines.core.process import keep_freed_memory
from baselines.core.settings import SettingsError
from baselines.training import ppo_recipes, recipes
from baselines.training.bptt_settings import Settings
from baselines.training.ppo_settings import RLSettings
from baselines.training.sweep.product import SETTINGS


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
    add = commands.add_parser("reproduce", help=reproduce.HELP, description=reproduce.HELP, allow_abbrev=False)
    reproduce.add_options(add)
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
            return reproduce.reproduce(given)
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
