"""Declarations of what a stored JSON file holds, as type hints, and the check of a file's content against them.

A ``TypedDict`` declares an object, and its hints what the entries may be: ``int`` (0 or more), ``float`` (finite),
``Number`` (NaN and infinity too), ``str``, ``bool``, ``None``, ``Any``, ``Literal``, ``list[X]``, ``dict[str, X]``,
``dict[int, X]`` (whose keys are digits in JSON), other declared objects, and unions of these. Entries that are not
declared are let pass, so that a later version may add some.
"""

from __future__ import annotations

import math
import types
from functools import cache
from pathlib import Path
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints

from baselines.core.files import RunError

Number = NewType("Number", float)
"""A number that may be NaN or infinite."""

WORDS = {int: "an integer of at least 0", str: "a string", bool: "true or false", type(None): "null", dict: "an object"}
WORDS |= {float: "a finite number", Number: "a number", list: "a list"}

LARGEST = 2**64
"""Integers in our files are smaller: seeds have up to 64 bits."""


def check_stored(content: Any, declaration: Any, file: Path, what: str) -> Any:
    """The content, once it is sure that it has what is declared.

    Args:
        content: what was read from JSON.
        declaration: a ``TypedDict``.
        file: the file, for the message.
        what: what the file should be of, for the message: ``"a run"``.

    Raises:
        RunError: an entry is missing or of another kind; the message names the file, the entry and its value.
    """
    if (wrong := _wrong("", content, declaration)) is not None:
        raise RunError(f"{file} is not that of {what}: {wrong}")
    return content


def _wrong(name: str, value: Any, hint: Any) -> str | None:
    """What is wrong with a value, in words; None: nothing."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return None
    if origin in (Union, types.UnionType):
        found = [_wrong(name, value, one) for one in args]
        if None in found:
            return None
        # Of "an object or null", the object says more about an object that is nearly right.
        deeper = [words for words in found if words and not words.startswith(f"{name} must be ")]
        return deeper[0] if deeper else _must(name, " or ".join(_word(one) for one in args), value)
    if origin is Literal:
        return (
            None if any(value == one and type(value) is type(one) for one in args) else _must(name, _word(hint), value)
        )
    if hasattr(hint, "__required_keys__"):
        return _wrong_object(name, value, hint)
    if origin is dict:
        if not isinstance(value, dict):
            return _must(name, WORDS[dict], value)
        for key, item in value.items():
            if args[0] is int and not (key.isascii() and key.isdigit() and len(key) < 20):
                return f"{name} must have numbers as names, got {short(key)}"
            if (wrong := _wrong(f"{name}.{short(key, 40)[1:-1]}", item, args[1])) is not None:
                return wrong
        return None
    if origin is list:
        if not isinstance(value, list):
            return _must(name, WORDS[list], value)
        return next((wrong for i, one in enumerate(value) if (wrong := _wrong(f"{name}[{i}]", one, args[0]))), None)
    return None if _is(value, hint) else _must(name, _word(hint), value)


def _wrong_object(name: str, value: Any, declaration: Any) -> str | None:
    if not isinstance(value, dict):
        return _must(name, WORDS[dict], value)
    for key, hint in _hints(declaration).items():
        place = f"{name}.{key}" if name else key
        if key in value:
            if (wrong := _wrong(place, value[key], hint)) is not None:
                return wrong
        elif key in declaration.__required_keys__:
            return f"it has no {place}"
    return None


@cache
def _hints(declaration: Any) -> dict[str, Any]:
    return get_type_hints(declaration)


def _is(value: Any, hint: Any) -> bool:
    if hint in (int, float, Number):
        if isinstance(value, bool) or not isinstance(value, int if hint is int else (int, float)):
            return False
        return 0 <= value < LARGEST if hint is int else hint is Number or math.isfinite(value)
    return isinstance(value, hint)


def _must(name: str, words: str, value: Any) -> str:
    return f"{name or 'it'} must be {words}, got {short(value)}"


def _word(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return WORDS[dict] if hasattr(hint, "__required_keys__") else WORDS[get_origin(hint) or hint]


def short(value: Any, most: int = 60) -> str:
    """A value as text of at most ``most`` characters."""
    text = ascii(value)
    return text if len(text) <= most else f"{text[: most - 4]}...{text[-1]}"
