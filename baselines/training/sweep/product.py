"""What a sweep is asked to do: settings that are fixed, settings that are axes, and what their product leaves out."""

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

# In the order in which axes name the runs and make the rows, whatever the order they are asked for in: the same command
# with its options turned round is the same sweep. The seed varies fastest.
SETTINGS = {one.name: one for one in declared(Settings) if one.name not in ("out", "overrides", "seed")}
SETTINGS |= RECIPE
SETTINGS |= {one.name: one for one in declared(Settings) if one.name == "seed"}
"""What can be fixed or made an axis, by name: the settings of a run and the values of its recipe."""

WORDS = {str: "a string", int: "an integer", float: "a number", bool: "true or false", dict: "a table"}
"""Kind of a setting -> what it is called in a file."""

MOST_RUNS = 10_000
LONGEST_NAME = 150


@dataclass(frozen=True)
class Sweep:
    """A product of settings.

    Attributes:
        fixed: name -> value, of the settings that are given and the same for every run.
        axes: name -> values, in the order of ``SETTINGS``.
        exclude: each leaves out the runs whose values are all among its own, by the name of the axis.
        runs: name -> settings of every run, without their ``out``; each of them is possible.
    """

    fixed: dict[str, Any]
    axes: dict[str, list[Any]]
    exclude: list[dict[str, list[Any]]]
    runs: dict[str, Settings]

    @classmethod
    def of(cls, given: Mapping[str, Any], exclude: Sequence[Mapping[str, Any]] = ()) -> Sweep:
        """The sweep that is asked for.

        Args:
            given: name -> a value, which is then fixed, or a list of values, which makes an axis. ``"0..4"`` among the
                values of an integer setting is the list 0, 1, 2, 3, 4.
            exclude: tables of axes with a value or a list of values each.

        Raises:
            SettingsError: it cannot be; one of its runs cannot be.
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
        """The inverse of ``to_dict``."""
        return cls.of({**plain["fixed"], **plain["axes"]}, plain["exclude"])

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {"fixed": self.fixed, "axes": self.axes, "exclude": self.exclude}

    @property
    def name(self) -> str:
        """A name made of the axes and the fixed settings, but not of the axes' values: it stays the same with more."""
        words = [f"{name}={_word(name, value)}" for name, value in self.fixed.items() if name not in Settings.LIMITS]
        return _short("_".join(["sweep", *self.axes, *words]))

    def values(self, run: str) -> dict[str, Any]:
        """The values on the axes of one of the runs."""
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
        # Networks of many units take their time to make, and what is possible with one seed is so with all of them.
        if not possible or replace(settings, seed=possible[-1][0].seed) != possible[-1][0]:
            possible.append((settings, values))
    if not found:
        raise SettingsError("exclude", "exclude must leave a run, got entries that leave none")
    with importing():  # which takes seconds, and the cells need it
        import torch  # noqa: F401
    for settings, values in possible:  # once all is right that can be told without torch
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
    """The values that a setting is given, ranges written out."""
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
    """The value, if it is of the setting's type; which numbers and names are allowed is for ``Settings`` to say."""
    kind = SETTINGS[name].kind
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise SettingsError(name, f"{name} must be {WORDS[kind]}, got {value!r}")
    try:
        json.dumps(value)
    except TypeError:
        raise SettingsError(name, f"{name} must hold numbers, strings, lists and tables, got {value!r}") from None
    return value


def _word(name: str, value: object) -> str:
    """A value as a part of a file's name."""
    text = str(value)
    if isinstance(value, dict):
        text = "+".join(f"{key}-{item}" for key, item in value.items()) or "none"
    return file_word(text)


def _short(name: str) -> str:
    """The name, where it is long cut and made one of its own by a hash."""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}-{sha256(name.encode()).hexdigest()[:8]}"
