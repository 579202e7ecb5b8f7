"""One rung: a fresh agent is made, trained and evaluated. Whatever goes wrong in it becomes its result."""

from __future__ import annotations

import inspect
import random
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from baselines.benchmark import cells
from baselines.benchmark.budgets import SOLVED, Budget, rung_task
from baselines.benchmark.contestants import Contestant, make_agent
from baselines.benchmark.environment import BudgetSpent, CountedEnv
from baselines.core import seeds
from baselines.core.files import RunError, inside, writing
from baselines.core.text import error_line, one_line
from baselines.evaluation import Agent, Evaluation, evaluate
from memory_envs import Task, checks

NUM_ENVS = 64
"""Columns of the training environment, unless the agent has a ``num_envs``."""

Row = dict[str, Any]
"""The result of a rung, by the names of the columns of ``results.csv``."""


class FaultError(Exception):
    """The agent has failed; the message is one line.

    Attributes:
        steps: environment steps of training that it had taken; None where there was no environment yet.
    """

    def __init__(self, message: str, steps: int | None = None) -> None:
        super().__init__(message)
        self.steps = steps


def play(contestant: Contestant, task_name: str, n: int, seed: int, budget: Budget, folder: Path) -> Row:
    """Play a rung.

    Args:
        contestant: who plays.
        task_name: the short name of the task.
        n: N of the rung.
        seed: the seed of the climb; it alone decides all that is random here.
        budget: the budget of this rung.
        folder: where a cell's run is kept; an unfinished run that is there goes.

    Returns:
        The status, the reason of a fault, and the numbers that there are.

    Raises:
        RunError: the folder cannot be written.
    """
    began, cpu_began = time.monotonic(), time.process_time()
    task = rung_task(task_name, n)
    _seed_globals(seed)
    try:
        agent, steps = _trained(contestant, task, seed, budget, folder)
        with _blaming("predict", lambda: steps):
            evaluation = evaluate(agent, task, episodes=budget.episodes, seed=seeds.evaluation_seed(seed))
        status = "solved" if evaluation.normalised >= SOLVED else "failed"
        row = Row(status=status, episodes=budget.episodes, steps=steps, **numbers(evaluation))
    except FaultError as fault:
        row = Row(status="error", episodes=budget.episodes, reason=one_line(str(fault)))
        if fault.steps is not None:
            row["steps"] = fault.steps
    row["cpu_seconds"] = round(time.process_time() - cpu_began, 3)
    row["seconds"] = round(time.monotonic() - began, 3)
    return row


def numbers(evaluation: Evaluation) -> Row:
    """The columns of ``results.csv`` that an evaluation fills."""
    found: Row = {"accuracy": sum(evaluation.accuracy.values()) / len(evaluation.accuracy)}
    for name in ("score", "normalised", "equivalent_memory"):
        low, high = getattr(evaluation, f"{name}_interval")
        found |= {name: getattr(evaluation, name), f"{name}_low": low, f"{name}_high": high}
    return {name: round(float(value), 6) + 0.0 for name, value in found.items()}  # + 0.0: no negative zero


def _trained(contestant: Contestant, task: Task, seed: int, budget: Budget, folder: Path) -> tuple[Agent, int]:
    """Who is to be evaluated, and the environment steps of its training."""
    if contestant.method == "agent":
        return _trained_agent(contestant.what, task, seed, budget)
    inside(folder.parent, folder.name)  # or a link would have a folder elsewhere removed
    with writing(folder):
        if folder.exists():
            shutil.rmtree(folder)
    train = {"ppo": cells.by_ppo, "bptt": cells.by_bptt}[contestant.method]
    with _blaming("training", but=RunError):  # a full disk is nobody's fault
        return train(contestant.what, task, seed, budget.steps, folder)


def _trained_agent(what: str, task: Task, seed: int, budget: Budget) -> tuple[Agent, int]:
    """The agent of a factory, after its training."""
    agent, env = _made(what, task, seed, budget)
    try:
        with _blaming("learn", lambda: env.steps):
            _learn(agent, env, budget.steps)
    finally:
        env.end_training()
    return agent, env.steps


def _made(what: str, task: Task, seed: int, budget: Budget) -> tuple[Any, CountedEnv]:
    """The agent of a factory, and the environment that it is trained in."""
    with _blaming("make_agent"):
        agent = make_agent(what, task, seed)
        if missing := [name for name in ("learn", "predict") if not callable(getattr(agent, name, None))]:
            raise FaultError(
                f"make_agent must return an object with learn and predict, got {agent!r} (no {missing[0]})"
            )
        asked, mode = getattr(agent, "num_envs", None), getattr(agent, "autoreset_mode", None)
        # With more columns than steps in the budget, not one step fits: the agent would be evaluated untrained, and
        # nobody would know why.
        num_envs = NUM_ENVS if asked is None else checks.integer("num_envs", asked, 1, budget.steps)
        return agent, CountedEnv(
            task,
            num_envs,
            total_steps=budget.steps,
            seed=seeds.environment_seed(seed, 0, num_envs),
            autoreset_mode=AutoresetMode.SAME_STEP if mode is None else mode,
        )


def _learn(agent: Any, env: CountedEnv, steps: int) -> None:
    try:
        returned = agent.learn(env, steps)
    except BudgetSpent:
        return
    if inspect.isgenerator(returned) or inspect.iscoroutine(returned):
        returned.close()
        raise FaultError(f"learn must train, and returned a {type(returned).__name__}: nothing has run", env.steps)


@contextmanager
def _blaming(
    part: str, steps: Callable[[], int | None] = lambda: None, *, but: type[Exception] = FaultError
) -> Iterator[None]:
    """Within the block whatever is raised, ``SystemExit`` too, becomes a ``FaultError`` of this part.

    Args:
        part: what the agent does in the block.
        steps: says how many environment steps it has taken.
        but: what stays as it is.
    """
    try:
        yield
    except (FaultError, but):
        raise
    except BaseException as error:
        with suppress(BaseException):  # an agent may have closed its log, and its error may not be printable
            traceback.print_exc()
        raise FaultError(f"{part}: {error_line(error)}", steps()) from None


def _seed_globals(seed: int) -> None:
    """Agents may draw from the global generators: seeded here, a rung is the same wherever the climb begins."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    torch.set_num_threads(1)
