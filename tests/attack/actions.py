"""Malformed actions, seeds and options to every environment, scalar and vector: a clear error, and play goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

Draw = np.random.Generator


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Yield what was tried and whether it held: ``count`` malformed values, to each environment in turn."""
    from memory_envs import TASKS, MemoryEnv, MemoryVectorEnv, Parity, Task

    tasks: list[Task] = [*[kind(N=5) for kind in TASKS.values()], Parity(heads=(2, 3, 5))]
    tables: list[Any] = [Table(MemoryEnv, task, seed) for task in tasks]
    tables += [Table(lambda task: MemoryVectorEnv(task, 3, autoreset_mode="SameStep"), task, seed) for task in tasks]
    draw = np.random.default_rng(seed)
    for number in range(count):
        yield tables[number % len(tables)].attack(draw)


class Table:
    """An environment that is attacked, and its twin that is not: they must go on alike."""

    def __init__(self, make: Any, task: Any, seed: int) -> None:
        self.env, self.twin, self.task = make(task), make(task), task
        self.columns = getattr(self.env, "num_envs", None)
        self.env.action_space.seed(seed)
        for env in (self.env, self.twin):
            env.reset(seed=seed)

    def attack(self, draw: Draw) -> tuple[str, bool]:
        from gymnasium import error

        kind = str(draw.choice(["action", "action", "seed", "options"]))
        call: Callable[[], Any]
        errors: tuple[type[Exception], ...]
        if kind == "action":
            value = self._action(draw)
            call, errors = partial(self.env.step, value), (error.InvalidAction,)
        elif kind == "seed":
            value = self._seed(draw)
            call, errors = partial(self.env.reset, seed=value), (error.Error, TypeError, ValueError)
        else:
            value = self._options(draw)
            call, errors = partial(self.env.reset, options=value), (TypeError, ValueError)
        what = f"{self.env}: {kind} {str(value)[:80]!r} ({type(value).__name__})"
        try:
            call()
        except errors as said:
            words = str(said)
            named = kind in words or (kind == "options" and "active_heads" in words)
            held = named and any(word in words for word in ("must", "needs", "unknown", "cannot"))
        except BaseException as other:
            return f"{what}: {type(other).__name__}", False
        else:
            return f"{what}: accepted", False
        return what, held and self._goes_on()

    def _goes_on(self) -> bool:
        action = self.env.action_space.sample()
        ours, theirs = self.env.step(action), self.twin.step(action)
        if self.columns is None and ours[2]:
            ours, theirs = (*ours, *self.env.reset()), (*theirs, *self.twin.reset())
        return _same(ours, theirs)

    def _action(self, draw: Draw) -> Any:
        shape = self.task.answer_shape if self.columns is None else (self.columns, *self.task.answer_shape)
        real = self.task.real_valued
        good = np.zeros(shape, np.float32 if real else np.int64)
        out = good.copy()
        spoilt = [np.nan, np.inf, -np.inf, 1.5, -1.001, 1e30, 1 + 1e-5] if real else [2, -1, 7, 2**62, -(2**63), 255]
        out[...] = spoilt[int(draw.integers(len(spoilt)))]
        one = good.astype(np.float64 if real else np.int64).reshape(-1)
        one[int(draw.integers(one.size))] = spoilt[int(draw.integers(len(spoilt)))]
        choices: list[Any] = [
            None, "0", b"1", object(), {}, {0}, [], (), [[]], [[0], [0, 1]], ..., NotImplemented, float("nan"), 1j,
            out, out.tolist(), one.reshape(shape), np.zeros((*shape, 2)), np.zeros((7,), np.int64), good[None],
            good.astype(np.complex64), good.astype(object), good.astype("U1"), good.astype("M8[s]"), good.astype("V4"),
            np.ones(shape, np.bool_) if shape or real else np.array([True]), np.full(shape, None), iter([0]), lambda: 0,
            {"action": 0}, 10**40, -(10**40), range(9), memoryview(b"ab"), type, np.zeros((0, *shape)),
            *([] if real else [good + 0.5, good.astype(np.float32), good.astype(np.float16) + 1]),
        ]  # fmt: skip
        return choices[int(draw.integers(len(choices)))]

    def _seed(self, draw: Draw) -> Any:
        wrong: list[Any] = [
            -1, -(2**70), 0.5, 1.0, "1", b"1", True, np.bool_(True), np.float64(2), float("nan"), float("inf"), 1j,
            object(), {}, {1}, np.array(1.0), np.array([0.5]), int, ..., "",
        ]  # fmt: skip
        if self.columns is None:
            wrong += [[1], (1, 2), np.array([1, 2]), range(3)]
        else:
            wrong += [[1], [1] * (self.columns + 1), [-1] * self.columns, ["a"] * self.columns, [1, 2, True], range(9)]
            wrong += [np.full(self.columns, -1), np.full(self.columns, 0.5), [[1, 2, 3]], (1.5, 2, 3), [1, 2, 1e9]]
        return wrong[int(draw.integers(len(wrong)))]

    def _options(self, draw: Draw) -> Any:
        heads: list[Any] = [
            (),
            (9,),
            (3, 2),
            (2, 2),
            2,
            "23",
            [2.0],
            [True],
            (None,),
            {2},
            {"a": 1},
            np.array([2.5]),
            1j,
        ]
        if self.task.heads is None:
            heads += [(2,), (5,), None, [2, 3]]
        wrong: list[Any] = [
            5, "active_heads", [("active_heads", (2,))], {"N": 3}, {"seed": 1}, {1: 2}, {None: None}, {"": ""}, True,
            b"", object(), {"active_head": (2,)}, {("a",): 1}, {"reset_mask": 1, "x": 2}, ("reset_mask",), {2, 3},
            *[{"active_heads": value} for value in heads],
        ]  # fmt: skip
        masks: list[Any] = [
            1,
            [True],
            "111",
            [1, 1, 1],
            np.ones(3),
            np.ones(2, np.bool_),
            np.zeros(3, np.bool_),
            np.array(True),
        ]
        wrong += [{"reset_mask": mask} for mask in masks]
        wrong.append({"reset_mask": np.ones(3, np.bool_), "active_heads": (2,)})
        return wrong[int(draw.integers(len(wrong)))]


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dict):
        return bool(ours.keys() == theirs.keys()) and all(_same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, (tuple, list)) or (isinstance(ours, np.ndarray) and ours.dtype == object):
        return len(ours) == len(theirs) and all(_same(a, b) for a, b in zip(ours, theirs, strict=True))
    return bool(np.array_equal(ours, theirs))
