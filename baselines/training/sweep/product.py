"""The runs of a sweep: fixed settings, axes (settings with several values), and excluded combinations."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from baselines.core.files import file_word
from baselines.core.process import importing
from baselines.core.settings import RANGE, SettingsError, declared
from baselines.training import recipes
from baselines.training.bptt_settings import Settings

RECIPE = {setting.name: setting for setting in recipes.options()}

# This order sets the names of the runs and the order of the rows. It does not depend on the order of the options, so
# that the same options in another order are the same sweep. The seed varies fastest.
SETTINGS = {one.name: one for one in declared(Settings) if one.name not in ("out", "overrides", "seed")}
SETTINGS |= RECIPE
SETTINGS |= {one.name: one for one in declared(Settings) if one.name == "seed"}
"""Everything that can be fixed or made an axis, by name: the settings of a run and the values of its recipe."""

WORDS = {str: "a string", int: "an integer", float: "a number", bool: "true or false", dict: "a table"}
"""The type of a setting -> its name in messages, in the words of TOML and JSON."""

MOST_RUNS = 10_000
LONGEST_NAME = 150
MOST_BYTES = 250
"""Bytes in the name of a run: with the ending of its log, a file's name may have 255."""


@dataclass(frozen=True)
class Sweep:
    """A sweep: the product of the axes, without the excluded combinations.

    Attributes:
        fixed: name -> value of the settings that are given and equal in all runs.
        axes: name -> values of the settings that vary, in the order of ``SETTINGS``.
        exclude: each entry maps names of axes to values; it excludes the runs that have one of these values on each
            of these axes.
        runs: name -> settings of every run, without ``out``. They have been checked.
    """

    fixed: dict[str, Any]
    axes: dict[str, list[Any]]
    exclude: list[dict[str, list[Any]]]
    runs: dict[str, Settings]

    @classmethod
    def of(cls, given: Mapping[str, Any], exclude: Sequence[Mapping[str, Any]] = ()) -> Sweep:
        """The sweep over the given settings.

        Args:
            given: name -> a value, which is then fixed, or a list of values, which makes an axis. For an integer
                setting, the string ``"0..4"`` stands for the values 0, 1, 2, 3, 4.
            exclude: the combinations to leave out; each maps names of axes to a value or a list of values.

        Raises:
            SettingsError: the sweep, or one of its runs, is not possible.
        """
        for name in given:
            if name not in SETTINGS:
                raise SettingsError(name, f"settings of a sweep must be among {list(SETTINGS)}, got {name!r}")
        fixed, axes = dict[str, Any](), dict[str, list[Any]]()
        for name in SETTINGS:
            if name in given:
                values = _values(name, given[name])
                if isinstance(given[name], list) or len(values) != 1:
                    axes[name] = values
                else:
                    (fixed[name],) = values
        if not axes:
            raise SettingsError("seed", "a sweep must have an axis: a setting with several values, such as seed 0..4")
        leave_out = [_exclusion(entry, axes) for entry in exclude]
        return cls(fixed, axes, leave_out, _runs(fixed, axes, leave_out))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Sweep:
        """The inverse of ``to_dict``.

        Raises:
            SettingsError: the sweep, or one of its runs, is not possible.
        """
        return cls.of({**plain["fixed"], **plain["axes"]}, plain["exclude"])

    def to_dict(self) -> dict[str, Any]:
        """The sweep in a form that JSON can hold."""
        return {"fixed": self.fixed, "axes": self.axes, "exclude": self.exclude}

    @property
    def name(self) -> str:
        """A name made from the axes and the fixed settings. It stays the same when an axis gets more values."""
        words = [f"{name}={_word(name, value)}" for name, value in self.fixed.items() if name not in Settings.LIMITS]
        return _short("_".join(["sweep", *self.axes, *words]))

    def values(self, run: str) -> dict[str, Any]:
        """The value of a run on each axis, by the name of the axis."""
        settings = self.runs[run]
        return {name: _value_of(settings, name) for name in self.axes}


def _value_of(settings: Settings, name: str) -> Any:
    return settings.overrides[name] if name in RECIPE else getattr(settings, name)


def _runs(
    fixed: Mapping[str, Any], axes: Mapping[str, list[Any]], exclude: Sequence[Mapping[str, list[Any]]]
) -> dict[str, Settings]:
    number = 1
    for name in axes:
        number *= len(axes[name])
        if number > MOST_RUNS:
            raise SettingsError(name, f"{name} must leave at most {MOST_RUNS} runs, got {number} with its values")
    found, possible = dict[str, Settings](), list[tuple[Settings, dict[str, Any]]]()
    for combination in itertools.product(*axes.values()):
        values: dict[str, Any] = dict(zip(axes, combination, strict=True))
        if any(all(values[name] in some for name, some in entry.items()) for entry in exclude):
            continue
        run = _short("_".join(f"{name}={_word(name, value)}" for name, value in values.items()))
        if run in found:
            raise SettingsError(next(iter(axes)), f"two runs must not have the same name, {run!r}: rename a value")
        everything: dict[str, Any] = {**fixed, **values}
        overrides = {name: everything.pop(name) for name in RECIPE if name in everything}
        settings = found[run] = Settings(**everything, overrides=overrides)
        _check(settings.parts, values)
        # Only one seed of each combination is tried: making a large network takes time, and the seed does not matter.
        if not possible or replace(settings, seed=possible[-1][0].seed) != possible[-1][0]:
            possible.append((settings, values))
    for settings, values in possible:
        _check(settings.check_cell, values)
    if not found:
        raise SettingsError("exclude", "exclude must leave a run, got entries that leave none")
    with importing():  # after all checks that do not need torch
        import torch  # noqa: F401
    for settings, values in possible:
        _check(settings.plan, values)
    return found


def _check(resolve: Callable[[], object], values: Mapping[str, Any]) -> None:
    try:
        resolve()
    except SettingsError as error:
        words = ", ".join(f"{name} = {value!r}" for name, value in values.items())
        raise SettingsError(
            error.name, f"{error} (in the run with {words}; an entry in exclude of a TOML file can leave it out)"
        ) from None


def _exclusion(entry: object, axes: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    if not isinstance(entry, dict) or not entry:
        raise SettingsError("exclude", f"exclude must hold tables with names of axes, got {entry!r}")
    found = {}
    for name, value in entry.items():
        if name not in axes:
            raise SettingsError("exclude", f"exclude must name axes of the sweep, {list(axes)}, got {name!r}")
        found[name] = _values(name, value)
        if strange := [value for value in found[name] if value not in axes[name]]:
            raise SettingsError("exclude", f"exclude must take values of {name}, {axes[name]}, got {strange[0]!r}")
    return found


def _values(name: str, given: object) -> list[Any]:
    """The given values of a setting as a list, with ranges written out."""
    found = list[Any]()
    for value in given if isinstance(given, list) else [given]:
        if SETTINGS[name].kind is int and isinstance(value, str) and (bounds := RANGE.fullmatch(value)):
            first, last = int(bounds[1]), int(bounds[2])
            if not 0 <= last - first < MOST_RUNS:
                raise SettingsError(name, f"{name} must be a range from a smaller to a larger number, got {value!r}")
            found += range(first, last + 1)
        else:
            found.append(_checked(name, value))
    if not found:
        raise SettingsError(name, f"{name} must have a value, got an empty list")
    ((most, times),) = Counter(json.dumps(value, sort_keys=True) for value in found).most_common(1)
    if times > 1:
        raise SettingsError(name, f"{name} must have values that differ, got {most} more than once")
    return found


def _checked(name: str, value: object) -> Any:
    """The value, if it has the type of the setting and is allowed by itself."""
    kind = SETTINGS[name].kind
    if kind is float and type(value) is int:
        value = float(value)
    if not (isinstance(value, str) if kind is str else type(value) is kind):  # a bool is an int, too
        words = WORDS[kind]
        if kind is int and isinstance(value, str):
            words += ' or a range such as "0..4"'
        raise SettingsError(name, f"{name} must be {words}, got {value!r}")
    SETTINGS[name].check(value)  # before combinations are tried: no entry in exclude makes such a value possible
    try:
        json.dumps(value)
    except TypeError:
        raise SettingsError(name, f"{name} must hold numbers, strings, lists and tables, got {value!r}") from None
    return value


def _word(name: str, value: object) -> str:
    """A value as part of a file name."""
    text = str(value)
    if isinstance(value, dict):
        text = "+".join(f"{key}-{item}" for key, item in value.items()) or "none"
    return file_word(text)


def _short(name: str) -> str:
    """The name; a long one is cut, and a hash keeps it unique."""
    if len(name) <= LONGEST_NAME and len(name.encode()) <= MOST_BYTES:
        return name
    cut = name[:LONGEST_NAME].encode()[: MOST_BYTES - 9].decode(errors="ignore")
    return f"{cut}-{sha256(name.encode()).hexdigest()[:8]}"
