"""The command ``analyze``: what a network learned, as a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from baselines.analysis import ANALYSES
from baselines.analysis.run import AnalysisRun
from baselines.commands.options import READERS, Parser, add_options, merged


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
