"""Small folders of runs, a sweep, a benchmark and experiments to attack, and wrong values to put into their files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WRONG: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 7, 2**63, 10**30, -(2**70), 1.5, 1e300, float("nan"), float("inf")),
    *("", "x", "1", "\udcff\x00", "a.b:c", [], [1], [None], ["x"], {}, {"x": 1}, {"1": "x"}, [[1, 2], [3]]),
)
"""Values of every type that JSON has, and those at which checks of numbers fail."""


def train(path: Path, updates: int = 7, **changes: Any) -> Path:
    """A run of ``train`` with a tiny network, stopped between two tests, so that its checkpoint holds every tensor."""
    from baselines.training.bptt_settings import Settings
    from baselines.training.run import TrainingRun

    small = {"units": 5, "batch_size": 4, "test_every": 5}
    asked: dict[str, Any] = {"n_max": 3, "threshold": 0.9999, "episodes": 2, "overrides": small, "tcr": 0.01}
    run = TrainingRun(Settings(**asked | changes, out=path))
    for _ in run.train(lambda: run.learner.update >= updates):
        pass
    run.play()
    run.finish()
    return path


def train_rl(path: Path) -> Path:
    """A run of ``train-rl`` with a tiny network, stopped in the middle of its curriculum."""
    from baselines.ppo.run import RLRun
    from baselines.training.ppo_settings import RLSettings

    small = {"units": 5, "num_envs": 4, "report_every": 1, "rollout_trials": 1, "minibatches": 1, "epochs": 1}
    asked: dict[str, Any] = {"cell": "gru", "n_max": 3, "curriculum": "multi-head", "threshold": 0.9999, "episodes": 2}
    run = RLRun(RLSettings(**asked, steps=10_000, overrides=small, out=path))
    for _ in run.train(lambda: run.part >= 2):
        pass
    run.finish()
    return path


def config(path: Path, method: str, cell: str) -> Path:
    """The folder of a run that names this cell and has not begun."""
    from dataclasses import asdict

    from baselines.training.bptt_settings import Settings
    from baselines.training.ppo_settings import RLSettings

    settings = (Settings if method == "train" else RLSettings)(cell="leaky")
    task, _, recipe = settings.parts()
    content = {"format": 2, "method": method, "settings": settings.to_dict() | {"cell": cell}, "recipe": asdict(recipe)}
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(content | {"task": task.to_dict(), "versions": {}}))
    return path


def sweep(path: Path) -> Path:
    """The folder of a sweep, none of whose runs has begun."""
    from baselines.training.sweep import Sweep, SweepFolder

    asked = {"cell": ["leaky", "gru"], "n_max": 3, "units": 4, "cell_args": {}, "seed": "0..1"}
    SweepFolder(path, Sweep.of(asked, [{"cell": "gru", "seed": 1}])).close()
    return path


def benchmark(path: Path) -> Path:
    """The folder of a benchmark, with the row of one rung."""
    from baselines.benchmark.budgets import BUDGETS
    from baselines.benchmark.contestants import Contestant
    from baselines.benchmark.folder import BenchmarkFolder, write_rung
    from baselines.benchmark.plan import Benchmark

    asked = Benchmark(
        budget_name="quick",
        budget=BUDGETS["quick"],
        contestants=(Contestant("gru", "bptt"),),
        tasks=("parity",),
        seeds=(0,),
    )
    BenchmarkFolder(path, asked).close()
    (name,) = asked.climbs
    (path / "climbs" / name).mkdir(parents=True)
    row = {"status": "solved", "episodes": 200, "steps": 9, "score": 1.0, "normalised": 1.0, "seconds": 1.5}
    write_rung(path, name, 2, row)
    return path


def experiments(path: Path) -> Path:
    """The folder of experiments, with one result."""
    from baselines.reproduction.experiments import EXPERIMENTS
    from baselines.reproduction.folder import RESULT_FORMAT, Reproduction
    from baselines.reproduction.measurements import Observation, Observed
    from baselines.reproduction.results import conclude

    Reproduction(path, "small")
    (path / "epochs").mkdir()
    rows = [
        Observation(quantity=quantity.name, case=case, x=x, seed=seed, value=3.0 + seed)
        for quantity in EXPERIMENTS["epochs"].quantities
        for case in ("multi-head, leaky", "single-head, leaky")
        for x in (3.0, 4.0)
        for seed in (0, 1)
    ]
    sets = [
        {
            "name": "runs",
            "settings": {"task": "parity"},
            "runs": 2,
            "seeds": [0, 1],
            "cpu_seconds": 1.0,
            "machine_known": True,
            "statuses": {"solved": 2},
        }
    ]
    origin = {"sets": sets, "measuring_cpu_seconds": 1.0, "processors": ["?"], "cores": 1, "torch": ["2"]}
    result = conclude(EXPERIMENTS["epochs"], "small", Observed(rows))
    (path / "epochs" / "result.json").write_text(json.dumps({"format": RESULT_FORMAT, **result, **origin}))
    return path


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a JSON value something can be changed: the keys and indices that lead to each part."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*at, key)
        yield from places(part, (*at, key))


def mutated(value: Any, chance: random.Random) -> tuple[Any, str]:
    """A copy of a JSON value with one change, and the change in words."""
    value = json.loads(json.dumps(value))
    at = chance.choice(list(places(value)))
    parent = value
    for key in at[:-1]:
        parent = parent[key]
    kind = chance.choice(["delete", "set", "set", "nest", "add"])
    if kind == "delete":
        del parent[at[-1]]
        return value, f"delete {at}"
    new = chance.choice(WRONG)
    if kind == "nest":
        for _ in range(chance.choice([1, 40, 300])):
            new = chance.choice([[new], {"x": new}])
    if kind == "add" and isinstance(parent, dict):
        parent[f"{at[-1]}x"] = new
        return value, f"add {at}x = {ascii(new)[:60]}"
    parent[at[-1]] = new
    return value, f"{at} = {ascii(new)[:60]}"
