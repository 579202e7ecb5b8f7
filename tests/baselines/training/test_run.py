"""A run from its settings to its folder."""

import csv
import json
import math
import os
import shutil
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from baselines.core import seeds
from baselines.core.files import RunError
from baselines.core.settings import SettingsError
from baselines.evaluation import evaluate
from baselines.network import NetworkAgent
from baselines.training import loading, run_files
from baselines.training.batches import Practice
from baselines.training.bptt_settings import Settings
from baselines.training.figure import training_figure
from baselines.training.run import TrainingRun
from memory_envs import Trials

SMALL: dict[str, Any] = {"units": 48, "batch_size": 32, "test_every": 10}


def settings(out: Path, **changes: Any) -> Settings:
    usual: dict[str, Any] = {"n_max": 3, "episodes": 100, "overrides": SMALL, "out": out}
    return Settings(**(usual | changes))


def finished(out: Path, **changes: Any) -> TrainingRun:
    run = TrainingRun(settings(out, **changes))
    for _ in run.train():
        pass
    if run.status in ("solved", "budget", "steps"):
        run.play()
    run.finish()
    return run


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    return finished(tmp_path_factory.mktemp("runs") / "one")


def test_a_solved_run_says_so(run: TrainingRun) -> None:
    summary = run_files.read_summary(run.folder.path)
    assert summary["status"] == "solved"
    assert summary["largest_n"] == 3
    assert list(summary["scores"]) == ["2", "3"]
    assert min(summary["scores"].values()) > 0.98
    assert summary["updates"] == run.learner.update == summary["solved_at"]["3"]
    assert 0 < summary["cpu_seconds"] < 60
    assert summary["played"]["accuracy"].keys() == {"N=2", "N=3"}
    assert summary["played"]["score"] > 0.9
    assert summary["played"]["seed"] > seeds.LARGEST  # no run can have trained on these trials


def test_the_folder_holds_what_it_should_and_nothing_half_written(run: TrainingRun) -> None:
    names = {entry.name for entry in run.folder.path.iterdir()} - {"training.png"}
    files = {"config.json", "metrics.csv", "checkpoint.safetensors", "summary.json", "lock"}
    assert names == files | {"checkpoints", "events"}
    assert {entry.name for entry in (run.folder.path / "checkpoints").iterdir()} == {
        "N002.safetensors",
        "N003.safetensors",
    }
    assert len(list((run.folder.path / "events").iterdir())) == 1
    config = json.loads((run.folder.path / "config.json").read_text())
    assert config["recipe"]["units"] == 48
    assert config["recipe"]["learning_rate"] == run.plan.recipe.learning_rate
    assert config["versions"]["torch"] == torch.__version__
    assert config["settings"]["seed"] == 0


def test_metrics_are_one_row_a_report(run: TrainingRun) -> None:
    rows = run_files.read_metrics(run.folder.path)
    assert [row["update"] for row in rows] == list(range(10, run.learner.update + 1, 10))
    assert [row["N"] for row in rows if row["solved"]] == [2, 3]
    assert ["accuracy_3" in row for row in rows] == [row["N"] == 3 for row in rows]
    assert rows[-1]["loss"] == rows[-1]["loss_task"] < rows[0]["loss"]
    assert all(1 <= row["tau_mean"] < 2 for row in rows)
    assert all(a["seconds"] <= b["seconds"] for a, b in pairwise(rows))


def test_the_same_seed_writes_the_same_metrics_but_for_the_times(run: TrainingRun, tmp_path: Path) -> None:
    def numbers(path: Path) -> list[dict[str, str]]:
        with open(path / "metrics.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        return [{name: text for name, text in row.items() if "seconds" not in name} for row in rows]

    again, other = finished(tmp_path / "again"), finished(tmp_path / "other", seed=1)
    assert numbers(again.folder.path) == numbers(run.folder.path)
    assert numbers(other.folder.path) != numbers(run.folder.path)
    assert again.played == run.played


def test_a_saved_network_plays_as_the_trained_one_did(run: TrainingRun) -> None:
    network, task = loading.load_network(run.folder.path)
    assert task == run.learner.task
    played = evaluate(NetworkAgent(network, task), task, episodes=100, seed=seeds.evaluation_seed(0))
    assert played == run.played


def test_a_checkpoint_holds_all_that_training_changes(run: TrainingRun) -> None:
    tensors, plain = loading.read_checkpoint(run.folder.path)
    expected, expected_plain = run.learner.state()
    own, metrics = plain.pop("run"), (run.folder.path / "metrics.csv").read_bytes()
    assert plain.pop("metrics") == sha256(metrics).hexdigest()
    assert plain == expected_plain
    assert (own["status"], own["solved_at"], own["scores"]) == ("solved", run.solved_at, run.scores)
    assert tensors.keys() == expected.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected[name])
    assert "optimizer.readouts.3.weight.exp_avg" in tensors


def test_the_figure_is_drawn(run: TrainingRun) -> None:
    from matplotlib.image import imread

    path = training_figure(run.folder.path)
    picture = imread(path)
    assert picture.shape[0] > 300
    assert picture.shape[1] > 800
    assert len({tuple(pixel) for pixel in picture[::7, ::7].reshape(-1, picture.shape[2])}) > 20


def test_single_head_scores_are_by_n(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", curriculum="single-head")
    summary = run_files.read_summary(run.folder.path)
    assert list(summary["scores"]) == ["2", "3"]
    assert list(run_files.read_metrics(run.folder.path)[0]) == [
        *("update", "steps", "N", "solved", "loss", "loss_task", "gradient_norm", "tau_mean", "tau_sd"),
        *("accuracy_0", "seconds", "cpu_seconds"),
    ]
    assert training_figure(run.folder.path).is_file()


def test_the_budget_ends_a_run(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", n_max=99, budget=0.5)
    summary = run_files.read_summary(run.folder.path)
    assert summary["status"] == "budget"
    assert 0.5 <= summary["seconds"] < 5
    assert summary["updates"] == run.learner.update > 0


class Watched(Practice):
    """Notes each trial that an update trained on."""

    seen: ClassVar[list[int]] = []

    def batch(self, index: int) -> Trials:
        trials = super().batch(index)
        self.seen.extend(trials.lengths.tolist())
        return trials


@pytest.mark.parametrize(
    ("test_batches", "task_args", "supervision"),
    [(0, {}, "counted"), (3, {"scoring": "final"}, "counted"), (0, {}, "last-step")],
    ids=["one length", "lengths that differ in a batch, fresh tests", "lengths that differ between batches"],
)
def test_the_steps_are_those_that_an_agent_would_have_been_shown(
    test_batches: int,
    task_args: dict[str, Any],
    supervision: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each trial counts with its own length: not its padding, and not what is drawn to test."""
    monkeypatch.setattr("baselines.training.learner.Practice", Watched)
    Watched.seen.clear()
    small = SMALL | {"test_every": 3, "test_batches": test_batches, "supervision": supervision}
    asked = {"recipe": "trials", "n_max": 99, "steps": 9_000, "threshold": 0.55, "task_args": task_args}
    run = finished(tmp_path / "run", **asked, overrides=small)
    summary = run_files.read_summary(run.folder.path)
    # The last batch was drawn to see how many steps it takes, and left alone.
    trained = Watched.seen[: 32 * summary["updates"]]
    assert summary["steps"] == run.steps == sum(trained) <= 9_000 < sum(Watched.seen)
    assert len(Watched.seen) == 32 * (summary["updates"] + 1)
    assert summary["status"] == "steps"
    assert summary["largest_n"] >= 2  # the length of trials has grown
    rows = run_files.read_metrics(run.folder.path)
    assert [row["steps"] for row in rows] == [sum(trained[: 32 * int(row["update"])]) for row in rows]


def test_the_limit_of_steps_may_be_met_exactly(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", n_max=99, first_n=4, steps=1 + 3 * 32 * 8)
    assert (run.learner.update, run.steps) == (3, 3 * 32 * 8)
    exact = finished(tmp_path / "exact", n_max=99, first_n=4, steps=3 * 32 * 8)
    assert exact.learner.update == 3


def test_a_budget_too_short_for_a_report_still_leaves_a_whole_folder(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", budget=1e-9)
    summary = run_files.read_summary(run.folder.path)
    assert (summary["status"], summary["updates"], summary["largest_n"]) == ("budget", 0, None)
    assert summary["played"]["score"] < 0.5
    with pytest.raises(RunError, match="no report yet"):
        training_figure(run.folder.path)


def test_an_interrupted_run_keeps_everything(tmp_path: Path) -> None:
    run = TrainingRun(settings(tmp_path / "run", n_max=99))
    for _ in run.train(lambda: run.learner.update >= 15):
        pass
    summary = run.finish()
    assert (summary["status"], summary["updates"], summary["played"]) == ("interrupted", 15, None)
    assert loading.read_checkpoint(run.folder.path)[1]["update"] == 15
    assert len(run_files.read_metrics(run.folder.path)) == 1
    assert training_figure(run.folder.path).is_file()  # without a warning, little as there is to draw


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    run = TrainingRun(settings(tmp_path / "run"))
    good = run.learner.terms["task"]
    for progress in run.train():
        if progress.largest_n == 2:
            run.learner.terms["task"] = lambda *a: good(*a) * (math.nan if run.learner.update % 10 == 6 else 1)
    summary = run.finish()
    assert summary["status"] == "diverged"
    assert summary["diverged_at"] == summary["solved_at"]["2"] + 7  # the seventh update, counted from 1
    assert run.saved_update == summary["solved_at"]["2"]
    assert summary["updates"] == summary["solved_at"]["2"] + 10
    tensors, plain = loading.read_checkpoint(run.folder.path)
    assert plain["update"] == summary["solved_at"]["2"]
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_a_folder_that_holds_something_is_refused_and_left_alone(run: TrainingRun, tmp_path: Path) -> None:
    before = content(run.folder.path)
    with pytest.raises(SettingsError, match=r"out must be a new or an empty folder, got .*, which holds"):
        TrainingRun(settings(run.folder.path))
    assert content(run.folder.path) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SettingsError, match="out must be a folder that can be made"):
        TrainingRun(settings(tmp_path / "file"))


def test_the_default_folder_is_named_by_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where nobody has run anything
    assert Settings().folder == Path("runs/parity_leaky_multi-head_n12_seed0")
    changed = Settings(seed=3, cell_args={"form": "mod"}, task_args={"p": "uniform"}, overrides={"units": 64}, step=2)
    assert changed.folder == Path("runs/parity_leaky_multi-head_n12_seed3_step=2_p=uniform_form=mod_units=64")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "cannot be read"),
        (lambda path: path.write_bytes(b"not a checkpoint at all"), "cannot be read"),
        (lambda path: path.unlink(), "cannot be read"),
    ],
    ids=["truncated", "foreign", "missing"],
)
def test_a_bad_checkpoint_is_a_clear_error(run: TrainingRun, tmp_path: Path, damage: Any, complaint: str) -> None:
    copy = shutil.copytree(run.folder.path, tmp_path / "copy")
    damage(copy / "checkpoint.safetensors")
    with pytest.raises(RunError, match=f"checkpoint.safetensors {complaint}"):
        loading.load_network(copy)


def test_a_config_of_another_format_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"format": 99}')
    with pytest.raises(RunError, match="has the format 99; known: 2"):
        run_files.read_settings(tmp_path)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(RunError, match="cannot be read"):
        run_files.read_settings(tmp_path)


def test_a_full_disk_is_a_clear_error_and_leaves_the_old_checkpoint(
    run: TrainingRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = TrainingRun(settings(tmp_path / "run"))
    before = content(tmp_path / "run")

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"N002.safetensors cannot be written: .*No space left"):
        for _ in other.train():
            pass
    after = content(tmp_path / "run")
    assert after["checkpoint.safetensors"] == before["checkpoint.safetensors"]
    assert not [name for name in after if ".part" in name]


def test_the_default_type_of_torch_changes_no_run(tmp_path: Path) -> None:
    def trained(out: str) -> dict[str, torch.Tensor]:
        small = {"units": 8, "batch_size": 8, "test_every": 10}
        run = TrainingRun(Settings(n_max=2, max_updates=20, episodes=10, out=tmp_path / out, overrides=small))
        for _ in run.train():
            pass
        run.play()
        run.finish()
        return run.learner.state()[0]

    expected = trained("single")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        got = trained("double")
        network, task = loading.load_network(tmp_path / "single")
        played = evaluate(NetworkAgent(network, task), task, episodes=10, seed=seeds.evaluation_seed(0))
    finally:
        torch.set_default_dtype(before)
    assert {name: value.dtype for name, value in got.items()} == {name: value.dtype for name, value in expected.items()}
    assert all(torch.equal(got[name], expected[name]) for name in expected)
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert played.score == run_files.read_summary(tmp_path / "single")["played"]["score"]
