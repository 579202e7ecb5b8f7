import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.cells import LeakyTauRNN
from baselines.core.settings import SettingsError
from baselines.network import Rollout
from baselines.training import losses, schedules
from baselines.training.bptt_settings import Settings
from baselines.training.learner import Learner
from baselines.training.run import TrainingRun
from baselines.training.run_files import read_metrics
from memory_envs import DelayedAddition, Parity

T, B, H = 6, 5, 3


def rollout(width: int) -> Rollout:
    answers = torch.randn(T, B, H, width, generator=torch.Generator().manual_seed(0))
    return Rollout(torch.zeros(T, B, 1), torch.zeros(T, B, 1), answers)


def some_mask() -> torch.Tensor:
    mask = torch.rand(T, B, generator=torch.Generator().manual_seed(1)) < 0.5
    assert 0 < mask.sum() < mask.numel()
    return mask


def test_cross_entropy_is_torchs_over_the_steps_that_count() -> None:
    done, mask = rollout(2), some_mask()
    targets = torch.randint(2, (T, B, H), generator=torch.Generator().manual_seed(2))
    expected = torch.nn.functional.cross_entropy(done.answers[mask].reshape(-1, 2), targets[mask].reshape(-1))
    torch.testing.assert_close(losses.cross_entropy(done, targets, mask), expected)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_smoothing_is_torchs(smoothing: float) -> None:
    done, mask = rollout(2), some_mask()
    targets = torch.randint(2, (T, B, H), generator=torch.Generator().manual_seed(2))
    expected = torch.nn.functional.cross_entropy(
        done.answers[mask].reshape(-1, 2), targets[mask].reshape(-1), label_smoothing=smoothing
    )
    torch.testing.assert_close(losses.cross_entropy(done, targets, mask, smoothing=smoothing), expected)
    torch.testing.assert_close(losses.task_loss(Parity(), smoothing=smoothing)(done, targets, mask), expected)


def test_heads_ahead_add_their_weight_to_the_mean_over_the_others() -> None:
    done, mask = rollout(2), some_mask()
    targets = torch.randint(2, (T, B, H), generator=torch.Generator().manual_seed(2))
    one = [
        losses.cross_entropy(replace(done, answers=done.answers[:, :, [head]]), targets[..., [head]], mask)
        for head in range(H)
    ]
    term = losses.task_loss(Parity(), last_head=0.7, ahead_weight=0.2)
    expected = 0.5 * one[0] + 0.7 * one[1] + 0.2 * one[2]
    torch.testing.assert_close(term(replace(done, ahead=1), targets, mask), expected)
    torch.testing.assert_close(term(replace(done, ahead=2), targets, mask), one[0] + 0.2 * (one[1] + one[2]))


def test_guessing_costs_the_logarithm_of_two() -> None:
    done = Rollout(torch.zeros(T, B, 1), torch.zeros(T, B, 1), torch.zeros(T, B, H, 2))
    assert losses.cross_entropy(done, torch.ones(T, B, H).long(), some_mask()).item() == pytest.approx(math.log(2))


def test_squared_error_is_torchs_over_the_steps_that_count() -> None:
    done, mask = rollout(1), some_mask()
    targets = torch.randn(T, B, H, generator=torch.Generator().manual_seed(2))
    expected = torch.nn.functional.mse_loss(done.answers[..., 0][mask], targets[mask])
    torch.testing.assert_close(losses.squared_error(done, targets, mask), expected)


def test_the_kind_of_answer_decides_and_terms_keep_their_names() -> None:
    assert losses.task_loss(Parity()) is losses.cross_entropy
    assert losses.task_loss(DelayedAddition()) is losses.squared_error
    terms = {"task": losses.squared_error, "still": lambda rollout, targets, mask: rollout.states.sum() + 2}
    loss, values = losses.evaluate(terms, {"task": 0.5, "still": 3}, rollout(1), torch.zeros(T, B, H), some_mask())
    assert list(values) == ["task", "still"]
    assert values["still"].item() == 2
    assert loss.item() == pytest.approx(0.5 * values["task"].item() + 3 * 2)


def activity(lengths: bool) -> Rollout:
    draw = torch.Generator().manual_seed(3)
    outputs, states = torch.randn(T, B, 4, generator=draw), torch.randn(T, B, 7, generator=draw)
    return Rollout(outputs, states, rollout(2).answers, torch.tensor([6, 1, 3, 2, 5]) if lengths else None)


def steps_of(done: Rollout) -> list[int]:
    return [T] * B if done.lengths is None else done.lengths.tolist()


class Packed(LeakyTauRNN):
    """Its state has two parts, as an LSTM's has."""

    def state_parts(self) -> dict[str, slice]:
        return {"h": slice(0, 3), "c": slice(3, 7)}


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("name", ["output", "state", "h", "c"])
def test_temporal_consistency_is_that_of_a_slow_twin(name: str, lengths: bool) -> None:
    done = activity(lengths)
    r = {"output": done.outputs, "state": done.states, "h": done.states[..., :3], "c": done.states[..., 3:]}[name]
    changes = [
        sum((r[t, b, i] - r[t - 1, b, i]).item() ** 2 for i in range(r.shape[2]))
        for b, length in enumerate(steps_of(done))
        for t in range(1, length)
    ]
    term = losses.temporal_consistency(losses.activity_reader(Packed(1, 4), name))
    got = term(done, torch.zeros(T, B, H), some_mask())
    assert got.item() == pytest.approx(sum(changes) / len(changes), rel=1e-5)


def test_trials_of_one_step_have_nothing_to_be_consistent_with() -> None:
    done = Rollout(torch.ones(1, B, 4), torch.ones(1, B, 4), torch.zeros(1, B, H, 2))
    term = losses.temporal_consistency(losses.activity_reader(Packed(1, 4), "output"))
    assert term(done, torch.zeros(1, B, H), torch.ones(1, B).bool()).item() == 0


@pytest.mark.parametrize("lengths", [False, True])
def test_activity_size_is_that_of_a_slow_twin(lengths: bool) -> None:
    done = activity(lengths)
    sizes = [(done.outputs[t, b] ** 2).sum().item() for b, length in enumerate(steps_of(done)) for t in range(length)]
    got = losses.activity_size(done, torch.zeros(T, B, H), some_mask())
    assert got.item() == pytest.approx(sum(sizes) / len(sizes), rel=1e-5)


def test_manifold_attractor_is_that_of_a_slow_twin_and_trains_the_first_half_alone() -> None:
    cell, units, half = LeakyTauRNN(1, 5), 5, 2
    draw = torch.Generator().manual_seed(4)
    off_diagonal = 1 - torch.eye(units)
    leaves = [torch.randn(shape, generator=draw).requires_grad_() for shape in ((units,), (units, units), (units,))]
    for name, value in zip("AWh", (leaves[0], leaves[1] * off_diagonal, leaves[2]), strict=True):
        setattr(cell, name, value)
    got = losses.manifold_attractor(cell)(rollout(2), torch.zeros(T, B, H), some_mask())
    a, w, h = leaves
    expected = (
        sum((a[i].item() - 1) ** 2 for i in range(half)) / half + sum(h[i].item() ** 2 for i in range(half)) / half
    )
    expected += sum(w[i, j].item() ** 2 for i in range(half) for j in range(units) if i != j) / (half * (units - 1))
    assert got.item() == pytest.approx(expected, rel=1e-5)
    torch.autograd.backward(got)
    for leaf in leaves:
        assert leaf.grad is not None
        assert (leaf.grad[:half] != 0).any()
        assert (leaf.grad[half:] == 0).all()
    with pytest.raises(ValueError, match=r"needs a cell with the parameters A, W and h .* has no A"):
        losses.manifold_attractor(LeakyTauRNN(1, 5))


@pytest.mark.parametrize(
    ("name", "tcr", "others"),
    [
        ("constant", [3.0, 3.0, 3.0, 3.0, 3.0, 3.0], [1] * 6),
        ("linear-decay", [3.0, 2.25, 1.5, 0.75, 0.0, 0.0], [1] * 6),
        ("cut-off", [3.0, 3.0, 3.0, 3.0, 0.0, 0.0], [1] * 6),
        ("freeze-in", [3.0] * 6, [0, 0, 0, 0, 1, 1]),
    ],
)
def test_schedules(name: str, tcr: list[float], others: list[int]) -> None:
    weight, factor = schedules.schedule(name, 3.0, 4)
    assert [weight(update) for update in range(6)] == tcr
    assert [factor(update) for update in range(6)] == others


def test_a_term_of_weight_zero_is_measured_without_a_gradient() -> None:
    answers = rollout(1).answers.requires_grad_()
    done = Rollout(torch.zeros(T, B, 1), torch.zeros(T, B, 1), answers)
    terms = {"task": losses.squared_error, "off": lambda rollout, targets, mask: rollout.answers.sum() * math.inf}
    loss, values = losses.evaluate(terms, {"task": 1.0, "off": 0.0}, done, torch.zeros(T, B, H), some_mask())
    assert torch.equal(loss, values["task"])
    assert not values["off"].requires_grad


def test_freeze_in_trains_on_consistency_alone_and_the_readouts_wait() -> None:
    settings = Settings(tcr=1.0, tcr_schedule="freeze-in", tcr_updates=20, overrides={"units": 32, "batch_size": 16})
    plan = settings.plan()
    network = plan.new_network()
    terms, weights = plan.terms(network.cell)
    learner = Learner(network, plan.curriculum.first(plan.task), plan.recipe, seed=0, terms=terms, weights=weights)
    readout = learner.network.get_parameter("readouts.2.weight")
    before = readout.detach().clone()
    for _ in range(10):
        learner.learn()
    first = learner.test()
    for _ in range(10):
        learner.learn()
    assert torch.equal(readout, before)
    second = learner.test()
    assert second.loss == pytest.approx(second.losses["tcr"])
    assert second.loss < first.loss
    learner.learn()
    assert not torch.equal(readout, before)
    last = learner.test()
    assert last.loss == pytest.approx(last.losses["tcr"] + last.losses["task"])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tcr": -1.0}, "tcr must be a number"),
        ({"tcr_updates": 5}, "tcr_updates needs tcr above 0"),
        ({"tcr_schedule": "freeze-in"}, "tcr_schedule needs tcr above 0"),
        ({"tcr": 1.0, "tcr_schedule": "sudden"}, "tcr_schedule must be one of"),
        ({"tcr": 1.0, "tcr_schedule": "cut-off"}, "tcr_updates must be given with tcr_schedule cut-off"),
        ({"tcr": 1.0, "tcr_schedule": "cut-off", "tcr_updates": 0}, "tcr_updates must be an integer"),
        ({"tcr": 1.0, "tcr_updates": 5}, "tcr_updates must be left out with tcr_schedule constant"),
        ({"tcr": 1.0, "tcr_on": "c"}, r"^tcr_on must be among \['output', 'state'\] for this cell, got 'c'"),
        ({"manifold": 5.0}, "^manifold needs a cell with the parameters A, W and h"),
    ],
    ids=str,
)
def test_impossible_regularisers_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Settings(**changes).plan()


@pytest.mark.parametrize("part", ["h", "c"])
def test_an_lstm_can_be_regularised_on_either_half_of_its_state(part: str) -> None:
    settings = Settings(task="delayed-addition", cell="lstm", curriculum="single-head", n_max=4, tcr=1.0, tcr_on=part)
    cell = settings.plan().new_cell(5)
    outputs, states = cell.unroll(torch.randn(6, 3, 3), cell.initial_state(3))
    rollout = Rollout(outputs, states, torch.zeros(6, 3, 1, 1))
    term = losses.temporal_consistency(losses.activity_reader(cell, part))
    activity = states[..., :5] if part == "h" else states[..., 5:]
    expected = (activity[1:] - activity[:-1]).square().sum(-1).mean()
    torch.testing.assert_close(term(rollout, torch.zeros(6, 3, 1), torch.ones(6, 3, dtype=torch.bool)), expected)


def test_the_manifold_attractor_term_reads_the_plrnn() -> None:
    plan = Settings(task="flip-flop", cell="plrnn", curriculum="single-head", n_max=3, manifold=5.0).plan()
    cell = plan.new_cell(4)
    nothing = torch.zeros(2, 1, 1)
    term = losses.manifold_attractor(cell)(Rollout(nothing, nothing, nothing[..., None]), nothing, nothing[..., 0] > 0)
    a, w, h = cell.A[:2], cell.W[:2], cell.h[:2]  # type: ignore[index]
    torch.testing.assert_close(term, (a - 1).square().mean() + w.square().sum() / 6 + h.square().mean())
    with pytest.raises(SettingsError, match="A, W and h of a PLRNN"):
        Settings(cell="gru", manifold=5.0).plan()


def test_freeze_in_leaves_out_every_other_term() -> None:
    asked: dict[str, Any] = {
        "tcr": 2.0,
        "tcr_schedule": "freeze-in",
        "tcr_updates": 20,
        "activity_l2": 0.1,
        "manifold": 5.0,
    }
    plan = Settings(cell="plrnn", **asked).plan()
    _, weights = plan.terms(plan.new_cell(4))
    assert {name: weight(19) for name, weight in weights.items()} == {
        "task": 0,
        "tcr": 2,
        "activity_l2": 0,
        "manifold": 0,
    }
    after = {"task": 1, "tcr": 2, "activity_l2": 0.1, "manifold": 5}
    assert {name: weight(20) for name, weight in weights.items()} == after


def test_the_metrics_say_what_a_moving_weight_is(tmp_path: Path) -> None:
    small = {"units": 16, "batch_size": 8, "test_every": 10}
    asked: dict[str, Any] = {"tcr": 2.0, "tcr_schedule": "linear-decay", "tcr_updates": 40, "overrides": small}
    run = TrainingRun(Settings(n_max=3, out=tmp_path, **asked))
    for _ in run.train(lambda: run.learner.update >= 30):
        pass
    run.finish()
    rows = read_metrics(tmp_path)
    assert [row["weight_tcr"] for row in rows] == pytest.approx([2 * (1 - update / 40) for update in (9, 19, 29)])
    assert [row["weight_task"] for row in rows] == [1, 1, 1]
    for row in rows:  # means of ten updates, in which the weight moves little
        assert row["loss"] == pytest.approx(row["loss_task"] + row["weight_tcr"] * row["loss_tcr"], rel=0.3)
