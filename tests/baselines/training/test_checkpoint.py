"""A checkpoint is checked before it is used: name, shape and dtype of each tensor, the other data, the checksum."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from baselines.core.files import RunError
from baselines.core.settings import SettingsError
from baselines.ppo.run import RLRun, load_agent
from baselines.training import checkpoint, loading
from baselines.training.run import TrainingRun
from tests.attack import _folders
from tests.attack.checkpoints import attempts

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _folders.train(tmp_path_factory.mktemp("runs") / "train")


@pytest.fixture(scope="module")
def trained_rl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _folders.train_rl(tmp_path_factory.mktemp("runs") / "rl")


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


def change(path: Path, how: Callable[[Tensors, dict[str, Any]], object], write: Any = checkpoint.to_bytes) -> None:
    """Rewrite the checkpoint of a run with other tensors or data, and the checksum that belongs to them."""
    file = path / "checkpoint.safetensors"
    tensors, header = checkpoint.from_bytes(file.read_bytes())
    state = json.loads(header["state"])
    how(tensors, state)
    file.write_bytes(write(tensors, header | {"state": json.dumps(state)}))


def refused(use: Callable[[Path], Any], path: Path, complaint: str) -> None:
    with pytest.raises(RunError, match=f"^{re.escape(str(path / 'checkpoint.safetensors'))} {complaint}") as error:
        use(path)
    assert "\n" not in str(error.value)


TENSORS: dict[str, tuple[str, Callable[[Tensor], Tensor] | None, str]] = {
    "moment's shape": (
        "optimizer.cell.weight.exp_avg",
        lambda t: torch.zeros(3, 2),
        r"float32 of shape \(.*\), got .*",
    ),
    "moment's dtype": ("optimizer.cell.weight.exp_avg_sq", Tensor.double, r"float32 of shape .*, got float64 \("),
    "step's shape": (
        "optimizer.cell.weight.step",
        lambda t: torch.zeros(4),
        r"float32 of .*, got float32 \(4,\)",
    ),
    "sum's shape": ("test.correct", lambda t: t[:1].repeat(9), r"int64 of shape \(.,\), got int64 \(9,\)"),
    "sum's dtype": ("test.loss", Tensor.long, r"float32 or float64 of shape \(\), got int64 \(\)"),
    "weight's shape": ("network.cell.weight", lambda t: t[:-1].clone(), r"float32 of shape \(.*\), got float32 \("),
    "weight's dtype": ("network.readouts.2.bias", Tensor.half, r"float32 of shape \(2,\), got float16 \(2,\)"),
}


@pytest.mark.parametrize("what", TENSORS)
def test_a_tensor_of_another_kind_is_named(what: str, run: Path) -> None:
    name, make, complaint = TENSORS[what]
    assert make
    change(run, lambda tensors, _: tensors.update({name: make(tensors[name])}))
    refused(TrainingRun.resume, run, f"does not fit this run: the tensor {re.escape(name)} must be {complaint}")
    if name.startswith("network."):
        refused(loading.load_network, run, f"does not fit this run: the tensor {re.escape(name)} must be {complaint}")


@pytest.mark.parametrize("name", ["network.cell.weight", "optimizer.cell.weight.exp_avg", "test.finite"])
def test_a_missing_tensor_is_named(name: str, run: Path) -> None:
    change(run, lambda tensors, _: tensors.pop(name))
    refused(TrainingRun.resume, run, f"does not fit this run: the tensor {name} is missing")


@pytest.mark.parametrize("name", ["network.more", "optimizer.more", "more", "test.loss_more", "test.loss."])
def test_an_unknown_tensor_is_named(name: str, run: Path) -> None:
    change(run, lambda tensors, _: tensors.update({name: torch.zeros(2)}))
    refused(TrainingRun.resume, run, f"does not fit this run: the run has no tensor '{name}'")


def test_the_same_holds_for_reinforcement_learning(trained_rl: Path, tmp_path: Path) -> None:
    for number, (name, new, complaint) in enumerate(
        [
            ("optimizer.action_net.weight.exp_avg", torch.zeros(3, 2), "the tensor .* must be float32 of shape"),
            ("policy.action_net.bias", torch.zeros(2), "the tensor .* must be float32 of shape"),
            ("policy.active_heads", torch.zeros(2).long(), "the tensor .* must be float32 of shape"),
            ("policy.more", torch.zeros(2), "the run has no tensor 'policy.more'"),
        ]
    ):
        path = shutil.copytree(trained_rl, tmp_path / str(number))
        change(path, lambda tensors, _: tensors.update({name: new}))  # noqa: B023
        refused(RLRun.resume, path, f"does not fit this run: {complaint}")
        if name.startswith("policy."):
            refused(load_agent, path, f"does not fit this run: {complaint}")


DATA: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no readouts": (lambda state: state.pop("readouts"), "is not that of .*: it has no readouts"),
    "no task": (lambda state: state.pop("task"), "is not that of .*: it has no task"),
    "update": (
        lambda state: state.update(update="x"),
        "is not that of .*: update must be an integer .*'x'",
    ),
    "status": (
        lambda state: state["run"].update(status="?"),
        "is not that of .*: run.status must be .*'?'",
    ),
    "no run": (lambda state: state.update(run=[]), r"is not that of .*: run must be an object, got \[\]"),
    "task": (
        lambda state: state["task"].update(N=-1, heads=None),
        "does not fit .* is not a task: N must be",
    ),
    "no stage": (
        lambda state: state["task"].update(heads=[2, 9]),
        "does not fit .* is not a stage of the run",
    ),
    "readout": (lambda state: state["readouts"].append("9"), "does not fit this run: the run has no readout '9'"),
    "twice": (lambda state: state["readouts"].append("2"), "does not fit this run: a readout comes twice"),
    "solved": (lambda state: state["run"].update(solved_at={"x": 1}), ".* run.solved_at must have numbers as names"),
}


@pytest.mark.parametrize("what", DATA)
def test_wrong_data_are_named(what: str, run: Path) -> None:
    how, complaint = DATA[what]
    change(run, lambda _, state: how(state))
    refused(TrainingRun.resume, run, complaint)


def test_data_that_are_too_deep_are_refused(run: Path) -> None:
    file = run / "checkpoint.safetensors"
    tensors, header = checkpoint.from_bytes(file.read_bytes())
    file.write_bytes(checkpoint.to_bytes(tensors, header | {"state": "[" * 100_000}))
    refused(loading.read_checkpoint, run, "cannot be read: its lists and objects lie more than 32 deep in each other")


@pytest.mark.slow
def test_a_flipped_bit_is_found(run: Path) -> None:
    """Any bit of the numbers, and every byte of the header: what can still be read has the content that was saved."""
    file = run / "checkpoint.safetensors"
    data, saved = file.read_bytes(), loading.read_checkpoint(run)
    start, chance, read = 8 + int.from_bytes(data[:8], "little"), random.Random(0), 0
    places = [chance.randrange(start, len(data)) for _ in range(200)]
    for place in [*range(start), *places]:
        changed = bytearray(data)
        changed[place] ^= 1 << chance.randrange(8)
        file.write_bytes(changed)
        try:
            tensors, plain = loading.read_checkpoint(run)
        except RunError:
            continue
        read += 1
        assert place < start
        assert plain == saved[1]
        assert all(torch.equal(tensors[name], saved[0][name]) for name in saved[0])
    assert read < 20  # the name of the checksum itself, and spaces


def test_a_flipped_bit_is_said(run: Path) -> None:
    file = run / "checkpoint.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    refused(loading.load_network, run, "cannot be read: its checksum is not that of its content, which has changed")


def test_a_checkpoint_of_before_checksums_is_read(run: Path) -> None:
    before = loading.read_checkpoint(run)
    change(run, lambda *_: None, safetensors.torch.save)
    tensors, plain = loading.read_checkpoint(run)
    assert plain == before[1]
    assert all(torch.equal(tensors[name], before[0][name]) for name in before[0])
    taken_up = TrainingRun.resume(run)
    assert taken_up.learner.update == 7
    taken_up.folder.close()


@pytest.mark.parametrize(
    ("optimizer", "momentum"), [("adam", 0.0), ("sgd", 0.0), ("sgd", 0.9), ("nesterov", 0.9)], ids=str
)
@pytest.mark.parametrize("test_batches", [0, 2])
def test_every_optimizer_and_every_way_to_test_goes_on(
    optimizer: str, momentum: float, test_batches: int, tmp_path: Path
) -> None:
    own: dict[str, Any] = {"units": 4, "batch_size": 4, "test_every": 5, "test_batches": test_batches}
    own |= {"optimizer": optimizer, "momentum": momentum}
    path = _folders.train(tmp_path / "run", overrides=own, curriculum="single-head", task="dms")
    run = TrainingRun.resume(path)
    before, after = loading.read_checkpoint(path)[0], run.learner.state()[0]
    run.folder.close()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_attempts_are_refused() -> None:
    broken = [what for what, held in attempts(2, 40) if not held]
    assert not broken


CONFIG: list[tuple[str, Any, str]] = [
    ("seed", "x", "seed must be an integer from 0 to .*, got 'x'"),
    ("task_args", [], r"task_args must be a table \(a dictionary\), got \[\]"),
    ("cell_args", "x", "cell_args must be a table"),
    ("cell", ["leaky"], "cell must be a string, got "),
    ("n_max", 10**30, "n_max must be an integer from 1 to 1000, got 1"),
    ("threshold", None, "threshold must be a number from 0 to 1, got None"),
    ("more", 1, ".*unexpected keyword argument 'more'"),
]


@pytest.mark.parametrize(("name", "value", "complaint"), CONFIG, ids=[name for name, *_ in CONFIG])
def test_a_wrong_config_is_named(name: str, value: Any, complaint: str, run: Path) -> None:
    file = run / "config.json"
    config = json.loads(file.read_text())
    config["settings"][name] = value
    file.write_text(json.dumps(config))
    with pytest.raises((RunError, SettingsError), match=f"config.json is not that of a run: {complaint}") as error:
        loading.load_network(run)
    assert isinstance(error.value, RunError)
