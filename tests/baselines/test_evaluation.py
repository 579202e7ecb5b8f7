"""Evaluation of agents: it measures what supervision does, and refuses what cannot be played in one line."""

import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from baselines.commands.display.scores import score_table
from baselines.evaluation import AgentError, evaluate
from baselines.network import NetworkAgent, head_keys
from memory_envs import (
    DelayedAddition,
    DelayedMatch,
    EvidenceAccumulation,
    FlipFlop,
    Parity,
    RandomAgent,
    ReferenceAgent,
    Task,
)
from tests.baselines.small import TASK_CASES, make_network

tasks = pytest.mark.parametrize("task", TASK_CASES, ids=str)
SEED = 11


def test_evaluation_needs_no_torch() -> None:
    code = "import sys, baselines.evaluation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


@tasks
def test_evaluation_measures_what_supervision_does(task: Task) -> None:
    network = make_network(task)
    got = evaluate(NetworkAgent(network, task), task, episodes=20, seed=SEED)
    scores, right, counted = [], np.zeros(task.num_heads), 0
    for i in range(20):
        trials = task.batch(SEED + i, 0, 1)
        with torch.no_grad():
            rollout = network(torch.from_numpy(np.array(trials.inputs)), head_keys(task))
        answers = network.choose(rollout.answers).numpy()
        scores.append(task.score(trials, answers)[0])
        right += task.correct(trials, answers).sum(axis=(0, 1))
        counted += trials.mask.sum()
    assert got.score == pytest.approx(np.mean(scores), abs=1e-4)
    assert got.standard_error == pytest.approx(np.std(scores, ddof=1) / np.sqrt(20), rel=1e-3)
    assert list(got.accuracy) == list(task.head_labels)
    assert list(got.accuracy.values()) == pytest.approx(right / counted, abs=1e-3)
    if not task.real_valued and task.scoring == "final":
        assert got.score == pytest.approx(np.mean([2 * a - 1 for a in got.accuracy.values()]))


@tasks
def test_reference_agents_are_agents(task: Task) -> None:
    perfect = evaluate(ReferenceAgent(task), task, episodes=20, seed=0)
    assert (perfect.score, perfect.score_interval[1]) == (1.0, 1.0)  # exactly, however many rewards were added
    assert (perfect.normalised, perfect.normalised_interval[1]) == (1.0, 1.0)
    assert min(perfect.accuracy.values()) == 1.0
    chance = evaluate(RandomAgent(task, seed=0), task, episodes=400, seed=0)
    assert abs(chance.score - task.chance_score) < 5 * chance.standard_error


@tasks
def test_every_agent_gets_the_same_episodes(task: Task) -> None:
    """They are the environments' trials for this seed, whatever an agent writes into its observations."""

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


@pytest.mark.parametrize("n", [3, 6, 49])
def test_a_perfect_score_is_exactly_one(n: int) -> None:
    """Rewards such as 1/3 add up to 0.9999999999999999."""
    task = Parity(heads=(2, n), active_heads=(n,), num_steps=4 * n)
    played = evaluate(ReferenceAgent(task), task, episodes=5, seed=SEED)
    assert (played.score, played.standard_error, str(played.normalised)) == (1.0, 0.0, "1.0")


def test_perfect_play_is_not_certain() -> None:
    task = DelayedMatch(N=3)
    got = evaluate(ReferenceAgent(task), task, episodes=50, seed=SEED)
    assert (got.score, got.normalised, got.equivalent_memory) == pytest.approx((1.0, 1.0, 3.0))
    answers = sum(one.answers for one in got.by_lag)
    assert answers == 500
    least = 1 / (1 + 1.959964**2 / answers)  # Wilson's for 500 of 500
    assert got.intervals["N=3"] == pytest.approx((least, 1.0))
    assert got.score_interval == pytest.approx((2 * least - 1, 1.0))
    assert got.normalised_interval[0] < 0.99
    assert got.equivalent_memory_interval[0] < 3.0


def test_a_task_that_needs_no_memory_has_no_normalised_score() -> None:
    task = Parity(N=1)
    got = evaluate(ReferenceAgent(task), task, episodes=10, seed=SEED)
    assert np.isnan([got.normalised, *got.normalised_interval]).all()
    assert got.equivalent_memory == 1.0


def test_a_model_without_a_memory_is_an_agent() -> None:
    for task in (Parity(N=2), FlipFlop(N=2), DelayedAddition(N=4)):
        parameters = {name: value for name, value in task.to_dict().items() if name != "task"}
        envs = DummyVecEnv([lambda task=task, given=parameters: gym.make(task.env_id, **given)])  # type: ignore[misc]
        model = PPO("MlpPolicy", envs, n_steps=8, batch_size=8, seed=0, device="cpu")
        assert evaluate(model, task, episodes=10, seed=SEED) == evaluate(model, task, episodes=10, seed=SEED)


def test_the_table_of_scores_names_the_memory_that_is_perfect() -> None:
    """An even number of pulses of evidence needs a step less than there are."""
    task = EvidenceAccumulation(8)
    played = evaluate(ReferenceAgent(task), task, episodes=20, seed=1)
    assert played.equivalent_memory == 7
    assert list(score_table(played, memory=True).columns[-1].cells)[-1] == "7.0"


class Says:
    """Answers what it is told to."""

    def __init__(self, actions: Any, state: Any = None) -> None:
        self.predicted = (actions, state)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        assert deterministic
        return self.predicted


LABELS, BITS, VALUES = Parity(N=2), FlipFlop(N=2, bits=2), DelayedAddition(N=4)
GOOD: list[tuple[Task, Any]] = [
    (LABELS, np.zeros(4, np.int64)),
    (LABELS, np.ones(4, np.uint8)),
    (LABELS, [0, 1, 1, 0]),
    (LABELS, torch.ones(4, dtype=torch.int32)),
    (BITS, np.zeros((4, 2), np.int32)),
    (BITS, [[0, 1]] * 4),
    (VALUES, np.zeros((4, 1), np.float32)),
    (VALUES, torch.full((4, 1), 0.5, dtype=torch.float64)),
    (VALUES, [[-1], [0], [1], [0]]),
]


@pytest.mark.parametrize(("task", "actions"), GOOD)
def test_arrays_lists_and_tensors_are_answers(task: Task, actions: Any) -> None:
    assert evaluate(Says(actions), task, episodes=4, seed=0).episodes == 4


WANTS = {
    LABELS: r"actions must be integers 0 or 1 of shape \(4,\), got ",
    BITS: r"actions must be integers 0 or 1 of shape \(4, 2\), got ",
    VALUES: r"actions must be numbers from -1 to 1 of shape \(4, 1\), got ",
}
BAD: list[tuple[Task, Any, str]] = [
    (LABELS, np.zeros((4, 1), np.int64), r"int64 of shape \(4, 1\)$"),
    (LABELS, np.int64(0), r"int64 of shape \(\)$"),
    (LABELS, np.zeros(3, np.int64), r"int64 of shape \(3,\)$"),
    (LABELS, np.zeros(4), r"float64 of shape \(4,\)$"),
    (LABELS, np.zeros(4, np.bool_), r"bool of shape \(4,\)$"),
    (LABELS, ["0", "1", "0", "1"], r"<U1 of shape \(4,\)$"),
    (LABELS, None, r"object of shape \(\)$"),
    (LABELS, [0, 1, 2, 0], "2 for observation 2$"),
    (LABELS, [0, 1, 0, -1], "-1 for observation 3$"),
    (LABELS, torch.ones(4, requires_grad=True), "a Tensor of length 4: .*grad"),
    (BITS, np.zeros(4, np.int64), r"int64 of shape \(4,\)$"),
    (BITS, [[0, 1], [0, 1], [0, 3], [0, 1]], r"\[0 3\] for observation 2$"),
    (BITS, [[0, 1], [0], [0, 1], [0, 1]], "a list of length 4: .*inhomogeneous"),
    (VALUES, np.zeros(4), r"float64 of shape \(4,\)$"),
    (VALUES, [[0.0], [0.0], [float("nan")], [0.0]], r"\[nan\] for observation 2$"),
    (VALUES, [[0.0], [0.0], [0.0], [1.5]], r"\[1.5\] for observation 3$"),
    (VALUES, np.zeros((4, 1), np.complex64), r"complex64 of shape \(4, 1\)$"),
]


@pytest.mark.parametrize(("task", "actions", "got"), BAD)
def test_what_is_wrong_with_an_answer_is_said_in_one_line(task: Task, actions: Any, got: str) -> None:
    with pytest.raises(AgentError, match=WANTS[task] + got) as raised:
        evaluate(Says(actions), task, episodes=4, seed=0)
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    ("predicted", "got"),
    [
        (np.zeros(4, np.int64), "a ndarray of length 4"),
        (None, "a NoneType"),
        ((1, 2, 3), "a tuple of length 3"),
        (np.zeros((2, 4), np.int64), "a ndarray of length 2"),
    ],
)
def test_predict_must_return_a_pair(predicted: Any, got: str) -> None:
    agent = Says(None)
    agent.predicted = predicted
    with pytest.raises(AgentError, match=rf"^predict must return a pair \(actions, state\), got {got}$"):
        evaluate(agent, LABELS, episodes=4, seed=0)


def test_what_an_agent_raises_is_its_own() -> None:
    class Broken(Says):
        def predict(self, *_: Any, **__: Any) -> Any:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        evaluate(Broken(None), LABELS, episodes=4, seed=0)
