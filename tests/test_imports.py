"""Imports flow one way between the rooms of a package: its folders and its loose files.

``python -m tests.test_imports`` prints which room imports which.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the bottom up. A room imports from the lines above its own; rooms on one line know nothing of each other.
ROOMS = {
    "memory_envs": [
        "checks keys sizes",
        "trials",
        "task",
        "tasks",
        "rendering agents",
        "control",
        "tape env",
        "history",
        "vector_env",
        "registration",
        "__init__",
    ],
    "baselines": [
        "__init__ core",
        "cells evaluation",
        "network",
        "training",
        "ppo analysis",
        "benchmark reproduction",
        "commands",
        "__main__",
    ],
}
PACKAGES = {"memory_envs": set[str](), "baselines": {"memory_envs"}, "speed": {"memory_envs", "baselines"}}
"""Which of our packages each may import."""

OUTSIDE = {"memory_envs": {"numpy", "gymnasium"}}
"""What a package may import from others, where that is limited."""

BY_NAME = {
    "memory_envs.rendering.window": {"pygame"},  # an optional extra, where it is used
    "baselines.core.process": {"?"},  # what users bring
}
"""What is imported by name while running, and by whom."""

Sources = dict[str, str]
parsed = cache(ast.parse)


def read(package: str) -> Sources:
    """Every module of a package, as ``a.b`` (a folder's ``__init__`` as the folder), and its source."""
    sources = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__" and len(parts) > 2:
            parts.pop()
        sources[".".join(parts)] = path.read_text(encoding="utf-8")
    return sources


def imported(name: str, source: str, known: Sources) -> list[str]:
    """The modules that a module imports, wherever in its text, be it for type checking only."""
    return _imported(name, source, frozenset(known))


@cache
def _imported(name: str, source: str, known: frozenset[str]) -> list[str]:
    return list(_read_imports(name, source, known))


def _read_imports(name: str, source: str, known: frozenset[str]) -> Iterator[str]:
    package = name.split(".")[0]
    is_folder = any(other.startswith(f"{name}.") for other in known)
    home = name.split(".") if is_folder else name.split(".")[:-1]
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*home[: len(home) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                # ``from package import module`` is an import of the module, other names come from the package itself.
                if inner in known:
                    yield inner
                else:
                    yield f"{base}.__init__" if base == package else base


def imported_by_name(source: str) -> Iterator[str]:
    """What ``import_module`` and ``__import__`` are called with."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call):
            function = node.func
            called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if called in ("import_module", "__import__"):
                first = node.args[0]
                yield first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else "?"


def room(name: str) -> str:
    """The room of a module: the folder or the loose file right below its package."""
    return name.split(".")[1]


def arrows(package: str, sources: Sources) -> dict[str, set[str]]:
    """Room -> the rooms that it imports."""
    found = {room(name): set[str]() for name in sources}
    for name, source in sources.items():
        others = {room(other) for other in imported(name, source, sources) if other.split(".")[0] == package}
        found[room(name)] |= others - {room(name)}
    return found


def faults(package: str, lines: list[str], sources: Sources, outside: set[str] | None) -> list[str]:
    """Everything that goes against the order of the rooms, in words."""
    place = {one: i for i, line in enumerate(lines) for one in line.split()}
    found = arrow_faults(package, place, arrows(package, sources))
    for name, source in sources.items():
        for other in imported(name, source, sources):
            top = other.split(".")[0]
            if top != package and top not in sys.stdlib_module_names and outside is not None and top not in outside:
                found.append(f"{name} imports {other} from outside")
        allowed = BY_NAME.get(name, set())
        found += [f"{name} imports {other} by name" for other in imported_by_name(source) if other not in allowed]
    try:
        graph = {name: set(imported(name, source, sources)) & set(sources) - {name} for name, source in sources.items()}
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append(f"a circle of imports: {' <- '.join(error.args[1])}")
    return found


def arrow_faults(package: str, place: dict[str, int], found: dict[str, set[str]]) -> list[str]:
    """Rooms without a place, and arrows that do not point down."""
    words = [f"{package}.{one} has a place but does not exist" for one in place if one not in found]
    words += [f"{package}.{one} has no place in the order" for one in found if one not in place]
    for one, others in found.items():
        for other in sorted(others & set(place)):
            if one in place and place[other] >= place[one]:
                words.append(f"{package}.{one} imports {package}.{other}, which does not stand below it")
    return words


@pytest.mark.parametrize("package", ROOMS)
def test_the_arrows_point_one_way(package: str) -> None:
    sources = read(package)
    assert len(sources) > 5
    assert faults(package, ROOMS[package], sources, OUTSIDE.get(package)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_stand_on_those_below_them_alone(package: str) -> None:
    ours = {"memory_envs", "baselines", "speed", "tests", "examples"} - PACKAGES[package] - {package}
    for name, source in read(package).items():
        assert not ours & {other.split(".")[0] for other in imported(name, source, {})}, name


FAKE = {
    "pack.low": "import json, numpy\n",
    "pack.side": "",
    "pack.folder.part": "from pack import low\nfrom pack.low import thing\n",
    "pack.folder": "from pack.folder.part import x\nfrom . import part\n",
    "pack.high": "from pack import folder, low\nimport pack.folder.part\n",
    "pack.__init__": "from .high import x\nfrom pack.folder import y\n",
}
FAKE_ROOMS = ["low side", "folder", "high", "__init__"]


def test_the_checker_finds_nothing_where_nothing_is_wrong() -> None:
    assert faults("pack", FAKE_ROOMS, FAKE, {"numpy"}) == []


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        ("low", "from pack import side", "pack.low imports pack.side, which does not stand below it"),
        ("folder.part", "from ..high import x", "pack.folder imports pack.high, which does not stand below it"),
        ("folder.part", "from pack import folder", "a circle of imports: "),
        ("high", "def f():\n    import torch", "pack.high imports torch from outside"),
        ("high", "if TYPE_CHECKING:\n    from torch import nn", "pack.high imports torch from outside"),
        ("high", "importlib.import_module('torch')", "pack.high imports torch by name"),
        ("high", "__import__(name)", "pack.high imports ? by name"),
        ("new", "", "pack.new has no place in the order"),
        ("other.new", "", "pack.other has no place in the order"),
    ],
)
def test_the_checker_finds_what_is_wrong(module: str, line: str, fault: str) -> None:
    sources = dict(FAKE)
    sources[f"pack.{module}"] = f"{sources.get(f'pack.{module}', '')}{line}\n"
    assert any(one.startswith(fault) for one in faults("pack", FAKE_ROOMS, sources, {"numpy"}))


def test_the_checker_finds_names_that_are_out_of_date() -> None:
    assert faults("pack", [*FAKE_ROOMS, "gone"], FAKE, {"numpy"}) == ["pack.gone has a place but does not exist"]


if __name__ == "__main__":
    for package in ROOMS:
        found = arrows(package, read(package))
        print(f"{package}: {len(found)} folders and files, {sum(map(len, found.values()))} imports between them")
        for one, others in found.items():
            print(f"  {one} <- {', '.join(sorted(others)) or '(nothing)'}")
