"""Networks, and law 6: a network evaluated in one batch and playing the environment gives the same answers."""

import copy
import itertools
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from baselines.evaluation import evaluate
from baselines.network import NetworkAgent, head_keys
from memory_envs import TASKS, DelayedAddition, FlipFlop, Parity, Task, Trials
from tests.baselines.small import CELL_CASES, TASK_CASES, make_network

tasks = pytest.mark.parametrize("task", TASK_CASES, ids=str)
cells = pytest.mark.parametrize(("cell", "options"), CELL_CASES, ids=str)
COLUMNS, SEED = 5, 11


def test_readouts_are_kept_by_n_or_by_position() -> None:
    assert head_keys(Parity(heads=(2, 3, 5))) == ("2", "3", "5")
    assert head_keys(Parity(N=4)) == head_keys(Parity(N=9)) == ("0",)
    assert head_keys(FlipFlop(bits=2)) == ("0", "1")
    assert head_keys(DelayedAddition()) == ("0",)


def test_one_product_reads_what_each_readout_says() -> None:
    network = make_network(Parity(heads=(2, 3, 5)))
    outputs = torch.randn(6, 4, 16, generator=torch.Generator().manual_seed(0))
    both = network.read(outputs, ["5", "2"])
    assert both.shape == (6, 4, 2, 2)
    for i, key in enumerate(("5", "2")):
        torch.testing.assert_close(both[:, :, i], network.readouts[key](outputs))


def test_a_new_readout_leaves_the_others_alone() -> None:
    network = make_network(Parity(heads=(2, 3)))
    inputs = torch.ones(5, 2, 1)
    before = network(inputs, ["2", "3"])
    network.add_readout("4", torch.Generator().manual_seed(0))
    after = network(inputs, ["2", "3", "4"])
    torch.testing.assert_close(after.answers[:, :, :2], before.answers)
    torch.testing.assert_close(after.states, before.states, rtol=0, atol=0)
    with pytest.raises(ValueError, match="key must be a new name, got '4'"):
        network.add_readout("4")


def test_new_readouts_draw_from_their_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, two = (make_network(Parity(N=3)) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    for name in ("weight", "bias"):
        values = getattr(one.readouts["0"], name)
        assert torch.equal(values, getattr(two.readouts["0"], name))
        assert values.abs().max() <= 16**-0.5
        assert len(set(values.flatten().tolist())) == values.numel()


@cells
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_asked_for_the_last_state_alone_the_rest_is_the_same(
    cell: str, options: dict[str, Any], double: bool, seed: int
) -> None:
    """Values and gradients, for trials of different lengths: the answers after a trial's end get no gradient."""
    generator = torch.Generator().manual_seed(seed)
    steps, trials, units, first = (int(torch.randint(low, 9, (), generator=generator)) for low in (4, 1, 1, 0))
    network = make_network(Parity(heads=(2, 3)), units=units, cell=cell, options=options)
    network = network.double() if double else network
    kind = torch.float64 if double else torch.float32
    inputs = torch.randint(0, 2, (steps, trials, 1), generator=generator).to(kind)
    lengths = torch.randint(1, steps + 1, (trials,), generator=generator)
    toward = torch.randn(steps, trials, 2, 2, generator=generator, dtype=kind)
    toward = (toward * (torch.arange(steps)[:, None] < lengths)[:, :, None, None])[min(first, 3) :]
    start = torch.randn(trials, network.cell.state_size, generator=generator, dtype=kind)
    found = []
    for last_state in (False, True):
        state = start.clone().requires_grad_()
        rollout = network(inputs, ("2", "3"), state, first_answer=min(first, 3), last_state=last_state)
        assert len(rollout.states) == (1 if last_state else steps)
        loss = (rollout.answers * toward).sum() + rollout.states[-1].square().sum()
        gradients = torch.autograd.grad(loss, [state, *network.parameters()])
        found.append([rollout.outputs, rollout.answers, rollout.states[-1], *gradients])
    relative, absolute = (1e-7, 1e-7) if double else (1e-4, 1e-5)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=relative, atol=absolute)


def test_an_intervention_also_gives_the_last_state_alone() -> None:
    network, inputs = make_network(Parity(heads=(2,)), cell="lstm"), torch.ones(4, 3, 1)
    whole, last = (
        network(inputs, ("2",), intervention=lambda t, state: state + t, last_state=last) for last in (False, True)
    )
    assert torch.equal(whole.states[-1:], last.states)
    assert torch.equal(whole.answers, last.answers)


def test_choices_and_what_is_correct() -> None:
    labels = make_network(Parity(heads=(2, 3)))
    answers = torch.tensor([[[0.1, 0.2], [3.0, -1.0]]])
    assert labels.choose(answers).tolist() == [[1, 0]]
    assert labels.correct(answers, torch.tensor([[1, 1]])).tolist() == [[True, False]]
    values = make_network(DelayedAddition())
    said = torch.tensor([[[1.7]], [[0.5]], [[0.5]]])
    assert values.choose(said).tolist() == [[1.0], [0.5], [0.5]]
    assert values.correct(said, torch.tensor([[1.0], [0.53], [0.55]])).tolist() == [[True], [True], [False]]


def environment(task: Task, **how: Any) -> Any:
    parameters = {name: value for name, value in task.to_dict().items() if name != "task"}
    if how:
        return gym.make_vec(task.env_id, **parameters, **how)
    return gym.make(task.env_id, **parameters)


def answers_in_one_batch(network: Any, task: Task, trials: Trials) -> np.ndarray[Any, np.dtype[Any]]:
    agent = NetworkAgent(network, task)
    with torch.no_grad():
        rollout = network(torch.from_numpy(np.array(trials.inputs)), agent.heads)
    chosen: np.ndarray[Any, np.dtype[Any]] = network.choose(rollout.answers).numpy()
    return chosen


@tasks
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_the_vector_environment_gets_the_answers_of_the_batch(task: Task, mode: str) -> None:
    """Two trials a column, across the automatic reset: ``episode_start`` must bring the initial state back."""
    network = make_network(task)
    agent, envs = NetworkAgent(network, task), environment(task, num_envs=COLUMNS, autoreset_mode=mode)
    expected: list[list[Any]] = [[] for _ in range(COLUMNS)]
    for i, number in itertools.product(range(COLUMNS), (0, 1)):
        trials = task.batch(SEED + i, number, 1)
        expected[i].append(answers_in_one_batch(network, task, trials)[: trials.lengths[0], 0])
    played: list[list[list[Any]]] = [[[]] for _ in range(COLUMNS)]
    observation, _ = envs.reset(seed=SEED)
    state, starts, ended = None, np.ones(COLUMNS, np.bool_), np.zeros(COLUMNS, np.bool_)
    for _ in range(2 * task.num_steps + 2):
        action, state = agent.predict(observation, state, starts)
        assert action.shape == (COLUMNS, *task.answer_shape)
        observation, _, terminated, _, _ = envs.step(action)
        resets = ended if mode == "NextStep" else np.zeros(COLUMNS, np.bool_)  # this action answered nothing
        for i in range(COLUMNS):
            if not resets[i]:
                played[i][-1].append(action[i].reshape(-1))
            if terminated[i]:
                played[i].append([])
        starts, ended = resets if mode == "NextStep" else terminated, terminated
    for i, number in itertools.product(range(COLUMNS), (0, 1)):
        np.testing.assert_allclose(played[i][number], expected[i][number], atol=1e-5)


@tasks
def test_the_scalar_environment_gets_the_answers_of_the_batch_and_pays_their_score(task: Task) -> None:
    network = make_network(task)
    agent, env = NetworkAgent(network, task), environment(task)
    trials = task.batch(SEED, 0, 3)
    expected = answers_in_one_batch(network, task, trials)
    observation, _ = env.reset(seed=SEED)
    for j in range(3):
        state, total, answers, over = None, 0.0, [], False
        while not over:
            action, state = agent.predict(observation, state)
            observation, reward, over, _, _ = env.step(action)
            answers.append(action.reshape(-1))
            total += reward
        np.testing.assert_allclose(answers, expected[: trials.lengths[j], j], atol=1e-5)
        assert total == pytest.approx(task.score(trials, expected)[j], abs=1e-5)
        observation, _ = env.reset()


@cells
@pytest.mark.parametrize("task", [kind(N=4) for kind in TASKS.values()], ids=str)
def test_every_cell_gives_the_answers_of_the_batch_on_every_task(
    cell: str, options: dict[str, Any], task: Task
) -> None:
    network = make_network(task, 6, cell=cell, options=options)
    agent, envs = NetworkAgent(network, task), environment(task, num_envs=COLUMNS)
    trials = [task.batch(SEED + i, 0, 1) for i in range(COLUMNS)]
    expected = np.concatenate([answers_in_one_batch(network, task, trial) for trial in trials], axis=1)
    observation, _ = envs.reset(seed=SEED)
    state, starts = None, np.ones(COLUMNS, np.bool_)
    for t in range(task.num_steps):
        action, state = agent.predict(observation, state, starts)
        np.testing.assert_allclose(action.reshape(COLUMNS, -1), expected[t], atol=1e-5)
        observation, _, _, _, _ = envs.step(action)
        starts = np.zeros(COLUMNS, np.bool_)


def test_a_single_observation_gets_a_single_action() -> None:
    task = Parity(N=3)
    agent = NetworkAgent(make_network(task), task)
    action, state = agent.predict(np.ones(1, np.float32))
    assert action.shape == ()
    assert task.action_space.contains(action.item())
    again, _ = agent.predict(np.ones(1, np.float32), state)
    fresh, fresh_state = agent.predict(np.ones(1, np.float32), state, np.array([True]))
    np.testing.assert_array_equal(fresh_state[0], state[0])
    assert again.shape == fresh.shape == ()


@pytest.mark.parametrize(("name", "options"), CELL_CASES, ids=str)
@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_a_network_of_another_precision_runs_plays_and_is_pickled(
    name: str, options: dict[str, Any], kind: torch.dtype
) -> None:
    task = Parity(heads=(2, 3))
    network = make_network(task, cell=name, options=options).to(kind)
    rollout = network(torch.from_numpy(task.batch(seed=0, index=0, size=4).inputs), head_keys(task))
    assert {rollout.outputs.dtype, rollout.states.dtype, rollout.answers.dtype} == {kind}
    agent = NetworkAgent(network, task)
    expected = evaluate(agent, task, episodes=5, seed=1)
    for same in (pickle.loads(pickle.dumps(agent)), copy.deepcopy(agent)):
        assert evaluate(same, task, episodes=5, seed=1) == expected


def test_a_task_with_a_head_that_the_network_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"task must ask for heads among \['2', '3'\], got .*4"):
        NetworkAgent(make_network(Parity(heads=(2, 3))), Parity(heads=(2, 4)))
