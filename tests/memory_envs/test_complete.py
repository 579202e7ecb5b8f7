"""Every task has all that belongs to it. A failure names what is missing, and CONTRIBUTING says how to write it."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import memory_envs
from memory_envs import TASKS, Task
from tests.memory_envs import strategies, test_reference, test_targets, test_validation

ROOT = Path(__file__).parents[2]
HERE = "tests/memory_envs"
HEADINGS = [
    "Description",
    "Observation space",
    "Action space",
    "Reward",
    "Episode end",
    "Arguments",
    "Reference scores",
    "Lag",
    "Version history",
]
RELATIVES = "**Relatives in other suites:**"


def lines_of(path: str) -> list[str]:
    return (ROOT / path).read_text(encoding="utf-8").splitlines()


def what_is_missing(kind: type[Task]) -> list[str]:
    """A line for each thing that this task lacks."""
    name, parameters = kind.name, kind.parameters()
    tried = {parameter for given, _, _ in test_validation.BAD.get(name, []) for parameter in given}
    page = inspect.getdoc(kind) or ""
    headings = [line[3:] for line in page.splitlines() if line.startswith("## ")]
    # What must hold, and what to do where it does not.
    places = [
        (kind.__name__ in memory_envs.__all__, "memory_envs/__init__.py: import the class and add it to __all__"),
        (headings == HEADINGS, f"its docstring: write the headings {', '.join(HEADINGS)}, in this order"),
        (f"\n{RELATIVES} " in page, f"its docstring: write a paragraph that begins with {RELATIVES}"),
        (kind().question, f"{kind.__name__}.question: write what is asked at a step, in a line"),
        (name in strategies.OWN_PARAMETERS, f"{HERE}/strategies.py: draw its parameters in OWN_PARAMETERS"),
        (name in test_targets.ORACLES, f"{HERE}/test_targets.py: write the slow twin of its targets in ORACLES"),
        (name in test_targets.OLDEST, f"{HERE}/test_targets.py: write the slow twin of its lags in OLDEST"),
        (name in test_targets.PINNED, f"{HERE}/test_targets.py: choose the trials to pin in PINNED"),
        (
            test_targets.golden_file(name).exists(),
            f"{HERE}/golden/{name}.txt: {test_targets.WRITE_GOLDEN}",
        ),
        (
            any(task.name == name for task, _ in test_reference.SIMULATED),
            f"{HERE}/test_reference.py: choose tasks and memories in SIMULATED",
        ),
        *[
            (parameter in tried, f"{HERE}/test_validation.py: give values of {parameter} that are refused in BAD")
            for parameter in parameters
        ],
        (name in test_validation.UNKNOWN, f"{HERE}/test_validation.py: give arguments that it has not in UNKNOWN"),
        (
            any(line.startswith(f"| `{kind.env_id}`") for line in lines_of("README.md")),
            f"README.md: add a row to the table of tasks that begins with | `{kind.env_id}`",
        ),
        (
            any(kind.env_id in line for line in lines_of("examples/01_play.py")),
            "examples/01_play.py: give the parameters of a short trial",
        ),
        (any(kind.env_id in line for line in lines_of("CHANGELOG.md")), f"CHANGELOG.md: name {kind.env_id}"),
        (
            any(f'"{name}"' in line for line in lines_of("baselines/benchmark/cell_settings.py")),
            "baselines/benchmark/cell_settings.py: say in BPTT_LADDER how its N grows",
        ),
    ]
    return [f"task {name} lacks {what}" for there, what in places if not there]


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_missing(name: str) -> None:
    missing = what_is_missing(TASKS[name])
    assert not missing, "\n" + "\n".join(missing)


def unlisted(module: ModuleType) -> list[str]:
    """A line for each task that a module defines in full and that ``TASKS`` does not have."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Task)]
    return [
        f"class {kind.__name__} of {module.__name__} is not in TASKS: add it in memory_envs/tasks/__init__.py"
        for kind in kinds
        if kind.__module__ == module.__name__ and not inspect.isabstract(kind) and kind not in TASKS.values()
    ]


@pytest.mark.parametrize("path", sorted((ROOT / "memory_envs" / "tasks").glob("*.py")), ids=lambda path: path.stem)
def test_every_task_is_listed(path: Path) -> None:
    missing = unlisted(importlib.import_module(f"memory_envs.tasks.{path.stem}".removesuffix(".__init__")))
    assert not missing, "\n" + "\n".join(missing)


def test_tasks_that_are_not_listed_are_named() -> None:
    module = ModuleType("memory_envs.tasks.unknown")
    vars(module).update(Unknown=type("Unknown", (memory_envs.Parity,), {"__module__": module.__name__}), Task=Task)
    (line,) = unlisted(module)
    assert line.startswith("class Unknown of memory_envs.tasks.unknown is not in TASKS")


def test_what_is_missing_is_named() -> None:
    class Unknown(memory_envs.Parity):
        """A task of which nothing is known."""

        name = "unknown"
        env_id = "MemoryUnknown-v0"

    missing = what_is_missing(Unknown)
    assert all(line.startswith("task unknown lacks ") for line in missing)
    named = {line.removeprefix("task unknown lacks ").partition(":")[0] for line in missing}
    assert named >= {
        "memory_envs/__init__.py",
        "its docstring",
        "tests/memory_envs/strategies.py",
        "tests/memory_envs/test_targets.py",
        "tests/memory_envs/golden/unknown.txt",
        "tests/memory_envs/test_reference.py",
        "tests/memory_envs/test_validation.py",
        "README.md",
        "examples/01_play.py",
        "CHANGELOG.md",
    }
    assert what_is_missing(memory_envs.Parity) == []
