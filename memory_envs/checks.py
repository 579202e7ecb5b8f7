"""Checks of arguments. Each returns the argument in one fixed form, or says what is wrong: name, value, rule.

A value of a wrong type is a TypeError, a value out of range a ValueError.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import pairwise
from numbers import Real

import numpy as np

LARGEST = 2**31 - 1
"""The largest number of steps or trials: more would not fit into memory, and 64-bit arithmetic counts far beyond it."""


def integer(name: str, value: object, least: int, most: int | None = None) -> int:
    """``value`` as an int from ``least`` to ``most`` (no upper bound where ``most`` is None)."""
    rule = f"an integer of at least {least}"
    if most is not None and most != LARGEST:
        rule = f"an integer from {least} to {most}"
    if isinstance(value, bool):
        raise TypeError(f"{name} must be {rule}, got {value!r} ({type(value).__name__})")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be {rule}, got {value!r} ({type(value).__name__})") from None
    if number < least or (most is not None and number > most):
        rule += f" and at most {most}" if number > LARGEST == most else ""
        raise ValueError(f"{name} must be {rule}, got {number}")
    return number


def real(name: str, value: object, least: float, most: float) -> float:
    """``value`` as a finite float from ``least`` to ``most``."""
    rule = f"a number from {least:g} to {most:g}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {rule}, got {value!r} ({type(value).__name__})")
    number = float(value)
    if not least <= number <= most:
        raise ValueError(f"{name} must be {rule}, got {value!r}")
    return number


def flag(name: str, value: object) -> bool:
    """``value`` as a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__})")
    return bool(value)


def choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """``value``, one of the words in ``allowed``."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {list(allowed)}, got {value!r} ({type(value).__name__})")
    if value not in allowed:
        raise ValueError(f"{name} must be one of {list(allowed)}, got {value!r}")
    return value


def increasing(name: str, value: object, least: int) -> tuple[int, ...]:
    """``value`` as a non-empty, strictly increasing tuple of integers of at least ``least``."""
    rule = f"a non-empty, strictly increasing sequence of integers of at least {least}"
    if isinstance(value, (str, bytes)) or not (isinstance(value, Sequence) or hasattr(value, "__array__")):
        raise TypeError(f"{name} must be {rule}, got {value!r} ({type(value).__name__})")
    entries: tuple[object, ...] = tuple(value)  # type: ignore[arg-type]
    if not entries:
        raise ValueError(f"{name} must be {rule}, got {value!r}")
    numbers = tuple(integer(f"{name}[{i}]", entry, least) for i, entry in enumerate(entries))
    if any(a >= b for a, b in pairwise(numbers)):
        raise ValueError(f"{name} must be {rule}, got {value!r}")
    return numbers
