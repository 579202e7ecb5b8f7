"""Whose code may be imported: what the user names, and nothing that only a file names.

A name of code is ``package.module:attribute``: a cell, or an agent of the benchmark. Files of runs, sweeps and
benchmarks hold such names, and may come from other people. So the readers of files mark each name as a ``StoredName``,
it keeps this mark wherever it is passed on, and ``baselines.core.process.import_object`` refuses it unless the user
trusts the name.

The user trusts a name by using it (on the command line, in Python), by the option ``--trust``, by ``trust``, or for
good by the environment variable ``MEMORY_ENVS_TRUST``. Names are compared in full: to trust ``mine:Cell`` says nothing
about ``mine:Other``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from baselines.core.files import RunError

VARIABLE = "MEMORY_ENVS_TRUST"
"""The environment variable with the trusted names, separated by white space. Processes started from this one get it."""


CODE_NAME = re.compile(r"\w[\w-]*(\.\w[\w-]*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""A file of a module may begin with a digit; an attribute cannot."""


class UntrustedError(RunError):
    """A file names code that the user has not said to trust; the message says how to."""


class StoredName(str):
    """A name that was read from a file.

    Attributes:
        file: the file.
    """

    file: Path


def stored_name(value: Any, file: Path) -> Any:
    """A value read from ``file`` that may name code: strings are marked, in a list too; others stay as they are."""
    if isinstance(value, list):
        return [stored_name(one, file) for one in value]
    if not isinstance(value, str):
        return value
    name = StoredName(value)
    name.file = file
    return name


def is_code_name(value: object) -> bool:
    """Whether a value has the form ``package.module:attribute``."""
    return isinstance(value, str) and bool(CODE_NAME.fullmatch(value))


def trust(*names: str) -> None:
    """Trust these names in this process and in those that it starts.

    Raises:
        ValueError: a name has not the form ``package.module:attribute``.
    """
    for name in names:
        if not is_code_name(name):
            raise ValueError(f"trust must be package.module:ClassName, got {name!r}")
    if new := [name for name in names if name not in trusted()]:
        os.environ[VARIABLE] = " ".join([*os.environ.get(VARIABLE, "").split(), *new])


def trust_options(names: Iterable[str]) -> str:
    """The words that a command line needs to trust those of these names that are code, with a space before each."""
    return "".join(f" --trust {name}" for name in dict.fromkeys(names) if is_code_name(name))


def trusted() -> frozenset[str]:
    """The names that are trusted in this process."""
    return frozenset(os.environ.get(VARIABLE, "").split())


def check_trusted(name: str) -> None:
    """Refuse a name of code that was read from a file and is not trusted.

    Raises:
        UntrustedError: the message names the file and the option to add.
    """
    if isinstance(name, StoredName) and is_code_name(name) and name not in trusted():
        raise UntrustedError(
            f"{name.file} names code of others, {str(name)!r}, which is imported only if you trust it: add --trust "
            f"{name} (or put the name into {VARIABLE}; in Python, call baselines.core.trust.trust)"
        )


def hand_on_trust(name: str) -> None:
    """Let processes that are started from here import what the user has named; ``check_trusted`` for the rest.

    Raises:
        UntrustedError: the name was read from a file and is not trusted.
    """
    check_trusted(name)
    if is_code_name(name):
        trust(name)
