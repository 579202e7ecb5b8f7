"""Streams: windows of long trials, one after another, that outlive a stage and begin anew now and then."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.cells import LSTM, Cell
from baselines.evaluation import evaluate
from baselines.network import NetworkAgent, RecurrentNetwork, Rollout
from baselines.training.bptt_settings import Settings
from baselines.training.curriculum import MultiHead
from baselines.training.growth import Growth
from baselines.training.learner import Learner, train
from baselines.training.losses import task_loss, without_states
from baselines.training.streams import Streams
from memory_envs import DelayedMatch, EvidenceAccumulation, FlipFlop, Parity, Task, keys
from tests.baselines.small import RECIPE, make_cell

TASKS = [
    Parity(heads=(2, 3, 5)),
    Parity(heads=(2, 3, 5), p="uniform"),
    DelayedMatch(N=4),
    FlipFlop(N=5),
    FlipFlop(N=5, pulse_probability=0.3),
    EvidenceAccumulation(heads=(3, 5)),
]


def stream(task: Task, number: int, steps: int, seed: int = 3) -> dict[str, np.ndarray]:
    """A stream drawn whole, as any other trial is."""
    trials = task.replace(num_steps=steps).sample(keys.trial_keys(keys.stream(seed), np.array([number], np.uint64)))
    return {name: getattr(trials, name)[:, 0] for name in ("inputs", "targets", "mask")}


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_windows_one_after_another_are_trials_drawn_by_key(task: Task) -> None:
    streams = Streams(task, size=5, steps=4, length=4, seed=3)
    assert len(set(streams.ends.tolist())) > 1  # the first streams end one after another
    shown: dict[int, list[dict[str, np.ndarray]]] = {}
    for _ in range(60):
        window, begun = streams.draw()
        for column, number in enumerate(streams.numbers.tolist()):
            assert begun[column] == (number not in shown)
            pieces = shown.setdefault(number, [])
            pieces.append({name: getattr(window, name)[:, column] for name in ("inputs", "targets", "mask")})
        streams.advance()
    assert len(shown) > 15
    assert sorted(shown) == list(range(len(shown)))
    for number, pieces in shown.items():
        whole = stream(task, number, 4 * max(len(pieces), 8))
        for name, array in whole.items():
            np.testing.assert_array_equal(np.concatenate([piece[name] for piece in pieces]), array[: 4 * len(pieces)])


def test_the_next_stage_asks_other_questions_of_the_same_bits() -> None:
    streams = Streams(Parity(heads=(2, 3)), size=4, steps=8, length=20, seed=3)
    for _ in range(3):
        streams.advance()
    before, at = streams.draw()[0], streams.at.copy()
    assert len(set(at.tolist())) > 1
    streams.set_task(Parity(heads=(2, 3, 4)))
    after, _ = streams.draw()
    assert streams.at.tolist() == at.tolist()
    np.testing.assert_array_equal(before.inputs, after.inputs)
    for column, (number, first) in enumerate(zip(streams.numbers.tolist(), at.tolist(), strict=True)):
        whole = stream(Parity(heads=(2, 3, 4)), number, 64)
        np.testing.assert_array_equal(after.targets[:, column], whole["targets"][first : first + 8])


def test_streams_restored_go_on_as_if_never_stopped() -> None:
    def windows(streams: Streams, count: int) -> list[np.ndarray]:
        found = []
        for _ in range(count):
            window, begun = streams.draw()
            found.append(np.concatenate([window.inputs.ravel(), window.targets.ravel(), window.mask.ravel(), begun]))
            streams.advance()
        return found

    first, second = Parity(heads=(2, 3)), Parity(heads=tuple(range(2, 12)))
    streams = Streams(first, size=6, steps=4, length=8, seed=1)
    windows(streams, 20)
    streams.set_task(second)
    windows(streams, 7)
    other = Streams(second, size=6, steps=4, length=8, seed=1)
    other.restore(streams.state())
    np.testing.assert_array_equal(windows(streams, 80), windows(other, 80))


def test_a_stage_may_be_longer_than_the_streams_of_the_first() -> None:
    streams = Streams(Parity(heads=(2,)), size=6, steps=4, length=8, seed=1)
    streams.set_task(Parity(heads=(2, 90)))
    for _ in range(60):
        window, _ = streams.draw()
        assert window.inputs.shape == (4, 6, 1)
        streams.advance()
    assert streams.draw()[0].mask.any()


def everything(seed: int = 0, cell: str = "leaky") -> tuple[Learner, MultiHead]:
    """A learner with every setting that streams are made for, which grows at N = 3."""
    recipe = replace(
        RECIPE,
        stream_steps=8,
        stream_length=4.0,
        smoothing=0.1,
        heads_ahead=2,
        averaged=20,
        sequential_test=5,
        grow_to=60,
        grow_at=3,
        test_every=5,
    )
    curriculum = MultiHead(n_max=5)

    def new_cell(units: int) -> Cell:
        return make_cell(cell, {}, inputs=1, units=units, seed=seed)

    term = task_loss(Parity(), last_head=0.3, ahead_weight=recipe.ahead_weight, smoothing=recipe.smoothing)
    first = curriculum.first(Parity())
    learner = Learner(
        RecurrentNetwork(new_cell(recipe.units), 2),
        first,
        recipe,
        seed=seed,
        terms={"task": term},
        growth=Growth(recipe.grow_at, recipe.grow_to, new_cell),
        ahead=curriculum.ahead(first, recipe.heads_ahead),
    )
    return learner, curriculum


def test_streams_learn_and_the_cell_grows_on_the_way() -> None:
    learner, curriculum = everything()
    reports = list(itertools.islice(train(learner, curriculum), 200))
    assert reports[-1].finished
    assert [report.task.N for report in reports if report.solved] == [2, 3, 4, 5]
    assert learner.network.cell.output_size == 60
    assert learner.steps == learner.update * 32 * 8
    task = Parity(heads=(2, 3, 4, 5))
    assert learner.averaged is not None
    with learner.averaged.in_use():
        played = evaluate(NetworkAgent(learner.network, task), task, episodes=300, seed=5)
    assert min(played.accuracy.values()) > 0.97


@pytest.mark.parametrize(
    ("updates", "cell"), [(0, "leaky"), (7, "leaky"), (43, "leaky"), (90, "leaky"), (43, "lstm"), (90, "gru")]
)
def test_a_learner_on_streams_restored_goes_on_as_if_never_stopped(updates: int, cell: str) -> None:
    first = everything(cell=cell)
    straight = list(itertools.islice(train(*first), 30))
    if cell == "leaky":
        assert {report.task.N for report in straight} >= {2, 3}
    learner, curriculum = everything(cell=cell)
    reports = list(train(learner, curriculum, lambda: learner.update >= updates))
    tensors, plain = learner.state()
    resumed, _ = everything(cell=cell)
    resumed.restore({name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(plain)))
    reports += itertools.islice(train(resumed, curriculum), 30 - len(reports))
    assert [asdict(a) for a in reports] == [asdict(b) for b in straight]
    for name, tensor in first[0].state()[0].items():
        assert torch.equal(tensor, resumed.state()[0][name]), name


@pytest.mark.parametrize(
    ("changes", "by_torch"),
    [
        ({}, True),
        ({"tcr": 0.1, "tcr_on": "output", "activity_l2": 0.1}, True),
        ({"tcr": 0.1, "tcr_on": "c"}, False),
        ({"tcr": 0.1, "tcr_on": "h"}, False),
        ({"tcr": 0.1, "tcr_on": "state"}, False),
        ({"overrides": {"stream_steps": 0, "units": 12, "batch_size": 4}}, False),
    ],
    ids=str,
)
def test_an_lstm_runs_by_torchs_own_where_no_term_reads_its_states(
    changes: dict[str, Any], by_torch: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        method = getattr(LSTM, name)

        def call(*arguments: Any) -> Any:
            used.append(name)
            return method(*arguments)

        return call

    for name in ("run", "unroll"):
        monkeypatch.setattr(LSTM, name, noted(name))
    learner = planned(**changes)
    for _ in range(3):
        learner.learn()
    assert set(used) == {"run" if by_torch else "unroll"}


def test_a_term_of_a_users_own_gets_all_states() -> None:
    learner, seen = planned(), []

    def mine(rollout: Rollout, targets: Tensor, mask: Tensor) -> Tensor:
        seen.append(len(rollout.states))
        return rollout.outputs.square().sum()

    learner.terms["mine"] = mine
    learner.learn()
    learner.terms["mine"] = without_states(mine)
    learner.learn()
    assert seen == [8, 1]


def test_an_lstm_learns_the_same_by_torchs_own_as_by_ours() -> None:
    own, ours = planned(), planned()
    ours.terms["all states"] = lambda rollout, targets, mask: 0 * rollout.states.sum()
    for _ in range(12):
        own.learn()
        ours.learn()
    weights = dict(ours.network.named_parameters())
    for name, value in own.network.named_parameters():
        torch.testing.assert_close(value, weights[name], rtol=1e-3, atol=1e-4)


def planned(**changes: Any) -> Learner:
    """A learner of an LSTM on streams."""
    usual: dict[str, Any] = {"overrides": {"stream_steps": 8, "units": 12, "batch_size": 4}}
    plan = Settings(cell="lstm", n_max=4, **usual | changes).plan()
    network = plan.new_network()
    terms, weights = plan.terms(network.cell)
    return Learner(network, plan.curriculum.first(plan.task), plan.recipe, seed=0, terms=terms, weights=weights)


def test_a_stream_that_runs_away_counts_no_more_until_the_next_begins() -> None:
    settings = Settings(n_max=4, overrides={"units": 16, "batch_size": 8, "stream_steps": 4, "stream_length": 4})
    plan = settings.plan()
    learner = Learner(plan.new_network(), plan.curriculum.first(plan.task), plan.recipe, seed=0)
    learner.learn()
    learner.test()
    assert learner.streams is not None
    victim = int(learner.streams.ends.argmax())
    learner._carried[victim] = 1e9
    learner.learn()  # it teaches once more
    counted = int(learner._sums["counted"])
    assert learner._carried[victim].isnan().all()
    assert not learner._carried.isnan().any(1)[[i for i in range(8) if i != victim]].any()
    number = learner.streams.numbers[victim]
    while learner.streams.numbers[victim] == number:
        before, mask = int(learner._sums["counted"]), learner.draw().mask
        learner.learn()
        # The accuracy is that of the other streams.
        assert int(learner._sums["counted"]) - before == mask.sum() - mask[:, victim].sum()
        assert learner._sums["loss"].isfinite()
    learner.learn()
    assert counted > 0
    assert learner._carried.isfinite().all()
    assert learner.diverged_at() is None


def test_a_stream_that_has_run_away_is_still_so_in_a_run_resumed() -> None:
    def made() -> Learner:
        overrides = {"units": 16, "batch_size": 8, "stream_steps": 4}
        plan = Settings(n_max=4, overrides=overrides).plan()
        return Learner(plan.new_network(), plan.curriculum.first(plan.task), plan.recipe, seed=0)

    learner, other = made(), made()
    learner.learn()
    learner._carried[3] = torch.nan
    other.restore(*learner.state())
    for one in (learner, other):
        for _ in range(6):
            one.learn()
    assert all(torch.equal(a, b) for a, b in zip(learner.network.parameters(), other.network.parameters(), strict=True))
