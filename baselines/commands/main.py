"""The command line: finds the command, lets it read its options, and says in one line what is wrong.

Only the module of the command that is named is imported, and that of a command imports torch where it comes to work: so
help and a mistake are answered at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from baselines.commands import COMMANDS, command_module

PROG = "python -m baselines"

EXTRAS = {
    **dict.fromkeys(("torch", "safetensors", "matplotlib", "scipy", "rich", "tensorboard", "tomli"), "baselines"),
    **dict.fromkeys(("stable_baselines3", "sb3_contrib"), "rl"),
}
"""Package -> the extra that installs it."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line: the argument, its value, what is allowed."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with code 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 the run failed, 2 bad arguments, 130 interrupted."""
    return run(*parse(sys.argv[1:] if arguments is None else arguments))


def parse(arguments: Sequence[str]) -> tuple[Parser, dict[str, Any]]:
    """The parser of the command that the arguments name, and its parsed options. Imports what the command needs."""
    words = list(arguments)
    parser = Parser(prog=PROG, description="Train recurrent networks on memory tasks, and measure what they remember.")
    parser.add_argument("--version", action="version", version=f"memory-envs {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, help in COMMANDS.items():
        command = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        if name == next((word for word in words if not word.startswith("-")), None):
            command_module(name).add_options(command, words)
    given = vars(parser.parse_args(words))
    # Not before: help needs neither Gymnasium nor NumPy. Not later: then a Ctrl-C is an exception.
    import baselines.core.settings  # noqa: F401

    return commands.choices[given.pop("command")], given


def run(command: Parser, given: dict[str, Any]) -> int:
    """Run a command with its parsed options; the exit code."""
    from baselines.core.files import RunError
    from baselines.core.settings import SettingsError

    name = command.prog.rpartition(" ")[2]
    try:
        return command_module(name).run(given)
    except SettingsError as error:
        command.error(f"argument {argument_name(command, error.name)}: {error}")
    except (RunError, OSError) as error:  # the latter of what is no part of a run: the figure, the output
        print(f"{PROG}: error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in EXTRAS:
            raise
        extra = EXTRAS[package]
        how = f'pip install "memory-envs[{extra}]" (from a checkout: ".[{extra}]")'
        print(f"{PROG}: error: {name} needs {package}, of the extra {extra!r}: {how}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        what = str(error).strip().partition("\n")[0]
        print(f"{PROG}: error: out of memory ({what}): fewer units, trials or steps need less", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROG}: interrupted", file=sys.stderr)
        return 130


def argument_name(parser: argparse.ArgumentParser, setting: str) -> str:
    """What a setting is called: ``--n-max/--N``, ``RUN`` by position, or its own name where only a file can give it."""
    names = {action.dest: "/".join(action.option_strings) or action.metavar for action in parser._actions}
    return str(names.get(setting) or setting)


def _version() -> str:
    try:
        return version("memory-envs")
    except PackageNotFoundError:
        return "(from a checkout that is not installed)"


def _out_of_memory(error: Exception) -> bool:
    # On the CPU torch raises a plain RuntimeError; that of a GPU is called OutOfMemoryError.
    return (
        isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error)
    )
