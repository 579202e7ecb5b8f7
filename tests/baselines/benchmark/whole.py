"""A small benchmark as a process: ``python -m tests.baselines.benchmark.whole FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from baselines.benchmark import Budget
from baselines.benchmark.contestants import contestants
from baselines.benchmark.folder import BenchmarkFolder
from baselines.benchmark.plan import Benchmark
from baselines.commands.display.jobs import benchmark_line
from baselines.core.jobs import LocalEngine
from baselines.core.process import interruptible

AGENTS = "tests.baselines.benchmark.agents"
BUDGET = Budget(steps=1_000, n_max=8, seeds=(0,), episodes=50, limit=60.0)


def benchmark(
    *names: str, tasks: tuple[str, ...] = ("parity",), seeds: tuple[int, ...] = (0,), budget: Budget = BUDGET
) -> Benchmark:
    """Agents of ``agents.py``, and cells."""
    whats = [name if name == "gru" else f"{AGENTS}:{name}" for name in names]
    return Benchmark(budget_name="tiny", budget=budget, contestants=contestants(whats), tasks=tasks, seeds=seeds)


def main(path: Path) -> None:
    folder = BenchmarkFolder(path, benchmark("Slow", "gru", seeds=(0, 1)))
    with interruptible() as interrupt:
        for event in folder.run(LocalEngine(2), lambda: interrupt.requested):
            print(event, flush=True)
    folder.close()
    print(benchmark_line(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
