"""The command ``analyze``: what it writes, what it refuses, what an interrupted one leaves."""

import csv
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from baselines.analysis import ANALYSES, Analysis, Tables
from baselines.commands.main import main

SHORT = ["--steps", "40", "--warm-up", "5", "--trials", "2"]
QUICK = {
    "timescales": ["--steps", "300", "--trials", "3", "--burn-in", "10"],
    "ablation": [*SHORT, "--singles", "3", "--groups", "2"],
    "perturbation": [*SHORT, "--sizes", "0.01", "1", "--repetitions", "2"],
    "generalisation": [*SHORT, "--lengths", "2", "--ns", "2", "4", "--updates", "2"],
    "forgetting": [*SHORT, "--fit-trials", "2"],
    "geometry": ["--trials", "8", "--points", "5", "--exponent-steps", "5"],
}
"""Options that make each analysis quick."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "three"
    options = "--n-max 3 --units 24 --batch-size 32 --episodes 10 --budget 60"
    assert main(["train", *options.split(), "--out", str(path)]) == 0
    return path


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


def test_quick_options_are_there_for_each() -> None:
    assert set(QUICK) == set(ANALYSES)


@pytest.mark.parametrize("what", ANALYSES)
def test_it_writes_tables_protocol_and_figure(
    what: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(run), "--what", what, *QUICK[what], "--out", str(tmp_path)]) == 0
    columns = ANALYSES[what].columns
    made = {f"{name}.csv" for name in columns} | {"protocol.json", f"{what}.png", f"{what}.svg"}
    assert {path.name for path in tmp_path.iterdir()} == made
    protocol = json.loads((tmp_path / "protocol.json").read_text())
    assert "Protocol" in protocol["protocol"]
    for name in columns:
        table = rows(tmp_path / f"{name}.csv")
        assert table
        assert list(table[0]) == list(protocol["columns"][name])
    assert f"Saved in {tmp_path}" in capsys.readouterr().out


@pytest.mark.parametrize("what", ANALYSES)
def test_the_same_seed_gives_the_same_files(what: str, run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main(["analyze", str(run), "--what", what, *QUICK[what], "--out", str(tmp_path / name)]) == 0
    for file in (tmp_path / "a").iterdir():
        if file.suffix != ".png":
            assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


@pytest.mark.parametrize("what", ANALYSES)
def test_help_lists_the_options_of_an_analysis(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["analyze", "--what", what, "--help"])
    text = capsys.readouterr().out
    for setting in dataclasses.fields(ANALYSES[what].settings):
        assert f"--{setting.name.replace('_', '-')}" in text


def test_an_interrupted_analysis_leaves_its_finished_parts(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ANALYSES["timescales"]

    def measure(subject: Any, settings: Any) -> Any:
        if subject.task.N == 3:
            raise KeyboardInterrupt
        return whole.measure(subject, settings)

    stopping: Analysis = dataclasses.replace(whole, measure=measure)
    monkeypatch.setitem(ANALYSES, "timescales", stopping)
    assert main(["analyze", str(run), "--what", "timescales", *QUICK["timescales"], "--out", str(tmp_path)]) == 130
    assert {row["N"] for row in rows(tmp_path / "summary.csv")} == {"2"}
    assert (tmp_path / "timescales.svg").exists()
    assert "interrupted. Saved in" in capsys.readouterr().out


def test_an_interrupted_analysis_leaves_no_table_of_an_earlier_one(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["analyze", str(run), "--what", "geometry", *QUICK["geometry"], "--out", str(tmp_path)]
    assert main(command) == 0
    whole, calls = ANALYSES["geometry"], iter("sk")  # the second checkpoint is not finished

    def measure(subject: Any, settings: Any) -> Any:
        if next(calls) == "k":
            raise KeyboardInterrupt
        return whole.measure(subject, settings)

    monkeypatch.setitem(ANALYSES, "geometry", dataclasses.replace(whole, measure=measure))
    assert main([*command, "--seed", "1"]) == 130
    assert json.loads((tmp_path / "protocol.json").read_text())["settings"]["seed"] == 1
    assert not (tmp_path / "changes.csv").exists()  # follows from all checkpoints, and was of seed 0
    protocol = (tmp_path / "protocol.json").read_bytes()
    calls = iter("k")
    assert main([*command, "--seed", "2"]) == 130  # before anything is finished: the earlier one stays whole
    assert (tmp_path / "protocol.json").read_bytes() == protocol
    assert (tmp_path / "geometry.csv").exists()


@pytest.mark.parametrize(
    ("different", "words"),
    [
        ("--task dms", "task for means over networks, got 'parity' and 'dms'"),
        ("--cell gru", "cell for means over networks, got 'leaky' and 'gru'"),
        ("--curriculum single-head", "curriculum for means over networks, got 'multi-head' and 'single-head'"),
        ("--learning-rate 1e-3", "learning_rate for means over networks, got 0.005 and 0.001"),
    ],
)
def test_runs_of_different_kinds_are_refused(
    different: str, words: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    options = f"{different} --n-max 2 --max-updates 1 --units 24 --batch-size 32 --episodes 2 --budget 60"
    assert main(["train", *options.split(), "--out", str(other)]) == 0
    with pytest.raises(SystemExit):
        main(["analyze", str(run), str(other), "--what", "ablation", "--out", str(tmp_path / "both")])
    assert f"runs must have one {words}" in capsys.readouterr().err
    assert not (tmp_path / "both").exists()


BAD = [
    ("--what foo", "--what: invalid choice: 'foo'"),
    ("", "the following arguments are required: --what"),
    ("--what timescales --checkpoints 9", r"--checkpoints: checkpoints must be among those of .*, \[2, 3\], got 9"),
    ("--what timescales --steps 200", "--steps: steps must be at least 10 lags = 300 for a fit, got 200"),
    ("--what timescales --on c", "--on: must be among"),
    ("--what timescales --task-args N=3", r"--task-args: task_args must be among \['scoring', 'p'\]"),
    ("--what forgetting --ns 4", "--ns: ns must be at most the N of the checkpoint, 2, got 4"),
    ("--what ablation --singles 25", "--singles: singles must be an integer from 0 to 24, got 25"),
    ("--what perturbation --sizes big", "--sizes: must be a number, got 'big'"),
    ("--what timescales --out {run}/config.json", "--out: out must be a folder that can be made"),
    ("{run}/../{run.name} --what timescales --out {run}/x", "RUN: runs must differ, got"),
    ("{run} --what timescales", "--out: out must be given with several runs, got none with 2"),
]


@pytest.mark.parametrize(("options", "complaint"), BAD, ids=[options for options, _ in BAD])
def test_bad_input_is_one_line_before_any_computing(
    options: str, complaint: str, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: Any) -> Tables:
        raise AssertionError("something was computed")

    for name, analysis in ANALYSES.items():
        monkeypatch.setitem(ANALYSES, name, dataclasses.replace(analysis, measure=measure))
    with pytest.raises(SystemExit) as left:
        main(["analyze", str(run), *options.format(run=run).split()])
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert said.count("\n") == 1
    assert re.search(complaint, said), said
    assert not (run / "analysis").exists()


def test_a_folder_that_is_no_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(tmp_path), "--what", "timescales"]) == 1
    assert "config.json cannot be read" in capsys.readouterr().err
