"""Law 7: a run that is killed and resumed gives the numbers of one that was not."""

import csv
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import baselines
from baselines.commands.main import main
from baselines.core.files import RunError
from baselines.core.settings import SettingsError
from baselines.training import loading, run_files, run_folder
from baselines.training.bptt_settings import Settings
from baselines.training.ppo_settings import RLSettings
from baselines.training.recipes import RECIPES, Recipe
from baselines.training.run import TrainingRun
from baselines.training.settings import RunSettings
from tests.baselines.killing import SETTINGS
from tests.baselines.small import BEFORE_STREAMS
from tests.limits import run_limited

ROOT = Path(baselines.__file__).parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


def content(path: Path) -> dict[str, bytes]:
    files = [file for file in path.rglob("*") if file.is_file() and file.name != "lock"]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def numbers(path: Path) -> list[dict[str, str]]:
    with open(path / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: text for name, text in row.items() if "seconds" not in name} for row in rows]


def train(run: TrainingRun, updates: float = math.inf) -> TrainingRun:
    """Until it ends, or as if Ctrl-C had come."""
    for _ in run.train(lambda: run.learner.update >= updates):
        pass
    run.finish()
    return run


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    out = tmp_path_factory.mktemp("runs") / "straight"
    assert train(TrainingRun(Settings(**SETTINGS, out=out))).status == "solved"
    return out


@pytest.fixture
def halfway(tmp_path: Path) -> Path:
    """The same one, interrupted in the middle of its schedule and between two reports."""
    run = train(TrainingRun(Settings(**SETTINGS, out=tmp_path / "run")), updates=77)
    assert run.status == "interrupted"
    return run.folder.path


def assert_same(path: Path, straight: Path) -> None:
    assert numbers(path) == numbers(straight)
    assert run_files.kept_checkpoints(path) == run_files.kept_checkpoints(straight) == [2, 3, 4]
    updates = run_files.kept_checkpoints(path, "U")
    assert updates == run_files.kept_checkpoints(straight, "U")
    assert updates[:3] == [0, 50, 90]  # the first reports from 0, 45 and 90 on
    for at in ((None, None), (2, None), (3, None), (4, None), *((None, update) for update in updates)):
        tensors, plain = loading.read_checkpoint(path, *at)
        expected, expected_plain = loading.read_checkpoint(straight, *at)
        assert tensors.keys() == expected.keys()
        assert all(torch.equal(tensors[name], expected[name]) for name in expected)
        for state in (plain["run"], expected_plain["run"]):
            del state["seconds"], state["cpu_seconds"]
        # The digest of metrics.csv, where the times are too.
        assert len(plain.pop("metrics")) == len(expected_plain.pop("metrics")) == 64
        assert plain == expected_plain
    summary, other = run_files.read_summary(path), run_files.read_summary(straight)
    assert {name for name in summary if summary[name] != other[name]} <= {"seconds", "cpu_seconds", "played"}
    assert not list(path.rglob(".part*"))


def moments(seed: int) -> list[tuple[str, float]]:
    """The first steps of a run one by one, and then any moment."""
    chance = random.Random(seed)
    first: list[tuple[str, float]] = [(kind, n) for n in (1, 2, 3) for kind in ("before", "after")]
    later: list[tuple[str, float]] = [
        (chance.choice(["before", "after", "row"]), chance.randint(2, 5)) for _ in range(5)
    ]
    return [*first, *later, *(("seconds", chance.uniform(0.02, 0.2)) for _ in range(3))]


def killed(path: Path, when: list[tuple[str, float]]) -> list[int]:
    command = [sys.executable, "-m", "tests.baselines.killing", str(path), json.dumps(when)]
    done = run_limited(command, cpu_seconds=200, cwd=ROOT, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    ends: list[int] = json.loads(done.stdout)
    assert set(ends) <= {-signal.SIGKILL, 0}, done.stderr
    return ends


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
def test_a_run_killed_at_any_moment_goes_on_to_the_same_numbers(seed: int, straight: Path, tmp_path: Path) -> None:
    when = moments(seed)
    ends = killed(tmp_path / "run", when)
    assert ends[-1] == 0
    assert ends.count(-signal.SIGKILL) >= len(when) - 3  # those by the clock may come too late
    assert_same(tmp_path / "run", straight)
    assert run_files.read_summary(tmp_path / "run")["played"]["score"] > 0.9


def test_an_interrupted_run_goes_on_to_the_same_numbers(straight: Path, halfway: Path) -> None:
    seconds = run_files.read_summary(halfway)["seconds"]
    run = TrainingRun.resume(halfway)
    assert run.learner.update == 77
    assert not (halfway / "summary.json").exists()
    assert run.seconds == pytest.approx(seconds, abs=0.001) != 0
    train(run)
    assert_same(halfway, straight)


def test_checkpoints_do_not_wait_for_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed run loses seconds, also where reports are minutes apart; what has diverged is not saved."""
    monkeypatch.setattr(TrainingRun, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(TrainingRun, "SAVE_SHARE", 1e9)
    small = SETTINGS["overrides"] | {"test_every": 1000}
    run = TrainingRun(Settings(**SETTINGS | {"overrides": small, "out": tmp_path / "run"}))
    good, seen = run.learner.terms["task"], list[int]()
    run.learner.terms["task"] = lambda *a: good(*a) * (math.nan if run.learner.update == 9 else 1)

    def interrupted() -> bool:
        seen.append(loading.read_checkpoint(tmp_path / "run")[1]["update"])
        return run.learner.update == 12

    assert list(run.train(interrupted)) == []
    assert seen == [0, *range(10), 9, 9, 9]  # asked once more at the end, for the reason
    assert (run.status, run.diverged_at) == ("diverged", 10)
    run.folder.close()
    assert TrainingRun.resume(tmp_path / "run").learner.update == 9


def test_tensorboard_shows_every_report_once(halfway: Path) -> None:
    """Also where the run went back: a second process writes updates 50 to 70 again."""
    kept = content(halfway)["checkpoint.safetensors"]
    shutil.copytree(halfway, halfway.parent / "later")
    train(TrainingRun.resume(halfway.parent / "later"), updates=135)
    (halfway.parent / "later" / "checkpoint.safetensors").write_bytes(kept)
    path = halfway.parent / "later"
    train(TrainingRun.resume(path), updates=160)
    events = EventAccumulator(str(path / "events")).Reload()
    rows = run_files.read_metrics(path)
    for tag, column in (("loss", "loss"), ("loss/tcr", "loss_tcr"), ("accuracy/2", "accuracy_2"), ("N", "N")):
        shown = [(scalar.step, scalar.value) for scalar in events.Scalars(tag)]
        assert shown == [(row["update"], pytest.approx(row[column])) for row in rows]


def test_the_budget_counts_on(tmp_path: Path) -> None:
    path = tmp_path / "run"
    never = SETTINGS | {"n_max": 90, "threshold": 0.9999, "budget": 0.4, "out": path}
    train(TrainingRun(Settings(**never)))
    assert run_files.read_summary(path)["status"] == "budget"
    before = content(path)
    with pytest.raises(RunError, match=r"has used up its budget of 0.4 s: give a larger one, such as --budget 0.8"):
        TrainingRun.resume(path)
    assert content(path) == before
    run = train(TrainingRun.resume(path, {"budget": 0.7}))
    assert run.status == "budget"
    assert 0.7 <= run_files.read_summary(path)["seconds"] < 1.5
    assert run_files.read_settings(path).budget == 0.7
    rows = run_files.read_metrics(path)
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)


def test_a_run_ends_after_its_updates(tmp_path: Path) -> None:
    path = tmp_path / "run"
    never = SETTINGS | {"n_max": 90, "threshold": 0.9999, "max_updates": 23, "out": path}
    assert train(TrainingRun(Settings(**never))).status == "updates"
    summary = run_files.read_summary(path)
    assert (summary["status"], summary["updates"]) == ("updates", 23)
    with pytest.raises(RunError, match="is finished: it has done its 23 updates"):
        TrainingRun.resume(path)
    (path / "summary.json").unlink()  # as if killed before it was written
    run = train(TrainingRun.resume(path))
    assert (run.status, run.learner.update) == ("updates", 23)


def test_the_steps_count_on(straight: Path, tmp_path: Path) -> None:
    """Stopped by its steps and given more, a run has the numbers of one that was never stopped."""
    path, taken = tmp_path / "run", int(run_files.read_summary(straight)["steps"])
    run = train(TrainingRun(Settings(**SETTINGS, steps=taken // 2, out=path)))
    assert (run.status, run_files.read_summary(path)["steps"]) == ("steps", run.steps)
    assert taken // 2 - run.learner.next_steps < run.steps <= taken // 2
    before = content(path)
    for changes in ({}, {"steps": taken // 2}, {"steps": 10}, {"budget": 1e6}):
        with pytest.raises(RunError, match=r"has used up its \d+ steps: give more, such as --steps \d+"):
            TrainingRun.resume(path, changes)
        assert content(path) == before
    assert train(TrainingRun.resume(path, {"steps": taken // 2 + 1})).status == "steps"
    assert train(TrainingRun.resume(path, {"steps": taken}), updates=100).status == "interrupted"
    run = train(TrainingRun.resume(path))
    assert (run.status, run.steps) == ("solved", taken)
    assert run_files.read_settings(path).steps == taken
    assert_same(path, straight)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"seed": 1}, "seed must be left out or be that of the run, 0, got 1"),
        ({"units": 33}, "units must be left out or be that of the run, 32, got 33"),
        ({"tcr": 0.5}, "tcr must be left out or be that of the run, 0.01, got 0.5"),
        ({"out": Path("elsewhere")}, "out must be left out"),
        ({"task_args": {"p": 0.4}}, "task_args must be left out"),
        ({"budget": -1.0}, "budget must be"),
        ({"steps": 0}, "steps must be an integer from 1 to"),
    ],
    ids=str,
)
def test_options_against_the_run_are_refused(change: dict[str, Any], complaint: str, halfway: Path) -> None:
    before = content(halfway)
    with pytest.raises(SettingsError, match=complaint):
        TrainingRun.resume(halfway, change)
    assert content(halfway) == before


def test_options_that_agree_with_the_run_are_welcome(halfway: Path) -> None:
    run = TrainingRun.resume(halfway, {"seed": 0, "units": 32, "tcr": 0.01, "episodes": 60, "recipe": "trials"})
    assert run.plan.settings.episodes == 60
    run.folder.close()


def test_a_run_of_before_streams_goes_on_with_its_numbers(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file has fewer values of the recipe, and another name for it; its checkpoints know the file as it is."""
    path, to_dict = tmp_path / "run", Settings.to_dict
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "asdict", lambda recipe: {name: getattr(recipe, name) for name in BEFORE_STREAMS})
        patch.setattr(Settings, "to_dict", lambda self: to_dict(self) | {"recipe": "fast"})
        train(TrainingRun(Settings(**SETTINGS, out=path)), updates=77)
    stored = json.loads((path / "config.json").read_text())
    assert stored["settings"]["recipe"] == "fast"
    assert set(stored["recipe"]) == set(BEFORE_STREAMS)
    streams: dict[str, Any] = {"stream_steps": 4, "smoothing": 0.2, "averaged": 20, "decay_power": 2.0, "grow_to": 40}
    for name, recipe in RECIPES["trials"].items():
        monkeypatch.setitem(RECIPES["fast"], name, replace(recipe, **streams))
    settings = run_files.read_settings(path)
    assert settings.recipe == "trials"
    usual = {one.name: one.default for one in fields(Recipe) if one.name not in BEFORE_STREAMS}
    assert settings.overrides == stored["recipe"] | usual
    assert set(streams) < set(usual)
    loading.load_network(path)
    with pytest.raises(SettingsError, match="recipe must be left out or be that of the run, 'trials', got 'lean'"):
        TrainingRun.resume(path, {"recipe": "lean"})
    train(TrainingRun.resume(path, {"recipe": "fast"}))
    assert_same(path, straight)
    now = json.loads((path / "config.json").read_text())
    assert now == stored


@pytest.mark.parametrize("kind", [Settings, RLSettings])
def test_a_value_that_a_run_lacks_has_its_declared_default(kind: type[RunSettings], tmp_path: Path) -> None:
    plan = kind(task="delayed-addition", curriculum="none-single", n_max=8, seed=3).plan()
    recipe = asdict(plan.recipe)
    config = {"format": run_files.FORMAT, "method": kind.METHOD, "settings": plan.settings.to_dict(), "recipe": recipe}
    config |= {"task": plan.task.to_dict(), "versions": {}}

    def read(**changes: Any) -> Any:
        (tmp_path / "config.json").write_text(json.dumps(config | changes))
        return run_files.read_settings_as(kind, tmp_path)

    assert read().overrides == recipe
    assert read().recipe == "fast"
    for name, own in {"log_std": 0.0, "trial_length": 2.0, "smoothing": 0.0, "last_head": 0.0}.items():
        values = {other: value for other, value in recipe.items() if other != name}
        if name in recipe and not (name == "trial_length" and kind is RLSettings):
            assert read(recipe=values).overrides == values | {name: own}
    with pytest.raises(RunError, match=r"config\.json is not that of a run: its recipe has no units"):
        read(recipe={name: value for name, value in recipe.items() if name != "units"})


def rewrite_config(path: Path, **changes: Any) -> None:
    file = path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def drop_rows(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))


def change_last_row(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change the cells of the last row of ``metrics.csv``."""
    *rows, last = (path / "metrics.csv").read_text().splitlines()
    lines = [*rows, ",".join(change(last.split(",")))]
    (path / "metrics.csv").write_text("".join(f"{line}\r\n" for line in lines))


def other_metrics(path: Path) -> None:
    """The rows of a run with another seed, as many and of the same updates."""
    other = train(TrainingRun(Settings(**SETTINGS | {"seed": 1, "out": path / "other"})), 77)
    assert [row["update"] for row in numbers(other.folder.path)] == [row["update"] for row in numbers(path)]
    shutil.move(path / "other" / "metrics.csv", path / "metrics.csv")
    shutil.rmtree(path / "other")


def foreign(path: Path) -> None:
    """The checkpoint of a run with another seed."""
    other = TrainingRun(Settings(**SETTINGS | {"seed": 1, "out": path / "other"}))
    shutil.move(path / "other" / "checkpoint.safetensors", path / "checkpoint.safetensors")
    other.folder.close()
    shutil.rmtree(path / "other")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (lambda path: cut(path / "checkpoint.safetensors"), "checkpoint.safetensors cannot be read"),
    "foreign": (foreign, "checkpoint.safetensors is not of this run"),
    "lost": (lambda path: (path / "checkpoint.safetensors").unlink(), "checkpoint.safetensors cannot be read"),
    "version": (lambda path: rewrite_config(path, format=1), "config.json has the format 1; known: 2"),
    "config": (
        lambda path: rewrite_config(path, recipe=None),
        "config.json .* recipe must be an object, got None",
    ),
    "no config": (lambda path: (path / "config.json").unlink(), "is not a run folder: it has no config.json"),
    "rows": (lambda path: drop_rows(path / "metrics.csv"), r"metrics.csv must have 7 rows .* has 2"),
    "columns": (lambda path: (path / "metrics.csv").write_text("update,N\r\n"), "metrics.csv has other columns"),
    "text": (lambda path: (path / "metrics.csv").write_bytes(b"\xff\xfe\n"), "metrics.csv cannot be read"),
    "garbage": (
        lambda path: change_last_row(path, lambda row: [*row[:3], "garbage", *row[4:]]),
        "metrics.csv, line 8: could not convert string to float: 'garbage'",
    ),
    "cells": (
        lambda path: change_last_row(path, lambda row: [*row, "1"]),
        "metrics.csv, line 8: must have [0-9]+ cells, has [0-9]+",
    ),
    "update": (
        lambda path: change_last_row(path, lambda row: ["31", *row[1:]]),
        "metrics.csv must end with update 70, ends with 31",
    ),
    "number": (
        lambda path: change_last_row(path, lambda row: [*row[:-1], "1.5"]),
        "metrics.csv is not what this run wrote up to update 77 of the checkpoint",
    ),
    "other metrics": (other_metrics, "metrics.csv is not what this run wrote up to update 77 of the checkpoint"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_folder_is_a_clear_error_and_left_alone(
    what: str, halfway: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, complaint = DAMAGE[what]
    damage(halfway)
    before = content(halfway)
    assert main(["train", "--resume", str(halfway)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(rf"python -m baselines: error: .*{complaint}.*\n", said.err)
    assert content(halfway) == before


def test_a_run_that_has_ended_is_refused(straight: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = content(straight)
    assert main(["train", "--resume", str(straight)]) == 1
    assert capsys.readouterr().err.endswith("is finished: its last stage is solved\n")
    assert content(straight) == before
    assert main(["train", "--resume", str(tmp_path / "nowhere")]) == 1
    assert "is not a run folder" in capsys.readouterr().err


def test_a_folder_in_use_is_refused_until_its_process_is_gone(halfway: Path, straight: Path) -> None:
    hold = "import fcntl, os, sys; f = open(sys.argv[1], 'r+'); fcntl.flock(f, fcntl.LOCK_EX); "
    hold += "f.write(f'{os.getpid()}\\n'); f.truncate(); f.flush(); print('held', flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold, str(halfway / "lock")], text=True, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == "held\n"
        before = content(halfway)
        with pytest.raises(RunError, match=rf"is in use by process {process.pid}$"):
            TrainingRun.resume(halfway)
        assert content(halfway) == before
        process.kill()
        process.wait()
    assert (halfway / "lock").read_text() == f"{process.pid}\n"  # it is stale now
    train(TrainingRun.resume(halfway))
    assert_same(halfway, straight)


def test_two_runs_cannot_begin_in_one_folder(tmp_path: Path) -> None:
    first = TrainingRun(Settings(**SETTINGS, out=tmp_path / "run"))
    with pytest.raises(SettingsError, match="which holds"):
        TrainingRun(Settings(**SETTINGS, out=tmp_path / "run"))
    with pytest.raises(RunError, match=f"is in use by process {os.getpid()}"):
        TrainingRun.resume(tmp_path / "run")
    first.folder.close()
    TrainingRun.resume(tmp_path / "run").folder.close()


def test_a_loss_that_is_no_number_is_not_saved_by_an_interrupt(
    halfway: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = TrainingRun.resume(halfway)
    good = run.learner.terms["task"]
    run.learner.terms["task"] = lambda *a: good(*a) * (math.nan if run.learner.update == 82 else 1)
    train(run, updates=86)
    summary = run_files.read_summary(halfway)
    assert (summary["status"], summary["diverged_at"], run.saved_update) == ("diverged", 83, 77)
    assert loading.read_checkpoint(halfway)[1]["update"] == 77
    assert main(["train", "--resume", str(halfway)]) == 1
    assert "diverged at update 83: going on would do the same again" in capsys.readouterr().err


def test_another_version_is_mentioned(
    halfway: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    then = json.loads((halfway / "config.json").read_text())["versions"]
    rewrite_config(halfway, versions=then | {"torch": "0.1"})
    assert main(["train", "--resume", str(halfway), "--budget", "0.001"]) == 0
    said = capsys.readouterr()
    assert re.fullmatch(r"note: .* was begun with torch 0.1, and this is .*: numbers may differ\n", said.err)
    assert f"Go on with: python -m baselines train --resume {halfway} --budget 0.002" in said.out
    assert main(["train", "--resume", str(halfway), "--budget", "600", "--steps", "1"]) == 0
    assert f"Go on with: python -m baselines train --resume {halfway} --steps 2" in capsys.readouterr().out


@pytest.mark.slow
def test_a_disk_that_is_really_full_leaves_a_run_that_goes_on(tmp_path: Path, straight: Path) -> None:
    """No file may grow past 20 kB: the first checkpoint fits, one with the optimiser's moments does not."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from baselines.commands.main import main; from baselines.training.run import TrainingRun\n"
        "TrainingRun.SAVE_SECONDS, TrainingRun.SAVE_SHARE = 0.0, 1e9; sys.exit(main(sys.argv[1:]))"
    )
    command = ["train", "--out", str(tmp_path / "run"), "--recipe", "trials", "--n-max", "4"]
    command += ["--units", "48", "--batch-size", "32"]
    done = subprocess.run(
        [sys.executable, "-c", code, *command], env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert re.fullmatch(r"python -m baselines: error: .*checkpoint.safetensors cannot be written: .*\n", done.stderr)
    assert not list((tmp_path / "run").rglob(".part*"))
    assert loading.read_checkpoint(tmp_path / "run")[1]["update"] == 0
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    assert run_files.read_summary(tmp_path / "run")["status"] == "solved"


def test_a_run_on_streams_goes_on_as_if_never_stopped(tmp_path: Path) -> None:
    """With all that the default recipe has: streams, heads ahead, averaged weights, a sequential test and growth."""
    small = {"units": 48, "batch_size": 32, "grow_to": 64, "grow_at": 4}
    runs = []
    for name, stops in (("straight", []), ("stopped", [101, 163])):
        out = tmp_path / name
        run = TrainingRun(Settings(n_max=5, seed=1, episodes=10, threshold=0.9, out=out, overrides=small))
        for stop in stops:
            assert train(run, stop).status == "interrupted"
            run = TrainingRun.resume(out)
        assert train(run).status == "solved"
        assert run.learner.network.cell.output_size == 64
        runs.append(out)
    assert numbers(runs[0]) == numbers(runs[1])
    assert run_files.kept_checkpoints(runs[0]) == run_files.kept_checkpoints(runs[1]) == [2, 3, 4, 5]
    for n in (None, 2, 3, 4, 5):
        (one, plain), (other, _) = (loading.read_checkpoint(path, n) for path in runs)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
        # What is kept under an N is for analyses: the weights of the latest update, and the averaged ones.
        kinds = {name.partition(".")[0] for name in one}
        assert kinds == {"network", "averaged"} if n else {"network", "averaged", "optimizer", "carried"} <= kinds
        network, _ = loading.network_of(run_files.read_settings(runs[0]).plan(), one, plain)
        name, weights = next(iter(network.named_parameters()))
        assert torch.equal(weights, one[f"averaged.{name}"])
