"""The command ``analyze``: what a network has learned, as tables and a figure."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from baselines.analysis.run import AnalysisRun
from baselines.analysis.settings import SETTINGS
from baselines.commands.options import READERS, add_options_of, merged
from baselines.commands.say import say
from baselines.core.process import prepare_to_compute


def add_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the options of ``analyze``, and those of the chosen analysis only: two analyses may have options of one name.

    Args:
        parser: the parser that gets the options.
        arguments: the words of the command line; ``--what NAME`` among them chooses the analysis.
    """
    parser.epilog = "python -m baselines analyze --what WHAT --help lists the options of an analysis."
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run folder; several give intervals")
    parser.add_argument("--what", choices=list(SETTINGS), required=True, help="the analysis")
    help = (
        "analyse the checkpoints from when these N were solved (default, depending on the analysis: all of them, the "
        "latest checkpoint, or those of --keep-every)"
    )
    parser.add_argument("--checkpoints", type=READERS[int], nargs="+", default=(), metavar="N", help=help)
    help = "folder for the results (default: analysis/WHAT in the run folder)"
    parser.add_argument("--out", type=Path, metavar="PATH", help=help)
    for name, settings in SETTINGS.items():
        if f"--what={name}" in arguments or ("--what", name) in pairwise(arguments):
            add_options_of(parser.add_argument_group(f"options of {name}"), settings)
            break  # given two analyses, the parser takes the last one and refuses options that it does not have


def run(given: dict[str, Any]) -> int:
    """Measure, write and draw. After Ctrl-C, the finished parts are kept and drawn.

    Args:
        given: the parsed options.

    Returns:
        The exit code: 0, or 130 after Ctrl-C.

    Raises:
        SettingsError: an option has a value that is not allowed.
        RunError: a run cannot be read, or the folder cannot be written.
    """
    given = merged(given)
    paths, what, checkpoints, out = (given.pop(name) for name in ("runs", "what", "checkpoints", "out"))
    analysis = AnalysisRun(paths, what, SETTINGS[what](**given), checkpoints, out)
    prepare_to_compute("baselines.analysis.catalogue")
    stopped = False
    try:
        for words in analysis.parts():
            say(f"{what}: {words}")
    except KeyboardInterrupt:
        stopped = True
    if not analysis.tables:
        say("interrupted: nothing was finished")
        return 130
    files = analysis.draw()
    if not files:
        print(f"interrupted: the earlier result in {analysis.folder} stays")
        return 130
    names = [*(f"{name}.csv" for name in analysis.tables), *(file.name for file in files)]
    done = f"Saved in {analysis.folder}: {', '.join(names)}"
    say(f"interrupted. {done}" if stopped else done)
    return 130 if stopped else 0
