"""The import arrows: a module imports only from below its own place in the order, and every module has a place."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the bottom up; modules on one line know nothing of each other. ``folder`` is its ``__init__``, ``folder.*`` is
# every module in it that is not named itself: a new task or a new analysis needs no line here, any other module does.
ORDER = {
    "memory_envs": [
        "checks keys",
        "tasks.bitstreams trials",
        "task",
        "tasks.streams",
        "tasks.bits tasks.accumulation_scores",
        "tasks.*",
        "tasks",
        "rendering.font rendering.view",
        "rendering.tiles",
        "rendering.pixels rendering.text rendering.window",
        "rendering agents",
        "control",
        "tape env",
        "history",
        "vector_env",
        "registration",
        "__init__",
    ],
    "baselines": [
        "__init__",
        "kernels.activations",
        "kernels.*",
        "kernels seeds curriculum interrupt live recipes checking engines files allocator importing resampling actions",
        "cells.base",
        "cells.*",
        "cells",
        "network",
        "practice",
        "losses agents",
        "score_tables",
        "bptt",
        "run_settings",
        "ppo_recipes settings",
        "rl_settings",
        "tcr.conditions",
        "tcr.results",
        "tcr.worker tcr",
        "runs",
        "resuming",
        "training",
        "ppo.recurrence ppo.heads ppo.vec_env ppo.buffer",
        "ppo.policy",
        "ppo.algorithm ppo.callback",
        "ppo.hooks",
        "ppo.training",
        "ppo evaluation",
        "sweep.axes",
        "sweep.folder",
        "sweep.asked sweep.display",
        "sweep",
        "analysis.tables analysis.autocorrelation analysis.decay_fits analysis.unit_timescales analysis.stimuli",
        "analysis.style analysis.intervals analysis.subjects",
        "analysis.timescale_figure analysis.ablation_figure analysis.probing",
        "analysis.readouts analysis.retraining analysis.fixed_points analysis.lyapunov analysis.trajectories",
        "analysis.restructuring",
        "analysis.geometry_figure",
        "analysis.*",
        "analysis",
        "analyses",
        "reproduction.observations reproduction.sources",
        "reproduction.statements",
        "reproduction.experiment",
        "reproduction.published reproduction.run_sets reproduction.measures reproduction.probes",
        "reproduction.figure reproduction.results reproduction.ways",
        "reproduction.folder reproduction.courses reproduction.networks reproduction.consistency",
        "reproduction.catalogue",
        "reproduction.report",
        "reproduction.command",
        "reproduction",
        "progress",
        "benchmark.budgets benchmark.environment benchmark.contestants benchmark.ranking",
        "benchmark.plan benchmark.training benchmark.figure",
        "benchmark.rung benchmark.scores",
        "benchmark.folder",
        "benchmark.climb benchmark.asked benchmark.display",
        "benchmark",
        "ppo.display options",
        "cli",
        "__main__",
    ],
}
OUTSIDE = {"memory_envs": {"numpy", "gymnasium"}}
"""What a package may import from others, where that is limited."""

BY_NAME = {"memory_envs.rendering.window": {"pygame"}, "baselines.importing": {"?"}}
"""What is imported while running, and by whom: an optional extra, where it is used; what users bring."""

Sources = dict[str, str]


def read(package: str) -> Sources:
    """Every module of a package, as ``a.b`` (a folder's ``__init__`` as the folder), and its source."""
    sources = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__" and len(parts) > 2:
            parts.pop()
        sources[".".join(parts)] = path.read_text(encoding="utf-8")
    return sources


def imported(name: str, source: str, known: Sources) -> Iterator[str]:
    """The modules that a module imports, wherever in its text, be it for type checking only."""
    package = name.split(".")[0]
    is_folder = any(other.startswith(f"{name}.") for other in known)
    home = name.split(".") if is_folder else name.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
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
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            function = node.func
            called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if called in ("import_module", "__import__"):
                first = node.args[0]
                yield first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else "?"


def places(package: str, order: list[str], sources: Sources) -> dict[str, int]:
    """Each module's line in the order; without those that have none."""
    lines = {f"{package}.{entry}": i for i, line in enumerate(order) for entry in line.split()}
    found = {}
    for name in sources:
        place = lines.get(name, lines.get(f"{name.rpartition('.')[0]}.*"))
        if place is not None:
            found[name] = place
    return found


def faults(package: str, order: list[str], sources: Sources, outside: set[str] | None) -> list[str]:
    """Everything that goes against the order, in words."""
    place, found = places(package, order, sources), []
    for entry in " ".join(order).split():
        if not entry.endswith(".*") and f"{package}.{entry}" not in sources:
            found.append(f"{package}.{entry} has a place but does not exist")
    for name, source in sources.items():
        if name not in place:
            found.append(f"{name} has no place in the order")
            continue
        for other in imported(name, source, sources):
            top = other.split(".")[0]
            if top == package:
                if other not in place:
                    found.append(f"{name} imports {other}, which has no place")
                elif place[other] >= place[name]:
                    found.append(f"{name} imports {other}, which does not stand below it")
            elif top not in sys.stdlib_module_names and outside is not None and top not in outside:
                found.append(f"{name} imports {other} from outside")
        allowed = BY_NAME.get(name, set())
        found += [f"{name} imports {other} by name" for other in imported_by_name(source) if other not in allowed]
    return found


@pytest.mark.parametrize("package", ORDER)
def test_the_arrows_point_one_way(package: str) -> None:
    sources = read(package)
    assert len(sources) > 10
    assert faults(package, ORDER[package], sources, OUTSIDE.get(package)) == []


def test_environments_stand_without_the_baselines() -> None:
    for name, source in read("memory_envs").items():
        assert not {"torch", "baselines", "tests"} & {other.split(".")[0] for other in imported(name, source, {})}


FAKE = {
    "pack.low": "import json, numpy\n",
    "pack.side": "",
    "pack.folder.part": "from pack import low\nfrom pack.low import thing\n",
    "pack.folder": "from pack.folder.part import x\nfrom . import part\n",
    "pack.high": "from pack import folder, low\nimport pack.folder.part\n",
    "pack.__init__": "from .high import x\nfrom pack.folder import y\n",
}
FAKE_ORDER = ["low side", "folder.*", "folder", "high", "__init__"]


def test_the_checker_finds_nothing_where_nothing_is_wrong() -> None:
    assert faults("pack", FAKE_ORDER, FAKE, {"numpy"}) == []


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        ("low", "from pack import high", "pack.low imports pack.high, which does not stand below it"),
        ("low", "from pack.folder.part import x", "pack.low imports pack.folder.part, which does not stand below it"),
        ("low", "import pack.high", "pack.low imports pack.high, which does not stand below it"),
        ("low", "from . import high", "pack.low imports pack.high, which does not stand below it"),
        ("low", "from .folder import x", "pack.low imports pack.folder, which does not stand below it"),
        ("low", "from pack import side", "pack.low imports pack.side, which does not stand below it"),
        ("low", "from pack import name", "pack.low imports pack.__init__, which does not stand below it"),
        ("low", "from pack.nothing import x", "pack.low imports pack.nothing, which has no place"),
        ("folder.part", "from ..high import x", "pack.folder.part imports pack.high, which does not stand below it"),
        (
            "folder.part",
            "from pack import folder",
            "pack.folder.part imports pack.folder, which does not stand below it",
        ),
        ("high", "def f():\n    import torch", "pack.high imports torch from outside"),
        ("high", "if TYPE_CHECKING:\n    from torch import nn", "pack.high imports torch from outside"),
        ("high", "importlib.import_module('torch')", "pack.high imports torch by name"),
        ("high", "__import__(name)", "pack.high imports ? by name"),
        ("new", "", "pack.new has no place in the order"),
        ("other.new", "", "pack.other.new has no place in the order"),
    ],
)
def test_the_checker_finds_what_is_wrong(module: str, line: str, fault: str) -> None:
    sources = dict(FAKE)
    sources[f"pack.{module}"] = f"{sources.get(f'pack.{module}', '')}{line}\n"
    assert faults("pack", FAKE_ORDER, sources, {"numpy"}) == [fault]


def test_the_checker_finds_names_that_are_out_of_date() -> None:
    assert faults("pack", [*FAKE_ORDER, "gone"], FAKE, {"numpy"}) == ["pack.gone has a place but does not exist"]
