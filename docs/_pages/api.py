"""The API reference: a page for each public module, an entry for each public name, from docstrings."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from abc import ABC
from pathlib import Path
from types import ModuleType

from docs._pages.files import GENERATED, put
from memory_envs import Task

MODULES = ("memory_envs",)
"""The public doors: everything in their ``__all__`` has an entry."""


def write(docs: Path) -> list[Path]:
    """Write the page of each module and the list of all pages."""
    modules = [importlib.import_module(name) for name in MODULES]
    pages = [put(docs / "api" / f"{module.__name__}.rst", page(module)) for module in modules]
    return [*pages, put(docs / GENERATED / "api.md", overview(modules))]


def public_names(module: ModuleType) -> list[str]:
    """The names that a module offers: its ``__all__``, or else what it defines itself without a leading underscore."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    own = (name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__)
    return sorted(name for name in own if not name.startswith("_"))


def addresses(module: ModuleType) -> dict[str, str]:
    """Where each public class or function is defined -> where a user imports it from."""
    offered = {name: getattr(module, name) for name in public_names(module)}
    return {
        f"{value.__module__}.{value.__qualname__}": f"{module.__name__}.{name}"
        for name, value in offered.items()
        if inspect.isclass(value) or inspect.isroutine(value)
    }


def overview(modules: list[ModuleType]) -> str:
    """The list of all pages, to be included in a page of ``docs/api/``."""
    lines = [f"- [`{m.__name__}`]({m.__name__}.rst): {summary(m)}" for m in modules]
    pages = "\n".join(module.__name__ for module in modules)
    return "\n".join(lines) + f"\n\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"


def summary(module: ModuleType) -> str:
    """The first sentence of a module's docstring."""
    return " ".join((module.__doc__ or "").strip().split("\n\n")[0].split())


def page(module: ModuleType) -> str:
    """The page of a module, in reStructuredText, the language of the docstrings."""
    name = module.__name__
    parts = [f"{name}\n{'=' * len(name)}", f".. automodule:: {name}\n   :no-members:"]
    return "\n\n".join([*parts, *(entry(module, one) for one in public_names(module))]) + "\n"


def entry(module: ModuleType, name: str) -> str:
    """The heading and the directive of one public name."""
    value, address = getattr(module, name), f"{module.__name__}.{name}"
    heading = f"{name}\n{'-' * len(name)}\n\n"
    if inspect.isroutine(value):
        return f"{heading}.. autofunction:: {address}"
    if not inspect.isclass(value):
        return f"{heading}.. py:data:: {address}\n\n{textwrap.indent(data_docstring(module, name), '   ')}"
    if issubclass(value, Task) and value is not Task:  # what its methods do is said once, at ``Task``
        return f"{heading}.. autoclass:: {address}\n\n   All about it: :doc:`/tasks/{value.name}`."
    directive = "autoexception" if issubclass(value, BaseException) else "autoclass"
    extends = "" if set(value.__bases__) <= {object, ABC} else "\n   :show-inheritance:"
    return f"{heading}.. {directive}:: {address}\n   :members:{extends}"


def data_docstring(module: ModuleType, name: str) -> str:
    """The string under the assignment of a public name that is neither a class nor a function.

    Raises:
        LookupError: no module of the package has it.
    """
    value, package = getattr(module, name), module.__name__.split(".")[0]
    for path, one in sorted(sys.modules.items()):
        if path.split(".")[0] != package or vars(one).get(name) is not value:
            continue
        body = ast.parse(inspect.getsource(one)).body
        for statement, below in zip(body, body[1:], strict=False):
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets) and (
                isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            ):
                return inspect.cleandoc(str(below.value.value))
    raise LookupError(f"{module.__name__}.{name} is public and needs a docstring: a string under its assignment")
