"""Settings are declared once, as fields of a dataclass, and checked against the declaration. No torch at import.

A field's type and its metadata hold every rule that does not depend on other settings:

- ``help``: the help text of the command line
- ``choices``: the allowed strings
- ``range``: the smallest and the largest allowed number, (least, most)
- ``check``: a function (name, value) that raises ``ValueError`` or ``TypeError``, for any other rule
- ``alias``: another name of the option, such as ``--N``

``check_fields`` checks a whole dataclass. Options, sweeps and run folders read the same declarations.
"""

from __future__ import annotations

import math
import re
import types
from collections import abc
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from memory_envs import checks

T = TypeVar("T")

RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
"""A range of integers: ``0..4`` stands for 0, 1, 2, 3, 4."""


class SettingsError(ValueError):
    """A setting has a value that is not allowed; the message names the value and what is allowed.

    Attributes:
        name: the name of the setting.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name

    def __reduce__(self) -> tuple[type[SettingsError], tuple[str, str]]:
        return type(self), (self.name, str(self))


@dataclass(frozen=True)
class Declared:
    """The declaration of a setting: a field of a dataclass, with its type taken apart.

    Attributes:
        name: the name of the field.
        kind: the type of the value, or of each value of a tuple: ``bool``, ``int``, ``float``, ``str``, ``Path`` or
            ``dict``.
        many: whether the setting is a tuple of any length.
        optional: whether the setting may be None.
        default: the default; ``dataclasses.MISSING`` where there is none.
        metadata: the metadata of the field; see the docstring of this module.
    """

    name: str
    kind: type
    many: bool
    optional: bool
    default: Any
    metadata: Mapping[str, Any]

    def check(self, value: object) -> None:
        """Refuse a value that the declaration does not allow.

        Raises:
            SettingsError: the message names the field, the value and what is allowed.
        """
        if value is None and self.optional:
            return
        if not self.many:
            check(self.name, self._check_one, value)
            return
        if not isinstance(value, (tuple, list)):
            words = f"{self.name} must be several values (a tuple), got {value!r} ({type(value).__name__})"
            raise SettingsError(self.name, words)
        for one in value:
            check(self.name, self._check_one, one)

    def _check_one(self, name: str, value: object) -> None:
        if "choices" in self.metadata:
            checks.choice(name, value, self.metadata["choices"])
        elif "range" in self.metadata:
            (checks.integer if self.kind is int else checks.real)(name, value, *self.metadata["range"])
        elif self.kind is bool:
            checks.flag(name, value)
        elif self.kind is Path and not isinstance(value, (str, Path)):
            raise TypeError(f"{name} must be a path, got {value!r} ({type(value).__name__})")
        elif self.kind in (str, dict) and not isinstance(value, str if self.kind is str else Mapping):
            word = "a string" if self.kind is str else "a table (a dictionary)"
            raise TypeError(f"{name} must be {word}, got {value!r} ({type(value).__name__})")
        if "check" in self.metadata:
            self.metadata["check"](name, value)


def declared(kind: Any) -> tuple[Declared, ...]:
    """The declarations of all fields of a dataclass of settings, in order.

    Raises:
        TypeError: a field has a type that settings do not support.
    """
    hints = get_type_hints(kind)
    found = []
    for one in fields(kind):
        hint, optional, many = hints[one.name], False, False
        if get_origin(hint) in (Union, types.UnionType):
            (hint,) = [part for part in get_args(hint) if part is not type(None)]
            optional = True
        if get_origin(hint) is tuple:
            many, hint = True, get_args(hint)[0]
        plain = get_origin(hint) or hint
        plain = dict if plain is abc.Mapping else plain
        if plain not in (bool, int, float, str, Path, dict):
            raise TypeError(f"{kind.__name__}.{one.name} has a type that settings do not support: {hint}")
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        found.append(Declared(one.name, plain, many, optional, default, one.metadata))
    return tuple(found)


def check_fields(settings: Any) -> None:
    """Check every field of a dataclass of settings against its declaration.

    Raises:
        SettingsError: a field has a value that is not allowed; the error names the first such field.
    """
    for one in declared(type(settings)):
        one.check(getattr(settings, one.name))


def check(name: str, rule_of: Callable[..., T], value: object, *rule: Any) -> T:
    """The result of ``rule_of(name, value, *rule)``, a check such as those of ``memory_envs.checks``.

    Raises:
        SettingsError: the check refuses the value of the setting ``name``.
    """
    return blame(name, rule_of, name, value, *rule)


def blame(name: str, make: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """The result of ``make(*args, **kwargs)``, whose errors are the fault of the setting ``name``.

    Raises:
        SettingsError: ``make`` raises a ``ValueError`` or a ``TypeError``; the message is kept.
    """
    try:
        return make(*args, **kwargs)
    except SettingsError:
        raise
    except (ValueError, TypeError) as error:
        raise SettingsError(name, str(error)) from None


def positive(name: str, value: object) -> float:
    """The value as a float, if it is a finite number above 0.

    Raises:
        ValueError, TypeError: it is not; the message names the setting and the value.
    """
    number = checks.real(name, value, -math.inf, math.inf)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return number


def fraction(name: str, value: object) -> float:
    """The value as a float, if it is a number between 0 and 1 and neither of them.

    Raises:
        ValueError, TypeError: it is not; the message names the setting and the value.
    """
    number = checks.real(name, value, 0.0, 1.0)
    if number in (0.0, 1.0):
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}")
    return number


def device_name(name: str, value: object) -> None:
    """Refuse a value that is not the name of a device. Whether the device exists is for ``check_device`` to say.

    Raises:
        ValueError: the message names the setting and the value.
    """
    if not re.fullmatch(r"cpu|cuda(:\d+)?", str(value)):
        raise ValueError(f"{name} must be cpu, cuda or cuda:<number>, got {value!r}")


def check_device(name: str, value: object) -> None:
    """Refuse a value that is not a device of this machine. This imports torch unless the device is the CPU.

    Raises:
        ValueError: the message names the setting and the value.
    """
    device_name(name, value)
    if str(value) == "cpu":
        return
    import torch

    index = torch.device(str(value)).index or 0
    if index >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise ValueError(f"{name} must be a device of this machine, got {value!r} (CUDA devices found: {found})")
