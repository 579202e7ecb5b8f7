"""How a benchmark is asked for: options, and what its folder holds already."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from rich.console import Console

from baselines.benchmark import cells
from baselines.benchmark.budgets import BUDGETS, SOLVED, ladder, rung_task
from baselines.benchmark.contestants import METHODS, Contestant, contestants
from baselines.benchmark.folder import BenchmarkFolder
from baselines.benchmark.plan import Benchmark, is_benchmark, read_benchmark
from baselines.benchmark.summary import write_summary
from baselines.cells import CELLS
from baselines.commands.display.jobs import BenchmarkDisplay, benchmark_line, print_ladder
from baselines.commands.options import add_options_of, merged, note_versions
from baselines.core import seeds
from baselines.core.files import file_word
from baselines.core.jobs import LocalEngine, available_cores
from baselines.core.process import interruptible
from baselines.core.settings import RANGE, SettingsError, blame, check
from memory_envs import TASKS, checks

MOST_SEEDS = 10_000


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """The options of the command; None and empty ones have not been given."""

    agent: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "who climbs: package.module:make_agent, a factory called with (observation_space, action_space, "
            f"seed); package.module:CellClass; or a cell of ours ({', '.join(CELLS)})"
        },
    )
    method: tuple[str, ...] = field(
        default=(),
        metadata={"help": f"how cells are trained, of {', '.join(METHODS)}; each makes a row (default: ppo)"},
    )
    budget: str | None = field(
        default=None,
        metadata={
            "help": "; ".join(
                f"{name}: {b.steps} environment steps of training for each rung, N up to {b.n_max}, seeds "
                f"{b.seeds[0]}..{b.seeds[-1]}, {b.episodes} trials to evaluate, at most {b.limit:g} s a rung"
                for name, b in BUDGETS.items()
            )
            + " (default: quick)"
        },
    )
    tasks: tuple[str, ...] = field(default=(), metadata={"help": f"of {', '.join(TASKS)} (default: all)"})
    seeds: tuple[str, ...] = field(
        default=(), metadata={"help": "of the climbs; 0..2 is 0 1 2 (default: those of the budget)"}
    )
    workers: int | None = field(
        default=None, metadata={"help": "climbs at once, each on one thread (default: as many as there are cores)"}
    )
    out: Path | None = field(
        default=None,
        metadata={
            "help": "folder; where it holds a benchmark, that one goes on, with what is added (default: a name made of "
            "the agents and the budget, under runs/)"
        },
    )


def read(options: BenchmarkOptions) -> tuple[Benchmark, Path, int]:
    """The benchmark, its folder, and how many climbs go on at once. Nothing is written.

    Raises:
        SettingsError: an option cannot be, or does not go with what the folder holds.
        RunError: the folder's ``settings.json`` is damaged.
    """
    asked = options
    workers = available_cores() if asked.workers is None else asked.workers
    blame("workers", checks.integer, "workers", workers, 1, 1_000)
    if asked.budget is not None:
        check("budget", checks.choice, asked.budget, tuple(BUDGETS))
    for task in asked.tasks:
        check("tasks", checks.choice, task, tuple(TASKS))
    chosen = _seeds(asked.seeds)
    new = contestants(asked.agent, asked.method)
    path = asked.out
    if path is None:
        if not new:
            raise SettingsError("agent", "agent must be given, or out with the folder of a benchmark to go on with")
        path = Path("runs") / default_name(new, asked.budget or "quick")
    old = read_benchmark(path) if is_benchmark(path) else None
    if old is None and not new:
        raise SettingsError("agent", f"agent must be given, for there is no benchmark in {path}")
    if old is not None and not new:
        contestants(tuple(dict.fromkeys(one.what for one in old.contestants)))
    name = asked.budget or (old.budget_name if old else "quick")
    budget = BUDGETS[name] if asked.budget or old is None else old.budget
    benchmark = Benchmark(
        budget_name=name,
        budget=budget,
        contestants=_joined(old.contestants if old else (), new),
        tasks=_joined(old.tasks if old else (), asked.tasks) or tuple(TASKS),
        seeds=_joined(old.seeds if old else (), chosen) or budget.seeds,
    )
    _try_cells(benchmark)
    return benchmark, path, workers


def default_name(who: tuple[Contestant, ...], budget: str) -> str:
    """The name of the folder where none is given."""
    name = "_".join(["benchmark", budget, *(f"{file_word(one.what)}-{one.method}" for one in who)])
    return name if len(name) <= 120 else f"{name[:110]}-{sha256(name.encode()).hexdigest()[:8]}"


def _joined(old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    """What there was and what is added, without repetition."""
    return tuple(dict.fromkeys([*old, *new]))


def _seeds(words: tuple[str, ...]) -> tuple[int, ...]:
    found: list[int] = []
    for word in words:
        if bounds := RANGE.fullmatch(word):
            first, last = int(bounds[1]), int(bounds[2])
            if not 0 <= last - first < MOST_SEEDS:
                raise SettingsError("seeds", f"seeds must be a range from a smaller to a larger number, got {word!r}")
            found += range(first, last + 1)
            continue
        try:
            found.append(int(word))
        except ValueError:
            raise SettingsError("seeds", f"seeds must be integers or ranges such as 0..2, got {word!r}") from None
    for seed in found:
        check("seeds", checks.integer, seed, 0, seeds.LARGEST)
    return _joined((), tuple(found))


def _try_cells(benchmark: Benchmark) -> None:
    """Whether each cell can be made for each task: a cell that breaks the contract is found before it climbs.

    Raises:
        SettingsError: one cannot.
    """
    settings: Mapping[str, Any] = {"ppo": cells.ppo_settings, "bptt": cells.bptt_settings}
    for one in benchmark.contestants:
        for task in benchmark.tasks if one.method in settings else ():
            first = next(iter(ladder(task, benchmark.budget.n_max)), None)
            if first is None:
                continue
            try:
                settings[one.method](one.what, rung_task(task, first), 0, benchmark.budget.steps).plan()
            except SettingsError as error:
                raise SettingsError("agent", f"agent {one.name} cannot be trained on {task}: {error}") from None


def add_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """The options of the command."""
    add_options_of(parser, BenchmarkOptions)


def run(given: dict[str, Any]) -> int:
    """Climb what is left of a benchmark; the exit code."""
    asked, path, workers = read(BenchmarkOptions(**merged(given)))
    folder, console = BenchmarkFolder(path, asked), Console()
    note_versions(path, folder.versions)
    try:
        with interruptible() as interrupt, BenchmarkDisplay(console, folder) as display:
            for event in folder.run(LocalEngine(workers), lambda: display.heed(interrupt.requested)):
                display.show(event)
        if rows := [row for climb in folder.rows.values() for row in climb]:
            rungs = {task: ladder(task, asked.budget.n_max) for task in asked.tasks}
            print_ladder(console, write_summary(rows, path, asked.budget_name, rungs, SOLVED), rungs)
    finally:
        folder.close()
    console.print(benchmark_line(folder), soft_wrap=True, highlight=False)
    return 130 if interrupt.requested else 0 if folder.complete else 1
