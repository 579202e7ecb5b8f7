"""Policies with every cell, every kind of answers, one or more layers, and three kinds of critic."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.distributions import MultiCategoricalDistribution, kl_divergence
from torch import Tensor, nn

from baselines.cells import CELLS, Cell
from baselines.evaluation import evaluate
from baselines.ppo import CellPolicy, RecurrentPPO, make_sb3_vec_env
from baselines.ppo.distribution import HeadsDistribution
from baselines.ppo.recurrence import Recurrence
from memory_envs import DelayedAddition, FlipFlop, Parity, Task
from tests.baselines.small import make_cell

SMALL: dict[str, Any] = {"n_steps": 20, "batch_size": 40, "n_epochs": 1, "seed": 0, "device": "cpu"}
TASKS: list[Task] = [Parity(2), Parity(heads=(2, 3)), FlipFlop(2, bits=2), DelayedAddition(4)]


class Odd(Cell):
    """A user's cell whose state has an odd size and whose initial state is trained."""

    def __init__(self, input_size: int, units: int, scale: float = 1.0) -> None:
        super().__init__()
        self.state_size, self.output_size = units + 1, units  # all that a cell must declare
        self.inner, self.read = nn.Linear(input_size + units + 1, units + 1), nn.Linear(units + 1, units)
        self.first = nn.Parameter(torch.full((units + 1,), 0.3 * scale))

    def initial_state(self, batch_size: int) -> Tensor:
        return self.first.expand(batch_size, -1)

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.inner(torch.cat((inputs, state), -1)))
        return self.read(state), state


@pytest.mark.parametrize("cell", [*CELLS, Odd, f"{__name__}:Odd"], ids=str)
@pytest.mark.parametrize("task", TASKS, ids=str)
def test_every_cell_learns_every_kind_of_answer_and_plays(cell: Any, task: Task) -> None:
    kwargs = {"cell": cell, "units": 5, "critic": "separate"}
    model = RecurrentPPO(CellPolicy, make_sb3_vec_env(task, 3), policy_kwargs=kwargs, **SMALL)
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(120)
    assert all(torch.isfinite(p).all() for p in model.policy.parameters())
    moved = [not torch.equal(one, two) for one, two in zip(before, model.policy.parameters(), strict=True)]
    assert sum(moved) >= len(moved) - 2  # at most two may stay as they were, such as log_std
    assert np.isfinite(evaluate(model, task, episodes=5, seed=1).score)


@pytest.mark.parametrize("critic", ["separate", "shared", "feedforward"])
@pytest.mark.parametrize("layers", [1, 2])
def test_it_saves_and_loads(critic: str, layers: int, tmp_path: Path) -> None:
    task = Parity(heads=(2, 3))
    kwargs = {"cell": "leaky", "cell_kwargs": {"form": "mod"}, "units": 5, "critic": critic, "layers": layers}
    model = RecurrentPPO(CellPolicy, make_sb3_vec_env(task, 3), policy_kwargs=kwargs, **SMALL)
    policy = model.policy
    assert isinstance(policy, CellPolicy)
    policy.set_active_heads((True, False))
    model.learn(60)
    model.save(tmp_path / "model.zip")
    loaded = RecurrentPPO.load(tmp_path / "model.zip", device="cpu").policy
    assert isinstance(loaded, CellPolicy)
    for name, value in policy.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name
    assert loaded.active_heads.tolist() == [1, 0]
    assert len(loaded.lstm_actor.layers) == layers
    policy.save(str(tmp_path / "policy"))
    alone = CellPolicy.load(str(tmp_path / "policy"), device="cpu")
    assert evaluate(alone, task, episodes=4, seed=3) == evaluate(policy, task, episodes=4, seed=3)


@pytest.mark.parametrize("critic", ["separate", "shared", "feedforward"])
def test_what_a_policy_returns_without_gradients_serves_in_a_loss(critic: str) -> None:
    env = make_sb3_vec_env(Parity(2), 3)
    model = RecurrentPPO(CellPolicy, env, policy_kwargs={"units": 5, "critic": critic}, **SMALL)
    policy, observed = model.policy, torch.as_tensor(env.reset())
    assert isinstance(policy, CellPolicy)
    half = torch.zeros(1, 3, policy.lstm_actor.hidden_size)
    with torch.no_grad():
        actions, values, log_prob, states = policy(observed, RNNStates((half, half), (half, half)), torch.ones(3))
    assert not any(tensor.is_inference() for tensor in (actions, values, log_prob, *states.pi, *states.vf))
    again, now, _ = policy.evaluate_actions(observed, actions, states, torch.zeros(3))
    loss = (again * values.flatten()).sum() + (now * log_prob).sum()
    torch.autograd.backward(loss)  # it needs the old values, which autograd saves
    assert any(parameter.grad is not None for parameter in policy.parameters())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("critic", ["separate", "feedforward"])
@pytest.mark.parametrize("task", [Parity(heads=(2, 3)), DelayedAddition(4)], ids=str)
def test_a_policy_in_double_precision_learns_plays_and_is_pickled(cell: str, critic: str, task: Task) -> None:
    kwargs = {"cell": cell, "units": 5, "critic": critic}
    model = RecurrentPPO(CellPolicy, make_sb3_vec_env(task, 3), policy_kwargs=kwargs, **SMALL)
    model.policy.double()
    model.learn(60)
    assert {value.dtype for value in model.policy.parameters()} == {torch.float64}
    same = pickle.loads(pickle.dumps(model.policy))
    assert evaluate(same, task, episodes=5, seed=1) == evaluate(model, task, episodes=5, seed=1)


@pytest.mark.parametrize("cell", ["leaky", "lstm", "gru", "odd"])
@pytest.mark.parametrize("layers", [1, 2])
def test_sequences_with_episodes_in_them_are_the_loop_over_steps(cell: str, layers: int) -> None:
    sizes = [2, *[7] * (layers - 1)]
    cells = [Odd(size, 7) if cell == "odd" else make_cell(cell, {}, size) for size in sizes]
    recurrence = Recurrence(cells, 2)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(9, 4, 2, generator=generator)
    start = 0.1 * torch.randn(4, recurrence.state_size, generator=generator)
    for threshold in (0.0, 0.2, 0.9):
        begins = torch.rand(9, 4, generator=generator) < threshold
        state, outputs, states = start, [], []
        for t in range(9):
            state = torch.where(begins[t, :, None], recurrence.initial_state(4), state)
            output, state = recurrence.step(inputs[t], state)
            outputs.append(output)
            states.append(state)
        wanted = torch.stack(outputs)
        expected = torch.autograd.grad(
            wanted.square().sum(), list(recurrence.parameters()), allow_unused=True, materialize_grads=True
        )
        for every in (False, True):
            got, after = recurrence.over_episodes(inputs, start, begins, every)
            torch.testing.assert_close(got, wanted)
            torch.testing.assert_close(after, torch.stack(states) if every else state)
            gradients = torch.autograd.grad(
                got.square().sum(), list(recurrence.parameters()), allow_unused=True, materialize_grads=True
            )
            for one, other in zip(gradients, expected, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert torch.equal(recurrence.unpack(recurrence.pack(start)), start)
    assert {half.shape for half in recurrence.pack(start)} == {(1, 4, recurrence.hidden_size)}


def test_without_a_state_an_episode_begins() -> None:
    model = RecurrentPPO(
        CellPolicy, make_sb3_vec_env(Parity(2), 2), policy_kwargs={"cell": "leaky", "units": 5}, **SMALL
    )
    policy, shown = model.policy, np.zeros((2, 1), np.float32)
    assert isinstance(policy, CellPolicy)
    _, state = model.predict(shown)
    _, again = model.predict(shown, None, np.zeros(2, np.bool_))
    _, other = model.predict(shown, state, np.array([True, False]))
    assert all(np.array_equal(one, two) for one, two in zip(state, again, strict=True))  # type: ignore[arg-type]
    cell = policy.lstm_actor
    _, expected = cell.step(torch.zeros(2, 1), cell.initial_state(2))
    halves = tuple(torch.from_numpy(half) for half in state or ())
    torch.testing.assert_close(cell.unpack(halves), expected)
    assert other is not None
    assert np.array_equal(other[0][:, 0], halves[0][:, 0])
    assert not np.array_equal(other[0][:, 1], halves[0][:, 1])
    assert model.predict(np.zeros(1, np.float32))[0].shape == ()


def test_heads_are_those_of_stable_baselines3() -> None:
    logits = torch.randn(6, 12, generator=torch.Generator().manual_seed(1))
    actions = torch.randint(3, (6, 4), generator=torch.Generator().manual_seed(2))
    ours = HeadsDistribution(4, 3, single=False).given(logits, torch.ones(4))
    theirs = MultiCategoricalDistribution([3] * 4).proba_distribution(logits)
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert torch.equal(ours.mode(), theirs.mode())
    masked = ours.given(logits, torch.tensor([1.0, 0, 0, 1]))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())  # two may be compared
    first = MultiCategoricalDistribution([3] * 2).proba_distribution(logits[:, [0, 1, 2, 9, 10, 11]])
    torch.testing.assert_close(masked.log_prob(actions), first.log_prob(actions[:, [0, 3]]))
    torch.testing.assert_close(masked.entropy(), first.entropy())


def test_the_divergence_of_two_policies_is_that_of_stable_baselines3() -> None:
    generator = torch.Generator().manual_seed(1)
    one, other = torch.randn(6, 12, generator=generator), torch.randn(6, 12, generator=generator)
    ours = HeadsDistribution(4, 3, single=False)
    theirs = [MultiCategoricalDistribution([3] * 4).proba_distribution(logits) for logits in (one, other)]
    got = kl_divergence(ours.given(one, torch.ones(4)), ours.given(other, torch.ones(4)))
    torch.testing.assert_close(got, kl_divergence(*theirs))
    few = torch.tensor([0.0, 1, 0, 1])  # what is not active has no part in it
    first = [MultiCategoricalDistribution([3] * 2).proba_distribution(x[:, [3, 4, 5, 9, 10, 11]]) for x in (one, other)]
    torch.testing.assert_close(kl_divergence(ours.given(one, few), ours.given(other, few)), kl_divergence(*first))


def test_labels_are_drawn_from_their_probabilities() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([[0.0, 1.0, 2.0]]).repeat(40_000, 2)
    drawn = HeadsDistribution(2, 3, single=False).given(logits, torch.ones(2)).sample()
    shares = torch.stack([(drawn == k).float().mean(0) for k in range(3)], 1)
    torch.testing.assert_close(shares, torch.softmax(logits[:2, :3], -1), atol=0.01, rtol=0)
    single = HeadsDistribution(1, 3, single=True).given(logits[:, :3], torch.ones(1)).sample()
    assert single.shape == (40_000,)


def test_unequal_heads_go_by_stable_baselines3s_own_distribution() -> None:
    space = spaces.MultiDiscrete([2, 3])
    policy = CellPolicy(spaces.Box(-1, 1, (2,)), space, lambda _: 1e-3, units=4)
    action, _ = policy.predict(np.zeros((5, 2), np.float32))
    assert action.shape == (5, 2)
    with pytest.raises(ValueError, match="active must have one entry for each head of"):
        policy.set_active_heads((True, False))
