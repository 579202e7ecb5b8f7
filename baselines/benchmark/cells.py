"""Cells on a rung: trained as ``train-rl`` and ``train`` do it, within the steps of the rung."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from baselines.benchmark.cell_settings import bptt_settings, ppo_settings
from baselines.core import seeds
from baselines.evaluation import Agent
from baselines.network import NetworkAgent
from baselines.training.run import TrainingRun
from memory_envs import Task


class DivergedError(Exception):
    """Training diverged."""


class LastHead:
    """An agent that answers for several N, as an agent that answers for the last of them alone.

    Args:
        agent: an agent whose actions are (B, H).
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Actions (B,) for observations (B, I)."""
        actions, state = self.agent.predict(observation, state, episode_start, deterministic)
        return actions[..., -1], state


def by_ppo(cell: str, task: Task, seed: int, steps: int, folder: Path) -> tuple[Agent, int]:
    """Train a cell by PPO for a rung.

    Args:
        cell: the name of the cell, or its class as package.module:ClassName.
        task: the task of the rung.
        seed: the seed of the run.
        steps: environment steps that it may take.
        folder: the run folder; it must not exist.

    Returns:
        Who plays, and the environment steps taken.

    Raises:
        DivergedError: a weight or an answer is no longer finite.
        RunError: the folder cannot be written.
    """
    from baselines.ppo.run import RLRun  # needs Stable-Baselines3, and agents of others do not

    run = RLRun(ppo_settings(cell, task, seed, steps, folder))
    try:
        for _ in run.train():
            pass
        run.finish()
    finally:
        run.folder.close()
    if run.status == "diverged":
        raise DivergedError("a weight or an answer is not finite")
    return run.model if run.curriculum.task.answer_shape == task.answer_shape else LastHead(run.model), run.steps


def by_bptt(cell: str, task: Task, seed: int, steps: int, folder: Path) -> tuple[Agent, int]:
    """Train a cell by backpropagation through time for a rung; see ``by_ppo``.

    Raises:
        DivergedError: the loss or its gradient is no longer finite.
        RunError: the folder cannot be written.
    """
    run = TrainingRun(bptt_settings(cell, task, seed, steps, folder))
    try:
        for _ in run.train():
            pass
        run.finish()
    finally:
        run.folder.close()
    if run.status == "diverged":
        raise DivergedError(f"the loss or its gradient is not finite at update {run.diverged_at}")
    network = run.learner.network
    if run.learner.task.answer_shape == task.answer_shape:
        return NetworkAgent(network, task), run.steps
    if str(task.N) not in network.readouts:  # the curriculum has not come to this N
        network.add_readout(str(task.N), seeds.generator(seed, "readout", str(task.N)))
    return LastHead(NetworkAgent(network, task.replace(heads=(task.N,)))), run.steps
