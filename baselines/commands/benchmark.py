"""The command ``benchmark``: it reads the options and the folder, then runs the climbs that are left."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.benchmark.budgets import BUDGETS, SOLVED, ladder, rung_task
from baselines.benchmark.contestants import METHODS, Contestant, contestants
from baselines.benchmark.folder import BenchmarkFolder, check_folder
from baselines.benchmark.plan import Benchmark, is_benchmark, read_benchmark
from baselines.cells import CELLS
from baselines.commands.options import add_options_of, merged, note_versions, trust_typed
from baselines.core import seeds
from baselines.core.files import file_word
from baselines.core.jobs import LocalEngine, available_cores
from baselines.core.process import interruptible, prepare_to_compute
from baselines.core.settings import RANGE, SettingsError, check_fields
from memory_envs import TASKS, checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from baselines.training.settings import RunSettings

MOST_SEEDS = 10_000
"""The largest number of seeds in a range."""


def read_seeds(name: str, word: str) -> tuple[int, ...]:
    """The seeds that a word of the command line stands for: ``3``, or ``0..2`` for 0, 1 and 2.

    Raises:
        ValueError: the word is neither a seed nor a range of seeds.
    """
    if bounds := RANGE.fullmatch(word):
        first, last = int(bounds[1]), int(bounds[2])
        if not 0 <= last - first < MOST_SEEDS:
            raise ValueError(f"{name} must be a range from a smaller to a larger number, got {word!r}")
        found = tuple(range(first, last + 1))
    else:
        try:
            found = (int(word),)
        except ValueError:
            raise ValueError(f"{name} must be integers or ranges such as 0..2, got {word!r}") from None
    return tuple(checks.integer(name, seed, 0, seeds.LARGEST) for seed in found)


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """The options of the command; an option that is None or empty was not given."""

    agent: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "the agents: package.module:make_agent, a function called with (observation_space, action_space, "
            f"seed); package.module:CellClass; or a cell of this project ({', '.join(CELLS)})"
        },
    )
    method: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "how cells are trained; each method gives a row of the table (default: ppo). Any of",
            "choices": METHODS,
        },
    )
    budget: str | None = field(
        default=None,
        metadata={
            "help": "; ".join(
                f"{name}: {b.steps} environment steps of training for each rung, N up to {b.n_max}, seeds "
                f"{b.seeds[0]}..{b.seeds[-1]}, {b.episodes} trials to evaluate, at most {b.limit:g} s a rung"
                for name, b in BUDGETS.items()
            )
            + " (default: quick). One of",
            "choices": tuple(BUDGETS),
        },
    )
    tasks: tuple[str, ...] = field(
        default=(), metadata={"help": "tasks of the ladder (default: all). Any of", "choices": tuple(TASKS)}
    )
    seeds: tuple[str, ...] = field(
        default=(),
        metadata={
            "help": "seeds of the climbs; 0..2 stands for 0 1 2 (default: the seeds of the budget)",
            "check": read_seeds,
        },
    )
    workers: int | None = field(
        default=None,
        metadata={
            "help": "climbs that run at once, each on one thread (default: the number of cores)",
            "range": (1, 1_000),
        },
    )
    out: Path | None = field(
        default=None,
        metadata={
            "help": "benchmark folder. A benchmark in it is continued, and new agents, tasks and seeds are added to it "
            "(default: a name made from the agents and the budget, under runs/)"
        },
    )


def add_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the options of the command."""
    add_options_of(parser, BenchmarkOptions)
    retry_help = "also play again the rungs that were lost by an error or a timeout (default: they stay lost)"
    parser.add_argument("--retry", action="store_true", help=retry_help)


def run(given: dict[str, Any]) -> int:
    """Run the climbs that are left of a benchmark.

    Returns:
        The exit code: 0 if all climbs have ended, 1 if one has not, 130 after Ctrl-C.
    """
    retry: bool = given.pop("retry")
    asked = BenchmarkOptions(**merged(given))
    benchmark, path = read(asked)
    workers = available_cores() if asked.workers is None else asked.workers
    prepare_to_compute("baselines.commands.display.jobs", "baselines.benchmark.cell_settings")
    _try_cells(benchmark)
    return _climb(benchmark, path, workers, retry)


def read(asked: BenchmarkOptions) -> tuple[Benchmark, Path]:
    """The benchmark to run, and its folder. Nothing is written, and torch is not imported except by users' modules.

    Raises:
        SettingsError: an option has a value that is not allowed, or does not fit the benchmark in the folder.
        RunError: the folder's ``settings.json`` is damaged, or a package is missing.
    """
    check_fields(asked)
    trust_typed(asked.agent)
    chosen = tuple(seed for word in asked.seeds for seed in read_seeds("seeds", word))
    new = contestants(asked.agent, asked.method)
    path = asked.out
    if path is None:
        if not new:
            raise SettingsError("agent", "agent must be given, or out with the folder of a benchmark to go on with")
        path = Path("runs") / default_name(new, asked.budget or "quick")
    old = read_benchmark(path) if is_benchmark(path) else None
    if not new and old is None:
        raise SettingsError("agent", f"agent must be given, for there is no benchmark in {path}")
    if old is not None:  # users' modules may have been removed since, or the folder may come from others
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
    check_folder(path, benchmark)
    return benchmark, path


def default_name(who: tuple[Contestant, ...], budget: str) -> str:
    """The default name of the benchmark folder."""
    name = "_".join(["benchmark", budget, *(f"{file_word(one.what)}-{one.method}" for one in who)])
    return name if len(name) <= 120 else f"{name[:110]}-{sha256(name.encode()).hexdigest()[:8]}"


def _joined(old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    """The old entries and the new ones, each once."""
    return tuple(dict.fromkeys([*old, *new]))


def _try_cells(benchmark: Benchmark) -> None:
    """Make each cell for each task once, so that a cell that breaks its contract is found before any climb.

    Raises:
        SettingsError: a cell cannot be made.
    """
    from baselines.benchmark.cell_settings import bptt_settings, ppo_settings

    settings: dict[str, Callable[..., RunSettings]] = {"ppo": ppo_settings, "bptt": bptt_settings}
    for one in benchmark.contestants:
        for task in benchmark.tasks if one.method in settings else ():
            first = next(iter(ladder(task, benchmark.budget.n_max)), None)
            if first is None:
                continue
            try:
                settings[one.method](one.what, rung_task(task, first), 0, benchmark.budget.steps).plan()
            except SettingsError as error:
                raise SettingsError("agent", f"agent {one.name} cannot be trained on {task}: {error}") from None


def _climb(benchmark: Benchmark, path: Path, workers: int, retry: bool) -> int:
    """Run the climbs that are left, show their progress, and write the summary; the exit code."""
    from baselines.benchmark.summary import write_summary
    from baselines.commands.display.console import PlainConsole
    from baselines.commands.display.jobs import BenchmarkDisplay, benchmark_line, print_ladder

    folder, console = BenchmarkFolder(path, benchmark), PlainConsole()
    note_versions(path, folder.versions)
    try:
        if retry:
            folder.forget_faults()
        with interruptible() as interrupt, BenchmarkDisplay(console, folder) as display:
            for event in folder.run(LocalEngine(workers), lambda: display.heed(interrupt.requested)):
                display.show(event)
        if rows := [row for climb in folder.rows.values() for row in climb]:
            rungs = {task: ladder(task, benchmark.budget.n_max) for task in benchmark.tasks}
            print_ladder(console, write_summary(rows, path, benchmark.budget_name, rungs, SOLVED), rungs)
    finally:
        folder.close()
    console.print(benchmark_line(folder), soft_wrap=True)
    return 130 if interrupt.requested else 0 if folder.complete else 1
