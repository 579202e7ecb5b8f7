"""Files of runs, sweeps, benchmarks and experiments with wrong content: refused in one line, or of no consequence."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TEXTS: dict[str, bytes] = {
    "100,000 brackets": b"[" * 100_000,
    "100,000 closed brackets": b'{"format": 2, "settings": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 objects": b'{"x":' * 100_000,
    "nothing": b"",
    "a list": b"[1, 2]",
    "half a character": b'{"format": "\xc3"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"format": 1}'.encode("utf-16"),
    "a name twice": b'{"format": 1, "format": 1}',
    "a number of 10,000 digits": b'{"format": ' + b"9" * 10_000 + b"}",
    "NaN as a format": b'{"format": NaN}',
    "zeros": bytes(1000),
}
"""Whole contents of a file."""


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Each attempt changes one file of a folder, then reads the folder as each command does."""
    from tests.attack import _folders

    chance = random.Random(seed)
    uses = {
        "train": _use_run,
        "rl": _use_run,
        "sweep": _use_sweep,
        "benchmark": _use_benchmark,
        "experiments": _use_experiments,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in uses:
            make = {"train": _folders.train, "rl": _folders.train_rl}.get(name) or getattr(_folders, name)
            make(Path(folder, name))
        Path(folder, "sweep", "sweep.toml").write_text('task = "parity"\ncell = "gru"\nseed = "0..1"\n[cell_args]\n')
        for number in range(count):
            name = chance.choice(list(uses))
            path = Path(folder, str(number))
            shutil.copytree(Path(folder, name), path)
            file = chance.choice(sorted([*path.rglob("*.json"), *path.rglob("*.toml")]))
            what = _change(file, chance)
            yield f"{name}, {file.relative_to(path)}: {what}", _holds(uses[name], path)
            shutil.rmtree(path)


def _change(file: Path, chance: random.Random) -> str:
    """Change a file; what was done, in words."""
    from tests.attack import _folders

    kind = chance.random()
    if kind < 0.1:
        file.unlink()
        make = chance.choice([os.mkdir, os.mkfifo])
        make(file)
        return f"a {'folder' if make is os.mkdir else 'pipe'} in its place"
    if kind < 0.3 or file.suffix == ".toml":
        what = chance.choice(list(TEXTS))
        file.write_bytes(TEXTS[what])
        if file.suffix == ".toml" and chance.random() < 0.7:
            what = chance.choice(
                ["x = " + "[" * 100_000, "seed = 1e400", f"budget = {10**400}", "cell = [[[1]]]", "\0"]
            )
            file.write_text(what)
        return what[:60]
    content, what = _folders.mutated(json.loads(file.read_text()), chance)
    file.write_text(json.dumps(content))
    return what


def _holds(use: Callable[[Path], Iterator[Callable[[], Any]]], path: Path) -> bool:
    """Whether every use of the folder works or is refused in one line."""
    from baselines.core.files import RunError
    from baselines.core.settings import SettingsError

    for step in use(path):
        try:
            step()
        except (RunError, SettingsError) as error:
            if "\n" in str(error):
                return False
    return True


def _use_run(path: Path) -> Iterator[Callable[[], Any]]:
    from baselines.analysis.groups import check_runs
    from baselines.commands import evaluate
    from baselines.ppo.run import RLRun
    from baselines.training import run_files
    from baselines.training.run import TrainingRun

    yield lambda: check_runs([path])
    yield lambda: list(evaluate.evaluate_run(path, evaluate.EvaluationSettings(episodes=2)))
    yield lambda: run_files.read_versions(path)
    yield lambda: TrainingRun.resume(path).folder.close()
    yield lambda: RLRun.resume(path).folder.close()


def _use_sweep(path: Path) -> Iterator[Callable[[], Any]]:
    from baselines.commands import sweep
    from baselines.training.sweep import SweepFolder

    yield lambda: SweepFolder(path, sweep.read(path, {})[0]).close()
    yield lambda: sweep.read(path / "sweep.toml", {})


def _use_benchmark(path: Path) -> Iterator[Callable[[], Any]]:
    from baselines.benchmark.budgets import SOLVED, ladder
    from baselines.benchmark.folder import BenchmarkFolder
    from baselines.benchmark.ranking import rank
    from baselines.commands import benchmark

    def go_on() -> None:
        asked, _ = benchmark.read(benchmark.BenchmarkOptions(out=path))
        folder = BenchmarkFolder(path, asked)
        folder.close()
        rows = [row for climb in folder.rows.values() for row in climb]
        assert SOLVED
        rank(rows, {task: ladder(task, asked.budget.n_max) for task in asked.tasks})

    yield go_on


def _use_experiments(path: Path) -> Iterator[Callable[[], Any]]:
    from baselines.reproduction import report
    from baselines.reproduction.folder import Reproduction

    yield lambda: Reproduction(path, "small")
    yield lambda: report.write(path, path / "page.md")
