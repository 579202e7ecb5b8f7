"""Our VecEnv is Stable-Baselines3's DummyVecEnv over scalar environments in Monitors, bit for bit."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

from baselines.ppo import SB3VecEnv, make_sb3_vec_env
from memory_envs import MemoryVectorEnv, Parity, make_task

CASES: list[tuple[str, dict[str, Any]]] = [
    ("MemoryParity-v0", {"N": 3}),
    ("MemoryParity-v0", {"N": 3, "scoring": "final"}),
    ("MemoryDMS-v0", {"heads": (2, 4), "active_heads": (2,)}),
    ("MemoryDelayedAddition-v0", {"N": 6}),
    ("MemoryEvidenceAccumulation-v0", {"N": 5}),
    ("MemoryFlipFlop-v0", {"N": 3, "scoring": "final"}),
    ("MemoryFlipFlop-v0", {"N": 3, "scoring": "final", "max_episode_steps": 7}),
    ("MemoryParity-v0", {"N": 1, "max_episode_steps": 4}),
]


def assert_same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, (list, tuple)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs, strict=True)
    else:
        assert ours == theirs


def without_times(infos: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for info in infos:
        if "episode" in info:
            assert info["episode"].pop("t") >= 0
    return infos


def actions(envs: VecEnv, generator: np.random.Generator) -> Any:
    shape = (envs.num_envs, *(envs.action_space.shape or ()))
    if isinstance(envs.action_space, gym.spaces.Box):
        return generator.uniform(-1, 1, shape).astype(np.float32)
    return generator.integers(0, 2, shape)


def play_both(ours: VecEnv, theirs: VecEnv, steps: int = 60) -> int:
    """Step through both with the same actions; return how many episodes ended."""
    generator, episodes = np.random.default_rng(0), 0
    for _ in range(steps):
        chosen = actions(ours, generator)
        *now, infos = ours.step(chosen)
        *then, their_infos = theirs.step(chosen)
        assert_same(now, then)
        assert_same(without_times(infos), without_times(their_infos))
        assert_same(ours.reset_infos, theirs.reset_infos)
        episodes += sum("episode" in info for info in infos)
    return episodes


@pytest.mark.parametrize(("env_id", "parameters"), CASES, ids=str)
def test_it_is_a_dummy_vec_env_of_scalar_environments(env_id: str, parameters: dict[str, Any]) -> None:
    ours = make_sb3_vec_env(f"memory_envs:{env_id}", 5, seed=3, **parameters)
    theirs = make_vec_env(env_id, 5, seed=3, env_kwargs=parameters)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    for envs in (ours, theirs):
        assert envs.num_envs == 5
    assert_same(ours.reset(), theirs.reset())
    assert_same(ours.reset_infos, theirs.reset_infos)
    assert play_both(ours, theirs) > 10
    assert_same(ours.reset(), theirs.reset())  # goes on with the streams
    play_both(ours, theirs, 7)
    assert list(ours.seed(11)) == list(theirs.seed(11))
    assert_same(ours.reset(), theirs.reset())
    play_both(ours, theirs, 25)


def test_options_and_a_new_task_are_those_of_the_scalar_environments() -> None:
    task = Parity(heads=(2, 3))
    ours = make_sb3_vec_env(task, 4, seed=0)
    theirs = make_vec_env("MemoryParity-v0", 4, seed=0, env_kwargs={"heads": (2, 3)})
    for envs in (ours, theirs):
        envs.set_options({"active_heads": (2,)})
    assert_same(ours.reset(), theirs.reset())
    play_both(ours, theirs)
    smaller = task.replace(active_heads=(3,))
    ours.env_method("set_task", smaller)
    theirs.env_method("set_task", smaller)
    assert_same(ours.reset(), theirs.reset())
    play_both(ours, theirs)
    ours.set_attr("task", task)
    assert ours.get_attr("task") == [task] * 4
    ours.set_options([{"active_heads": (2,)}, {}, {}, {}])
    with pytest.raises(ValueError, match="options must be the same for all columns"):
        ours.reset()


def test_attributes_and_methods() -> None:
    envs = make_sb3_vec_env("MemoryParity-v0", 3, seed=5, N=2, render_mode="rgb_array")
    envs.reset()
    assert envs.get_attr("np_random_seed", [0, 2]) == [5, 7]
    assert envs.get_attr("render_mode") == ["rgb_array"] * 3
    assert envs.get_attr("action_space", 1) == [gym.spaces.Discrete(2)]
    assert not envs.has_attr("nothing_like_it")
    assert envs.env_is_wrapped(Monitor) == [True] * 3
    assert envs.env_is_wrapped(VecMonitor, [0]) == [False]
    picture = envs.render()
    assert picture is not None
    assert picture.ndim == 3
    assert len(envs.env_method("render", indices=[1])) == 1
    for complaint, call in (
        ("attr_name must be 'task', got 'N'", lambda: envs.set_attr("N", 3)),
        ("method_name must be 'set_task' or 'render', got 'fly'", lambda: envs.env_method("fly")),
    ):
        with pytest.raises(AttributeError, match=complaint):
            call()
    with pytest.raises(ValueError, match="indices must be None or all columns"):
        envs.set_attr("task", Parity(3), [0])
    with pytest.raises(ValueError, match="task must keep the environment's action_space"):
        envs.set_task(Parity(heads=(2, 3)))


def test_bad_environments_are_refused() -> None:
    for name in ("CartPole-v1", "Nothing-v0"):
        with pytest.raises(ValueError, match=rf"env_id must be a task or one of \['MemoryParity-v0', .*, got '{name}'"):
            make_sb3_vec_env(name, 2)
    with pytest.raises(ValueError, match=r"env_id must be a task or one of .*, got 5"):
        make_sb3_vec_env(5, 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seed must be an integer of at least 0, got -1"):
        make_sb3_vec_env("MemoryParity-v0", 2, seed=-1)
    with pytest.raises(ValueError, match="envs must have autoreset_mode 'SameStep', got 'NextStep'"):
        SB3VecEnv(MemoryVectorEnv(Parity(2), 2))


def test_nothing_is_handed_out_twice_and_it_pickles() -> None:
    envs = make_sb3_vec_env(make_task("flip-flop", N=2), 3, seed=0)
    envs.reset()
    generator, kept = np.random.default_rng(1), []
    for _ in range(20):
        step = envs.step(actions(envs, generator))
        kept.append((step, copy.deepcopy(step)))
    for now, then in kept:
        assert_same(now, then)
    again = pickle.loads(pickle.dumps(envs))
    chosen = actions(envs, generator)
    assert_same(envs.step(chosen)[:3], again.step(chosen)[:3])
