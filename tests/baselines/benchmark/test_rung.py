"""One rung, in this process: what agents may do, and what becomes of what they must not do."""

import re
from pathlib import Path

import numpy as np
import pytest

from baselines.benchmark import BUDGETS, Budget, BudgetSpent, CountedEnv
from baselines.benchmark.budgets import ladder, rung_task
from baselines.benchmark.cell_settings import bptt_settings, ppo_settings
from baselines.benchmark.contestants import Contestant
from baselines.benchmark.folder import COLUMNS
from baselines.benchmark.rung import Row, play
from baselines.core import seeds
from baselines.core.text import LONGEST
from baselines.evaluation import evaluate
from baselines.ppo import SB3VecEnv
from memory_envs import TASKS, Parity, ReferenceAgent

AGENTS = "tests.baselines.benchmark.agents"
BUDGET = Budget(steps=1_000, n_max=8, seeds=(0,), episodes=50, limit=60.0)


def played(
    what: str, folder: Path, task: str = "parity", n: int = 2, seed: int = 0, budget: Budget = BUDGET, method: str = ""
) -> Row:
    what = what if method else f"{AGENTS}:{what}"
    return play(Contestant(what, method or "agent"), task, n, seed, budget, folder / "run")


def numbers(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in ("seconds", "cpu_seconds")}


def test_the_ladders() -> None:
    assert ladder("parity", 8) == ladder("dms", 8) == ladder("flip-flop", 8) == (2, 4, 8)
    # Least N is 3; and with N = 2 the current input says it all.
    assert ladder("delayed-addition", 64) == ladder("evidence-accumulation", 64) == (4, 8, 16, 32, 64)
    assert ladder("parity", 9) == ladder("parity", 15) == (2, 4, 8)
    assert ladder("delayed-addition", 2) == ladder("parity", 1) == ()


@pytest.mark.parametrize("task", TASKS)
def test_every_budget_has_rungs_on_every_task(task: str) -> None:
    for budget in BUDGETS.values():
        for n in ladder(task, budget.n_max):
            assert n > 32 or rung_task(task, n).normalise(1.0) == 1.0  # for a larger N this takes seconds


def test_an_agent_is_trained_with_all_steps_and_evaluated_on_fresh_trials(tmp_path: Path) -> None:
    row = played("remembers", tmp_path, n=8)
    assert row["status"] == "failed"
    assert row["steps"] == 1_000 // 64 * 64
    mine = evaluate(ReferenceAgent(Parity(8), 4), Parity(8), episodes=50, seed=seeds.evaluation_seed(0))
    assert row["score"] == pytest.approx(mine.score, abs=1e-6)
    assert row["score_low"] <= row["score"] <= row["score_high"]
    assert row["accuracy"] == pytest.approx(mine.accuracy["N=8"], abs=1e-6)
    assert {*row} < {*COLUMNS}


@pytest.mark.parametrize(
    ("what", "steps"),
    [
        *(("remembers", 960), ("keywords", 960), ("other_names", 960), ("Slow", 960), ("GivesLists", 960)),
        *(("LeavesEarly", 64), ("SwallowsEveryException", 960), ("SeedsItself", 992)),
    ],
)
def test_agents_may_differ(what: str, steps: int, tmp_path: Path) -> None:
    row = played(what, tmp_path)
    assert (row["status"], row["steps"], row["score"]) == ("solved", steps, 1.0), row


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("RaisesAtOnce", "make_agent: RuntimeError: no licence"),
        ("returns_nothing", r"make_agent must return an object with learn and predict, got None \(no learn\)"),
        ("cannot_predict", r"make_agent must return .* got half an agent \(no predict\)"),
        ("ManyColumns", "make_agent: .*Error: num_envs must be an integer from 1 to 1000, got 'many' .*"),
        ("NoColumns", "make_agent: .*Error: num_envs must be an integer from 1 to 1000, got 0"),
        ("OddReset", "make_agent: ValueError: autoreset_mode must be one of .*, got 'sometimes'"),
        ("gone", f"make_agent: SettingsError: agent must name .* got '{AGENTS}:gone' .*"),
        ("LearnsToRaise", r"learn: ValueError: x+\.\.\."),
        ("Unspeakable", "learn: OddError"),
        ("Exits", "learn: SystemExit: 0"),
        ("Interrupts", "learn: KeyboardInterrupt"),
        ("Yields", "learn must train, and returned a generator: nothing has run"),
        ("WrongAction", "learn: InvalidAction: .*2.*"),
        ("DeepActions", r"learn: InvalidAction: .* integers 0 or 1 of shape \(64,\), got int64 of shape \(64, 1\)"),
        ("TooManyColumns", "make_agent: ValueError: num_envs must be an integer from 1 to 1000, got 1001"),
        ("Columns", "predict: .*[50].*"),
        ("Floats", "predict: .*0.*"),
        ("Twos", "predict: .*2.*"),
        ("ActionsAlone", "predict: .*"),
        ("TrainsOn", "predict: BudgetSpent: 0 of 1000 environment steps are taken"),
    ],
)
def test_a_fault_is_the_result_of_its_rung(what: str, reason: str, tmp_path: Path) -> None:
    row = played(what, tmp_path)
    assert row["status"] == "error"
    assert re.fullmatch(reason, row["reason"]), row["reason"]
    assert len(row["reason"]) <= LONGEST
    assert "score" not in row


def test_what_is_no_number_is_a_fault(tmp_path: Path) -> None:
    row = played("NotNumbers", tmp_path, "delayed-addition", 4)
    assert (row["status"], row["steps"]) == ("error", 960)
    assert row["reason"].startswith("predict: ")
    assert "nan" in row["reason"]


def test_steps_of_an_agent_that_fails_are_counted(tmp_path: Path) -> None:
    assert played("LearnsToRaise", tmp_path)["steps"] == 64
    assert played("RaisesAtOnce", tmp_path).get("steps") is None


@pytest.mark.parametrize(("what", "method"), [("GlobalRandomness", ""), ("gru", "ppo"), ("gru", "bptt")])
def test_the_same_rung_is_the_same_again(what: str, method: str, tmp_path: Path) -> None:
    first, again = (numbers(played(what, tmp_path, n=8, seed=3, method=method)) for _ in range(2))
    assert first == again
    assert first["status"] == "failed"
    assert 0 < first["steps"] <= BUDGET.steps
    assert first != numbers(played(what, tmp_path, n=8, seed=4, method=method))


@pytest.mark.parametrize("method", ["ppo", "bptt"])
def test_of_a_cell_the_last_head_alone_is_evaluated(method: str, tmp_path: Path) -> None:
    """It is trained with a curriculum of several heads, and has come to the first one only."""
    row = played("leaky", tmp_path, n=8, method=method)
    assert row["status"] == "failed"
    assert abs(row["normalised"]) < 0.3


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ["ppo", "bptt"])
@pytest.mark.parametrize("cell", ["leaky", "examples.04_a_cell_of_your_own:MinimalGatedUnit"])
def test_cells_play_every_task_within_the_budget(cell: str, task: str, method: str, tmp_path: Path) -> None:
    tiny = Budget(steps=200, n_max=4, seeds=(0,), episodes=20, limit=60.0)
    row = played(cell, tmp_path, task, n=4, budget=tiny, method=method)
    assert row["status"] in ("failed", "solved"), row
    assert row["steps"] <= 200


def test_the_environment_counts_and_ends() -> None:
    env = CountedEnv(Parity(2), 4, total_steps=10, seed=5, autoreset_mode="SameStep")
    first, _ = env.reset()
    env.set_task(Parity(4))
    for steps in (4, 8):
        env.step(np.zeros(4, np.int64))
        assert env.steps == steps
    with pytest.raises(BudgetSpent, match="8 of 10 environment steps are taken"):
        env.step(np.zeros(4, np.int64))
    assert not issubclass(BudgetSpent, Exception)
    other = CountedEnv(Parity(2), 4, total_steps=10, seed=5, autoreset_mode="SameStep")
    np.testing.assert_array_equal(other.reset()[0], first)
    other.end_training()
    with pytest.raises(BudgetSpent):
        other.step(np.zeros(4, np.int64))


def test_stable_baselines_takes_the_environment() -> None:
    from stable_baselines3 import PPO

    env = CountedEnv(Parity(2), 8, total_steps=200, seed=5, autoreset_mode="SameStep")
    model = PPO("MlpPolicy", SB3VecEnv(env), n_steps=8, batch_size=64, device="cpu")
    with pytest.raises(BudgetSpent):
        model.learn(200)
    assert env.steps == 200
    assert model.num_timesteps >= 192


@pytest.mark.parametrize("budget", BUDGETS.values(), ids=list(BUDGETS))
@pytest.mark.parametrize("name", TASKS)
def test_our_training_uses_its_budget_and_ends_above_what_is_asked(name: str, budget: Budget) -> None:
    for n in ladder(name, budget.n_max):
        task = rung_task(name, n)
        by_ppo = ppo_settings("leaky", task, 0, budget.steps)
        by_bptt = bptt_settings("leaky", task, 0, budget.steps)
        assert 0.9 * budget.steps <= by_ppo.steps <= budget.steps
        assert by_bptt.steps == budget.steps
        if not task.real_valued:  # the share of right answers that has a normalised score of 0.9
            least = (1 + 0.9 + 0.1 * task.memoryless_score) / 2
            assert (by_ppo.last_threshold or 0) > least
            assert (by_bptt.last_threshold or 0) > least
