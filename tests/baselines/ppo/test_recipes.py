"""Recipes of reinforcement learning: what each setting does in a run, and that the ladder's settings learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.benchmark.cell_settings import ppo_ladder
from baselines.cells import CELLS
from baselines.core.settings import SettingsError
from baselines.ppo.run import RLRun
from baselines.training import ppo_recipes
from baselines.training.ppo_settings import RLSettings
from memory_envs import TASKS

SMALL: dict[str, Any] = {"units": 12, "num_envs": 16, "report_every": 1, "rollout_trials": 4, "minibatches": 2}


def run_of(out: Path, overrides: Mapping[str, Any], **settings: Any) -> RLRun:
    given: dict[str, Any] = {"cell": "gru", "episodes": 20} | settings
    return RLRun(RLSettings(**given, overrides={**SMALL, **overrides}, out=out))


@pytest.mark.parametrize("task", TASKS)
def test_the_ladder_has_settings_for_every_rung(task: str) -> None:
    for cell in (*CELLS, "tests.baselines.ppo.test_run:TwiceAsWide"):
        for n in (4, 8, 16, 64):
            wanted = ppo_ladder(task, cell, n)
            assert (wanted["task"], wanted["cell"], wanted["n_max"]) == (task, cell, n)
            if cell in CELLS:
                plan = RLSettings(**wanted).plan()
                assert plan.curriculum.stages()[-1] == n


def test_a_recipe_gives_the_cell_what_is_not_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = ppo_recipes.find("fast", "parity", "leaky")
    table = {("parity", "leaky"): replace(recipe, cell_defaults={"form": "mod", "tau": 2.5})}
    monkeypatch.setitem(ppo_recipes.PPO_RECIPES, "fast", table)
    run = run_of(tmp_path / "run", {}, task="parity", cell="leaky", cell_args={"tau": 3.5})
    policy: Any = run.model.policy
    (cell,) = policy.lstm_actor.layers
    assert (cell.form, float(cell.time_constants[0])) == ("mod", 3.5)


def test_the_noise_of_real_valued_answers(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"log_std": -1.5}, task="delayed-addition")
    policy: Any = run.model.policy
    assert policy.log_std.tolist() == [-1.5]
    with pytest.raises(SettingsError, match="log_std must be a number from -10 to 2, got 3"):
        run_of(tmp_path / "wrong", {"log_std": 3}, task="delayed-addition")


def test_steps_fall_with_the_stage_and_what_solved_the_last_one_is_kept(tmp_path: Path) -> None:
    """Any answers pass this threshold, so that each stage lasts until 1,000 answers have been counted."""
    easy: dict[str, Any] = {"task": "dms", "curriculum": "single-head", "n_max": 4, "threshold": 0.1, "steps": 20_000}
    run = run_of(tmp_path / "run", {"learning_rate": 0.01, "decay_from": 2, "epochs": 1}, **easy)
    rates: list[tuple[int, float, bool]] = []
    learn = run.model.train

    def watch() -> None:
        before = [parameter.clone() for parameter in run.model.policy.parameters()]
        stage = run.curriculum.stage.N
        learn()
        after = run.model.policy.parameters()
        moved = any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))
        rates.append((stage, run.model.policy.optimizer.param_groups[0]["lr"], moved))

    run.model.train = watch  # type: ignore[method-assign]
    for _ in run.train():
        pass
    assert run.status == "solved"
    assert rates.pop() == (4, 0.0, False)
    assert {stage for stage, _, _ in rates} == {2, 3, 4}
    for stage, rate, moved in rates:
        assert rate == pytest.approx(0.02 / stage)
        assert moved


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "cell", "n"),
    [
        ("parity", "lstm", 4),
        ("dms", "lstm", 4),
        ("flip-flop", "gru", 8),
        ("evidence-accumulation", "leaky", 10),
        ("delayed-addition", "gru", 10),
    ],
)
def test_what_the_settings_of_the_ladder_learn(task: str, cell: str, n: int, tmp_path: Path) -> None:
    run = RLRun(RLSettings(**ppo_ladder(task, cell, n), steps=80_000, out=tmp_path / "run"))
    for _ in run.train():
        pass
    assert run.played is not None
    if task == "delayed-addition":
        assert run.played.score > 0.8
    else:
        assert run.status == "solved"
        assert min(run.played.accuracy.values()) > 0.95
