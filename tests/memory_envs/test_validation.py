"""What is not allowed is refused, with an error that names the argument, the value and what is allowed.

Every bad parameter is tried as a user would hand it over: to the task, to ``gym.make`` and to ``gym.make_vec``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from memory_envs import (
    TASKS,
    DelayedAddition,
    DelayedMatch,
    EvidenceAccumulation,
    MemoryEnv,
    MemoryVectorEnv,
    Parity,
    RandomAgent,
    ReferenceAgent,
    Task,
    make_task,
    task_from_dict,
)

every_task = pytest.mark.parametrize("name", TASKS)
nan, inf = float("nan"), float("inf")

Parameters = dict[str, Any]
Case = tuple[Parameters, type[Exception], list[str]]


def bad_n(least: int, **others: Any) -> list[Case]:
    """N of a wrong type or too small; others are parameters that are fine."""
    rule = f"N must be an integer of at least {least}"
    wrong: list[Any] = [True, False, 8.0, nan, "8", [8], np.float64(8), np.array([8, 9]), object]
    return [
        *[({"N": value} | others, TypeError, [rule, f"got {value!r}", type(value).__name__]) for value in wrong],
        *[({"N": value} | others, ValueError, [rule, f"got {value}"]) for value in (least - 1, 0, -3) if value < least],
    ]


def bad_scoring(**others: Any) -> list[Case]:
    rule = "scoring must be one of ['dense', 'final']"
    return [
        *[({"scoring": v} | others, ValueError, [rule, f"got {v!r}"]) for v in ("sparse", "", "Dense")],
        *[({"scoring": v} | others, TypeError, [rule, f"got {v!r}"]) for v in (True, 3, ["dense"])],
    ]


def bad_heads(least: int, good: tuple[int, int, int]) -> list[Case]:
    a, b, c = good
    rule = f"heads must be a non-empty, strictly increasing sequence of integers of at least {least}"
    entry = f"must be an integer of at least {least}"
    active = rule.replace("heads", "active_heads", 1)
    return [
        *[({"heads": v}, ValueError, [rule, f"got {v!r}"]) for v in ((), [], (b, a), (a, a), (a, c, b), [a, b, b])],
        *[({"heads": v}, TypeError, [rule, f"got {v!r}"]) for v in (a, 2.5, "23", b"23", True)],
        ({"heads": (a, float(b))}, TypeError, ["heads[1]", entry, f"got {float(b)!r} (float)"]),
        ({"heads": (True, b)}, TypeError, ["heads[0]", entry, "got True (bool)"]),
        ({"heads": (a, "3")}, TypeError, ["heads[1]", entry, "got '3' (str)"]),
        ({"heads": (a, None)}, TypeError, ["heads[1]", entry, "got None"]),
        ({"heads": (least - 1, c)}, ValueError, ["heads[0]", entry, f"got {least - 1}"]),
        ({"heads": (a, b), "N": c}, ValueError, ["N must be the largest of heads", f"({a}, {b})", f"got {c}"]),
        ({"heads": (a, c), "N": a}, ValueError, ["N must be the largest of heads", f"({a}, {c})", f"got {a}"]),
        ({"heads": (a, b), "N": float(b)}, TypeError, ["N must be an integer", f"got {float(b)}"]),
        ({"active_heads": (a,)}, ValueError, ["active_heads must be left out where heads is None", f"got ({a},)"]),
        ({"active_heads": (a,), "N": a}, ValueError, ["active_heads", "heads is None"]),
        *[({"heads": (a, b), "active_heads": v}, ValueError, [active, f"got {v!r}"]) for v in ((), (b, a), (a, a))],
        *[({"heads": (a, b), "active_heads": v}, TypeError, [active, f"got {v!r}"]) for v in (a, "2", True)],
        ({"heads": (a, b), "active_heads": (a, 1.5)}, TypeError, ["active_heads[1]", "got 1.5"]),
        (
            {"heads": (a, b), "active_heads": (a, c)},
            ValueError,
            ["active_heads must be some of heads", f"({a}, {b})", f"got ({a}, {c})"],
        ),
    ]


def bad_num_steps(n: int, **others: Any) -> list[Case]:
    """A trial too short for its N. With final scoring, lengths are drawn from N + 2 on."""
    stream = others or {"N": n}
    return [
        *[
            (stream | {"num_steps": v}, TypeError, [f"num_steps must be an integer of at least {n}", f"got {v!r}"])
            for v in (True, 4.0 * n, "40", nan, [40])
        ],
        *[
            (
                stream | {"num_steps": v},
                ValueError,
                [f"num_steps must be an integer of at least {n}, got {v}", f"N = {n}"],
            )
            for v in (n - 1, 0, -1)
        ],
        *[
            (
                stream | {"num_steps": v, "scoring": "final"},
                ValueError,
                [f"num_steps must be an integer of at least {n + 2}, got {v}", f"N = {n}", "final"],
            )
            for v in (n, n + 1)
        ],
    ]


def bad_number(name: str, least: float, most: float | None, rule: str = "", **others: Any) -> list[Case]:
    outside = [least - 0.01, -inf, inf, nan, *([] if most is None else [most + 0.01])]
    rule = f"{name} must be {rule}"
    return [
        *[({name: v} | others, ValueError, [rule, f"got {v!r}"]) for v in outside],
        *[({name: v} | others, TypeError, [rule, f"got {v!r}"]) for v in ("x", True, [0.1], 0.1j)],
    ]


def bad_integer(name: str, least: int, too_much: int | None = None, **others: Any) -> list[Case]:
    values = [least - 1, -7, *([] if too_much is None else [too_much, too_much + 5])]
    return [
        *[({name: v} | others, ValueError, [f"{name} must be an integer", f"got {v}"]) for v in values],
        *[({name: v} | others, TypeError, [f"{name} must be an integer", f"got {v!r}"]) for v in (1.0, True, "1", [1])],
    ]


PROBABILITY = "a number from 0 to 1"
BAD: dict[str, list[Case]] = {
    "parity": [
        *bad_n(1),
        *bad_scoring(),
        *bad_heads(1, (2, 3, 5)),
        *bad_num_steps(6),
        *bad_num_steps(5, heads=(2, 5)),
        *bad_num_steps(2, heads=(2, 5), active_heads=(2,)),
        *bad_number("p", 0, 1, PROBABILITY),
        ({"p": "Uniform"}, TypeError, ["p must be a number from 0 to 1 or 'uniform', got 'Uniform'"]),
    ],
    "dms": [
        *bad_n(2),
        *bad_scoring(),
        *bad_heads(2, (2, 3, 5)),
        *bad_num_steps(6),
        *bad_num_steps(5, heads=(2, 5)),
        *bad_number("p", 0, 1, PROBABILITY),
        ({"p": "half"}, TypeError, ["p must be a number from 0 to 1 or 'uniform', got 'half'"]),
    ],
    "delayed-addition": [
        *bad_n(3),
        *bad_scoring(),
        *[
            ({"distractors": v}, TypeError, ["distractors must be True or False", f"got {v!r}"])
            for v in (0, 1, "yes", [True])
        ],
    ],
    "evidence-accumulation": [
        *bad_n(1),
        *bad_scoring(),
        *bad_heads(1, (3, 5, 9)),
        *bad_num_steps(5, heads=(1, 5)),
        *bad_number("bias", 0, 0.5, "a number from 0 to 0.5"),
        *bad_number("noise", 0, None, "a"),
        *bad_integer("delay", 0, too_much=8, N=8),
        *[({"heads": v}, ValueError, ["heads must be odd", f"got {v!r}"]) for v in ((2,), (1, 4), (2, 3), (1, 3, 6))],
        ({"heads": (1, 3), "delay": 1}, ValueError, ["delay must be 0 where heads are given", "got 1"]),
        ({"heads": (1, 3), "delay": -1}, ValueError, ["delay must be", "got -1"]),
        *[
            ({"N": 5, "num_steps": v, "scoring": s}, ValueError, ["num_steps must be N = 5 or be left out", f"got {v}"])
            for v in (4, 6, 7, 20)
            for s in ("dense", "final")
        ],
        *[({"num_steps": v}, TypeError, ["num_steps must be", f"got {v!r}"]) for v in (10.0, "10", True)],
    ],
    "flip-flop": [
        *bad_n(1),
        *bad_scoring(),
        *bad_num_steps(6),
        *bad_integer("bits", 1),
        ({"bits": 0}, ValueError, ["bits must be an integer of at least 1, got 0"]),
        *bad_number("pulse_probability", 0, 1, PROBABILITY),
    ],
}
UNKNOWN: dict[str, list[str]] = {
    "parity": ["n", "delay", "bits", "seed", "max_episode_length"],
    "dms": ["noise", "distractors"],
    "delayed-addition": ["heads", "active_heads", "num_steps", "p", "noise"],
    "evidence-accumulation": ["p", "bits", "windows"],
    "flip-flop": ["heads", "active_heads", "p", "delay"],
}
CASES = [(name, *case) for name, cases in BAD.items() for case in cases]


def short(value: Any) -> str:
    return str(value) if isinstance(value, (str, dict)) else ""


@pytest.mark.parametrize(("name", "parameters", "error", "words"), CASES, ids=short)
def test_bad_parameters(name: str, parameters: Parameters, error: type[Exception], words: list[str]) -> None:
    makers: list[Any] = [
        TASKS[name],
        lambda **given: make_task(name, **given),
        lambda **given: task_from_dict({"task": name} | given),
        lambda **given: TASKS[name]().replace(**given),
        lambda **given: MemoryEnv(name, **given),
        lambda **given: gym.make(TASKS[name].env_id, **given),
        lambda **given: gym.make_vec(TASKS[name].env_id, num_envs=2, **given),
        lambda **given: gym.make_vec(TASKS[name].env_id, num_envs=2, vectorization_mode="sync", **given),
    ]
    for make in makers:
        with pytest.raises(error) as caught:
            make(**parameters)
        assert type(caught.value) is error  # no subclass by accident, such as OverflowError's or UnicodeError
        for word in words:
            assert word in str(caught.value)


@pytest.mark.parametrize(("name", "argument"), [(name, a) for name, arguments in UNKNOWN.items() for a in arguments])
def test_unknown_arguments(name: str, argument: str) -> None:
    env_id = TASKS[name].env_id
    unknown: Parameters = {argument: 1}
    for make in (
        lambda **given: make_task(name, **given),
        lambda **given: MemoryEnv(name, **given),
        lambda **given: MemoryVectorEnv(name, 2, **given),
        lambda **given: gym.make(env_id, **given),
        lambda **given: gym.make_vec(env_id, num_envs=2, **given),
    ):
        with pytest.raises(TypeError) as caught:
            make(**unknown)
        words = f"{env_id} got an unexpected keyword argument {argument!r}; it takes N, scoring"
        assert words in str(caught.value)
        assert all(parameter in str(caught.value) for parameter in TASKS[name].parameters())
    for construct in (TASKS[name], TASKS[name]().replace):
        with pytest.raises(TypeError, match=f"got an unexpected keyword argument '{argument}'"):
            construct(**unknown)


@every_task
def test_good_parameters_of_other_types(name: str) -> None:
    """NumPy's integers and JSON's lists are as good as Python's integers and tuples."""
    task = TASKS[name](N=np.int64(5))
    assert task == TASKS[name](N=5)
    assert type(task.N) is int
    if "heads" in task.parameters():
        listed = make_task(name, heads=[np.int8(3), 5], active_heads=[3])
        assert listed == make_task(name, heads=(3, 5), active_heads=(3,))
        assert listed.heads is not None
        assert all(type(n) is int for n in listed.heads)
    if "p" in task.parameters():
        assert make_task(name, p=1).to_dict() == {"task": name, "p": 1.0}
        assert make_task(name, p=np.float32(0.25)) == make_task(name, p=0.25)


@every_task
def test_none_stands_for_the_default(name: str) -> None:
    """Where parameters come from a file or a command line; the classes themselves follow their annotations."""
    kind = TASKS[name]
    nothing = dict.fromkeys(kind.parameters())
    assert make_task(name, **nothing) == kind()
    assert gym.make(kind.env_id, **nothing).unwrapped.task == kind()  # type: ignore[attr-defined]
    assert kind(N=7, scoring="final").replace(**nothing) == kind()
    with pytest.raises(TypeError, match=r"scoring must be one of .*, got None"):
        kind(scoring=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["Parity", "MemoryParity-v0", ""])
def test_unknown_tasks(name: str) -> None:
    for make in (make_task, MemoryEnv, MemoryVectorEnv, lambda n: task_from_dict({"task": n})):
        with pytest.raises(ValueError, match=r"task must be one of .*'parity'.*'flip-flop'.*got '") as caught:
            make(name)
        assert repr(name) in str(caught.value)


@pytest.mark.parametrize("task", [None, 3, Parity, {"task": "parity"}])
def test_tasks_of_a_wrong_type(task: Any) -> None:
    for make in (MemoryEnv, MemoryVectorEnv):
        with pytest.raises(TypeError, match="task must be a Task or the name of one, got"):
            make(task)
    env = MemoryEnv("parity")
    with pytest.raises(TypeError, match="task must be a Task, got"):
        env.set_task(task)
    with pytest.raises(TypeError, match="task must be one of"):
        task_from_dict({"task": task})


# -- playing -----------------------------------------------------------------------------------------------------


def bad_actions(task: Task) -> list[Any]:
    shape = task.answer_shape
    wrong: list[Any] = [
        None,
        "1",
        object(),
        [],
        {},
        np.nan,
        np.full((*shape, 2), 0),
        np.zeros((task.num_heads + 1,), int),
    ]
    if task.real_valued:
        return [*wrong, 0.5, [1.01], [-1.01], [nan], [inf], ["0"], [None], [[0.5]], [True]]
    if not shape:
        return [
            *wrong,
            2,
            -1,
            0.0,
            1.0,
            np.float32(1),
            np.int64(2),
            [0],
            np.array([1]),
            10**30,
            np.array(2),
            np.bool_(True),
        ]
    heads = task.num_heads
    return [
        *wrong,
        0,
        1,
        [2] * heads,
        [-1] + [0] * (heads - 1),
        [0.0] * heads,
        [0] * (heads - 1),
        [[0]] * heads,
        [True] * heads,
    ]


@pytest.mark.parametrize("task", [*[kind(N=5) for kind in TASKS.values()], Parity(heads=(2, 3))], ids=repr)
def test_actions_outside_the_space(task: Task) -> None:
    """Refused with Gymnasium's own error, and nothing is lost: the trial goes on as if nothing had been tried."""
    parameters = {k: v for k, v in task.to_dict().items() if k != "task"}
    for env in (MemoryEnv(task), gym.make(task.env_id, **parameters)):
        env.reset(seed=1)
        trials = task.batch(1, 0, 1)
        for action in bad_actions(task):
            with pytest.raises(gym.error.InvalidAction) as caught:
                env.step(action)
            assert f"action must be an element of {task.action_space}, got {action!r}" in str(caught.value)
        total = 0.0
        for t in range(int(trials.lengths[0])):
            answer = trials.targets[t, 0]
            total += float(env.step(answer if task.answer_shape else int(answer[0]))[1])
        assert total == 1.0


ROUNDED = [np.float32(s * (1 + k * 2.0**-23)) for s in (-1, 1) for k in range(17)]  # 0 .. 16 units in the last place
OUTSIDE = [1 + 2.0**-18, -1 - 2.0**-18, np.float32(1.00001), 1.001, 2, np.iinfo(np.int64).min, np.float16(1.001)]


@pytest.mark.parametrize("value", ROUNDED)
def test_real_values_beyond_a_bound_by_rounding_are_the_bound(value: np.float32) -> None:
    """In the scalar and the vector form and in scoring alike, bit for bit."""
    task = DelayedAddition(N=3)
    batch, bound = task.batch(4, 0, 1), np.sign(value)
    env, envs = MemoryEnv(task), MemoryVectorEnv(task, 2)
    env.reset(seed=4)
    envs.reset(seed=4)
    for t in range(3):
        reward, info = env.step(np.array([value]))[1::3]
        rewards, infos = envs.step(np.array([[value], [0]], np.float32))[1::3]
        assert reward == rewards[0] == task.rewards(batch, np.full((3, 1, 1), bound))[t, 0]
        assert reward == task.rewards(batch, np.full((3, 1, 1), value))[t, 0]
        assert info["correct"] == infos["correct"][0]


@pytest.mark.parametrize("value", OUTSIDE, ids=repr)
def test_real_values_truly_outside_are_refused(value: Any) -> None:
    task = DelayedAddition(N=3)
    env, envs = MemoryEnv(task), MemoryVectorEnv(task, 2)
    env.reset(seed=4)
    envs.reset(seed=4)
    with pytest.raises(gym.error.InvalidAction, match="got"):
        env.step(np.array([value]))
    with pytest.raises(gym.error.InvalidAction, match="in column 1"):
        envs.step(np.array([[0], [value]], np.asarray(value).dtype))
    with pytest.raises(ValueError, match="answers must be numbers from -1 to 1, got"):
        task.score(task.batch(4, 0, 1), np.full((3, 1, 1), value))


@pytest.mark.parametrize("action", [0, 1, True, False, np.int8(1), np.uint64(0), np.array(1)])
def test_labels_of_every_integer_type(action: Any) -> None:
    env = MemoryEnv("parity", N=1)
    env.reset(seed=0)
    reward, info = env.step(action)[1::3]
    assert reward == (1 if int(action) == info["target"] else -1) / 4


def test_lists_serve_as_arrays() -> None:
    for name, answer in (("flip-flop", [0, 1, 0]), ("flip-flop", (1, 0, 1)), ("delayed-addition", [0.25])):
        env = MemoryEnv(name)
        env.reset(seed=0)
        env.step(answer)


@every_task
def test_steps_before_a_reset_and_after_the_end(name: str) -> None:
    plain = MemoryEnv(name, N=3)
    for env in (plain, gym.make(TASKS[name].env_id, N=3), gym.make(TASKS[name].env_id, N=3, disable_env_checker=True)):
        action = env.action_space.sample()
        with pytest.raises(gym.error.ResetNeeded, match="reset"):
            env.step(action)
        for _ in range(2):
            env.reset()
            done = False
            while not done:
                done = env.step(action)[2]
            for _ in range(2):
                with pytest.raises(gym.error.ResetNeeded, match="call reset first"):
                    env.step(action)


@pytest.mark.parametrize("seed", [-1, 1.5, 1.0, "1", True, [1], np.float64(1), np.array([1, 2])])
@every_task
def test_bad_seeds(name: str, seed: Any) -> None:
    """Refused before anything changes: the trial in progress and the stream go on."""
    message = r"seed must be an integer of at least 0, got"
    for env in (MemoryEnv(name, N=4), gym.make(TASKS[name].env_id, N=4)):
        env.reset(seed=5)
        with pytest.raises(gym.error.Error, match=message):
            env.reset(seed=seed)
        env.step(env.action_space.sample())
        np.testing.assert_array_equal(env.reset()[0], TASKS[name](N=4).batch(5, 0, 2).inputs[0, 1])
    for draw in (TASKS[name]().batch, lambda s: next(TASKS[name]().batches(s)), lambda s: RandomAgent(Parity(), s)):
        with pytest.raises(gym.error.Error, match=message):
            draw(seed)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"reset_mask": np.array([True])}, ValueError, ["options", "unknown key 'reset_mask'", "'active_heads'"]),
        ({"N": 3}, ValueError, ["options", "unknown key 'N'", "'active_heads'"]),
        ({"active_heads": ()}, ValueError, ["active_heads must be a non-empty", "got ()"]),
        ({"active_heads": (4,)}, ValueError, ["active_heads must be some of heads=(2, 3)", "got (4,)"]),
        ({"active_heads": (3, 2)}, ValueError, ["active_heads must be", "increasing", "got (3, 2)"]),
        ({"active_heads": 2}, TypeError, ["active_heads must be", "got 2"]),
        ({"active_heads": "23"}, TypeError, ["active_heads must be", "got '23'"]),
        (5, TypeError, ["options must be", "got 5"]),
        ("active_heads", TypeError, ["options must be", "got 'active_heads'"]),
        ({1: 2, "a": 3}, ValueError, ["options", "unknown key", "'active_heads'"]),
    ],
    ids=repr,
)
def test_bad_options(options: Any, error: type[Exception], words: list[str]) -> None:
    """Refused before anything changes."""
    parameters = {"heads": (2, 3)}
    for env in (MemoryEnv("parity", heads=(2, 3)), gym.make("MemoryParity-v0", **parameters)):  # type: ignore[arg-type]
        env.reset(seed=5)
        with pytest.raises(error) as caught:
            env.reset(options=options)
        for word in words:
            assert word in str(caught.value)
        env.step([0, 1])
        np.testing.assert_array_equal(env.reset()[0], Parity(heads=(2, 3)).batch(5, 0, 2).inputs[0, 1])


@pytest.mark.parametrize("name", ["parity", "flip-flop", "delayed-addition"])
def test_active_heads_of_tasks_without_heads(name: str) -> None:
    env = MemoryEnv(name)
    with pytest.raises(ValueError, match=r"options\['active_heads'\] needs a task with heads, and this one has none"):
        env.reset(options={"active_heads": (2,)})


@pytest.mark.parametrize("mode", ["video", "", "RGB_array", 3])
def test_bad_render_modes(mode: Any) -> None:
    words = r"render_mode must be None or one of \['ansi', 'rgb_array', 'human'\], got " + repr(mode)
    with pytest.raises(ValueError, match=words):
        MemoryEnv("parity", render_mode=mode)
    if isinstance(mode, str) and mode:
        # Gymnasium's own warning comes first: it is turned into an error here, as everywhere in these tests.
        with pytest.raises(UserWarning, match="not in the possible render_modes"):
            gym.make("MemoryParity-v0", render_mode=mode)
        with pytest.warns(UserWarning, match="not in the possible"), pytest.raises(ValueError, match=words):
            gym.make("MemoryParity-v0", render_mode=mode)


def test_rendering_without_a_mode_or_a_trial() -> None:
    env = MemoryEnv("parity")
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.render() is None
    with pytest.raises(gym.error.ResetNeeded, match="call reset first"):
        MemoryEnv("parity", render_mode="ansi").render()


@pytest.mark.parametrize("name", TASKS)
def test_no_id_plays_another_task(name: str) -> None:
    kind = TASKS[name]
    other = DelayedMatch if name != "dms" else Parity
    makers: list[Any] = [gym.make, gym.make_vec]
    for make in makers:
        for task in (other.name, other(N=5)):
            with pytest.raises(ValueError, match=f"task must be left out of {kind.env_id}.* make {other.env_id}"):
                make(kind.env_id, task=task)
        with pytest.raises(ValueError, match="task must be one of"):
            make(kind.env_id, task="Parity")
        with pytest.raises(TypeError, match="task must be a Task or the name of one"):
            make(kind.env_id, task=3)
        assert make(kind.env_id, task=kind(N=5)).unwrapped.task == kind(N=5)  # its own


def test_no_environment_turns_into_another_one() -> None:
    """Parity and delayed match have the same spaces, and ask for different things."""
    for env in (MemoryEnv("dms", N=5), MemoryVectorEnv("dms", 2, N=5)):
        env.reset(seed=0)
        with pytest.raises(ValueError, match=r"task must be another DelayedMatch, .*, got Parity\(N=3"):
            env.set_task(Parity(N=3))
        env.set_task(DelayedMatch(N=3))
        assert env.task == DelayedMatch(N=3)


def test_other_heads_need_no_other_n() -> None:
    """N follows from the heads asked for, whatever it was before."""
    for task in (Parity(2), Parity(heads=(2, 3)), Parity(heads=(2, 3), N=3)):
        assert task.replace(heads=(2, 3, 5)) == Parity(heads=(2, 3, 5))
        assert task.replace(heads=(2, 3, 5)).N == 5
    assert Parity(heads=(2, 3)).replace(heads=None) == Parity()
    assert Parity(2).replace(heads=None) == Parity(2)
    with pytest.raises(ValueError, match="N must be the largest of heads"):
        Parity(2).replace(heads=(2, 3), N=2)


def test_tasks_with_other_spaces() -> None:
    env = MemoryEnv("flip-flop", bits=3)
    with pytest.raises(ValueError, match=r"task must keep the environment's observation_space .*bits=2"):
        env.set_task(env.task.replace(bits=2))
    parity = MemoryEnv("parity", heads=(2, 3))
    with pytest.raises(ValueError, match=r"task must keep the environment's action_space .*active_heads"):
        parity.set_task(parity.task.replace(heads=(2, 3, 4)))
    parity.set_task(parity.task.replace(heads=(3, 4)))  # other heads, as many of them


@pytest.mark.parametrize(
    ("index", "size"), [(-1, 4), (1.0, 4), (True, 4), ("0", 4), (0, 0), (0, -1), (0, 2.0), (0, True)]
)
def test_bad_batches(index: Any, size: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"(index|size) must be an integer of at least [01], got"):
        Parity().batch(0, index, size)


@pytest.mark.parametrize("noise", [1e-3, 1e6])
def test_extreme_noise_fits_the_observation_space(noise: float) -> None:
    task = EvidenceAccumulation(noise=noise)
    assert np.isfinite(task.observation_space.high).all()
    assert np.isfinite(task.batch(0, 0, 100).inputs).all()


@pytest.mark.parametrize("noise", [1e38, 1e300])
def test_noise_that_observations_cannot_hold_is_refused(noise: float) -> None:
    """They are float32: a bound beyond 3.4e38 would be infinite."""
    with pytest.raises(ValueError, match=r"noise must be a number from 0 to .*, got"):
        EvidenceAccumulation(noise=noise)


@pytest.mark.parametrize("noise", [1e-9, 1e-300])
def test_noise_too_small_to_be_seen_is_refused(noise: float) -> None:
    """It would be lost in rounding to float32: sums would tie that the reference scores take to be broken by noise."""
    with pytest.raises(ValueError, match=r"noise must be .*, got"):
        EvidenceAccumulation(noise=noise)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Parity(2**62), r"N must be an integer of at least 1 and at most 2147483647, got 4611686018427387904"),
        (lambda: Parity(3, num_steps=2**40), r"num_steps must be an integer of at least 3 and at most 2147483647"),
        (lambda: Parity(3).batch(index=2**62), r"index must be an integer of at least 0 and at most"),
        (lambda: make_task("parity", p=np.array([0.1, 0.2])), r"p must be a number from 0 to 1 or 'uniform'"),
        (lambda: make_task("parity", heads={2, 3}), r"heads must be a non-empty, strictly increasing sequence"),
        (lambda: Parity(3).sample([1, 2]), r"keys must be a one-dimensional array of dtype uint64"),  # type: ignore[arg-type]
        (lambda: ReferenceAgent("parity"), r"task must be a Task"),  # type: ignore[arg-type]
        (lambda: ReferenceAgent(Parity(3)).predict(np.zeros((2, 3))), r"observation must end in an axis of 1 inputs"),
        (lambda: Parity(3).score(Parity(3).batch(size=1), np.full((12, 1, 1), 7)), r"answers must be labels 0 and 1"),
        (
            lambda: DelayedAddition(5).score(DelayedAddition(5).batch(size=1), np.full((5, 1, 1), np.nan)),
            r"answers must be numbers from -1 to 1",
        ),
    ],
)
def test_odd_values_are_refused_by_name(make: Callable[[], object], why: str) -> None:
    with pytest.raises((ValueError, TypeError), match=why):
        make()


def test_arrays_of_no_dimension_serve_as_seeds() -> None:
    envs = MemoryVectorEnv("parity", 2)
    np.testing.assert_array_equal(envs.reset(seed=np.array(3))[0], envs.reset(seed=3)[0])  # type: ignore[arg-type]


def test_parameters_given_at_their_defaults_are_not_written_down() -> None:
    assert Parity(3, p=0.5, scoring="dense", active_heads=None).to_dict() == {"task": "parity", "N": 3}


def test_copy_replace_works_out_what_follows() -> None:
    """What ``copy.replace`` calls (it came with Python 3.13)."""
    assert Parity(8).__replace__(N=5) == Parity(5)  # type: ignore[attr-defined]
