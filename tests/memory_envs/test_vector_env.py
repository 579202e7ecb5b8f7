"""Law 2: the vector environment is Gymnasium's SyncVectorEnv over scalar environments, bit for bit."""

from __future__ import annotations

import copy
import pickle
from typing import Any
from unittest import mock

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import memory_envs
from memory_envs import TASKS, MemoryEnv, MemoryVectorEnv, Parity, ReferenceAgent, Task, tape
from tests.memory_envs.strategies import tasks

MODES = list(AutoresetMode)
law = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def assert_same(ours: Any, theirs: Any, where: str = "") -> None:
    """Equal to the last bit: types, dtypes, shapes, values, the sign of zero."""
    assert type(ours) is type(theirs), where
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), where
        for key in ours:
            assert_same(ours[key], theirs[key], f"{where}[{key!r}]")
    elif isinstance(ours, tuple):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype, where
        assert ours.shape == theirs.shape, where
        if ours.dtype == object:
            for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                assert_same(a, b, f"{where}[{i}]")
        else:
            if ours.tobytes() != theirs.tobytes():  # NumPy's own comparison is slow, but says what differs
                np.testing.assert_array_equal(ours, theirs, err_msg=where)
                raise AssertionError(f"{where} differs in the sign of zero: {ours!r}, {theirs!r}")
    else:
        assert ours == theirs, where


def pair(
    task: Task, columns: int, mode: AutoresetMode, limit: int | None = None, **kwargs: Any
) -> tuple[MemoryVectorEnv, SyncVectorEnv]:
    def one() -> gym.Env[Any, Any]:
        env = MemoryEnv(task, **kwargs)
        return env if limit is None else TimeLimit(env, limit)

    ours = MemoryVectorEnv(task, columns, autoreset_mode=mode, max_episode_steps=limit, **kwargs)
    return ours, SyncVectorEnv([one] * columns, autoreset_mode=mode)


def drive(ours: Any, theirs: Any, data: st.DataObject, steps: int, mode: AutoresetMode) -> None:
    """Step and reset both alike, at random, and compare everything that comes back."""
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32), label="actions"))
    columns = ours.num_envs
    over = np.zeros(columns, np.bool_)
    ours.action_space.seed(int(generator.integers(2**31)))
    for _ in range(steps):
        if mode is AutoresetMode.DISABLED and over.any():
            mask = over | (generator.random(columns) < 0.2)
            assert_same(
                ours.reset(options={"reset_mask": mask.copy()}),
                theirs.reset(options={"reset_mask": mask.copy()}),
                "reset after the end",
            )
            over[:] = False
        elif generator.random() < 0.05:
            options, seed = None, None
            if generator.random() < 0.7:
                mask = generator.random(columns) < 0.5
                mask[generator.integers(columns)] = True
                options = {"reset_mask": mask}
            if generator.random() < 0.4:
                seed = [None if generator.random() < 0.5 else int(generator.integers(99)) for _ in range(columns)]
            assert_same(
                ours.reset(seed=seed, options=copy.deepcopy(options)),
                theirs.reset(seed=seed, options=copy.deepcopy(options)),
                f"reset(seed={seed}, options={options})",
            )
            over[:] = False  # those not reset have not ended either
        actions = ours.action_space.sample()
        step, sync = ours.step(actions), theirs.step(actions)
        assert_same(step, sync, "step")
        over = step[2] | step[3]


def blocks_of(rows: int) -> Any:
    """Blocks of about this many rows (or one trial) instead of 4096: trials then often cross from one into the next."""
    return mock.patch.object(tape, "_MOST_ROWS", rows)


@pytest.mark.parametrize("limited", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.value)
@pytest.mark.parametrize("name", TASKS)
@law
@given(data=st.data())
def test_equals_sync_vector_env_bit_for_bit(name: str, mode: AutoresetMode, limited: bool, data: st.DataObject) -> None:
    task = data.draw(tasks(name))
    limit = data.draw(st.integers(1, task.num_steps + 2), label="max_episode_steps") if limited else None
    with blocks_of(data.draw(st.sampled_from([1, 64, 300]), label="rows")):
        ours, theirs = pair(task, data.draw(st.integers(1, 5), label="columns"), mode, limit)
        seed: Any = data.draw(st.one_of(st.integers(0, 2**70), st.none()), label="seed")
        if seed is None:
            seed = data.draw(st.lists(st.integers(0, 2**70), min_size=ours.num_envs, max_size=ours.num_envs))
        assert_same(ours.reset(seed=seed), theirs.reset(seed=seed), "reset")
        assert ours.np_random_seed == theirs.np_random_seed
        # Some trials of each column, of long ones the first and part of the second.
        drive(ours, theirs, data, min(3 * ours.task.num_steps, ours.task.num_steps + 90), mode)


@pytest.mark.parametrize("name", TASKS)
def test_many_columns_over_many_blocks(name: str) -> None:
    """The tape is written anew several times; every column is still its own scalar environment."""
    task = TASKS[name](N=5)
    envs = MemoryVectorEnv(task, 700)
    one = MemoryEnv(task)
    observations, _ = envs.reset(seed=3)
    blocks = 3 * len(envs._tape.starts)
    generator = np.random.default_rng(0)
    for column in (0, 1, 699):
        observations, _ = envs.reset(seed=3)
        expected, _ = one.reset(seed=3 + column)
        done = False
        for _ in range(blocks):
            np.testing.assert_array_equal(observations[column], expected)
            shape = (700, *task.answer_shape)
            actions = np.zeros(shape) if task.real_valued else generator.integers(0, 2, shape)
            observations, rewards, terminated, _, infos = envs.step(actions)
            if done:
                expected, _ = one.reset()
                reward, done = 0.0, False
            else:
                expected, reward, done, _, info = one.step(actions[column])
                np.testing.assert_array_equal(infos["target"][column], info["target"])
            assert (rewards[column], terminated[column]) == (reward, done)


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.value)
def test_a_column_does_not_depend_on_the_number_of_columns(name: str, mode: AutoresetMode) -> None:
    few, many = (MemoryVectorEnv(name, columns, autoreset_mode=mode, N=4) for columns in (2, 300))
    shown, more = few.reset(seed=9)[0], many.reset(seed=9)[0]
    for _ in range(few.task.num_steps):
        np.testing.assert_array_equal(shown, more[:2])
        actions = many.action_space.sample()
        shown, more = few.step(actions[:2])[0], many.step(actions)[0]


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.value)
@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("clone", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_clone_taken_in_mid_episode_goes_on_identically(name: str, mode: AutoresetMode, clone: Any) -> None:
    for env in (MemoryVectorEnv(name, 3, autoreset_mode=mode), MemoryEnv(name, render_mode="ansi")):
        env.reset(seed=5)
        env.action_space.seed(0)
        for _ in range(3):
            env.step(env.action_space.sample())
        other = clone(env)
        for _ in range(env.task.num_steps - 4):
            action = env.action_space.sample()
            assert_same(env.step(action), other.step(action))
        assert_same(env.reset(), other.reset())


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.value)
def test_active_heads_grow_between_trials(mode: AutoresetMode, limit: int | None) -> None:
    """A new task takes over in each column when its next trial begins, as in scalar environments."""
    task = Parity(heads=(2, 3, 6), active_heads=(2,), scoring="final", num_steps=30)
    ours, theirs = pair(task, 4, mode, limit)
    assert_same(ours.reset(seed=1), theirs.reset(seed=1))
    generator = np.random.default_rng(0)
    for steps, active in ((13, (2, 3)), (40, (6,)), (3, (2, 3, 6)), (40, (2,))):
        for _ in range(steps):
            actions = generator.integers(0, 2, (4, 3))
            step = ours.step(actions)
            assert_same(step, theirs.step(actions))
            over = step[2] | step[3]
            if mode is AutoresetMode.DISABLED and over.any():
                assert_same(
                    ours.reset(options={"reset_mask": over.copy()}),
                    theirs.reset(options={"reset_mask": over.copy()}),
                )
        grown = ours.task.replace(active_heads=active)
        ours.set_task(grown)
        theirs.call("set_task", grown)
    assert_same(ours.reset(options={"active_heads": (3,)}), theirs.reset(options={"active_heads": (3,)}))
    assert_same(ours.step(actions), theirs.step(actions))


@pytest.mark.parametrize("limit", [{}, {"max_episode_steps": 3}, {"max_episode_steps": -1}], ids=repr)
def test_make_vec_takes_the_native_environment_and_agrees_with_sync(limit: dict[str, Any]) -> None:
    native = gym.make_vec("MemoryParity-v0", num_envs=3, N=4, **limit)
    sync = gym.make_vec("MemoryParity-v0", num_envs=3, vectorization_mode="sync", N=4, **limit)
    assert type(native.unwrapped) is MemoryVectorEnv
    assert type(sync.unwrapped) is SyncVectorEnv
    assert native.observation_space == sync.observation_space
    assert native.action_space == sync.action_space
    assert native.metadata["autoreset_mode"] is sync.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert_same(native.reset(seed=7), sync.reset(seed=7))
    for _ in range(60):
        actions = native.action_space.sample()
        assert_same(native.step(actions), sync.step(actions))
    for mode in AutoresetMode:
        assert gym.make_vec("MemoryDMS-v0", num_envs=2, autoreset_mode=mode.value).metadata["autoreset_mode"] is mode


@pytest.mark.parametrize(
    "task", [Parity(N=5, num_steps=15), Parity(heads=(2, 3, 5), num_steps=11), Parity(N=6)], ids=repr
)
def test_perfect_episodes_return_exactly_one(task: Task) -> None:
    """Also while trials that pay three heads and trials that pay two are in progress side by side."""
    envs = MemoryVectorEnv(task, 4)
    agent = ReferenceAgent(task)
    observations, _ = envs.reset(seed=0)
    state, starts, returns, ended = None, np.ones(4, np.bool_), np.zeros(4), 0
    for step in range(4 * task.num_steps):
        if step == task.num_steps + 3 and task.heads:
            envs.set_task(task.replace(active_heads=(2, 5)))
        answers, state = agent.predict(observations, state, starts)
        observations, rewards, terminated, _, _ = envs.step(answers)
        returns += rewards
        assert returns[terminated].tolist() == [1.0] * terminated.sum()
        ended += terminated.sum()
        returns[terminated], starts = 0, terminated
    assert ended == 12


def test_unseeded_streams_differ_and_can_be_drawn_again() -> None:
    first, second = (MemoryVectorEnv(Parity(N=4, num_steps=64), 2) for _ in range(2))
    shown, other = first.reset()[0], second.reset()[0]
    rows, rows_other = [shown], [other]
    for _ in range(60):
        rows.append(first.step(np.zeros(2, int))[0])
        rows_other.append(second.step(np.zeros(2, int))[0])
    assert not np.array_equal(rows, rows_other)
    assert not np.array_equal(np.array(rows)[:, 0], np.array(rows)[:, 1])
    again = MemoryEnv(Parity(N=4, num_steps=64))
    shown, _ = again.reset(seed=first.np_random_seed[1])
    np.testing.assert_array_equal(shown, rows[0][1])


def test_two_calls_never_share_memory() -> None:
    """A caller may keep what it is given, and write to it."""
    for name in TASKS:
        envs = MemoryVectorEnv(name, 2, autoreset_mode="SameStep", N=3)
        env = MemoryEnv(name, N=3)
        for e in (envs, env):
            kept: list[np.ndarray[Any, Any]] = []
            e.action_space.seed(0)
            obs, info = e.reset(seed=0)
            for _ in range(30):
                arrays = [obs, *_arrays(info)]
                assert not any(np.shares_memory(a, b) for a in arrays for b in kept)
                assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
                for a in arrays:
                    if a.dtype != object:
                        a[...] = 1
                kept += arrays
                obs, _, terminated, _, info = e.step(e.action_space.sample())
                if e is env and terminated:
                    obs, info = e.reset()
        fresh, shown = MemoryVectorEnv(name, 2, N=3), MemoryVectorEnv(name, 2, N=3)
        np.testing.assert_array_equal(fresh.reset(seed=0)[0], shown.reset(seed=0)[0])


def _arrays(info: dict[str, Any]) -> list[np.ndarray[Any, Any]]:
    out: list[np.ndarray[Any, Any]] = []
    for value in info.values():
        if isinstance(value, dict):
            out += _arrays(value)
        elif isinstance(value, np.ndarray):
            out += [v for v in value if v is not None] if value.dtype == object else [value]
    return out


@pytest.mark.parametrize(
    ("actions", "why"),
    [
        (np.zeros(2, int), "shape"),
        (np.zeros((3, 1), int), "shape"),
        (np.zeros(3), "float64"),
        (np.array([0, 2, 0]), "column 1"),
        (np.array([0, 0, -1]), "column 2"),
        ("abc", "abc"),
        ([[0], [1, 2], 3], "1, 2"),
        (None, "None"),
    ],
)
def test_actions_outside_the_space_are_refused(actions: Any, why: str) -> None:
    envs = MemoryVectorEnv("parity", 3)
    envs.reset(seed=0)
    with pytest.raises(gym.error.InvalidAction, match=why):
        envs.step(actions)
    envs.step([0, 1, True])  # nothing was lost


@pytest.mark.parametrize("value", [1.5, np.nan, np.inf, -1.01])
def test_real_valued_actions_outside_the_space_are_refused(value: float) -> None:
    envs, env = MemoryVectorEnv("delayed-addition", 2), MemoryEnv("delayed-addition")
    envs.reset(seed=0)
    env.reset(seed=0)
    with pytest.raises(gym.error.InvalidAction, match="column 1"):
        envs.step(np.array([[0.0], [value]]))
    with pytest.raises(gym.error.InvalidAction, match="action must be"):
        env.step(np.array([value]))


def test_bad_arguments_and_resets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"autoreset_mode must be one of .*NextStep.*'Never'"):
        MemoryVectorEnv("parity", 2, autoreset_mode="Never")
    with pytest.raises(ValueError, match="num_envs must be an integer of at least 1, got 0"):
        gym.make_vec("MemoryParity-v0", num_envs=0)
    for steps in (0, -2, 1.5, True, "3"):
        with pytest.raises((TypeError, ValueError), match="max_episode_steps must be an integer of at least 1, got"):
            gym.make_vec("MemoryParity-v0", num_envs=2, max_episode_steps=steps)
    with pytest.raises(ValueError, match="render_mode must be None or one of"):
        MemoryVectorEnv("parity", 2, render_mode="human")
    envs = MemoryVectorEnv("parity", 2, autoreset_mode="Disabled", N=2)
    with pytest.raises(gym.error.ResetNeeded, match="call reset first"):
        envs.step(np.zeros(2, int))
    with pytest.raises(gym.error.ResetNeeded, match="reset all columns first"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    for seed in (-1, 0.5, "a", [1, -1], True):
        with pytest.raises((gym.error.Error, ValueError), match="seed must"):
            envs.reset(seed=seed)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"seed must .* \(2\), got 3"):
        envs.reset(seed=[1, 2, 3])
    envs.reset(seed=0)
    for mask in ([True, False], np.array([1, 0])):
        with pytest.raises(TypeError, match="reset_mask"):
            envs.reset(options={"reset_mask": mask})
    for mask in (np.array([True]), np.array([False, False])):
        with pytest.raises(ValueError, match="reset_mask"):
            envs.reset(options={"reset_mask": mask})
    for _ in range(8):
        _, _, terminated, _, _ = envs.step(np.zeros(2, int))
    assert terminated.all()
    with pytest.raises(gym.error.ResetNeeded, match=r"reset columns \[0, 1\] first"):
        envs.step(np.zeros(2, int))
    with pytest.raises(ValueError, match=r"observation_space|action_space"):
        envs.set_task(memory_envs.Parity(heads=(2, 3)))
    with pytest.raises(ValueError, match="unknown key 'size'"):
        envs.reset(options={"size": 3})


def test_the_caller_keeps_its_options() -> None:
    envs = MemoryVectorEnv("parity", 2)
    envs.reset(seed=0)
    options = {"reset_mask": np.array([True, False])}
    envs.reset(options=options)
    assert list(options) == ["reset_mask"]


def test_reading_the_seeds_is_not_a_reset() -> None:
    envs = MemoryVectorEnv(Parity(N=2, num_steps=64), 3)
    seeds = envs.np_random_seed
    with pytest.raises(gym.error.ResetNeeded, match="call reset first"):
        envs.step([0, 0, 0])
    sync = SyncVectorEnv([lambda: MemoryEnv(Parity(N=2, num_steps=64))] * 3)
    assert_same(envs.reset(), sync.reset(seed=list(seeds)))
    for _ in range(64):
        assert_same(envs.step([0, 1, 0]), sync.step(np.array([0, 1, 0])))


def test_an_invalid_action_is_ignored_in_a_resetting_column_only() -> None:
    envs, _ = pair(Parity(N=2, num_steps=4), 2, AutoresetMode.NEXT_STEP)
    envs.reset(seed=0)
    for _ in range(4):
        envs.step([1, 1])
    envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(gym.error.InvalidAction, match="column 0"):
        envs.step([7, 0])
    envs.step([0, 7])  # Gymnasium's sync environment does not look at it either


@pytest.mark.parametrize("limit", [None, 4])
@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.value)
def test_drawings_follow_masked_resets_and_new_tasks(mode: AutoresetMode, limit: int | None) -> None:
    task = Parity(heads=(1, 2, 4), scoring="final", num_steps=9)
    with blocks_of(40):
        ours, theirs = pair(task, 3, mode, limit, render_mode="ansi")
        ours.reset(seed=1)
    theirs.reset(seed=1)
    generator = np.random.default_rng(2)
    over, buffer = np.zeros(3, np.bool_), np.zeros((3, 3), np.int64)
    for step in range(80):
        mask = (generator.random(3) < 0.15) | (over & (mode is AutoresetMode.DISABLED))
        if mask.any():
            ours.reset(options={"reset_mask": mask.copy()})
            theirs.reset(options={"reset_mask": mask.copy()})
        if step % 20 == 19:
            grown = task.replace(active_heads=task.heads[: 1 + step // 30])  # type: ignore[index]
            ours.set_task(grown)
            theirs.call("set_task", grown)
        assert ours.render() == theirs.render()
        buffer[:] = generator.integers(0, 2, (3, 3))  # one array used again and again
        _, _, terminated, truncated, _ = ours.step(buffer)
        over = terminated | truncated
        theirs.step(buffer.copy())
        assert ours.render() == theirs.render()


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.value)
@pytest.mark.parametrize("name", TASKS)
def test_drawings_are_those_of_the_scalar_environments(name: str, mode: AutoresetMode) -> None:
    ours, theirs = pair(TASKS[name](N=3), 2, mode, render_mode="ansi")
    ours.reset(seed=1)
    theirs.reset(seed=1)
    for _ in range(ours.task.num_steps + 4):
        assert ours.render() == theirs.render()
        actions = ours.action_space.sample()
        terminated = ours.step(actions)[2]
        theirs.step(actions)
        if mode is AutoresetMode.DISABLED and terminated.all():
            assert ours.render() == theirs.render()
            ours.reset()
            theirs.reset()
