"""The command line: it finds the command, parses its options, and reports every mistake in one line.

Only the module of the named command is imported, and that module imports torch only when its work begins. So help and
mistakes are answered at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

from baselines.commands import COMMANDS, command_module
from baselines.commands.say import OutputClosedError, complain
from baselines.core.text import printable_line

PROG = "python -m baselines"

CLOSED = 141
"""The exit code where nobody reads the output any more: that of a program that SIGPIPE ends."""

LONGEST_ERROR = 10_000
"""Characters of an error: it may list a hundred names."""

EXTRAS = {
    **dict.fromkeys(("torch", "safetensors", "matplotlib", "scipy", "rich", "tensorboard", "tomli"), "baselines"),
    **dict.fromkeys(("stable_baselines3", "sb3_contrib"), "rl"),
}
"""Package -> the extra of this project that installs it."""


TRUST_HELP = (
    "import this cell or agent, package.module:ClassName, where a folder or file names it; repeat the option for "
    "others (names in other options are trusted)"
)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the argument, its value and what is allowed."""

    def error(self, message: str) -> NoReturn:
        """Print the error in one line and exit with code 2."""
        self.exit(2, f"{self.prog}: error: {printable_line(message, LONGEST_ERROR)}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after ``python -m baselines``. None: those of this process.

    Returns:
        The exit code: 0 done, 1 the run failed, 2 wrong arguments (as ``SystemExit``), 130 after Ctrl-C,
        141 where nobody reads the output any more.
    """
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
            command.add_argument("--trust", action="append", default=[], metavar="NAME", help=TRUST_HELP)
    given = vars(parser.parse_args(words))
    # Not before: help needs neither Gymnasium nor NumPy. Not later: then a Ctrl-C is an exception.
    import baselines.core.settings  # noqa: F401

    return commands.choices[given.pop("command")], given


def run(command: Parser, given: dict[str, Any]) -> int:
    """Run a command with its parsed options; the exit code."""
    from baselines.core.files import RunError
    from baselines.core.process import origin
    from baselines.core.settings import SettingsError, check

    name = command.prog.rpartition(" ")[2]
    try:
        check("trust", _trust, given.pop("trust"))
        return command_module(name).run(given)
    except SettingsError as error:
        command.error(f"argument {argument_name(command, error.name)}: {error}")
    except (RunError, OSError) as error:  # OSError: files outside of the run's own, such as the figure
        if isinstance(error, OutputClosedError):
            return CLOSED
        complain(f"{PROG}: error: {printable_line(str(error), LONGEST_ERROR)}")
        return 1
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in EXTRAS:
            raise
        extra = EXTRAS[package]
        how = f'pip install "memory-envs[{extra}]" (from a checkout: ".[{extra}]")'
        complain(f"{PROG}: error: {name} needs {package}, which the extra {extra!r} installs: {how}")
        return 1
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        what = str(error).strip().partition("\n")[0]
        complain(f"{PROG}: error: out of memory ({what}): use fewer units, trials or steps")
        return 1
    except SystemExit as error:  # a user's cell or agent has called sys.exit; no command of ours does
        complain(f"{PROG}: error: {printable_line(f'{origin(error)} called sys.exit({error.code!r})', LONGEST_ERROR)}")
        return 1
    except KeyboardInterrupt:
        complain(f"{PROG}: interrupted")
        return 130


def argument_name(parser: argparse.ArgumentParser, setting: str) -> str:
    """The name of a setting on the command line: ``--n-max/--N``, or ``RUN`` if it is positional.

    A setting that only a file can give keeps its own name.
    """
    names = {action.dest: "/".join(action.option_strings) or action.metavar for action in parser._actions}
    return str(names.get(setting) or setting)


def _trust(name: str, words: Sequence[str]) -> None:
    """Trust the names of code that the option ``name`` gives.

    Raises:
        ValueError: a word is no name of code.
    """
    from baselines.commands.options import trust_typed
    from baselines.core.trust import is_code_name

    for word in words:
        if not is_code_name(word):
            raise ValueError(f"{name} must be package.module:ClassName, got {word!r}")
    trust_typed(words)


def _version() -> str:
    try:
        return version("memory-envs")
    except PackageNotFoundError:
        return "(from a checkout that is not installed)"


def _out_of_memory(error: Exception) -> bool:
    # Torch raises a plain RuntimeError on the CPU, and an OutOfMemoryError on a GPU.
    return (
        isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate" in str(error)
    )
