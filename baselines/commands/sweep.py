"""The command ``sweep``: its settings come from options and from a TOML file or the folder of an earlier sweep."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.commands.options import add_option, add_options_of, axes_of, trust_typed
from baselines.core.files import RunError, read_toml
from baselines.core.jobs import LocalEngine, available_cores
from baselines.core.process import interruptible
from baselines.core.settings import SettingsError, check_fields, declared
from baselines.core.trust import stored_name
from baselines.training.bptt_settings import Settings
from baselines.training.sweep import SweepFolder
from baselines.training.sweep.folder import is_sweep, read_sweep
from baselines.training.sweep.product import SETTINGS, Sweep

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """The options of a sweep besides the settings of its runs."""

    out: Path | None = field(
        default=None,
        metadata={"help": "sweep folder (default: under runs/, named after the file or made from the settings)"},
    )
    workers: int | None = field(
        default=None,
        metadata={
            "help": "runs at once, each on one thread (default: the number of cores)",
            "range": (1, 1_000),
        },
    )


def read(source: Path | None, given: Mapping[str, Any]) -> tuple[Sweep, Path, int]:
    """The sweep, its folder, and the number of runs at once.

    Args:
        source: a TOML file; or the folder of a sweep, which is then continued; or None.
        given: values that replace those of the source: settings as in ``Sweep.of``, ``out``, ``workers``, ``exclude``.

    Raises:
        SettingsError: the source cannot be read, or the sweep is not possible.
        RunError: the folder's ``sweep.json`` is damaged.
    """
    asked, default = dict[str, Any](), None
    if source is not None and is_sweep(source):
        plain = read_sweep(source).to_dict()
        asked = {**plain["fixed"], **plain["axes"], "exclude": plain["exclude"]}
        if "out" in given:
            raise SettingsError("out", f"out must be left out where a sweep goes on in its own folder, {source}")
        default = source
    elif source is not None:
        asked = _read_toml(source)
        default = Path("runs") / source.stem
    asked |= given
    out, workers = asked.pop("out", default), asked.pop("workers", None)
    exclude = asked.pop("exclude", [])
    if not isinstance(exclude, list):
        raise SettingsError("exclude", f"exclude must be a list of tables, got {exclude!r}")
    if out is not None and not isinstance(out, (str, Path)):
        raise SettingsError("out", f"out must be a string, got {out!r}")
    check_fields(SweepOptions(workers=workers))
    workers = available_cores() if workers is None else workers
    sweep = Sweep.of(asked, exclude)
    return sweep, Path("runs") / sweep.name if out is None else Path(out), workers


def _read_toml(file: Path) -> dict[str, Any]:
    if file.is_dir():
        words = f"file must be a TOML file or the folder of a sweep, got {file}, a folder without sweep.json"
        raise SettingsError("file", words)
    try:
        given = read_toml(file)
    except RunError as error:
        words = (
            f"file must be a TOML file or the folder of a sweep, got {file}, which{str(error).removeprefix(str(file))}"
        )
        raise SettingsError("file", words) from None
    return given | {name: stored_name(given[name], file) for name in ("cell",) if name in given}


def add_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the options of the command."""
    file_help = (
        "a TOML file with the same options, named with underscores; a list makes an axis. Or the folder of a sweep to "
        "continue"
    )
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE.toml", help=file_help)
    add_options_of(parser, SweepOptions)
    group = parser.add_argument_group(
        "settings and axes", "each takes one or several values; 0..4 stands for 0 1 2 3 4"
    )
    own = {setting.name for setting in declared(Settings)}
    for setting in SETTINGS.values():
        add_option(group, setting, with_default=setting.name in own, axis=True)


def run(given: dict[str, Any]) -> int:
    """Run the runs of a sweep that have not ended; the exit code."""
    source, axes = given.pop("file"), axes_of(given)
    cells = axes.get("cell", [])
    trust_typed(cells if isinstance(cells, list) else [cells])
    asked, path, workers = read(source, axes)
    from baselines.commands.display.console import PlainConsole

    console = PlainConsole()
    code, line = run_shown(SweepFolder(path, asked), workers, console)
    console.print(line, soft_wrap=True)
    return code


def run_shown(folder: SweepFolder, workers: int, console: Console) -> tuple[int, str]:
    """Run the runs of a sweep that have not ended, and show their progress.

    Args:
        folder: the folder of the sweep; it is closed at the end.
        workers: the number of runs at once.
        console: the console to print to.

    Returns:
        The exit code, and how the runs ended, in words.
    """
    from baselines.commands.display.jobs import SweepDisplay, sweep_line

    try:
        with interruptible() as interrupt, SweepDisplay(console, folder) as display:
            for event in folder.run(LocalEngine(workers), lambda: display.heed(interrupt.requested)):
                display.show(event)
    finally:
        folder.close()
    return 130 if interrupt.requested else 0 if folder.complete else 1, sweep_line(folder)
