"""What users bring, by name: ``package.module:attribute``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from importlib import import_module


def import_object(name: str) -> object:
    """What ``package.module:attribute`` names. Modules are looked for where Python looks, and in the current directory.

    Raises:
        Exception: whatever a stranger's module may raise; ``ImportError``, ``AttributeError`` where there is none.
    """
    module, _, attribute = name.partition(":")
    with _current_directory():
        return reduce(getattr, attribute.split("."), import_module(module))


@contextmanager
def _current_directory() -> Iterator[None]:
    """Within the block modules of the current directory can be imported, as under ``python -m``."""
    here = os.getcwd()
    if here in sys.path or "" in sys.path:
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)
