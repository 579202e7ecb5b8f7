"""Runs of reinforcement learning: what they write, and that a killed run resumes to the same numbers."""

from __future__ import annotations

import csv
import gc
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import baselines
from baselines.cells import GRU
from baselines.commands.evaluate import EvaluationSettings, evaluate_run
from baselines.commands.main import main
from baselines.core.files import RunError, replace_file
from baselines.core.settings import SettingsError
from baselines.evaluation import evaluate
from baselines.ppo.run import RLRun, load_agent
from baselines.training import loading, run_files
from baselines.training.ppo_settings import RLSettings
from baselines.training.run_folder import RunFolder


class TwiceAsWide(GRU):
    """A cell with twice as many outputs as units."""

    def __init__(self, input_size: int, units: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__(input_size, 2 * units, generator=generator)


ROOT = Path(baselines.__file__).parents[1]
SETTINGS: dict[str, Any] = {
    "task": "parity",
    "cell": "gru",
    "n_max": 3,
    "curriculum": "multi-head",
    "threshold": 0.6,
    "steps": 5_000,
    "episodes": 20,
    "tcr": 0.01,
    "overrides": {"units": 12, "num_envs": 16, "report_every": 1, "rollout_trials": 2, "minibatches": 2, "epochs": 4},
}


def train(run: RLRun, parts: float = float("inf")) -> RLRun:
    """Train to the end, or stop in the middle of a part, as Ctrl-C does."""
    began: list[int] = []

    def interrupted() -> bool:
        began.append(run.part)
        return run.part >= parts and began.count(run.part) > 3

    for _ in run.train(interrupted):
        pass
    run.finish()
    return run


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "straight"
    run = train(RLRun(RLSettings(**SETTINGS, out=out)))
    assert run.part > 4
    return out


@pytest.fixture
def halfway(tmp_path: Path) -> Path:
    run = train(RLRun(RLSettings(**SETTINGS, out=tmp_path / "run")), parts=3)
    assert run.status == "interrupted"
    return run.folder.path


def numbers(path: Path) -> list[dict[str, str]]:
    with open(path / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: text for name, text in row.items() if "seconds" not in name} for row in rows]


def assert_same(path: Path, straight: Path) -> None:
    assert numbers(path) == numbers(straight)
    assert run_files.kept_checkpoints(path) == run_files.kept_checkpoints(straight)
    tensors, plain = loading.read_checkpoint(path)
    expected, expected_plain = loading.read_checkpoint(straight)
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)
    for state in (plain, expected_plain):
        del state["seconds"], state["cpu_seconds"], state["metrics"]  # the digest of metrics.csv, where the times are
    assert plain == expected_plain


def test_an_interrupted_run_goes_on_to_the_same_numbers(straight: Path, halfway: Path) -> None:
    rows = run_files.read_metrics(halfway)
    assert (
        run_files.read_summary(halfway)["steps"] == rows[-1]["steps"] == 3 * 384
    )  # the unfinished part does not count
    torch.rand(7)  # other draws in the same process must not matter
    run = RLRun.resume(halfway)
    assert run.part == 3
    train(run)
    assert_same(halfway, straight)


def test_a_killed_run_goes_on_to_the_same_numbers(straight: Path, tmp_path: Path) -> None:
    code = (
        "import json, os, signal, sys; from pathlib import Path; import torch; torch.set_num_threads(1)\n"
        "from baselines.ppo.run import RLRun; from baselines.training.ppo_settings import RLSettings\n"
        "settings = RLSettings(**json.loads(sys.argv[2]), out=Path(sys.argv[1]))\n"
        "run = RLRun(settings); write = run.folder.save_checkpoint\n"
        "def save(*a):\n"
        "    if run.part == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    write(*a)\n"
        "run.folder.save_checkpoint = save\n"
        "for _ in run.train(): pass\n"
    )
    path = tmp_path / "run"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(path), json.dumps(SETTINGS)]
    done = subprocess.run(command, cwd=ROOT, env=environment, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert len(numbers(path)) == 2  # the second row is written, its checkpoint is not
    run = RLRun.resume(path)
    assert run.part == 1
    train(run)
    assert_same(path, straight)


def test_what_is_written(straight: Path) -> None:
    rows = run_files.read_metrics(straight)
    assert [row["steps"] for row in rows] == [384 * i for i in range(1, len(rows) + 1)]
    assert all(row["tcr_loss"] > 0 for row in rows)
    summary = run_files.read_summary(straight)
    assert summary["status"] in ("solved", "steps")
    assert summary["played"]["episodes"] == 20
    assert json.loads((straight / "config.json").read_text())["method"] == "train-rl"
    events = EventAccumulator(str(straight / "events")).Reload()
    assert [scalar.step for scalar in events.Scalars("score")] == [row["steps"] for row in rows]


def test_a_run_is_an_agent_without_a_pickle(straight: Path) -> None:
    policy, task = load_agent(straight)
    assert task.parameters()
    score = evaluate(policy, task, episodes=20, seed=1 << 32).score
    assert score == run_files.read_summary(straight)["played"]["score"]
    (played,) = evaluate_run(straight, EvaluationSettings(episodes=20))
    assert played.score == score
    (two,) = evaluate_run(straight, EvaluationSettings(episodes=20, n=(2,)))
    assert list(two.accuracy) == ["N=2"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"seed": 1}, r"seed must be left out .* \(only steps and episodes may change"),
        ({"units": 33}, "units must be left out or be that of the run, 12, got 33"),
        ({"steps": 0}, "steps must be an integer from 1"),
    ],
    ids=str,
)
def test_options_against_the_run_are_refused(change: dict[str, Any], complaint: str, halfway: Path) -> None:
    with pytest.raises(SettingsError, match=complaint):
        RLRun.resume(halfway, change)


def test_more_steps_for_a_run_that_has_used_them_up(tmp_path: Path, straight: Path) -> None:
    path = tmp_path / "run"
    never = SETTINGS | {"threshold": 0.999}
    train(RLRun(RLSettings(**never | {"steps": 700}, out=path)))
    assert run_files.read_summary(path)["status"] == "steps"
    with pytest.raises(RunError, match="has used up its 700 steps: give more, such as --steps 1400"):
        RLRun.resume(path)
    with pytest.raises(RunError, match="has used up its 350 steps: give more, such as --steps 1536"):
        RLRun.resume(path, {"steps": 350})  # it has taken 768
    train(RLRun.resume(path, {"steps": 1200}))
    train(RLRun(RLSettings(**never | {"steps": 1200}, out=tmp_path / "other")))
    assert_same(path, tmp_path / "other")


def test_a_run_of_the_other_command_is_refused(straight: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", str(straight)]) == 1
    assert "must be a run of train, and is one of train-rl" in capsys.readouterr().err


def test_weights_that_are_no_numbers_are_not_saved(halfway: Path) -> None:
    run = RLRun.resume(halfway)
    learn = run.model.train

    def spoil() -> None:
        learn()
        with torch.no_grad():
            next(run.model.policy.parameters()).mul_(float("nan"))

    run.model.train = spoil  # type: ignore[method-assign]
    train(run)
    assert run_files.read_summary(halfway)["status"] == "diverged"
    assert loading.read_checkpoint(halfway)[1]["part"] == 3


@pytest.mark.parametrize("when", ["learning", "playing"])
def test_real_values_that_are_no_numbers_end_a_run_as_weights_do(when: str, tmp_path: Path) -> None:
    overrides = {"units": 8, "num_envs": 8, "report_every": 2, "epochs": 2, "minibatches": 2}
    settings: dict[str, Any] = {
        "task": "delayed-addition",
        "cell": "plrnn",
        "steps": 2_000,
        "episodes": 10,
        "overrides": overrides,
    }
    run = RLRun(RLSettings(**settings, out=tmp_path / "run"))
    learn, calls = run.model.train, []

    def spoil() -> None:
        learn()
        calls.append(1)
        if len(calls) == (3 if when == "learning" else 4):  # two a part
            with torch.no_grad():
                policy: Any = run.model.policy
                policy.lstm_actor.layers[0].A.fill_(1e38)  # finite, but the state soon overflows

    run.model.train = spoil  # type: ignore[method-assign]
    train(run)
    assert (run.status, run.part) == ("diverged", 1)
    assert loading.read_checkpoint(tmp_path / "run")[1]["part"] == len(numbers(tmp_path / "run")) == 1


@pytest.mark.parametrize("curriculum", ["single-head", "multi-head"])
def test_the_checkpoint_of_a_stage_is_what_solved_it(curriculum: str, tmp_path: Path) -> None:
    """Several stages in one part, each solved by the first rollout with 1,000 answers."""
    overrides = {"units": 8, "num_envs": 64, "report_every": 6, "rollout_trials": 2, "epochs": 1, "minibatches": 2}
    out = tmp_path / "run"
    settings: dict[str, Any] = {"task": "dms", "cell": "gru", "n_max": 4, "threshold": 0.1, "steps": 9_000}
    run = RLRun(RLSettings(**settings, curriculum=curriculum, episodes=10, overrides=overrides, out=out))
    played: dict[int, dict[str, torch.Tensor]] = {}
    learn = run.model.train

    def watch() -> None:
        policy = {name: value.clone() for name, value in run.model.policy.state_dict().items()}
        played.setdefault(run.steps, policy)
        learn()

    run.model.train = watch  # type: ignore[method-assign]
    train(run)
    assert run.part == 1
    assert list(run.curriculum.solved) == run_files.kept_checkpoints(out) == [2, 3, 4]
    for n, steps in run.curriculum.solved.items():
        policy, task = load_agent(out, n)
        assert list(evaluate(policy, task, episodes=2, seed=0).accuracy)[-1] == f"N={n}"
        assert loading.read_checkpoint(out, n)[1]["steps"] == steps
        for name, value in policy.state_dict().items():
            assert torch.equal(value, played[steps][name]), (n, name)


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    command = f"train-rl --task dms --N 2 --cell leaky --num-envs 8 --units 8 --steps 300 --episodes 10 --out {out}"
    assert main([*command.split(), "--report-every", "1"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"\d+ steps: N = 2, return in training \S+, score \S+, accuracy \S+, \d+ steps/CPU s", said)
    assert "MemoryDMS-v0: 10 fresh trials of 8 steps" in said
    settings = run_files.read_settings_as(RLSettings, out)
    assert (settings.n_max, settings.cell, settings.overrides["num_envs"]) == (2, "leaky", 8)
    if run_files.read_summary(out)["status"] == "steps":
        assert f"train-rl --resume {out} --steps 600" in said


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--task nothing", "--task: task must be one of"),
        ("--N 1", "--n-max/--N: n_max must be at least"),
        ("--gamma 2", "--gamma: gamma must be a number from 0 to 1, got 2.0"),
        ("--critic kind", "--critic: critic must be one of"),
        ("--steps 0", "--steps: steps must be an integer from 1"),
        ("--tcr 1 --tcr-on c --cell gru", "--tcr-on: tcr_on must be among"),
        ("--tcr 1 --tcr-on h --layers 2", "--tcr-on: tcr_on must be one of"),
        ("--cell tests.baselines.ppo.test_run:TwiceAsWide", "--cell: cell must have as many outputs as units"),
        ("--tcr-on state", "--tcr-on: tcr_on needs tcr above 0"),
        ("--cell nothing", "--cell: cell must be one of"),
        ("--cell leaky --cell-args tau=0", "--cell-args: tau must be"),
        ("--budget 3", "unrecognized arguments: --budget 3"),
    ],
)
def test_bad_options_are_one_line_and_write_nothing(
    options: str, complaint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["train-rl", *options.split()])
    assert left.value.code == 2
    assert re.fullmatch(
        rf"python -m baselines( train-rl)?: error: (argument )?{complaint}.*\n", capsys.readouterr().err
    )
    assert not list(tmp_path.iterdir())


def test_without_stable_baselines3_everything_else_works(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['stable_baselines3'] = sys.modules['sb3_contrib'] = None\n"
        "from baselines.commands.main import main\n"
        "import baselines.training.ppo_settings, baselines.commands.evaluate\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, "train-rl"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    wanted = (
        r"python -m baselines: error: train-rl needs (stable_baselines3|sb3_contrib), which the extra 'rl' installs: "
        r'pip install "memory-envs\[rl\]" \(from a checkout: "\.\[rl\]"\)\n'
    )
    assert re.fullmatch(wanted, done.stderr)
    assert not list(tmp_path.iterdir())


# -- the end of a run -----------------------------------------------------------------------------------------------

EASY = SETTINGS | {"task": "dms", "n_max": 2, "threshold": 0.45, "steps": 6_000, "curriculum": "none-single"}
"""Solved by the first 1,000 answers, after three parts."""


class KilledError(BaseException):
    """What stands here for the kill of a process: nothing is done after it."""


def killed_at(number: int, work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Do some work on a run folder, and be killed before it changes a file for the ``number``-th time."""
    done = 0

    def dying(change: Callable[..., object]) -> Callable[..., object]:
        def instead(*args: Any) -> object:
            nonlocal done
            done += 1
            if done == number:
                raise KilledError
            return change(*args)

        return instead

    with monkeypatch.context() as patch:
        patch.setattr("baselines.training.run_folder.replace_file", dying(replace_file))
        patch.setattr(RunFolder, "_write_row", dying(RunFolder._write_row))
        try:
            work()
        except KilledError:
            gc.collect()  # the kernel releases the lock of a killed process
            return True
    return False


def end(run: RLRun) -> dict[str, Any]:
    """Train to the end; the summary, without times."""
    for _ in run.train():
        pass
    return {name: value for name, value in run.finish().items() if "seconds" not in name}


def summary(path: Path) -> dict[str, Any]:
    return {name: value for name, value in run_files.read_summary(path).items() if "seconds" not in name}


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "solved"
    assert end(RLRun(RLSettings(**EASY, out=out)))["status"] == "solved"
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [{}, {"curriculum": "multi-head", "n_max": 3}, {"threshold": 0.999, "steps": 700}],
    ids=["solved", "heads", "steps"],
)
def test_a_run_killed_at_any_moment_comes_to_its_summary(
    change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = EASY | change
    straight = end(RLRun(RLSettings(**settings, out=tmp_path / "straight")))
    assert straight["status"] == ("steps" if "steps" in change else "solved")
    assert straight["played"] is not None
    path, moments = tmp_path / "run", 0
    for number in range(1, 100):
        shutil.rmtree(path, ignore_errors=True)
        if not killed_at(number, lambda: end(RLRun(RLSettings(**settings, out=path))), monkeypatch):
            break
        moments += 1
        if run_files.is_run(path):
            assert end(RLRun.resume(path)) == straight == summary(path)
            assert_same(path, tmp_path / "straight")
    assert moments > 6


def test_a_run_that_has_ended_and_only_lacks_its_summary_gets_it_from_the_command(
    solved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    shutil.copytree(solved, path)
    (path / "summary.json").unlink()
    assert main(["train-rl", "--resume", str(path)]) == 0
    assert "solved after" in capsys.readouterr().out
    assert summary(path) == summary(solved)
    assert_same(path, solved)


def test_a_solved_run_trains_on_with_more_steps(
    solved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = summary(solved)
    more = before["steps"] + 1_500
    paths = [tmp_path / name for name in ("straight", "twice")]
    for path in paths:
        shutil.copytree(solved, path)
    # Without steps there is nothing to do, and nothing is changed.
    assert main(["train-rl", "--resume", str(solved)]) == 1
    assert f"{solved} is finished: its last stage is solved; --steps {before['steps'] * 2}" in capsys.readouterr().err
    with pytest.raises(RunError, match=r"has used up its \d+ steps: give more"):
        RLRun.resume(paths[0], {"steps": before["steps"]})
    assert summary(solved) == summary(paths[0]) == before

    straight = end(RLRun.resume(paths[0], {"steps": more}))
    assert (straight["status"], straight["solved_at"]) == ("steps", before["solved_at"])
    assert more <= straight["steps"] < more + 2_000
    rows, first = numbers(paths[0]), numbers(solved)
    assert rows[: len(first)] == first
    assert len(rows) > len(first) + 2
    assert not torch.equal(*(loading.read_checkpoint(p)[0]["policy.action_net.weight"] for p in (paths[0], solved)))
    assert run_files.kept_checkpoints(paths[0]) == run_files.kept_checkpoints(solved) == [2]

    end(RLRun.resume(paths[1], {"steps": before["steps"] + 1}))
    assert end(RLRun.resume(paths[1], {"steps": more})) == straight
    assert_same(paths[1], paths[0])


@pytest.mark.slow
def test_a_run_that_trains_on_is_killed_at_any_moment(
    solved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the same command is given again, or once it is under way the folder alone."""
    more, path = {"steps": summary(solved)["steps"] + 500}, tmp_path / "run"
    shutil.copytree(solved, tmp_path / "straight")
    straight = end(RLRun.resume(tmp_path / "straight", more))
    for number in range(1, 100):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(solved, path)
        if not killed_at(number, lambda: end(RLRun.resume(path, more)), monkeypatch):
            break
        under_way = loading.read_checkpoint(path)[1]["curriculum"]["trains_on"]
        assert end(RLRun.resume(path, {} if under_way else more)) == straight
        assert_same(path, tmp_path / "straight")
    assert number > 6


def test_a_run_that_diverged_is_not_repeated(halfway: Path) -> None:
    (halfway / "summary.json").write_text(json.dumps({"status": "diverged", "steps": 1_152, "seconds": 1.0}))
    with pytest.raises(RunError, match="diverged after 1152 steps: going on would do the same again"):
        RLRun.resume(halfway)
