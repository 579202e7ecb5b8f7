"""Speed of training: bad options are refused, and the smoke run fills its tables."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from speed.training import parse_options
from speed.training_cases import Case, cases_of
from speed.training_worker import learner
from tests.limits import run_limited

ROOT = Path(__file__).parents[2]


def measured(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "speed.training", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return run_limited(command, cpu_seconds=600, env=environment)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--sections speed", "argument --sections: invalid choice: 'speed'"),
        ("--repeats 0", "argument --repeats: must be a whole number of at least 1, not '0'"),
        ("--seconds -1", "argument --seconds: must be a number above 0, not '-1'"),
        ("--seconds nan", "argument --seconds: must be a number above 0, not 'nan'"),
        ("--time-to-n 1", "argument --time-to-n: must be at least 2, the N of the first stage, not '1'"),
        ("--time-to-n ten", "argument --time-to-n: must be a whole number of at least 1, not 'ten'"),
        ("--time-to-n 3 --cells elman", "argument --cells: invalid choice: 'elman'"),
        ("--time-to-n 3 --seeds 0 -1", "argument --seeds: must be a whole number of at least 0, not '-1'"),
        ("--time-to-n 3 --seeds 1 1", "--seeds 1 1: must not name a seed twice"),
        ("--time-to-n 3 --repeats 2", "--repeats does not go with --time-to-n"),
        ("--seeds 0", "--seeds needs --time-to-n"),
        ("--out speed.txt", "--out speed.txt: must end in .md, .json or .csv and lie in a folder that exists"),
    ],
)
def test_what_cannot_be_is_refused(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(arguments.split())
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_the_smoke_run_measures_every_section(tmp_path: Path) -> None:
    out = tmp_path / "speed.json"
    done = measured("--quick", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(out.read_text())
    assert list(report) == ["machine", "recurrence", "gated", "update", "streams"]
    for row in report["recurrence"] + report["gated"] + report["update"] + report["streams"]:
        assert 0 < row["share"] < 2, row
        assert row["cpu_ms"] > 0, row
    fused, plain, _torch = report["recurrence"]
    assert (fused["x_plain"], plain["x_plain"]) == (pytest.approx(fused["share"] / plain["share"]), 1)


@pytest.mark.parametrize(
    "case", [case for case in cases_of(["update", "streams"], quick=False) if case.n <= 30], ids=str
)
def test_an_update_trains_on_what_the_row_says(case: Case) -> None:
    made = learner(case)
    trials = made.draw()
    assert trials.inputs.shape == (case.steps, case.batch, 1)
    assert set(trials.lengths.tolist()) == {case.steps}
    assert (made.network.cell.output_size, made.task.N) == (case.units, case.n)
    assert (made.streams is not None) == (case.way == "streams")
    assert len(made.trained.heads or ()) == case.n - 1 + (0 if case.way == "paper" else 2)


@pytest.mark.slow
def test_the_time_to_an_n_is_that_of_a_run(tmp_path: Path) -> None:
    out = tmp_path / "time.json"
    done = measured("--time-to-n", "3", "--cells", "leaky", "--seeds", "0", "1", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(out.read_text())["time to N = 3, recipe fast, seeds 0 1"]
    assert row["solved"] == "2 of 2"
    assert row["largest N"] == "3/3"
    assert row["updates"] >= 20
    assert row["cpu_s"] > 0


@pytest.mark.slow
def test_a_run_that_is_given_up_counts_as_unsolved(tmp_path: Path) -> None:
    out = tmp_path / "time.json"
    done = measured("--time-to-n", "60", "--cells", "leaky", "--seeds", "0", "--budget", "0.5", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(out.read_text())["time to N = 60, recipe fast, seeds 0"]
    assert row["solved"] == "0 of 1"
    assert row["cpu_s"] is None
