"""Training: the same seed gives the same numbers, stopped or not; heads grow without disturbing the optimiser."""

import itertools
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch

from baselines.core import seeds
from baselines.network import RecurrentNetwork, answer_width
from baselines.training.curriculum import MultiHead, SingleHead
from baselines.training.learner import Learner, Report, train
from memory_envs import DelayedAddition, EvidenceAccumulation, FlipFlop, Parity
from tests.baselines.small import RECIPE, make_cell, make_learner


def some_reports(learner_and_curriculum: tuple[Any, Any], count: int) -> list[Report]:
    return list(itertools.islice(train(*learner_and_curriculum), count))


def test_it_learns_parity_of_three_bits() -> None:
    reports = list(train(*make_learner(n_max=3)))
    assert reports[-1].finished
    assert reports[-1].update < 300
    assert [report.task.N for report in reports if report.solved] == [2, 3]
    assert min(reports[-1].scores.values()) > 0.98
    assert reports[-1].loss < reports[0].loss


def test_the_same_seed_gives_the_same_numbers_and_another_does_not() -> None:
    one, same, other = (some_reports(make_learner(seed=seed), 8) for seed in (0, 0, 1))
    assert [asdict(a) for a in one] == [asdict(a) for a in same]
    assert one[0].losses != other[0].losses
    assert one[-1].task.N > 2  # a readout was added on the way


def test_nothing_depends_on_or_moves_the_global_generator() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = some_reports(make_learner(), 4)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert [asdict(a) for a in one] == [asdict(a) for a in some_reports(make_learner(), 4)]


@pytest.mark.parametrize("updates", [0, 3, 20, 47])
def test_a_learner_restored_goes_on_as_if_never_stopped(updates: int) -> None:
    """At update 3 no test has been made, at 20 a stage is just solved, 47 is in the middle of a test."""
    straight = some_reports(make_learner(), 8)
    learner, curriculum = make_learner()
    reports = list(train(learner, curriculum, lambda: learner.update >= updates))
    tensors, plain = learner.state()
    resumed, _ = make_learner()
    resumed.restore({name: tensor.clone() for name, tensor in tensors.items()}, plain)
    reports += some_reports((resumed, curriculum), 8 - len(reports))
    assert [asdict(a) for a in reports] == [asdict(b) for b in straight]


def test_a_new_head_leaves_weights_and_moments_of_the_others_alone() -> None:
    learner, curriculum = make_learner()
    for _ in range(7):
        learner.learn()
    old = dict(learner.network.named_parameters())
    values = {name: parameter.detach().clone() for name, parameter in old.items()}
    moments = {
        name: {key: value.clone() for key, value in learner.optimizer.state[parameter].items()}
        for name, parameter in old.items()
    }
    learner.set_task(curriculum.stage(learner.task, 3))
    grown = dict(learner.network.named_parameters())
    assert set(grown) - set(old) == {"readouts.3.weight", "readouts.3.bias"}
    for name in old:
        assert grown[name] is old[name]
        assert torch.equal(grown[name], values[name])
        torch.testing.assert_close(dict(learner.optimizer.state[grown[name]]), moments[name], rtol=0, atol=0)
    before = grown["readouts.3.weight"].detach().clone()
    learner.learn()
    assert not torch.equal(grown["readouts.3.weight"], before)  # the new one is trained
    steps = {name: learner.optimizer.state[parameter]["step"].item() for name, parameter in grown.items()}
    assert steps == {name: 8 if name in old else 1 for name in grown}  # with a step count of its own


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov"])
def test_momentum_of_a_head_that_comes_later_begins_as_torchs_own_does(optimizer: str) -> None:
    recipe = replace(RECIPE, optimizer=optimizer, momentum=0.5, learning_rate=1e-2, clip_norm=1e9)
    task = Parity(heads=(2, 3), num_steps=8)
    learner = Learner(RecurrentNetwork(make_cell("leaky", {}, 1), answer_width(task)), task, recipe, seed=0)
    learner.learn()
    learner.set_task(Parity(heads=(2, 3, 4), num_steps=8))
    for _ in range(2):
        learner.learn()
    new, before = learner.network.readouts["4"], learner.network.readouts["3"]
    for module in (new, before):
        velocity = {id(p): learner.optimizer.state[p]["momentum_buffer"].clone() for p in module.parameters()}
        values = {id(p): p.detach().clone() for p in module.parameters()}
        learner.learn()
        for parameter in module.parameters():
            assert parameter.grad is not None
            moved = 0.5 * velocity[id(parameter)] + parameter.grad
            step = parameter.grad + 0.5 * moved if optimizer == "nesterov" else moved
            torch.testing.assert_close(learner.optimizer.state[parameter]["momentum_buffer"], moved)
            torch.testing.assert_close(parameter.detach(), values[id(parameter)] - 1e-2 * step)


def test_the_readout_of_a_single_head_task_is_reused() -> None:
    network = RecurrentNetwork(make_cell("leaky", {}, inputs=1), 2)
    learner = Learner(network, Parity(N=2), RECIPE, seed=0)
    learner.set_task(Parity(N=3))
    assert list(network.readouts) == ["0"]


def test_trials_and_initial_states_are_fresh_in_every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, _ = make_learner()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    forward = learner.network.forward

    def spy(inputs: torch.Tensor, heads: Any, state: torch.Tensor, **options: Any) -> Any:
        seen.append((inputs, state))
        return forward(inputs, heads, state, **options)

    monkeypatch.setattr(learner.network, "forward", spy)
    for _ in range(3):
        learner.learn()
    for one, other in itertools.combinations(seen, 2):
        assert not torch.equal(one[0], other[0])
        assert not torch.equal(one[1], other[1])
    assert all(0 <= state.min() < 0.01 and 0.09 < state.max() < 0.1 for _, state in seen)


def test_a_step_is_no_longer_than_the_clipped_gradient() -> None:
    """By plain gradient descent with step size 1; the report gives the norm before clipping."""
    learner, _ = make_learner()
    recipe = replace(RECIPE, optimizer="sgd", momentum=0.0, learning_rate=1.0, clip_norm=1e-3)
    learner = Learner(learner.network, Parity(heads=(2,)), recipe, seed=0)
    before = torch.nn.utils.parameters_to_vector(learner.network.parameters()).detach()
    learner.learn()
    after = torch.nn.utils.parameters_to_vector(learner.network.parameters()).detach()
    assert (after - before).norm().item() == pytest.approx(1e-3, rel=1e-2)
    assert learner.test().gradient_norm > 0.01


def test_stop_is_asked_before_every_update() -> None:
    learner, curriculum = make_learner()
    assert list(train(learner, curriculum, lambda: True)) == []
    assert learner.update == 0
    assert len(list(train(learner, curriculum, lambda: learner.update >= 25))) == 2
    assert learner.update == 25


def test_scores_are_the_accuracies_on_the_batches_since_the_last_test() -> None:
    """Against the environments' own judgement of the answers, batch by batch."""
    learner, _ = make_learner()
    for _ in range(3):
        learner.learn()
    learner.test()
    right = counted = 0
    for update in (3, 4):
        trials = learner.practice.batch(update)
        state = learner.network.cell.training_state
        rollout = learner.network(
            torch.from_numpy(trials.inputs), ["2"], state(RECIPE.batch_size, seeds.generator(0, "state", update))
        )
        right += learner.task.correct(trials, learner.network.choose(rollout.answers).numpy()).sum()
        counted += trials.mask.sum()
        learner.learn()
    assert learner.test().scores == {"2": right / counted}


@pytest.mark.parametrize(
    "task",
    [
        FlipFlop(N=4),
        DelayedAddition(N=4),
        EvidenceAccumulation(N=4),
        EvidenceAccumulation(heads=(1, 3)),
        Parity(N=3, scoring="final", p="uniform"),
    ],
    ids=str,
)
def test_every_kind_of_task_is_learnt_from(task: Any) -> None:
    network = RecurrentNetwork(make_cell("leaky", {}, task.num_inputs, 32), answer_width(task))
    learner = Learner(network, task, RECIPE, seed=0)
    growth = SingleHead(n_max=99) if task.heads is None else MultiHead(n_max=99, first_n=1, step=2)
    curriculum = replace(growth, threshold=0.999999)
    reports = list(train(learner, curriculum, lambda: learner.update >= 150))
    assert reports[-1].loss < 0.7 * reports[0].loss


def test_inactive_heads_are_refused() -> None:
    with pytest.raises(ValueError, match="task must have all of its heads active"):
        make_learner()[0].set_task(Parity(heads=(2, 3), active_heads=(2,)))
