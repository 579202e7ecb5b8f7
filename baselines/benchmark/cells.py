"""Cells on a rung: trained as ``train-rl`` and ``train`` do, with their recipes and curricula, within its steps.

The curriculum is ours to choose, as an agent's is its own: every step of every stage counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.benchmark.budgets import SOLVED
from baselines.core import seeds
from baselines.evaluation import Agent
from baselines.network import NetworkAgent
from baselines.training import ppo_recipes
from baselines.training.batches import with_length
from baselines.training.bptt_settings import Settings
from baselines.training.ppo_settings import RLSettings
from baselines.training.recipes import ANY
from baselines.training.run import TrainingRun
from memory_envs import Task

EPISODES = 100
"""Trials of an evaluation while training, which decides nothing."""


# PPO counts answers as they were drawn, of which more are wrong than of the likeliest ones that are evaluated.
PPO_SHARE, BPTT_SHARE = 2 / 3, 1 / 3


class DivergedError(Exception):
    """Training has ended with numbers that are none."""


class LastHead:
    """An agent that answers for several N, as one for the last of them alone.

    Args:
        agent: its actions are (B, H).
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
        cell: its name or its class's.
        task: of the rung.
        seed: of the run.
        steps: environment steps it may take.
        folder: of the run; new.

    Returns:
        Who plays, and the steps taken.

    Raises:
        DivergedError: a weight or an answer is no longer a number.
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


def ppo_settings(cell: str, task: Task, seed: int, steps: int, folder: Path | None = None) -> RLSettings:
    """A run of ``train-rl`` for a rung: it takes ``steps`` environment steps at most, in whole parts.

    Raises:
        SettingsError: the cell cannot be.
    """
    settings = _trusted(ppo_ladder(task.name, cell, task.N), task, RLSettings.threshold, PPO_SHARE)
    settings |= {"seed": seed, "episodes": EPISODES, "out": folder}
    recipe = RLSettings(**settings).plan().recipe
    longest = with_length(task, recipe.trial_length).num_steps
    trials, envs = recipe.rollout_trials, recipe.num_envs
    if trials * envs * longest > steps:  # of a small budget or a large N: rollouts that fit
        trials, envs = 1, max(min(envs, steps // longest), 1)
    rollout = trials * envs * longest
    rollouts = max(steps // rollout, 1)
    parts = max(rollouts // recipe.report_every, 1)
    each = rollouts // parts  # a part is never cut short: fewer rollouts than there are parts are given up
    shape = {"rollout_trials": trials, "num_envs": envs, "report_every": each}
    settings["overrides"] = {**settings.get("overrides", {}), **shape}
    return RLSettings(**settings, steps=parts * each * rollout)


def by_bptt(cell: str, task: Task, seed: int, steps: int, folder: Path) -> tuple[Agent, int]:
    """Train a cell by backpropagation through time for a rung; see ``by_ppo``.

    Raises:
        DivergedError: the loss or its gradient is no longer a number.
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
    if str(task.N) not in network.readouts:  # the curriculum has not come that far
        network.add_readout(str(task.N), seeds.generator(seed, "readout", str(task.N)))
    return LastHead(NetworkAgent(network, task.replace(heads=(task.N,)))), run.steps


def bptt_settings(cell: str, task: Task, seed: int, steps: int, folder: Path | None = None) -> Settings:
    """A run of ``train`` for a rung.

    Raises:
        SettingsError: the cell cannot be.
    """
    return Settings(
        **_trusted(bptt_ladder(task.name, cell, task.N), task, Settings.threshold, BPTT_SHARE),
        seed=seed,
        steps=steps,
        budget=1e9,  # the rung's limit of wall time ends it
        out=folder,
    )


def _trusted(settings: dict[str, Any], task: Task, threshold: float, share: float) -> dict[str, Any]:
    """The settings with a last threshold that leaves room below the score that solves a rung.

    Training ends at the threshold, by an estimate from few answers; and where the current input often tells the answer,
    as on small flip-flops, more than 98 % must be right.

    Args:
        settings: of a rung.
        task: of the rung.
        threshold: where the settings have none.
        share: of the wrong answers with which the rung is still solved, how many training may end with.
    """
    threshold = settings.get("last_threshold", settings.get("threshold", threshold))
    if task.real_valued:
        return settings
    wrong = (1 - SOLVED) * (1 - task.memoryless_score) / 2  # labels: the score is the share right less that wrong
    return settings | {"last_threshold": max(threshold, 1 - wrong * share)}


PPO_LADDER: dict[tuple[str, str], Mapping[str, Any]] = {
    # Thresholds are of answers as they are drawn: 0.4 of them are within 0.04 of the sum where the error is 0.08.
    ("delayed-addition", ANY): {"threshold": 0.4},
    # What needs little memory is worth a lot here: a normalised score of 0.9 is 99 % right at N = 4.
    ("evidence-accumulation", ANY): {"threshold": 0.99},
    ("flip-flop", ANY): {"threshold": 0.98},
    # A stage is left before it is perfect, which later stages make it.
    (ANY, ANY): {"curriculum": "multi-head", "threshold": 0.85, "last_threshold": 0.96},
}
"""(task, cell) -> settings of ``train-rl`` with which a rung of the benchmark's ladder is tried."""


def ppo_ladder(task: str, cell: str, n: int) -> dict[str, Any]:
    """Arguments of ``RLSettings`` with which our PPO learns N in few steps; seed, steps and folder are left open."""
    settings: dict[str, Any] = {"task": task, "cell": cell, "n_max": n, **ppo_recipes.look_up(PPO_LADDER, task, cell)}
    if "curriculum" not in settings:
        return settings
    if task == "dms" and n <= 4:  # learned sooner without
        return settings | {"curriculum": "none-single"}
    # Rollouts of some 2,000 steps, so that a stage has several updates of the policy.
    rollout = {} if n <= 4 else {"rollout_trials": 1} if n <= 8 else {"rollout_trials": 1, "num_envs": 32, "units": 128}
    return settings | {"overrides": rollout}


_BPTT_LADDER: dict[str, dict[str, Any]] = {
    "parity": {"curriculum": "multi-head"},
    "dms": {"curriculum": "multi-head"},
    "evidence-accumulation": {"curriculum": "single-head", "first_n": 4, "step": 4},
    "flip-flop": {"curriculum": "single-head", "first_n": 4, "step": 4},
    # Of answers within 0.04: at 0.6 some trials of N = 32 were still far off (0.85 of the normalised score).
    "delayed-addition": {"curriculum": "single-head", "first_n": 4, "step": 4, "threshold": 0.8, "last_threshold": 0.9},
}
"""How N grows on each task where environment steps are scarce."""


def bptt_ladder(task: str, cell: str, N: int) -> dict[str, Any]:
    """What of ``Settings`` a rung of the benchmark of agents asks for: recipe ``lean`` up to ``N``.

    Args:
        task: name of the task.
        cell: name of the cell, or a class as package.module:ClassName.
        N: of the rung, that of the last stage.
    """
    own = {"task": task, "cell": cell, "n_max": N, "recipe": "lean", **_BPTT_LADDER[task]}
    if "first_n" in own:
        own["first_n"] = min(own["first_n"], N)
    if N <= 8:
        # Trials as long as those that are played: what has seen four steps alone does not go on to eight.
        own["overrides"] = {"trial_length": 4.0}
    return own
