"""Laws 1 and 4 over every task: an episode is paid what its trial scores; streams repeat; tasks copy and round-trip."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from itertools import islice
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
from gymnasium.envs.registration import EnvSpec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory_envs import (
    TASKS,
    DelayedMatch,
    EvidenceAccumulation,
    FlipFlop,
    MemoryEnv,
    Parity,
    Task,
    Trials,
    keys,
    task_from_dict,
)
from tests.memory_envs.strategies import FEW_TRIALS, tasks

law = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
every_task = pytest.mark.parametrize("name", TASKS)
SEEDS = st.integers(0, 2**70)
CLONES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
}

Array = npt.NDArray[Any]


def assert_same_trials(ours: Trials, theirs: Trials) -> None:
    for field in ("inputs", "targets", "mask", "lengths"):
        a, b = getattr(ours, field), getattr(theirs, field)
        assert a.dtype == b.dtype, field
        np.testing.assert_array_equal(a, b, err_msg=field)


def column(trials: Trials, j: int) -> Trials:
    """Trial j alone."""
    return Trials(
        trials.inputs[:, j : j + 1], trials.targets[:, j : j + 1], trials.mask[:, j : j + 1], trials.lengths[[j]]
    )


def answers_of_kind(kind: str, task: Task, trials: Trials, generator: np.random.Generator) -> Array:
    """Answers (T, B, H): all right, guessed, or near misses of every size."""
    if kind == "perfect":
        return trials.targets.copy()
    if task.real_valued:
        if kind == "random":
            return generator.uniform(-1, 1, trials.targets.shape).astype(np.float32)
        misses = generator.choice([0, 0.01, 0.039, 0.041, 0.3, 2], trials.targets.shape)
        return np.clip(trials.targets + misses, -1, 1).astype(np.float32)
    if kind == "random":
        return generator.integers(0, 2, trials.targets.shape)
    return np.where(generator.random(trials.targets.shape) < 0.1, 1 - trials.targets, trials.targets)


def action(task: Task, answer: Array) -> Any:
    """What the environment is handed for one step's answers (H,)."""
    return answer if task.answer_shape else int(answer[0])


def play(env: Any, task: Task, trials: Trials, j: int, answers: Array) -> list[float]:
    """Play the trial that env has just begun with ``answers`` (T, B, H) of its column j; the rewards of its steps."""
    rewards, length = [], int(trials.lengths[j])
    correct = task.correct(trials, answers)
    for t in range(length):
        observation, reward, terminated, truncated, info = env.step(action(task, answers[t, j]))
        assert type(reward) is float
        assert type(terminated) is type(truncated) is type(info["counted"]) is bool
        assert terminated == (t == length - 1)
        assert not truncated
        shown = np.zeros(task.num_inputs, np.float32) if terminated else trials.inputs[t + 1, j]
        assert np.array_equal(observation, shown)
        assert observation.dtype == np.float32
        assert info.keys() == {"target", "counted", "correct"}
        assert info["counted"] == trials.mask[t, j]
        assert np.array_equal(info["target"], trials.targets[t, j].reshape(task.answer_shape))
        assert np.array_equal(info["correct"], correct[t, j].reshape(task.answer_shape))
        rewards.append(reward)
    return rewards


# -- law 1 -----------------------------------------------------------------------------------------------------


@every_task
@law
@given(data=st.data())
def test_an_episode_is_paid_what_its_trial_scores(name: str, data: st.DataObject) -> None:
    """Episode j is trial j, and every reward is that of ``task.rewards`` to the last bit."""
    task, seed = data.draw(tasks(name)), data.draw(SEEDS, label="seed")
    generator = np.random.default_rng(data.draw(st.integers(0, 99), label="answers"))
    count = 4
    trials = task.batch(seed, 0, count)
    env = MemoryEnv(task)
    for j in range(count):
        kind = ("perfect", "random", "nearly", "random")[j]
        answers = answers_of_kind(kind, task, trials, generator)
        observation, info = env.reset(seed=seed if j == 0 else None)
        np.testing.assert_array_equal(observation, trials.inputs[0, j])
        np.testing.assert_array_equal(info["target"], np.zeros(task.answer_shape))
        assert not info["counted"]
        assert not np.any(info["correct"])
        rewards = np.array(play(env, task, trials, j, answers))
        paid = task.rewards(trials, answers)[:, j]
        assert paid.dtype == np.float64
        assert rewards.tobytes() == paid[: len(rewards)].tobytes()  # the sign of zero included
        assert not paid[len(rewards) :].any()
        # The sums may be formed in another order.
        assert rewards.sum() == pytest.approx(task.score(trials, answers)[j], abs=1e-12)
        if kind == "perfect":
            assert sum(rewards.tolist()) == rewards.sum() == task.score(trials, answers)[j] == 1.0


@every_task
def test_through_gym_make_as_well(name: str) -> None:
    """Gymnasium's own wrappers (its checker, its order enforcer) change nothing."""
    task = TASKS[name](N=4)
    env = gym.make(task.env_id, N=4)
    trials = task.batch(seed=3, size=5)
    answers = answers_of_kind("random", task, trials, np.random.default_rng(0))
    for j in range(5):
        env.reset(seed=3 if j == 0 else None)
        rewards = np.array(play(env, task, trials, j, answers))
        assert rewards.tobytes() == task.rewards(trials, answers)[: len(rewards), j].tobytes()


@every_task
@law
@given(data=st.data())
def test_rewards_are_those_of_the_definition(name: str, data: st.DataObject) -> None:
    """(2 correct - 1) / (counted steps), averaged over active heads; for real values max(1 - 6 error^2, -1)."""
    task = data.draw(tasks(name))
    trials = task.batch(data.draw(SEEDS), 0, 3)
    answers = answers_of_kind("nearly", task, trials, np.random.default_rng(0))
    rewards, correct = task.rewards(trials, answers), task.correct(trials, answers)
    heads = [h for h in range(task.num_heads) if task.active[h]]
    for j in range(3):
        counted = sum(bool(c) for c in trials.mask[:, j])
        assert counted
        for t in range(task.num_steps):
            points = []
            for h in range(task.num_heads):
                answer, target = answers[t, j, h].item(), trials.targets[t, j, h].item()
                asked = bool(trials.mask[t, j]) and h in heads
                right = abs(answer - target) < 0.04 if task.real_valued else answer == target
                assert correct[t, j, h] == (right and asked)
                if asked:
                    worth = max(1 - 6 * (answer - target) ** 2, -1) if task.real_valued else 2 * right - 1
                    points.append(worth)
            assert rewards[t, j] == pytest.approx(sum(points) / len(heads) / counted, abs=1e-12)
    # Exactly, whatever N, the heads and the scoring.
    assert task.score(trials, trials.targets).tolist() == [1.0] * 3
    if not task.real_valued:
        assert task.score(trials, 1 - trials.targets).tolist() == [-1.0] * 3


@pytest.mark.parametrize("counted", [*range(1, 60), 999, 4097])
def test_weights_of_a_trial_add_up_to_one_in_every_order(counted: int) -> None:
    """Exactly, and each of them is 1/n up to n 2^-53; where trials count at different steps as well."""
    generator = np.random.default_rng(counted)
    mask = np.zeros((counted + 5, 3), np.bool_)
    for j in range(3):
        mask[generator.permutation(len(mask))[:counted], j] = True
    blank = np.zeros((len(mask), 3, 1), np.float32)
    lengths = np.full(3, len(mask))
    alike = np.broadcast_to(mask[:, :1], mask.shape)
    for weights in (Trials(blank, blank, m, lengths).weights() for m in (mask, alike)):
        for column in weights.T:
            orders = [column, column[::-1], np.sort(column), generator.permutation(column)]
            assert {order.sum() for order in orders} == {sum(order.tolist()) for order in orders} == {1.0}
            assert np.abs(column[column != 0] - 1 / counted).max() < counted * 2**-53
            assert np.count_nonzero(column) == counted


def test_a_trial_that_counts_nowhere_is_worth_nothing() -> None:
    trials = Parity(N=3).batch(size=2)
    assert not Trials(trials.inputs, trials.targets, np.zeros_like(trials.mask), trials.lengths).weights().any()


def test_printed_trials_are_short() -> None:
    assert repr(Parity(N=8).batch(size=64)) == (
        "Trials(inputs: float32 (32, 64, 1), targets: int64 (32, 64, 1), mask: bool (32, 64), lengths: int64 (64,))"
    )


def test_answers_of_another_shape_are_refused() -> None:
    task = Parity(N=2)
    trials = task.batch(size=3)
    for wrong in (trials.targets[..., 0], trials.targets[:-1], trials.targets[:, :2]):
        for read in (task.score, task.rewards, task.correct):
            with pytest.raises(ValueError, match=r"answers must have the shape \(T, B, H\) = \(8, 3, 1\)"):
                read(trials, wrong)


# -- what a trial looks like -------------------------------------------------------------------------------------


@every_task
@law
@given(data=st.data())
def test_trials_are_as_documented(name: str, data: st.DataObject) -> None:
    task = data.draw(tasks(name))
    size = data.draw(st.integers(1, 20))
    trials = task.batch(data.draw(SEEDS), 0, size)
    steps, heads = task.num_steps, task.num_heads
    assert trials.inputs.shape == (steps, size, task.num_inputs)
    assert trials.targets.shape == (steps, size, heads)
    assert trials.mask.shape == (steps, size)
    assert trials.lengths.shape == (size,)
    assert trials.inputs.dtype == np.float32
    assert trials.targets.dtype == (np.float32 if task.real_valued else np.int64)
    assert trials.mask.dtype == np.bool_
    assert trials.lengths.dtype == np.int64
    assert len(task.channels) == len(set(task.channels)) == task.num_inputs == len(task.input_bounds)
    assert len(task.head_labels) == len(set(task.head_labels)) == heads == len(task.active)
    assert any(task.active)

    space = task.observation_space
    assert space.shape == (task.num_inputs,)
    assert (trials.inputs >= space.low).all()
    assert (trials.inputs <= space.high).all()
    if task.real_valued:
        assert (np.abs(trials.targets) <= 1).all()
        assert task.action_space == gym.spaces.Box(-1, 1, (heads,), np.float32)
    else:
        assert set(np.unique(trials.targets)) <= {0, 1}
        labels = gym.spaces.MultiDiscrete([2] * heads) if task.answer_shape else gym.spaces.Discrete(2)
        assert task.action_space == labels
    assert task.action_space is not task.action_space
    assert task.observation_space == task.observation_space

    time = np.arange(steps)[:, None]
    past = time >= trials.lengths
    assert not trials.inputs[past].any()
    assert not trials.targets[past].any()
    assert not trials.mask[past].any()
    assert not trials.targets[~trials.mask].any()
    assert not trials.targets[..., ~np.array(task.active)].any()
    assert (trials.mask.sum(axis=0) >= 1).all()
    assert ((trials.lengths >= 1) & (trials.lengths <= steps)).all()
    if task.scoring == "final":
        np.testing.assert_array_equal(trials.mask, time == trials.lengths - 1)
    else:
        assert (trials.lengths == steps).all()


@every_task
@law
@given(data=st.data())
def test_any_keys_in_any_order_give_the_same_trials(name: str, data: st.DataObject) -> None:
    """A trial depends on its own key only: not on its neighbours, its place or their number."""
    task = data.draw(tasks(name))
    many = keys.trial_keys(keys.stream(data.draw(SEEDS)), np.arange(9))
    together = task.sample(many)
    chosen = data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=9), label="chosen")
    some = task.sample(many[chosen])
    assert_same_trials(
        some,
        Trials(
            together.inputs[:, chosen], together.targets[:, chosen], together.mask[:, chosen], together.lengths[chosen]
        ),
    )
    assert_same_trials(task.sample(many[4:5]), column(together, 4))


# -- law 4: streams ----------------------------------------------------------------------------------------------


@every_task
@law
@given(data=st.data())
def test_batches_are_contiguous_and_repeatable(name: str, data: st.DataObject) -> None:
    task, seed = data.draw(tasks(name)), data.draw(SEEDS)
    size = data.draw(st.integers(1, 5))
    whole = task.batch(seed, 0, 3 * size)
    for index, trials in enumerate(islice(task.batches(seed, size), 3)):
        place = slice(index * size, (index + 1) * size)
        part = Trials(whole.inputs[:, place], whole.targets[:, place], whole.mask[:, place], whole.lengths[place])
        assert_same_trials(trials, part)
        assert_same_trials(task.batch(seed, index, size), part)


def stimulus(name: str) -> Task:
    """A task with so much chance in a trial that two of them are never equal by accident."""
    return TASKS[name](N=64)


@every_task
def test_same_seed_same_stream_other_seed_other_stream(name: str) -> None:
    task = stimulus(name)
    seen: dict[bytes, tuple[int, int]] = {}
    at_once = 50 if name in FEW_TRIALS else 1
    for seed in (0, 1, 2, 3, 2**32, 2**64, 2**64 + 1, 2**100):
        trials = task.batch(seed, 0, 100)
        assert_same_trials(trials, task.batch(seed, 0, 100))
        for j in range(0, 100, at_once):
            drawn = trials.inputs[:, j : j + at_once].tobytes()
            assert drawn not in seen, (
                f"trial {j} of seed {seed} equals trial {seen[drawn][1]} of seed {seen[drawn][0]}: if {name} has few "
                "different trials, name it in FEW_TRIALS of tests/memory_envs/strategies.py"
            )
            seen[drawn] = seed, j


@every_task
def test_an_environment_repeats_its_stream_and_goes_on_with_it(name: str) -> None:
    """Resets without a seed go on; the same seed begins again; giving a trial up does not move the next one."""
    task = stimulus(name).replace(N=8)
    env, trials = MemoryEnv(task), task.batch(seed=11, size=80)
    for _ in range(2):
        for j in range(80):
            observation, _ = env.reset(seed=11 if j == 0 else None)
            np.testing.assert_array_equal(observation, trials.inputs[0, j])
            for t in range(j % 4):
                observation = env.step(action(task, trials.targets[t, j]))[0]
                np.testing.assert_array_equal(observation, trials.inputs[t + 1, j])


def test_an_environment_goes_on_with_another_task() -> None:
    """Episode j is trial j of the task of the moment, whichever way it was changed, and a trial in progress stays."""
    task = Parity(heads=(2, 3, 5), active_heads=(2,), scoring="final")
    env = MemoryEnv(task)
    generator = np.random.default_rng(0)
    for j in range(60):
        options = None
        if j % 5 == 1:
            active = ((2,), (2, 3), (5,), (2, 3, 5))[j // 5 % 4]
            task, options = task.replace(active_heads=active), {"active_heads": active}
        observation, _ = env.reset(seed=6 if j == 0 else None, options=options)
        assert env.task == task
        trials = task.batch(6, j, 1)
        np.testing.assert_array_equal(observation, trials.inputs[0, 0])
        playing = task
        if j % 5 == 3:
            task = task.replace(p=0.9 if task.p == 0.5 else 0.5)
            env.set_task(task)
        answers = answers_of_kind("random", playing, trials, generator)
        rewards = np.array(play(env, playing, trials, 0, answers))
        assert rewards.tobytes() == playing.rewards(trials, answers)[: len(rewards), 0].tobytes()


@every_task
def test_unseeded_environments_differ_and_tell_their_seed(name: str) -> None:
    task = stimulus(name)
    envs = MemoryEnv(task), MemoryEnv(task)
    streams = []
    for env in envs:
        shown = [env.reset()[0]]
        shown += [env.step(env.action_space.sample())[0] for _ in range(task.num_steps - 1)]
        streams.append(np.array(shown))
        np.testing.assert_array_equal(streams[-1], task.batch(env.np_random_seed, size=1).inputs[:, 0])
    assert not np.array_equal(streams[0], streams[1])


# -- law 4: copies, equality, round trips ------------------------------------------------------------------------


@every_task
@law
@given(data=st.data())
def test_tasks_copy_and_write_themselves_down(name: str, data: st.DataObject) -> None:
    task = data.draw(tasks(name))
    copies = [clone(task) for clone in CLONES.values()]
    copies += [task.replace(), task_from_dict(json.loads(json.dumps(task.to_dict()))), type(task)(**everything(task))]
    for other in copies:
        assert type(other) is type(task)
        assert other == task
        assert hash(other) == hash(task)
        assert repr(other) == repr(task)
        assert_same_trials(other.batch(5, 0, 3), task.batch(5, 0, 3))
    assert task.to_dict()["task"] == name
    for other in copies[:4]:  # they also know what was given and what followed from it
        assert other.to_dict() == task.to_dict()


def everything(task: Task) -> dict[str, Any]:
    return {name: getattr(task, name) for name in task.parameters()}


@every_task
@law
@given(data=st.data())
def test_repr_can_be_read_back(name: str, data: st.DataObject) -> None:
    task = data.draw(tasks(name))
    assert repr(task).startswith(f"{type(task).__name__}(N={task.N}, ")
    assert eval(repr(task), {type(task).__name__: type(task)}) == task


@every_task
@law
@given(data=st.data())
def test_tasks_are_equal_exactly_when_their_parameters_are(name: str, data: st.DataObject) -> None:
    one, other = data.draw(tasks(name)), data.draw(tasks(data.draw(st.sampled_from(list(TASKS)))))
    same = type(one) is type(other) and everything(one) == everything(other)
    assert (one == other) == same
    assert len({one, other}) == (1 if same else 2)


def test_left_out_and_given_parameters_make_equal_tasks() -> None:
    assert Parity() == Parity(8) == Parity(N=8, num_steps=32, p=0.5, scoring="dense") != Parity(N=7)
    assert Parity(heads=(2, 3)) == Parity(N=3, heads=[2, 3]) == Parity(heads=np.array([2, 3]), active_heads=(2, 3))  # type: ignore[arg-type]
    assert Parity(heads=(3,)) != Parity(N=3)
    two_kinds: list[Task] = [Parity(N=5), DelayedMatch(N=5)]
    assert two_kinds[0] != two_kinds[1]
    assert hash(Parity()) == hash(Parity(N=8, num_steps=32))
    assert FlipFlop(pulse_probability=0) == FlipFlop(pulse_probability=0.0) != FlipFlop()


@every_task
def test_tasks_cannot_be_changed(name: str) -> None:
    task = TASKS[name]()
    for field in (*task.parameters(), "anything"):
        with pytest.raises(AttributeError):
            setattr(task, field, 3)


@pytest.mark.parametrize("clone", CLONES.values(), ids=list(CLONES))
@every_task
def test_environments_copy_in_mid_episode(name: str, clone: Callable[[Any], Any]) -> None:
    env = MemoryEnv(name, render_mode="ansi")
    env.reset(seed=3)
    env.action_space.seed(0)
    for _ in range(4):
        env.step(env.action_space.sample())
    if clone is copy.copy:  # it shares what is inside, so only its own next step can be asked for
        other = clone(env)
        answer = env.action_space.sample()
        mine, its = env.step(answer), other.step(answer)
        np.testing.assert_array_equal(mine[0], its[0])
        assert mine[1:4] == its[1:4]
        return
    other = clone(env)
    for _ in range(3):
        for _ in range(env._length - env._t):
            answer = env.action_space.sample()
            mine, its = env.step(answer), other.step(answer)
            np.testing.assert_array_equal(mine[0], its[0])
            assert mine[1:4] == its[1:4]
            np.testing.assert_equal(mine[4], its[4])
            assert env.render() == other.render()
        assert mine[2]
        np.testing.assert_array_equal(env.reset()[0], other.reset()[0])


# -- replace -----------------------------------------------------------------------------------------------------


@every_task
def test_replace_works_out_anew_what_follows_and_keeps_what_was_given(name: str) -> None:
    kind = TASKS[name]
    for scoring in ("dense", "final"):
        task: Any = kind(N=6, scoring=scoring)
        larger = task.replace(N=7)
        assert larger == kind(N=7, scoring=scoring)
        assert larger.num_steps == kind(N=7, scoring=scoring).num_steps
        assert task.N == 6
        assert task.replace(scoring="dense") == kind(N=6)
        assert kind().replace(N=None) == kind()


@every_task
def test_tasks_without_heads_say_so(name: str) -> None:
    """``heads`` is there to be read in every task, but a parameter of those only that can ask for several N."""
    assert TASKS[name]().heads is TASKS[name]().active_heads is None
    for parameter in ("heads", "active_heads"):
        if parameter not in TASKS[name].parameters():
            unknown: dict[str, Any] = {parameter: (3, 5)}
            with pytest.raises(TypeError, match=parameter):
                TASKS[name](**unknown)
    if "heads" in TASKS[name].parameters():
        task = TASKS[name](heads=(3, 5), active_heads=(3,))  # type: ignore[call-arg]
        assert (task.heads, task.active_heads) == ((3, 5), (3,))


def test_replace_of_streams() -> None:
    assert Parity(N=8).replace(N=9).num_steps == 36
    assert Parity(N=8, num_steps=50).replace(N=9).num_steps == 50
    assert Parity(N=8, num_steps=50).replace(N=9, num_steps=None) == Parity(N=9)
    assert Parity(N=8).replace(scoring="final").num_steps == 33
    assert FlipFlop(N=8, bits=2).replace(N=3) == FlipFlop(N=3, bits=2)
    assert Parity(N=8, p="uniform").replace(p=0.5) == Parity(N=8)


def test_replace_of_heads() -> None:
    task = Parity(heads=(2, 3))
    assert task.replace(heads=(2, 3, 5)) == Parity(heads=(2, 3, 5))
    assert task.replace(heads=(2, 3, 5)).N == 5
    assert task.replace(heads=None, N=5) == Parity(N=5)
    assert Parity(N=3, heads=(2, 3)).replace(heads=(2, 4)).N == 4
    curriculum = Parity(heads=(2, 3, 5), active_heads=(2,))
    assert (curriculum.num_steps, curriculum.demand, curriculum.horizon) == (8, 2, 2)
    grown = curriculum.replace(active_heads=(2, 3))
    assert (grown.num_steps, grown.active) == (12, (True, True, False))
    assert grown.replace(active_heads=None) == Parity(heads=(2, 3, 5))
    assert grown.action_space == curriculum.action_space
    with pytest.raises(ValueError, match="N must be the largest of heads"):
        task.replace(N=7)


def test_active_heads_play_as_if_the_others_did_not_exist() -> None:
    for kind in (Parity, DelayedMatch, EvidenceAccumulation):
        for scoring in ("dense", "final"):
            grown = kind(heads=(3, 5, 9), active_heads=(3, 5), scoring=scoring).batch(2, 0, 6)
            only = kind(heads=(3, 5), scoring=scoring).batch(2, 0, 6)
            np.testing.assert_array_equal(grown.targets[..., :2], only.targets)
            for field in ("inputs", "mask", "lengths"):
                np.testing.assert_array_equal(getattr(grown, field), getattr(only, field), err_msg=field)


def test_a_head_answers_as_the_task_of_its_own() -> None:
    """Where both count, on the same stream: several heads are several tasks at once."""
    for kind in (Parity, DelayedMatch):
        several = kind(heads=(2, 5, 9), num_steps=40).batch(1, 0, 8)
        for i, n in enumerate((2, 5, 9)):
            alone = kind(N=n, num_steps=40).batch(1, 0, 8)
            np.testing.assert_array_equal(alone.inputs, several.inputs)
            np.testing.assert_array_equal(alone.targets[several.mask][:, 0], several.targets[several.mask][:, i])


# -- specs -------------------------------------------------------------------------------------------------------


@every_task
@law
@given(data=st.data())
def test_a_spec_survives_json(name: str, data: st.DataObject) -> None:
    task = data.draw(tasks(name))
    parameters = {k: v for k, v in task.to_dict().items() if k != "task"}
    env = gym.make(task.env_id, **parameters)
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.task == env.unwrapped.task == task  # type: ignore[attr-defined]
    assert again.spec == env.spec
    np.testing.assert_array_equal(again.reset(seed=4)[0], env.reset(seed=4)[0])


@every_task
def test_a_spec_with_tuples_and_wrappers_survives_json(name: str) -> None:
    heads = {"heads": (3, 5), "active_heads": (3,)} if "heads" in TASKS[name].parameters() else {}
    env = gym.wrappers.TimeLimit(gym.make(TASKS[name].env_id, scoring="final", render_mode="ansi", **heads), 7)  # type: ignore[arg-type]
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert again.unwrapped.task == env.unwrapped.task  # type: ignore[attr-defined]
    assert again.render_mode == "ansi"
    assert type(again) is type(env)
