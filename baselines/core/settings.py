"""Checks of settings: what goes wrong is a ``SettingsError`` that names the setting."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from memory_envs import checks

T = TypeVar("T")


class SettingsError(ValueError):
    """A setting that cannot be. ``name`` is the field; the message says its value and what is allowed."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def check(name: str, rule_of: Callable[..., T], value: object, *rule: Any) -> T:
    """``rule_of(name, value, *rule)``, of ``memory_envs.checks`` or the like, where that setting is to blame."""
    try:
        return rule_of(name, value, *rule)
    except (ValueError, TypeError) as error:
        raise SettingsError(name, str(error)) from None


def blame(name: str, make: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """``make(...)``, where the setting ``name`` is to blame for what goes wrong."""
    try:
        return make(*args, **kwargs)
    except (ValueError, TypeError) as error:
        raise SettingsError(name, str(error)) from None


def positive(name: str, value: object) -> float:
    """A finite number above 0."""
    number = checks.real(name, value, 0.0, float("inf"))
    if not number:
        raise ValueError(f"{name} must be above 0, got {value!r}")
    return number


def fraction(name: str, value: object) -> float:
    """A number between 0 and 1, neither of them."""
    number = checks.real(name, value, 0.0, 1.0)
    if number in (0.0, 1.0):
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}")
    return number


def check_device(name: str, value: object) -> None:
    """Refuse what is no device of this machine that networks can run on.

    Raises:
        ValueError: the message names it.
    """
    try:
        device = torch.device(str(value))
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"{name} must be cpu, cuda or cuda:<number>, got {value!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"{name} must be a device that there is, got {value!r} ({torch.cuda.device_count()} of CUDA)")


RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
"""``0..4`` is 0, 1, 2, 3, 4."""
