"""The command line: one file a command, and all that prints in ``display``.

A command is a module with ``add_options(parser, arguments)``, which is quick, and ``run(given)``, which checks what can
be checked without torch before it imports what it needs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Protocol, cast

from baselines.core.process import import_module_of

COMMANDS = {
    "train": "train a network by backpropagation through time, then let it play the environment",
    "train-rl": "train a network by reinforcement learning: RecurrentPPO in the vector environment",
    "evaluate": "let the network of a run play the environment: other N, longer trials, other arguments",
    "analyze": "what a network learned: a table and a figure",
    "sweep": "run the product of settings, side by side, and write one table: several values make an axis",
    "benchmark": "let agents climb: growing N on each task, with a budget of environment steps for each",
    "reproduce": "run a published experiment again, and print ours beside the published values, with a verdict",
}
"""Name -> help; the module has the name, with an underscore for the hyphen."""


class Command(Protocol):
    """The module of a command."""

    def add_options(self, parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
        """Add its options; ``arguments`` are the words of the command line, where options depend on others."""

    def run(self, given: dict[str, Any]) -> int:
        """Do what the parsed options ask for; the exit code.

        Raises:
            SettingsError: an option cannot be.
            RunError: a folder cannot be read or written.
        """


def command_module(name: str) -> Command:
    """The module of a command, imported."""
    return cast(Command, import_module_of(__name__, name.replace("-", "_")))
