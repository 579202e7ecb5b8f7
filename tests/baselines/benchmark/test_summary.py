"""The ranking of contestants: hand-computed values, SciPy's, and how often intervals hold the truth."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from baselines.benchmark import summary
from baselines.benchmark.figure import ladder_figure
from baselines.benchmark.ranking import iqm, iqm_interval, mean_curve, rank
from baselines.benchmark.summary import LADDER, ladder_table, stored_results, write_summary
from baselines.commands.display.jobs import print_ladder

RUNGS = {"parity": (2, 4, 8, 16), "delayed-addition": (4, 8)}


def row(n: int, status: str = "solved", normalised: Any = 1.0, **more: Any) -> dict[str, Any]:
    usual = {"agent": "one", "method": "agent", "task": "parity", "seed": 0, "reason": ""}
    return usual | {"N": n, "status": status, "normalised": normalised} | more


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_a_climb_counts_rungs_that_were_not_reached_as_zero() -> None:
    rows = [row(2, normalised="0.98"), row(4, "failed", 0.3), row(4, "failed", "-0.2", seed=1), row(2, seed=1)]
    rows += [row(4, normalised=1.02, task="delayed-addition"), row(8, normalised=0.95, task="delayed-addition")]
    (one,) = rank(rows, RUNGS)
    first, second = one.on("parity")
    assert first.scores == {2: 0.98, 4: 0.3, 8: 0, 16: 0}
    assert first.score == pytest.approx((0.98 + 0.3) / 4)
    assert second.scores == {2: 1, 4: 0, 8: 0, 16: 0}  # below the memoryless counts 0
    (addition,) = one.on("delayed-addition")
    assert addition.score == pytest.approx((1 + 0.95) / 2)  # above 1 counts 1
    assert (one.largest_n("parity"), one.largest_n("delayed-addition")) == (2, 8)
    assert all(climb.ended and not climb.fault for climb in one.climbs)
    assert one.iqm == pytest.approx(np.mean([0.32, 0.25, 0.975]))  # of three none is cut


def test_faults_and_climbs_that_are_not_over() -> None:
    rows = [row(2), row(4, "timeout", "", reason="more than 60 s"), row(2, seed=1), row(2, "error", None, seed=2)]
    (one,) = rank(rows, RUNGS)
    assert [climb.fault for climb in one.climbs] == ["N=4: timeout: more than 60 s", "", "N=2: error"]
    assert [climb.ended for climb in one.climbs] == [True, False, True]
    assert [climb.largest_n for climb in one.climbs] == [2, 2, 0]
    assert [climb.score for climb in one.climbs] == [0.25, 0.25, 0.0]
    assert math.isnan(one.largest_n("delayed-addition"))


@pytest.mark.parametrize("wrong", [{"N": 3}, {"N": 32}, {"task": "dms"}])
def test_rows_of_another_ladder_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"results must be of the rungs .* got .* with N = "):
        rank([row(2) | wrong], RUNGS)


def test_the_best_comes_first() -> None:
    rows = [row(2, agent="b"), row(2, agent="a"), row(4, "failed", 0.5, agent="c"), row(2, agent="c")]
    assert [one.name for one in rank(rows, RUNGS)] == ["c", "a", "b"]


def test_interquartile_means_by_hand() -> None:
    assert iqm([0, 1, 2, 9]) == pytest.approx(1.5)
    assert iqm([5.0]) == 5.0
    assert iqm([9, 0, 1]) == pytest.approx(10 / 3)  # a quarter of three is none
    values = generator().random(15)
    assert iqm(values) == pytest.approx(np.mean(np.sort(values)[3:12]))
    assert iqm(values) == stats.trim_mean(values, 0.25)


def test_intervals_are_scipys_stratified_bootstrap() -> None:
    random = generator(1)
    groups = [random.normal(mean, 0.1, 6) for mean in (0.2, 0.4, 0.5, 0.9)]

    def statistic(*samples: Any, axis: int = -1) -> Any:
        return stats.trim_mean(np.concatenate(np.broadcast_arrays(*samples), axis=axis), 0.25, axis=axis)

    theirs = stats.bootstrap(
        groups, statistic, vectorized=True, method="percentile", n_resamples=9999, random_state=generator(2)
    ).confidence_interval
    ours = iqm_interval([group.tolist() for group in groups], generator())
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.05 * (theirs.high - theirs.low))


def test_few_seeds_are_not_certain() -> None:
    assert np.isnan(iqm_interval([[0.5], [0.7]], generator())).all()  # one seed shows no spread
    low, high = iqm_interval([[0.0, 1.0]], generator())
    assert (low, high) == (0.0, 1.0)
    assert iqm_interval([[0.2, 0.4], [0.6]], generator()) == pytest.approx((1 / 3, 7 / 15))  # the single one stays


def test_resamples_stay_within_their_task() -> None:
    """Tasks that differ and seeds that do not: other seeds would give the same number."""
    assert iqm_interval([[0.1] * 3, [0.9] * 3], generator()) == pytest.approx((0.5, 0.5))


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "least", "most"), [(2, 0.70, 0.85), (3, 0.82, 0.91), (10, 0.90, 0.96)])
def test_the_interval_holds_the_truth_as_often_as_its_docstring_says(seeds: int, least: float, most: float) -> None:
    random, means = generator(3), np.linspace(0.3, 0.7, 5)
    # What the number would be over very many sets of seeds as large as this one.
    truth = float(
        stats.trim_mean(random.normal(means[:, None], 0.1, (20_000, 5, seeds)).reshape(20_000, -1), 0.25, 1).mean()
    )
    held = 0
    for trial in range(1000):
        low, high = iqm_interval(random.normal(means[:, None], 0.1, (5, seeds)).tolist(), generator(trial), 1000)
        held += low < truth < high
    assert least < held / 1000 < most


def made_up(agents: list[str], seeds: int = 3) -> list[dict[str, Any]]:
    """Climbs with failures, faults, gaps and an unfinished one."""
    random, rows = generator(5), []
    for agent in agents:
        for task, ns in RUNGS.items():
            for seed in range(seeds):
                if (seed, task) == (2, "parity"):
                    continue
                for n in ns:
                    status = random.choice(["solved", "solved", "failed", "error", "timeout"])
                    normalised = "" if status in ("error", "timeout") else {"solved": 0.95, "failed": 0.4}[status]
                    rows.append(row(n, status, normalised, agent=agent, task=task, seed=seed, reason="[why]"))
                    if status != "solved":
                        break
    return rows


@pytest.mark.parametrize("count", [1, 2, 10])
def test_the_summary_is_written_and_printed(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = made_up([f"agent {i}" for i in range(count)])
    monkeypatch.setattr(summary, "stored_results", lambda name: [row(2, agent="lstm (ppo)", method="ppo")])
    standings = write_summary(rows, tmp_path, "standard", RUNGS, 0.9)
    print_ladder(Console(width=200), standings, RUNGS)
    own = [one for one in standings if not one.stored]
    assert len(own) == count
    assert {file.name for file in tmp_path.iterdir()} == {"ladder.csv", "ladder.png", "ladder.svg"}
    said = capsys.readouterr().out
    drawn = (tmp_path / "ladder.svg").read_text()
    for name in (*(f"agent {i}" for i in range(count)), "lstm (ppo), stored"):
        assert name in said
        assert name in drawn
    assert ("[why]" in said) == any(climb.fault for one in own for climb in one.climbs)
    with (tmp_path / "ladder.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == [column.name for column in LADDER]
    assert {line["stored"] for line in table if line["agent"] == "lstm (ppo)"} == {"1"}
    for one in own:
        lines = {line["task"]: line for line in table if line["agent"] == one.agent}
        assert list(lines) == [*RUNGS, "all"]
        assert float(lines["all"]["ladder_score"]) == pytest.approx(one.iqm, abs=1e-6)
        assert lines["parity"]["largest_n_by_seed"] == " ".join(str(climb.largest_n) for climb in one.on("parity"))


def test_a_task_that_a_contestant_has_not_climbed_has_no_row() -> None:
    table = ladder_table(rank([row(2)], RUNGS), RUNGS)
    assert table["task"].tolist() == ["parity", "all"]
    assert table["unfinished"].tolist() == [1, 1]


def test_curves_average_the_climbs_that_have_a_rung() -> None:
    rows = [row(2), row(4, "failed", 0.4), row(4, "failed", 0.2, task="delayed-addition")]
    (one,) = rank(rows, RUNGS)
    assert mean_curve(one.climbs) == pytest.approx({2: 1.0, 4: 0.3, 8: 0.0, 16: 0.0})


def test_no_two_of_many_contestants_look_alike() -> None:
    standings = rank(made_up([f"agent {i:02}" for i in range(20)]), RUNGS)
    curves = ladder_figure(standings, RUNGS, "title", 0.9).axes[2].lines[-20:]
    assert len({str(line.get_color()) for line in curves}) == 20


def test_without_results_there_is_no_summary(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="results must have a row, got none"):
        write_summary([], tmp_path, "standard", RUNGS, 0.9)
    assert not list(tmp_path.iterdir())


def test_a_budget_without_stored_results_stands_alone() -> None:
    for name in ("no such budget", "../benchmark/quick", "/etc/passwd", "x\0"):
        assert stored_results(name) == []
