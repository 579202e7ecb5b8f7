"""Which checkpoints are taken, and that each is read once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.analysis.checkpoints import chosen
from baselines.analysis.subject import load
from baselines.core.settings import SettingsError
from baselines.training import loading
from baselines.training.bptt_settings import Settings
from baselines.training.run import TrainingRun


def kept(path: Path, *names: str) -> Path:
    (path / "checkpoints").mkdir(parents=True)
    for name in names:
        (path / "checkpoints" / f"{name}.safetensors").touch()
    return path


@pytest.mark.parametrize(
    ("names", "asked", "found"),
    [
        (["N002", "N003"], "all", [(2, None), (3, None)]),
        (["N002", "U0000010"], "all", [(2, None)]),
        (["N002", "U0000020", "U0000010"], "course", [(None, 10), (None, 20), (None, None)]),
        (["N002", "N010"], "course", [(2, None), (10, None), (None, None)]),
        (["N002", "U0000010"], "latest", [(None, None)]),
        ([], "all", [(None, None)]),
        ([], "course", [(None, None)]),
        (["N002", "N003"], [3], [(3, None)]),
    ],
)
def test_checkpoints_are_found_by_the_names_of_their_files(
    names: list[str], asked: Sequence[int] | str, found: list[Any], tmp_path: Path
) -> None:
    path = kept(tmp_path / "run", *names)
    assert [(one.n, one.update) for one in chosen([path], asked)] == found
    assert {one.run for one in chosen([path], asked)} == {"run"}


def test_an_n_that_was_not_kept_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path / "run", "N002")
    with pytest.raises(SettingsError, match=r"checkpoints must be among those of .*, \[2\], got 3"):
        chosen([path], [2, 3])


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    paths = [kept(tmp_path / part / "run") for part in ("a", "b")] + [kept(tmp_path / "other")]
    assert [one.run for one in chosen(paths, "latest")] == [str(paths[0]), str(paths[1]), "other"]


def test_each_checkpoint_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    small = {"units": 8, "batch_size": 4, "test_every": 10}
    run = TrainingRun(Settings(out=path, n_max=3, max_updates=30, keep_every=10, episodes=2, overrides=small))
    assert len(list(run.train())) == 3
    run.finish()
    read: list[Any] = []
    whole = loading.read_checkpoint

    def counted(*at: Any) -> Any:
        read.append(at)
        return whole(*at)

    monkeypatch.setattr(loading, "read_checkpoint", counted)
    subjects = load([path], "course")
    # The latest checkpoint is that of the last update kept: it is read, and left out.
    assert [one.update for one in subjects] == [update for _, _, update in read[:-1]] == [0, 10, 20, 30]
    assert read[-1] == (path, None, None)
    (network, task), last = loading.load_network(path, None, subjects[-1].update), subjects[-1]
    assert task == last.task
    assert all((value == last.network.state_dict()[name]).all() for name, value in network.state_dict().items())


def test_a_run_with_averages_has_the_weights_of_its_last_update_too(tmp_path: Path) -> None:
    small = {"units": 8, "batch_size": 4, "test_every": 10}
    for averaged in (0, 5):
        path = tmp_path / str(averaged)
        run = TrainingRun(Settings(out=path, max_updates=20, episodes=2, overrides=small | {"averaged": averaged}))
        assert len(list(run.train())) == 2
        run.finish()
        (subject,) = load([path], "latest")
        tensors, _ = loading.read_checkpoint(path)
        if not averaged:
            assert subject.last is None
            continue
        assert subject.last is not None
        for name, value in subject.network.named_parameters():
            assert torch.equal(value, tensors[f"averaged.{name}"])
            assert torch.equal(subject.last.get_parameter(name), tensors[f"network.{name}"])
            assert not value.requires_grad
        assert not torch.equal(subject.cell.get_parameter("weight"), subject.last.cell.get_parameter("weight"))
