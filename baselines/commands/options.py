"""Options of the command line, made from what settings declare, and read back into settings."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any, TypeVar

from baselines.core.files import changed_versions
from baselines.core.settings import RANGE, Declared, declared
from baselines.training.bptt_settings import Settings
from baselines.training.run_files import check_empty, check_goes_on, settings_to_go_on
from baselines.training.settings import RunSettings

S = TypeVar("S", bound=RunSettings)


def add_run_options(parser: argparse.ArgumentParser, settings: type[RunSettings], recipe: Iterable[Declared]) -> None:
    """The options of a command that trains."""
    may = ", ".join(settings.LIMITS)
    resume_help = f"go on with the run in this folder; of the other options only {may} and episodes may differ"
    parser.add_argument("--resume", type=Path, metavar="RUN", help=resume_help)
    add_options_of(parser, settings)
    group = parser.add_argument_group("options that replace the recipe's values")
    for setting in recipe:
        add_option(group, setting, with_default=False)


def add_options_of(parser: argparse._ActionsContainer, settings: type[Any]) -> None:
    """An option for each field of a dataclass of settings; what is not given is left to the field's own default."""
    for setting in declared(settings):
        if setting.name != "overrides":
            add_option(parser, setting)


def read_options(given: dict[str, Any], kind: type[S], recipe: Iterable[Declared]) -> S:
    """The settings that parsed options make."""
    given = merged(given)
    replaced = {setting.name: given.pop(setting.name) for setting in recipe if setting.name in given}
    return kind(**given, overrides=replaced)


def new_or_changed(
    given: dict[str, Any], kind: type[S], recipe: Iterable[Declared], resume: Path | None
) -> tuple[S | None, dict[str, Any]]:
    """What a command that trains is asked for, with all checked that can be checked without torch.

    Args:
        given: the parsed options.
        kind: the class of its settings.
        recipe: what can be asked for of its recipe.
        resume: the folder of the run to go on with; None begins a new one.

    Returns:
        The settings of a new run and no changes, or None and what is changed of the run that goes on.

    Raises:
        SettingsError: an option cannot be, or goes against the run.
        RunError: ``resume`` is no run of this kind.
    """
    if resume is None:
        settings = read_options(given, kind, recipe)
        settings.parts()
        check_empty(settings.folder)
        return settings, {}
    changes = merged(given)
    settings = settings_to_go_on(kind, resume, changes)
    if isinstance(settings, Settings):
        check_goes_on(settings, resume)
    return None, changes


def merged(given: dict[str, Any]) -> dict[str, Any]:
    """Parsed options with their lists of pairs as dictionaries and other lists as tuples."""
    return {
        name: (dict(value) if name.endswith("_args") else tuple(value)) if isinstance(value, list) else value
        for name, value in given.items()
    }


def axes_of(given: dict[str, Any]) -> dict[str, Any]:
    """Parsed options of a sweep: what has one value alone is fixed."""
    found = {}
    for name, value in given.items():
        if name.endswith("_args"):
            value = [dict(pairs) for pairs in value]
        found[name] = value[0] if isinstance(value, list) and len(value) == 1 else value
    return found


def add_option(
    parser: argparse._ActionsContainer, setting: Declared, with_default: bool = True, axis: bool = False
) -> None:
    """The option of one field.

    Args:
        parser: takes the option.
        setting: the field.
        with_default: whether the help says its default.
        axis: whether it takes several values, each of which is one of the field's.
    """
    help = setting.metadata["help"].replace("%", "%%")
    if "choices" in setting.metadata:
        help += f": {', '.join(setting.metadata['choices'])}"
    if with_default and setting.default not in (None, MISSING) and not setting.many:
        help += f" (default: {setting.default})"
    reader = READERS[setting.kind]
    many: dict[str, Any] = {"metavar": setting.kind.__name__.upper()}
    if setting.kind is dict:  # given twice, the second one adds; on an axis it is another value
        many = {"nargs": "*" if axis else "+", "metavar": "KEY=VALUE", "action": "append" if axis else "extend"}
        help += "; once for each of its values on the axis" if axis else ""
    elif setting.many or axis:
        many |= {"nargs": "+", "action": "extend"}
        reader = _range_or(reader) if axis and setting.kind is int else reader
    names = [f"--{setting.name.replace('_', '-')}", *filter(None, [setting.metadata.get("alias")])]
    parser.add_argument(*names, dest=setting.name, type=reader, default=argparse.SUPPRESS, help=help, **many)


def _range_or(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: text if RANGE.fullmatch(text) else read(text)


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


READERS: dict[type, Callable[[str], Any]] = {
    str: str,
    int: _number(int, "an integer"),
    float: _number(float, "a number"),
    Path: Path,
    dict: _pair,
}
"""Kind of a setting -> what reads a word of the command line."""


def note_versions(path: Path, begun: Mapping[str, str]) -> None:
    """Say on standard error which versions have changed since the run at ``path`` was begun."""
    for name, (then, now) in changed_versions(begun).items():
        print(f"note: {path} was begun with {name} {then}, and this is {now}: numbers may differ", file=sys.stderr)
