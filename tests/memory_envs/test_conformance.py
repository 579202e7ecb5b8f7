"""Conformance from outside: Gymnasium's and Stable-Baselines3's own checkers, their wrappers, and the registry."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_match import check_environments_match
from gymnasium.wrappers import (
    FlattenObservation,
    NormalizeObservation,
    RecordEpisodeStatistics,
    RecordVideo,
    TimeLimit,
)
from gymnasium.wrappers import vector as vector_wrappers

import memory_envs
from memory_envs import TASKS, MemoryEnv, MemoryVectorEnv

every_task = pytest.mark.parametrize("name", TASKS)

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *[(name, {}) for name in TASKS],
    ("parity", {"N": 1}),
    ("parity", {"N": 3, "scoring": "final", "p": "uniform"}),
    ("parity", {"heads": (2, 3, 5), "active_heads": (2, 3)}),
    ("parity", {"heads": (4,), "p": 0.2}),
    ("dms", {"N": 2, "scoring": "final"}),
    ("dms", {"heads": [2, 6]}),
    ("delayed-addition", {"N": 3, "scoring": "final", "distractors": True}),
    ("evidence-accumulation", {"N": 6, "delay": 2, "noise": 0.5, "scoring": "final"}),
    ("evidence-accumulation", {"heads": (1, 3), "noise": 2.0}),
    ("flip-flop", {"N": 2, "bits": 1, "scoring": "final"}),
    ("flip-flop", {"bits": 5, "pulse_probability": 0.1}),
]
every_setting = pytest.mark.parametrize(("name", "parameters"), SETTINGS, ids=lambda value: str(value))


def make(name: str, **parameters: Any) -> gym.Env[Any, Any]:
    return gym.make(TASKS[name].env_id, **parameters)


def episodes(env: Any, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Play with random answers; the last info of each episode."""
    env.action_space.seed(seed)
    last = []
    for j in range(count):
        env.reset(seed=seed if j == 0 else None)
        done = False
        while not done:
            _, _, terminated, truncated, info = env.step(env.action_space.sample())
            done = terminated or truncated
        last.append(info)
    return last


# -- checkers ----------------------------------------------------------------------------------------------------


@every_setting
def test_gymnasium_checks_the_environment(name: str, parameters: dict[str, Any]) -> None:
    """Without a warning (they are errors in these tests), from the class and from the registry."""
    check_env(MemoryEnv(name, **parameters), skip_render_check=True)
    check_env(make(name, **parameters).unwrapped, skip_render_check=True)


@every_setting
def test_stable_baselines_checks_the_environment(name: str, parameters: dict[str, Any]) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    checker.check_env(MemoryEnv(name, **parameters))
    checker.check_env(make(name, **parameters))


@every_task
@pytest.mark.parametrize("mode", [None, "ansi", "rgb_array", "human"])
def test_checks_with_render_modes(name: str, mode: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a spec, Gymnasium's checker makes an environment for each mode of the metadata: the window opens as well."""
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setitem(MemoryEnv.metadata, "render_fps", 1000)  # a window waits between pictures
    env = make(name, N=3, render_mode=mode)
    check_env(env.unwrapped)
    if mode != "human":
        pytest.importorskip("stable_baselines3.common.env_checker").check_env(make(name, N=3, render_mode=mode))


@every_setting
def test_environments_match(name: str, parameters: dict[str, Any]) -> None:
    """Two of them, and one that has been played before, with a drawing after every step."""
    env, other = (make(name, **parameters, render_mode="ansi") for _ in range(2))
    check_environments_match(env, other, num_steps=40, seed=7)
    check_environments_match(env, other, num_steps=10, seed=8)
    again = make(name, **parameters, render_mode="ansi")
    check_environments_match(env, again, num_steps=25, seed=7)


@every_setting
def test_spaces_hold_what_is_shown_and_answered(name: str, parameters: dict[str, Any]) -> None:
    env = make(name, **parameters)
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        done = False
        while not done:
            assert env.observation_space.contains(observation)
            action = env.action_space.sample()
            assert env.action_space.contains(action)
            observation, _, done, _, info = env.step(action)
            # What was asked is an action itself.
            assert env.action_space.contains(info["target"])
        assert env.observation_space.contains(observation)
        assert not observation.any()


# -- wrappers ----------------------------------------------------------------------------------------------------


@every_setting
def test_record_episode_statistics(name: str, parameters: dict[str, Any]) -> None:
    task = MemoryEnv(name, **parameters).task
    trials = task.batch(0, 0, 6)
    env = RecordEpisodeStatistics(make(name, **parameters))
    for j, info in enumerate(episodes(env, 6)):
        assert info["episode"]["l"] == trials.lengths[j]
        assert -1 - 1e-6 <= info["episode"]["r"] <= 1 + 1e-6
    answers = trials.targets[:, 0]
    env.reset(seed=0)
    for t in range(int(trials.lengths[0])):
        info = env.step(answers[t] if task.answer_shape else int(answers[t, 0]))[4]
    assert info["episode"]["r"] == 1.0


@every_task
def test_flatten_and_normalize_observation(name: str) -> None:
    plain = make(name, N=4)
    flat = FlattenObservation(make(name, N=4))
    assert flat.observation_space == plain.observation_space
    check_environments_match(plain, flat, num_steps=40)
    normal = NormalizeObservation(make(name, N=4))
    episodes(normal, 10)
    shown = [normal.reset(seed=1)[0]]
    for _ in range(3):
        shown.append(normal.step(normal.action_space.sample())[0])
    assert np.isfinite(shown).all()
    assert all(observation.shape == plain.observation_space.shape for observation in shown)


@every_task
def test_time_limit_truncates_and_registration_sets_none(name: str) -> None:
    long = make(name, N=40)
    assert long.spec is not None
    assert long.spec.max_episode_steps is None
    steps = long.unwrapped.task.num_steps  # type: ignore[attr-defined]
    for env, limit in ((TimeLimit(make(name, N=40), 7), 7), (make(name, N=40, max_episode_steps=7), 7), (long, steps)):
        env.reset(seed=0)
        for t in range(limit):
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            assert terminated == (t == steps - 1)
            assert truncated == (t == limit - 1 != steps - 1)
        observation, _ = env.reset()  # a trial that was cut off is over: the next one begins
        np.testing.assert_array_equal(observation, long.unwrapped.task.batch(0, 0, 2).inputs[0, 1])  # type: ignore[attr-defined]


@every_task
def test_record_video(name: str, tmp_path: Path) -> None:
    pytest.importorskip("moviepy")
    env = RecordVideo(
        make(name, N=3, render_mode="rgb_array"), str(tmp_path / "videos"), episode_trigger=lambda j: j == 0
    )
    episodes(env, 2)
    env.close()  # type: ignore[no-untyped-call]
    videos = list(tmp_path.glob("videos/*.mp4"))
    assert len(videos) == 1
    assert videos[0].stat().st_size > 1000


@every_task
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_vector_record_episode_statistics(name: str, mode: str) -> None:
    """Returns and lengths of the episodes of every column are those of its trials."""
    task = TASKS[name](N=4, scoring="final")
    envs = vector_wrappers.RecordEpisodeStatistics(MemoryVectorEnv(task, 5, autoreset_mode=mode))
    envs.reset(seed=3)
    trials = [task.batch(3 + column, 0, 30) for column in range(5)]
    ended = [0] * 5
    for _ in range(3 * task.num_steps):
        _, _, terminated, _, infos = envs.step(envs.action_space.sample())
        for column in np.flatnonzero(terminated):
            assert infos["_episode"][column]
            assert infos["episode"]["l"][column] == trials[column].lengths[ended[column]]
            assert -1 - 1e-6 <= infos["episode"]["r"][column] <= 1 + 1e-6
            ended[column] += 1
    assert min(ended) >= 2


@every_task
def test_vector_normalize_observation(name: str) -> None:
    envs = vector_wrappers.NormalizeObservation(gym.make_vec(TASKS[name].env_id, num_envs=40, N=4))
    envs.reset(seed=0)
    envs.action_space.seed(0)
    shown = np.array([envs.step(envs.action_space.sample())[0] for _ in range(60)])
    assert shown.shape == (60, *envs.observation_space.shape)
    assert np.isfinite(shown).all()
    assert (np.abs(shown[20:].mean(axis=(0, 1))) < 0.2).all()


# -- registry and imports ----------------------------------------------------------------------------------------


@every_task
def test_the_registry(name: str) -> None:
    kind = TASKS[name]
    spec = gym.spec(kind.env_id)
    assert spec.kwargs == {"task": name, "env_id": kind.env_id}
    assert spec.entry_point == "memory_envs.env:MemoryEnv"
    assert spec.vector_entry_point == "memory_envs.vector_env:MemoryVectorEnv"
    assert spec.max_episode_steps is None
    assert not spec.nondeterministic
    assert type(make(name).unwrapped) is MemoryEnv
    assert make(name).unwrapped.task == kind()  # type: ignore[attr-defined]
    assert gym.make_vec(kind.env_id, num_envs=2).unwrapped.task == kind()  # type: ignore[attr-defined]


def test_printed_environments_show_their_task() -> None:
    """In Gymnasium's own forms: an environment, a wrapped one, a vector environment, a wrapped one."""
    for show in (str, repr):
        assert show(MemoryEnv("parity")) == "<MemoryEnv<Parity(N=8)>>"
        assert show(make("parity", N=5)) == "<OrderEnforcing<PassiveEnvChecker<MemoryEnv<Parity(N=5)>>>>"
        assert show(make("dms", heads=[2, 4], p=0.3).unwrapped) == "<MemoryEnv<DelayedMatch(heads=(2, 4), p=0.3)>>"
        several = gym.make_vec("MemoryParity-v0", num_envs=3, N=8, scoring="final")
        assert show(several) == "MemoryVectorEnv(Parity(N=8, scoring='final'), num_envs=3)"
        wrapped = vector_wrappers.RecordEpisodeStatistics(several)
        assert show(wrapped) == f"<RecordEpisodeStatistics, {several}>"


def test_importing_again_changes_nothing() -> None:
    before = {task.env_id: gym.registry[task.env_id] for task in TASKS.values()}
    importlib.reload(importlib.import_module("memory_envs.registration")).register_all()
    importlib.reload(memory_envs)
    assert {task.env_id: gym.registry[task.env_id] for task in TASKS.values()} == before


def run(code: str) -> str:
    """What a fresh Python prints that treats every warning as an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(memory_envs.__file__).parent.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_gym_make_imports_the_package_by_itself() -> None:
    code = """
import gymnasium as gym
env = gym.make("memory_envs:MemoryParity-v0", N=8)
envs = gym.make_vec("memory_envs:MemoryDMS-v0", num_envs=3, N=4)
env.reset(seed=0); env.step(1); envs.reset(seed=0); envs.step(envs.action_space.sample())
print(env.unwrapped.task.N, type(envs).__name__)
"""
    assert run(code) == "8 MemoryVectorEnv"


def test_the_package_imports_neither_torch_nor_pygame() -> None:
    """Nor anything else that is heavy: not when it is imported, and not when it is played and drawn."""
    code = """
import sys
import memory_envs, gymnasium as gym
import memory_envs
env = gym.make("MemoryFlipFlop-v0", render_mode="rgb_array")
env.reset(); env.step([0, 1, 0]); env.render()
heavy = {"torch", "pygame", "baselines", "matplotlib", "stable_baselines3", "scipy", "rich", "tests", "moviepy", "PIL"}
print(sorted({name.split(".")[0] for name in sys.modules} & heavy))
"""
    assert run(code) == "[]"
