"""Law 6: a network evaluated in one batch and the same network playing the environment give the same answers."""

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from baselines.commands.display.scores import score_table
from baselines.evaluation import evaluate
from baselines.network import NetworkAgent
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


@tasks
def test_every_agent_gets_the_same_episodes(task: Task) -> None:
    """Those of the environments reset with the seed, whatever an agent writes into its observations."""

    class Watcher(RandomAgent):
        def __init__(self, seed: int) -> None:
            super().__init__(task, seed)
            self.seen: list[Any] = []

        def predict(self, observation: Any, *rest: Any, **how: Any) -> tuple[Any, Any]:
            self.seen.append(observation.copy())
            answers = super().predict(observation, *rest, **how)
            observation[:] = 7
            return answers

    seen = []
    for seed in (0, 1):
        watcher = Watcher(seed)
        evaluate(watcher, task, episodes=6, seed=SEED)
        seen.append(np.array(watcher.seen))
    np.testing.assert_array_equal(seen[0], seen[1])
    for i in range(6):
        trials = task.batch(SEED + i, 0, 1)
        np.testing.assert_array_equal(seen[0][: trials.lengths[0], i], trials.inputs[: trials.lengths[0], 0])


@tasks
def test_accuracy_by_lag_is_that_of_the_answers_with_this_lag(task: Task) -> None:
    agent = ReferenceAgent(task, max(1, task.horizon // 2))
    got = evaluate(agent, task, episodes=50, seed=SEED)
    hits: dict[int, list[bool]] = {}
    for i in range(50):
        trials = task.batch(SEED + i, 0, 1)
        state, answers = None, []
        for shown in trials.inputs:
            answer, state = agent.predict(shown, state)
            answers.append(answer.reshape(1, -1))
        right, lags = task.correct(trials, np.array(answers)), task.lags(trials.inputs)
        for t in np.flatnonzero(trials.mask[:, 0]):
            for head in np.flatnonzero(task.active):
                hits.setdefault(int(lags[t, 0, head]), []).append(bool(right[t, 0, head]))
    assert [(one.lag, one.answers) for one in got.by_lag] == [(lag, len(hits[lag])) for lag in sorted(hits)]
    assert [one.accuracy for one in got.by_lag] == pytest.approx([np.mean(hits[lag]) for lag in sorted(hits)])
    assert all(one.interval[0] <= one.accuracy <= one.interval[1] for one in got.by_lag)


def test_accuracy_falls_where_the_memory_ends() -> None:
    task = FlipFlop(N=8)
    got = evaluate(ReferenceAgent(task, 5), task, episodes=400, seed=SEED)
    assert [one.lag for one in got.by_lag] == list(range(8))
    assert [one.accuracy for one in got.by_lag[:5]] == [1.0] * 5
    assert all(one.interval[0] < 0.5 < one.interval[1] for one in got.by_lag[5:])
    assert got.equivalent_memory_interval[0] < 5 < got.equivalent_memory_interval[1]
    assert got.normalised_interval[0] < task.normalise(task.reference_score(5)) < got.normalised_interval[1]
    assert got.score_interval[1] - got.score_interval[0] == pytest.approx(2 * 1.96 * got.standard_error, rel=0.1)


def test_perfect_play_is_not_certain() -> None:
    task = DelayedMatch(N=3)
    got = evaluate(ReferenceAgent(task), task, episodes=50, seed=SEED)
    assert (got.score, got.normalised, got.equivalent_memory) == pytest.approx((1.0, 1.0, 3.0))
    assert got.intervals["N=3"] == pytest.approx((0.929, 1.0), abs=0.001)  # Wilson's for 50 of 50
    assert got.score_interval == pytest.approx((2 * 0.929 - 1, 1.0), abs=0.002)
    assert got.normalised_interval[0] < 0.9
    assert got.equivalent_memory_interval[0] < 3.0


def test_a_task_that_needs_no_memory_has_no_normalised_score() -> None:
    task = Parity(N=1)
    got = evaluate(ReferenceAgent(task), task, episodes=10, seed=SEED)
    assert np.isnan([got.normalised, *got.normalised_interval]).all()
    assert got.equivalent_memory == 1.0


def test_a_model_without_a_memory_is_an_agent() -> None:
    for task in (Parity(N=2), FlipFlop(N=2), DelayedAddition(N=4)):
        envs = DummyVecEnv([lambda task=task: environment(task)])  # type: ignore[misc]
        model = PPO("MlpPolicy", envs, n_steps=8, batch_size=8, seed=0, device="cpu")
        assert evaluate(model, task, episodes=10, seed=SEED) == evaluate(model, task, episodes=10, seed=SEED)


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


def test_the_table_of_scores_names_the_memory_that_is_perfect() -> None:
    """An even number of pulses of evidence needs a step less than there are."""
    task = EvidenceAccumulation(8)
    played = evaluate(ReferenceAgent(task), task, episodes=20, seed=1)
    assert played.equivalent_memory == 7
    assert list(score_table(played, memory=True).columns[-1].cells)[-1] == "7.0"
