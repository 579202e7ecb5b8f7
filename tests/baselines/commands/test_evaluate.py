"""Checkpoints of a run play the environments."""

import csv
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from baselines.commands.evaluate import EvaluationSettings, evaluate_run
from baselines.commands.main import main
from baselines.core import files, seeds
from baselines.core.settings import SettingsError
from baselines.training.bptt_settings import Settings
from baselines.training.run import TrainingRun
from memory_envs import Parity


def trained(out: Path, **changes: Any) -> TrainingRun:
    usual: dict[str, Any] = {"n_max": 3, "episodes": 100, "overrides": {"units": 32, "batch_size": 32}, "out": out}
    run = TrainingRun(Settings(**usual | changes))
    for _ in run.train():
        pass
    run.play()
    run.finish()
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    return trained(tmp_path_factory.mktemp("runs") / "multi")


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "single", curriculum="single-head", budget=1e-9).folder.path


def test_the_latest_checkpoint_plays_as_the_run_did(run: TrainingRun) -> None:
    assert list(evaluate_run(run.folder.path, EvaluationSettings(episodes=100))) == [run.played]


def test_a_kept_checkpoint_plays_the_stage_that_it_solved(run: TrainingRun) -> None:
    (played,) = evaluate_run(run.folder.path, EvaluationSettings(checkpoint=2, episodes=100))
    assert played.task == Parity(heads=(2,))
    assert played.accuracy["N=2"] > 0.95


def test_heads_length_and_arguments_are_as_asked_for(run: TrainingRun) -> None:
    path = run.folder.path
    (played,) = evaluate_run(path, EvaluationSettings(n=(3,), num_steps=70, task_args={"p": 0.3}, episodes=20))
    assert played.task == Parity(heads=(3,), num_steps=70, p=0.3)
    (longer,) = evaluate_run(path, EvaluationSettings(trial_length=10, episodes=20))
    assert longer.task == Parity(heads=(2, 3), num_steps=30)
    assert min(longer.accuracy.values()) > 0.9


def test_the_largest_seed_of_a_run_can_be_evaluated(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", seed=seeds.LARGEST, curriculum="none-single", budget=1e-9)
    assert list(evaluate_run(run.folder.path, EvaluationSettings(episodes=100))) == [run.played]


def test_trials_too_long_to_play_are_refused(single: Path) -> None:
    with pytest.raises(SettingsError, match="n must ask for trials of at most 100000 steps, got N = 25001: 100004 st"):
        list(evaluate_run(single, EvaluationSettings(n=(2, 25001))))


def test_a_single_readout_plays_any_n_one_after_the_other(single: Path) -> None:
    played = list(evaluate_run(single, EvaluationSettings(n=(2, 9), episodes=50)))
    assert [each.task for each in played] == [Parity(N=2), Parity(N=9)]


BAD = [
    ("--checkpoint 9", r"--checkpoint: checkpoint must be one of the kept ones, \[2, 3\], got 9"),
    ("--n 2 7", r"--n: n must be among \[2, 3\], the N that the network has a readout for, got 7"),
    ("--n 0", "--n: .*0"),
    ("--num-steps 1", "--num-steps: num_steps must be .* got 1"),
    ("--num-steps 9 --trial-length 3", "--trial-length: trial_length must be left out where num_steps is given"),
    ("--trial-length nan", "--trial-length: trial_length must be a number"),
    ("--task-args q=1", r"--task-args: task_args must be among \['scoring', 'p'\] for parity, got 'q'"),
    ("--task-args p=7", "--task-args: p must be .*7"),
    ("--episodes 1", "--episodes: episodes must be an integer from 2 to 100000, got 1"),
    ("--out nowhere/scores.csv", "--out: out must be a file in a folder that exists, got nowhere/scores.csv"),
    ("--out /dev/stdout", "--out: out must be a file in a folder that exists, got /dev/stdout, a (link|device|pipe)"),
    ("--out /dev/null", "--out: out must be a file in a folder that exists, got /dev/null, a device"),
    ("--out {run}", "--out: out must be a file in a folder that exists, got .*, a folder"),
    ("--out {run}/metrics.csv", "--out: out must be a new file or one of scores, got .*, which holds something else"),
    ("--out {run}/checkpoint.safetensors", "--out: out must be a new file or one of scores, got"),
    ("--seed -1", "--seed: seed must be an integer from 0 to .*, got -1"),
    ("--device tpu", "--device: device must be cpu, cuda or cuda:<number>, got 'tpu'"),
]


@pytest.mark.parametrize(("options", "complaint"), BAD, ids=[options for options, _ in BAD])
def test_bad_input_is_one_line(
    options: str, complaint: str, run: TrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["evaluate", str(run.folder.path), *options.format(run=run.folder.path).split()])
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(rf"python -m baselines evaluate: error: argument {complaint}.*\n", said.err)


def test_what_does_not_fit_the_network_or_the_task_is_refused(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"curriculum": "single-head", "budget": 1e-9, "n_max": 4}
    flip_flop = trained(tmp_path / "flip", task="flip-flop", **changes).folder.path
    with pytest.raises(SettingsError, match=r"task_args must leave the 3 inputs of the network, got .* with 4"):
        list(evaluate_run(flip_flop, EvaluationSettings(task_args={"bits": 4})))
    addition = trained(tmp_path / "sum", task="delayed-addition", **changes).folder.path
    with pytest.raises(SettingsError, match="num_steps must be left out for delayed-addition"):
        list(evaluate_run(addition, EvaluationSettings(num_steps=30)))
    with pytest.raises(files.RunError, match="is not a run folder"):
        list(evaluate_run(tmp_path / "nowhere", EvaluationSettings()))


def test_the_command_prints_scores_with_intervals_and_changes_nothing(
    run: TrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.read_bytes() for file in run.folder.path.rglob("*") if file.is_file()}
    assert main(["evaluate", str(run.folder.path), "--n", "2", "3", "--episodes", "50"]) == 0
    said = capsys.readouterr().out
    assert len(re.findall(r"N=[23] +[01]\.\d{4} +[01]\.\d{3}\.\.[01]\.\d{3}", said)) == 2
    assert "chance" in said
    assert "perfect" in said
    assert {file: file.read_bytes() for file in run.folder.path.rglob("*") if file.is_file()} == before


def test_memory_lags_and_a_file_of_all_numbers(
    run: TrainingRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.csv"
    assert main(["evaluate", str(run.folder.path), "--lags", "--episodes", "50", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"normalised +[01]\.\d{4} +[01]\.\d{3}\.\.[01]\.\d{3} +1\.000", said)
    assert re.search(r"memory \(steps\) +\d\.\d\d +\d\.\d\d\.\.3\.00 +0\.0 +3\.0", said)
    assert len(re.findall(r"^ +[12] +500 +[01]\.\d{4} +[01]\.\d{3}\.\.1\.000 +$", said, re.MULTILINE)) == 2
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["measure"], row["of"]) for row in rows] == [
        *(("score", ""), ("normalised", ""), ("equivalent_memory", "")),
        *(("accuracy", "N=2"), ("accuracy", "N=3"), ("accuracy_by_lag", "1"), ("accuracy_by_lag", "2")),
    ]
    assert {row["arguments"] for row in rows} == {'{"N": 3, "heads": [2, 3]}'}
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)
    assert rows[-1]["answers"] == "500"


def test_no_digit_is_cut_where_the_terminal_is_narrow(
    run: TrainingRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert main(["evaluate", str(run.folder.path), "--episodes", "50", "--task-args", "scoring=final"]) == 0
    said = capsys.readouterr().out
    number = r" +-?\d\.\d{4} +-?\d\.\d{3}\.\.-?\d\.\d{3}"
    assert len(re.findall(rf"N=[23]{number}{number} +0\.000 +1\.000", said)) == 2
    assert re.search(rf"mean return{number} +0\.000 +1\.000", said)


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for setting in fields(EvaluationSettings):
        assert f"--{setting.name.replace('_', '-')} " in said
        assert setting.metadata["help"][:20] in said


def test_the_usual_seed_is_none_of_training() -> None:
    assert seeds.evaluation_seed(0) > seeds.LARGEST
