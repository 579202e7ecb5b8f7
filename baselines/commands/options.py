"""Options of the command line: made from the declarations of settings, and read back into settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any, TypeVar

from baselines.commands.say import complain
from baselines.core.files import changed_versions, parse_json
from baselines.core.process import search_current_directory
from baselines.core.settings import RANGE, Declared, declared
from baselines.core.trust import is_code_name, trust
from baselines.training.bptt_settings import Settings
from baselines.training.ppo_settings import RLSettings
from baselines.training.run_files import check_empty, check_goes_on, check_rl_goes_on, settings_to_go_on
from baselines.training.settings import RunSettings

S = TypeVar("S", bound=RunSettings)


def add_run_options(parser: argparse.ArgumentParser, settings: type[RunSettings], recipe: Iterable[Declared]) -> None:
    """Add the options of a command that trains.

    Args:
        parser: the parser of the command.
        settings: the class of its settings.
        recipe: the values of the recipe that options can replace.
    """
    may = ", ".join(settings.LIMITS)
    resume_help = f"resume the run in this folder; of the other options only {may} and episodes may differ"
    parser.add_argument("--resume", type=Path, metavar="RUN", help=resume_help)
    add_options_of(parser, settings)
    group = parser.add_argument_group("options that replace the recipe's values")
    for setting in recipe:
        add_option(group, setting, with_default=False)


def add_options_of(parser: argparse._ActionsContainer, settings: type[Any]) -> None:
    """Add an option for each field of a dataclass of settings. The field's default holds where it is not given."""
    for setting in declared(settings):
        if setting.name != "overrides":
            add_option(parser, setting)


def read_options(given: dict[str, Any], kind: type[S], recipe: Iterable[Declared]) -> S:
    """The settings, of class ``kind``, that the parsed options describe."""
    given = merged(given)
    replaced = {setting.name: given.pop(setting.name) for setting in recipe if setting.name in given}
    return kind(**given, overrides=replaced)


def new_or_changed(
    given: dict[str, Any], kind: type[S], recipe: Iterable[Declared], resume: Path | None
) -> tuple[S | None, dict[str, Any]]:
    """The settings of a new run, or the changes to a resumed one; all checks that need no torch are made.

    Args:
        given: the parsed options.
        kind: the class of the settings.
        recipe: the values of the recipe that options can replace.
        resume: the folder of the run to resume; None starts a new run.

    Returns:
        The settings of the new run and no changes; or None and the changes to the resumed run.

    Raises:
        SettingsError: an option has a value that is not allowed, or contradicts the run.
        RunError: ``resume`` holds no run of this kind, or names a cell that is not trusted.
    """
    if resume is None:
        settings = read_options(given, kind, recipe)
        trust_typed([settings.cell])
        settings.parts()
        settings.check_cell()
        check_empty(settings.folder)
        return settings, {}
    changes = merged(given)
    trust_typed([changes.get("cell")])
    settings = settings_to_go_on(kind, resume, changes)
    settings.check_cell()
    if isinstance(settings, Settings):
        check_goes_on(settings, resume)
    elif isinstance(settings, RLSettings):
        check_rl_goes_on(settings, resume, changes)
    return None, changes


def trust_typed(words: Iterable[object]) -> None:
    """Trust the names of code among words of the command line: what the user types is the user's own.

    Their modules are searched in the current directory as well, and so are the modules that these import later.
    """
    if names := [str(word) for word in words if is_code_name(word)]:
        search_current_directory()
        trust(*names)


def merged(given: dict[str, Any]) -> dict[str, Any]:
    """The parsed options, with lists of pairs as dictionaries and other lists as tuples."""
    return {
        name: (dict(value) if name.endswith("_args") else tuple(value)) if isinstance(value, list) else value
        for name, value in given.items()
    }


def axes_of(given: dict[str, Any]) -> dict[str, Any]:
    """The parsed options of a sweep; a list with a single value becomes this value, which is then fixed."""
    found = {}
    for name, value in given.items():
        if name.endswith("_args"):
            value = [dict(pairs) for pairs in value]
        found[name] = value[0] if isinstance(value, list) and len(value) == 1 else value
    return found


def add_option(
    parser: argparse._ActionsContainer, setting: Declared, with_default: bool = True, axis: bool = False
) -> None:
    """Add the option of one field.

    Args:
        parser: the parser that gets the option.
        setting: the declaration of the field.
        with_default: whether the help shows the default.
        axis: whether the option takes several values of the field, as the axis of a sweep.
    """
    help = setting.metadata["help"].replace("%", "%%")
    if "choices" in setting.metadata:
        help += f": {', '.join(setting.metadata['choices'])}"
    if with_default and setting.default not in (None, MISSING) and not setting.many:
        help += f" (default: {setting.default})"
    reader = READERS[setting.kind]
    many: dict[str, Any] = {"metavar": setting.kind.__name__.upper()}
    if setting.kind is dict:  # a repeated option adds entries; on an axis it adds another value
        many = {"nargs": "*" if axis else "+", "metavar": "KEY=VALUE", "action": "append" if axis else "extend"}
        help += "; repeat the option for each value on the axis" if axis else ""
    elif setting.many or axis:
        many |= {"nargs": "+", "action": "extend"}
        reader = _range_or_integer if axis and setting.kind is int else reader
    names = [f"--{setting.name.replace('_', '-')}", *filter(None, [setting.metadata.get("alias")])]
    parser.add_argument(*names, dest=setting.name, type=reader, default=argparse.SUPPRESS, help=help, **many)


def _number(kind: type, words: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {words}, got {text!r}") from None

    return read


def _range_or_integer(text: str) -> Any:
    return text if RANGE.fullmatch(text) else _number(int, "an integer or a range such as 0..4")(text)


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, got {text!r}")
    try:
        return key, parse_json(value)
    except ValueError:
        return key, value


READERS: dict[type, Callable[[str], Any]] = {
    str: str,
    int: _number(int, "an integer"),
    float: _number(float, "a number"),
    Path: Path,
    dict: _pair,
}
"""The type of a setting -> the function that reads its value from a word of the command line."""


def note_versions(path: Path, begun: Mapping[str, str]) -> None:
    """Print on standard error which versions have changed since a run began.

    Args:
        path: the folder of the run.
        begun: the versions when the run began, by name.
    """
    for name, (then, now) in changed_versions(begun).items():
        complain(f"note: {path} was begun with {name} {then}, and this is {now}: numbers may differ")
