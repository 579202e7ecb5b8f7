"""Speed of the environments: bad options are refused, and a short run fills its tables."""

import json
import os
import sys
from pathlib import Path

import pytest

from speed.environments import parse_options
from speed.report import Row, markdown, without_nan
from tests.limits import run_limited

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--envs chess", "argument --envs: invalid choice: 'chess'"),
        ("--copies 0", "argument --copies: must be a whole number of at least 1, not '0'"),
        ("--seconds inf", "argument --seconds: must be a number above 0, not 'inf'"),
        ("--python popgym", "--python popgym: must be PEER=PROGRAM"),
        ("--python popgym=no-such-program", "--python popgym=no-such-program: must be PEER=PROGRAM"),
        ("--out speed.txt", "--out speed.txt: must end in .md, .json or .csv and lie in a folder that exists"),
    ],
)
def test_what_cannot_be_is_refused(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(arguments.split())
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_tables_are_markdown_and_json_knows_no_nan() -> None:
    sections: dict[str, list[Row]] = {"one": [{"note": "a|b", "rate": 2.5e6}, {"rate": float("nan")}]}
    assert markdown(sections).splitlines() == [
        *("## one", ""),
        *("| rate  | note |", "| ----- | ---- |", "| 2.5 M | a/b  |", "| -     |      |"),
    ]
    assert without_nan(sections)["one"][1] == {"rate": None}


@pytest.mark.slow
def test_a_short_run_measures_every_form_that_it_is_asked_for(tmp_path: Path) -> None:
    options = (
        f"--envs dms --peers cartpole --copies scalar 8 --final --sample --repeats 1 --seconds 0.02 --out {tmp_path}"
    )
    command = [sys.executable, "-m", "speed.environments", "--repeats", "1", *f"{options}/speed.json".split()]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = run_limited(command, cpu_seconds=600, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "speed.json").read_text())
    rows = report["throughput"]
    assert [(row["subject"], row["form"], row["copies"]) for row in rows] == [
        *(("dms", "scalar", 1), ("CartPole", "scalar", 1), ("dms", "vector", 8), ("CartPole", "vector", 8)),
        *(("dms", "vector", 1024), ("dms (final)", "vector", 1024)),
    ]
    assert all(row["steps_per_cpu_s"] > 0 for row in rows)
    assert [row["x_cartpole"] for row in rows if row["subject"] == "CartPole"] == [1, 1]
    assert rows[-1]["x_dense"] > 0
