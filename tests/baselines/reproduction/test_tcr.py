"""The benchmark of temporal consistency: its statistics, its file and its runs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.reproduction.tcr import results, summary, worker
from baselines.reproduction.tcr.conditions import GROUPS, Condition
from baselines.reproduction.tcr.results import Run
from tests.limits import run_limited

ROOT = Path(__file__).parents[3]
SMALL = Condition(task_args={"N": 4}, units=16, learning_rate=1e-2, limit=150)
EVERY = list(dict.fromkeys(condition for conditions in GROUPS.values() for condition in conditions))


def a_run(updates: int, solved: bool = True) -> Run:
    return Run("solved" if solved else "limit", updates, updates, 0.1, 0.2, 1.5)


def test_the_bootstrap_of_many_values_is_the_normal_interval() -> None:
    values = np.random.default_rng(1).exponential(10, 400)
    half = 1.96 * values.std() / 20
    low, high = summary.bootstrap(values.tolist())
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)
    assert summary.bootstrap([3.0, 3.0]) == (3.0, 3.0)


def test_the_median_of_censored_times_is_a_bound_where_half_are_unsolved() -> None:
    assert summary.censored_median([100, 2000, 300], [True, False, True]) == "300"
    assert summary.censored_median([100, 2000, 2000], [True, False, False]) == "> 2000"
    assert summary.censored_median([100, 2000], [True, False]) == "> 2000"


def test_differences_are_within_seeds() -> None:
    with_tcr = replace(SMALL, tcr=1.0)
    rows = {(SMALL, 0): a_run(100), (SMALL, 1): a_run(150, solved=False), (with_tcr, 1): a_run(75)}
    assert summary.paired(with_tcr, rows) == [-75]
    table = summary.tables({"small": [SMALL, with_tcr]}, rows)
    assert "| 1 of 2 [0.09, 0.91] | > 150 | 125 [100, 150] |" in table
    assert "| 1 of 1 [0.21, 1.00] | 75 | 75 [75, 75] | -75 [-75, -75] | 1 / 0 | 75 |" in table
    assert "0 CPU minutes" in table


@pytest.mark.parametrize("condition", EVERY, ids=Condition.label)
def test_every_condition_can_be_trained_compared_and_stored(condition: Condition) -> None:
    assert Condition.from_row(condition.row()) == condition
    assert condition.without() in EVERY
    assert condition.limit % worker.TEST_EVERY == 0
    one, other = (worker.learner_of(c, 1).network.state_dict() for c in (condition, condition.without()))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_rows_come_back_from_the_file_and_half_a_row_does_not(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tcr.csv"
    assert results.read(path) == {}
    results.begin(path)
    for seed in (0, 1):
        results.append(path, SMALL, seed, a_run(50))
    whole = path.read_bytes()
    assert results.read(path) == {(SMALL, 0): a_run(50), (SMALL, 1): a_run(50)}
    path.write_bytes(whole[:-9])
    assert list(results.read(path)) == [(SMALL, 0)]
    results.begin(path)
    results.append(path, SMALL, 1, a_run(50))
    assert path.read_bytes() == whole
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="must be new or a file of this benchmark"):
        results.read(path)


def test_a_run_ends_with_the_criterion_or_at_the_limit() -> None:
    solved = worker.run(SMALL, 0)
    assert solved.status == "solved"
    assert solved.loss < worker.SQUARED_ERROR
    assert solved.plateau <= solved.updates < SMALL.limit
    assert solved.updates % worker.TEST_EVERY == 0
    cut = worker.run(replace(SMALL, limit=solved.updates - worker.TEST_EVERY), 0)
    assert (cut.status, cut.updates) == ("limit", solved.updates - worker.TEST_EVERY)
    consistent = worker.run(replace(SMALL, tcr=10.0), 0)
    assert consistent.tcr_term < 0.5 * solved.tcr_term


def test_a_run_is_trained_by_the_optimizer_of_its_condition() -> None:
    asked = replace(SMALL, optimizer="nesterov", momentum=0.9, learning_rate=3e-3)
    recipe = worker.learner_of(asked, seed=0).recipe
    assert (recipe.optimizer, recipe.momentum, recipe.learning_rate) == ("nesterov", 0.9, 3e-3)


def test_a_run_whose_loss_is_no_longer_finite_is_unsolved() -> None:
    wild = replace(SMALL, cell="plrnn", optimizer="sgd", learning_rate=1e3, clip_norm=1e9, limit=100)
    result = worker.run(wild, 0)
    assert (result.status, result.updates) == ("diverged", 100)


@pytest.mark.slow
def test_the_command_runs_what_is_missing_and_sums_up(tmp_path: Path) -> None:
    out = tmp_path / "quick.csv"

    def tcr(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "baselines.reproduction.tcr", "--out", str(out), *options]
        return run_limited(command, cpu_seconds=200)

    assert tcr("--quick", "--seeds", "3").returncode == 0
    rows = results.read(out)
    assert len(rows) == 4
    assert {seed for _, seed in rows} == {3}
    before = out.read_bytes()
    again = tcr("--quick", "--seeds", "3", "--summarise")
    assert "**quick**: delayed-addition N=4, at most 150 updates" in again.stdout
    assert out.with_suffix(".png").stat().st_size > 10_000
    assert tcr("--quick", "--seeds", "3").stdout == ""  # nothing is missing
    assert out.read_bytes() == before
    for bad in (("--seeds", "x"), ("--workers", "0"), ("--group", "none")):
        assert tcr(*bad).returncode == 2
