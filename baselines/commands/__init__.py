"""The command line: one module per command; ``display`` holds the tables and live displays.

A command is a module with ``add_options(parser, arguments)``, which must be fast, and ``run(given)``. The latter first
checks everything that can be checked without torch, and only then imports the modules that it needs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Protocol, cast

from baselines.core.process import import_module_of

COMMANDS = {
    "train": "train a network by backpropagation through time, then evaluate it in the environment",
    "train-rl": "train a network by reinforcement learning (RecurrentPPO) in the vector environment",
    "evaluate": "evaluate the network of a run in the environment, also with other N, longer trials or other arguments",
    "analyze": "analyse what a network has learned, as tables and a figure",
    "sweep": "train one run for each combination of settings, in parallel, and write one table of results",
    "benchmark": "measure the largest N that agents solve on each task, with a budget of environment steps per rung",
    "reproduce": "repeat a published experiment and compare the results with the published values",
}
"""Name of the command -> its help. The module has the same name, with an underscore instead of a hyphen."""


class Command(Protocol):
    """The module of a command."""

    def add_options(self, parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
        """Add the options of the command.

        Args:
            parser: the parser that gets the options.
            arguments: the words of the command line, for commands whose options depend on other options.
        """

    def run(self, given: dict[str, Any]) -> int:
        """Run the command.

        Args:
            given: the parsed options, by name.

        Returns:
            The exit code.

        Raises:
            SettingsError: an option has a value that is not allowed.
            RunError: a folder cannot be read or written.
        """


def command_module(name: str) -> Command:
    """Import the module of a command."""
    return cast(Command, import_module_of(__name__, name.replace("-", "_")))
