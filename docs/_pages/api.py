"""The API reference: a page for each public module, an entry for each public name, from docstrings."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from abc import ABC
from itertools import zip_longest
from pathlib import Path
from types import ModuleType

from docs._pages.files import GENERATED, put
from memory_envs import Task

DOORS = (
    "memory_envs",
    "baselines.cells",
    "baselines.network",
    "baselines.evaluation",
    "baselines.training",
    "baselines.ppo",
    "baselines.analysis",
    "baselines.benchmark",
    "baselines.core.files",
    "baselines.core.settings",
    "baselines.core.trust",
    "baselines.core.process",
    "baselines.core.jobs",
)
"""The public modules, in the order in which they are listed."""

OPEN = ("baselines.training", "baselines.analysis")
"""Packages whose modules are public too."""

PARTS = {
    "baselines.core.files": ("RunError",),
    "baselines.core.settings": ("Declared", "SettingsError"),
    "baselines.core.trust": ("UntrustedError", "trust", "trusted"),
    "baselines.core.process": ("keep_freed_memory",),
}
"""Modules of which users meet these names alone."""


def write(docs: Path) -> list[Path]:
    """Write the page of each public module and the list of all pages."""
    modules = {importlib.import_module(name): names for name, names in public().items()}
    pages = [put(docs / "api" / f"{one.__name__}.rst", page(one, list(names))) for one, names in modules.items()]
    return [*pages, put(docs / GENERATED / "api.md", overview(list(modules)))]


def public() -> dict[str, dict[str, str]]:
    """Public module -> name -> where that is defined. What several modules offer stands with the first of them."""
    pages: dict[str, dict[str, str]] = {}
    taken: set[str] = set()
    for module in (importlib.import_module(one) for door in DOORS for one in (door, *modules_of(door))):
        offered = {name: defined(module, name) for name in public_names(module)}
        pages[module.__name__] = {name: where for name, where in offered.items() if where not in taken}
        taken.update(offered.values())
    return {name: entries for name, entries in pages.items() if entries}


def modules_of(door: str) -> list[str]:
    """The modules and folders right inside an open package; of a folder, what its ``__init__`` offers is public."""
    if door not in OPEN:
        return []
    return [f"{door}.{one.name}" for one in pkgutil.iter_modules(importlib.import_module(door).__path__)]


def public_names(module: ModuleType) -> list[str]:
    """The names that a module offers: its ``__all__``, or else what it defines and documents, as the code has them."""
    if module.__name__ in PARTS:
        return list(PARTS[module.__name__])
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return [name for name in definitions(module) if not name.startswith("_")]


def defined(module: ModuleType, name: str) -> str:
    """Where a public name is defined: ``package.module.name``."""
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    return f"{find_data(module, name)[0]}.{name}"


def overview(modules: list[ModuleType]) -> str:
    """The list of all pages, to be included in a page of ``docs/api/``."""
    lines = [f"- [`{m.__name__}`]({m.__name__}.rst): {summary(m)}" for m in modules]
    pages = "\n".join(module.__name__ for module in modules)
    return "\n".join(lines) + f"\n\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def summary(module: ModuleType) -> str:
    """The first sentence of a module's docstring."""
    return " ".join((module.__doc__ or "").strip().split("\n\n")[0].split())


def page(module: ModuleType, names: list[str]) -> str:
    """The page of a module and these of its names, in reStructuredText, the language of the docstrings."""
    title = module.__name__
    parts = [f"{title}\n{'=' * len(title)}", f".. automodule:: {title}\n   :no-members:"]
    return "\n\n".join([*parts, *(entry(module, name) for name in names)]) + "\n"


def entry(module: ModuleType, name: str) -> str:
    """The heading and the directive of one public name."""
    value, address = getattr(module, name), f"{module.__name__}.{name}"
    heading = f"{name}\n{'-' * len(name)}\n\n"
    if inspect.isroutine(value):
        return f"{heading}.. autofunction:: {address}"
    if not inspect.isclass(value):
        return f"{heading}.. py:data:: {address}\n\n{textwrap.indent(escape(find_data(module, name)[1]), '   ')}"
    if issubclass(value, Task) and value is not Task:  # what its methods do is said once, at ``Task``
        return f"{heading}.. autoclass:: {address}\n\n   All about it: :doc:`/tasks/{value.name}`."
    directive = "autoexception" if issubclass(value, BaseException) else "autoclass"
    extends = "" if set(value.__bases__) <= {object, ABC} else "\n   :show-inheritance:"
    return f"{heading}.. {directive}:: {address}\n   :members:{extends}"


def escape(text: str) -> str:
    """Text of a docstring in which bars and single stars, outside of code, are themselves and no markup."""
    parts = text.split("``")
    parts[::2] = [re.sub(r"\||(?<![*\w])\*(?![*\w])", r"\\\g<0>", part) for part in parts[::2]]
    return "``".join(parts)


def find_data(module: ModuleType, name: str) -> tuple[str, str]:
    """Module and docstring of a public name that is neither a class nor a function.

    Raises:
        LookupError: no module of the package has the docstring.
    """
    value, package = getattr(module, name), module.__name__.split(".")[0]
    for path, one in sorted(sys.modules.items()):
        if path.split(".")[0] == package and vars(one).get(name) is value and (text := definitions(one).get(name)):
            return path, text
    raise LookupError(f"{module.__name__}.{name} is public and needs a docstring: a string under its assignment")


def definitions(module: ModuleType) -> dict[str, str]:
    """Name -> docstring of what a module itself defines and documents: classes, functions, and assigned names."""
    body = ast.parse(inspect.getsource(module)).body
    found = {}
    for statement, below in zip_longest(body, body[1:]):
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            found[statement.name] = ast.get_docstring(statement) or ""
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                text = inspect.cleandoc(str(below.value.value))
                found |= {target.id: text for target in targets if isinstance(target, ast.Name)}
    return {name: text for name, text in found.items() if text}
