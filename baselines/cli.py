"""The command line, without logic: options are the fields of ``Settings`` and ``Recipe``, work is done elsewhere."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, NoReturn

import torch
from rich.console import Console

from baselines.analysis.figures import training_figure
from baselines.bptt import Recipe
from baselines.interrupt import interruptible
from baselines.progress import Display, score_table
from baselines.runs import RunError
from baselines.settings import Settings, SettingsError
from baselines.training import TrainingRun


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line: the argument, its value, what is allowed."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with code 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 the run failed, 2 bad arguments, 130 interrupted."""
    parser = Parser(prog="python -m baselines", description="Train recurrent networks on memory tasks.")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    train_help = "train a network by backpropagation through time, then let it play the environment"
    train_parser = commands.add_parser("train", help=train_help, description=train_help, allow_abbrev=False)
    add_options(train_parser)
    given = vars(parser.parse_args(arguments))
    del given["command"]
    try:
        return train(read_options(given))
    except SettingsError as error:
        train_parser.error(f"argument --{error.name.replace('_', '-')}: {error}")
    except RunError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130


def train(settings: Settings) -> int:
    """Train, play, draw and sum up; the exit code."""
    # The products are small (64 x 128 by 128 x 128): with a second thread, on two busy cores, the main job took ten
    # times the CPU time and ten times as long.
    torch.set_num_threads(1)
    console = Console()
    run = TrainingRun(settings)
    with interruptible() as interrupt, Display(console, run.plan) as display:
        for progress in run.train(lambda: interrupt.requested):
            display.show(progress)
    if run.progress and run.status in ("solved", "budget"):
        console.print(score_table(run.play()))
    if run.progress:
        training_figure(run.folder.path)
    summary = run.finish()
    console.print(closing_line(summary, run.folder.path), soft_wrap=True, highlight=False)
    return {"interrupted": 130, "diverged": 1}.get(run.status, 0)


def closing_line(summary: dict[str, Any], path: Path) -> str:
    """How the run ended and where it is."""
    why = {
        "solved": "solved",
        "budget": "stopped, for the budget is used up",
        "interrupted": "interrupted",
        "diverged": "stopped, for the loss is not finite (the checkpoint is that of the last solved stage)",
    }[summary["status"]]
    largest = "none" if summary["largest_n"] is None else summary["largest_n"]
    saved = ", ".join(sorted(entry.name for entry in path.iterdir()))
    return (
        f"{why} after {summary['updates']} updates, {summary['cpu_seconds']:.1f} CPU s; "
        f"largest N solved: {largest}. Saved in {path}: {saved}"
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """An option for each field of ``Settings``, and one for each of ``Recipe`` that replaces the recipe's value."""
    for setting in fields(Settings):
        if setting.name != "overrides":
            _add(parser, setting, setting.default)
    group = parser.add_argument_group("options that replace the recipe's values")
    for setting in fields(Recipe):
        _add(group, setting, None)


def read_options(given: dict[str, Any]) -> Settings:
    """The settings that parsed options make."""
    own = {setting.name: given[setting.name] for setting in fields(Settings) if setting.name in given}
    own |= {name: dict(own[name]) for name in ("task_args", "cell_args")}
    replaced = {s.name: given[s.name] for s in fields(Recipe) if given[s.name] is not None}
    return Settings(**own, overrides=replaced)


def _add(parser: argparse._ActionsContainer, setting: Field[Any], default: object) -> None:
    kind = str(setting.type).removesuffix(" | None")
    help = setting.metadata["help"].replace("%", "%%")
    if "choices" in setting.metadata:
        help += f": {', '.join(setting.metadata['choices'])}"
    if kind.startswith("dict"):
        default = []
    elif default is not None:
        help += f" (default: {default})"
    many: dict[str, Any] = (
        {"nargs": "+", "metavar": "KEY=VALUE"} if kind.startswith("dict") else {"metavar": kind.upper()}
    )
    parser.add_argument(f"--{setting.name.replace('_', '-')}", type=_READERS[kind], default=default, help=help, **many)


def _number(kind: type, words: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {words}, got {text!r}") from None

    return read


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


_READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": _number(int, "an integer"),
    "float": _number(float, "a number"),
    "Path": Path,
    "dict[str, Any]": _pair,
}
