"""Options of the command line, made from the fields of the settings' dataclasses, and read back into settings."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from baselines.core.files import changed_versions
from baselines.core.settings import RANGE
from baselines.training.settings import RunSettings

S = TypeVar("S", bound=RunSettings)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line: the argument, its value, what is allowed."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with code 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def add_run_options(parser: argparse.ArgumentParser, settings: type[RunSettings], recipe: Iterable[Field[Any]]) -> None:
    """The options of a command that trains."""
    may = ", ".join(settings.LIMITS)
    resume_help = f"go on with the run in this folder; of the other options only {may} and episodes may differ"
    parser.add_argument("--resume", type=Path, metavar="RUN", help=resume_help)
    add_options(parser, settings)
    group = parser.add_argument_group("options that replace the recipe's values")
    for setting in recipe:
        add_option(group, setting, None)


def add_options(parser: argparse._ActionsContainer, settings: type[Any]) -> None:
    """An option for each field of a dataclass of settings; what is not given is left to the field's own default."""
    for setting in fields(settings):
        if setting.name != "overrides":
            add_option(parser, setting, setting.default)


def read_options(given: dict[str, Any], kind: type[S], recipe: Iterable[Field[Any]]) -> S:
    """The settings that parsed options make."""
    given = merged(given)
    replaced = {setting.name: given.pop(setting.name) for setting in recipe if setting.name in given}
    return kind(**given, overrides=replaced)


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


def add_option(parser: argparse._ActionsContainer, setting: Field[Any], default: object, axis: bool = False) -> None:
    """The option of one field; ``axis``: it takes several values."""
    kind = str(setting.type).removesuffix(" | None")
    help = setting.metadata["help"].replace("%", "%%")
    if "choices" in setting.metadata:
        help += f": {', '.join(setting.metadata['choices'])}"
    if not isinstance(default, (type(None), type(dataclasses.MISSING), tuple)):
        help += f" (default: {default})"
    many: dict[str, Any] = {"metavar": kind.upper()}
    if kind.startswith("dict"):
        many = {"nargs": "+", "metavar": "KEY=VALUE", "action": "extend"}  # given twice, the second one adds
    elif kind.startswith("tuple"):
        many = {"nargs": "+", "metavar": kind.removeprefix("tuple[").split(",")[0].upper(), "action": "extend"}
    reader = READERS[kind]
    if axis and kind.startswith("dict"):
        many = {"nargs": "*", "metavar": "KEY=VALUE", "action": "append"}
        help += "; once for each of its values on the axis"
    elif axis:
        many |= {"nargs": "+", "action": "extend"}
        reader = _range_or(reader) if kind == "int" else reader
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


READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": _number(int, "an integer"),
    "float": _number(float, "a number"),
    "Path": Path,
    "dict[str, Any]": _pair,
    "tuple[int, ...]": _number(int, "an integer"),
    "tuple[float, ...]": _number(float, "a number"),
    "tuple[str, ...]": str,
}


def note_versions(path: Path, begun: Mapping[str, str]) -> None:
    """Say on standard error which versions have changed since the run at ``path`` was begun."""
    for name, (then, now) in changed_versions(begun).items():
        print(f"note: {path} was begun with {name} {then}, and this is {now}: numbers may differ", file=sys.stderr)
