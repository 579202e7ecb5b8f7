"""Law 6: a network evaluated in one batch and the same network playing the environment give the same answers."""

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from baselines.agents import NetworkAgent, evaluate
from memory_envs import (
    TASKS,
    DelayedAddition,
    DelayedMatch,
    EvidenceAccumulation,
    FlipFlop,
    Parity,
    RandomAgent,
    ReferenceAgent,
    Task,
    Trials,
)
from tests.baselines.small import CELL_CASES, make_network

CASES: list[Task] = [
    *(kind() for kind in TASKS.values()),
    Parity(heads=(2, 3, 5)),
    Parity(N=3, scoring="final"),
    DelayedMatch(heads=(2, 4), scoring="final"),
    EvidenceAccumulation(heads=(1, 3)),
    FlipFlop(N=4, bits=2),
    DelayedAddition(N=8, scoring="final"),
]
tasks = pytest.mark.parametrize("task", CASES, ids=str)
COLUMNS, SEED = 5, 11
cells = pytest.mark.parametrize(("cell", "options"), CELL_CASES, ids=str)


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


@tasks
def test_evaluation_measures_what_supervision_does(task: Task) -> None:
    network = make_network(task)
    got = evaluate(NetworkAgent(network, task), task, episodes=40, seed=SEED)
    scores, right, counted = [], np.zeros(task.num_heads), 0
    for i in range(40):
        trials = task.batch(SEED + i, 0, 1)
        answers = answers_in_one_batch(network, task, trials)
        scores.append(task.score(trials, answers)[0])
        right += task.correct(trials, answers).sum(axis=(0, 1))
        counted += trials.mask.sum()
    assert got.score == pytest.approx(np.mean(scores), abs=1e-4)
    assert got.standard_error == pytest.approx(np.std(scores, ddof=1) / np.sqrt(40), rel=1e-3)
    assert list(got.accuracy) == list(task.head_labels)
    assert list(got.accuracy.values()) == pytest.approx(right / counted, abs=1e-3)
    if not task.real_valued and task.scoring == "final":
        assert got.score == pytest.approx(np.mean([2 * a - 1 for a in got.accuracy.values()]))


@cells
@pytest.mark.parametrize("task", [kind() for kind in TASKS.values()], ids=str)
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


@tasks
def test_reference_agents_are_agents(task: Task) -> None:
    perfect = evaluate(ReferenceAgent(task), task, episodes=20, seed=0)
    assert perfect.score == pytest.approx(1.0)
    assert perfect.normalised == pytest.approx(1.0)
    assert min(perfect.accuracy.values()) == 1.0
    chance = evaluate(RandomAgent(task, seed=0), task, episodes=400, seed=0)
    assert abs(chance.score - task.chance_score) < 5 * chance.standard_error


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


def test_a_task_with_a_head_that_the_network_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"task must ask for heads among \['2', '3'\], got .*4"):
        NetworkAgent(make_network(Parity(heads=(2, 3))), Parity(heads=(2, 4)))
