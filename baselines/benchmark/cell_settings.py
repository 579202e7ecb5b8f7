"""How a cell is trained for a rung: the settings of ``train-rl`` and ``train``, with the ladder's own curricula.

Which N come before that of the rung is ours to choose, as an agent's curriculum is its own. Every step of every stage
counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.benchmark.budgets import SOLVED
from baselines.core.settings import SettingsError
from baselines.training import ppo_recipes
from baselines.training.batches import with_length
from baselines.training.bptt_settings import Settings
from baselines.training.ppo_settings import RLSettings
from baselines.training.recipes import ANY
from memory_envs import Task

EPISODES = 100
"""Trials of the evaluations during training, which decide nothing."""

# Training may end with so many of the wrong answers with which the rung is still solved. PPO counts answers as they are
# drawn; the rung is evaluated with the likeliest ones, of which more are right.
PPO_SHARE, BPTT_SHARE = 2 / 3, 1 / 3

PPO_LADDER: dict[tuple[str, str], Mapping[str, Any]] = {
    # Thresholds are for answers as they are drawn: 0.4 of them are within 0.04 of the sum where the error is 0.08.
    ("delayed-addition", ANY): {"threshold": 0.4},
    # Little memory is worth a lot here: a normalised score of 0.9 is 99 % right at N = 4.
    ("evidence-accumulation", ANY): {"threshold": 0.99},
    ("flip-flop", ANY): {"threshold": 0.98},
    # A stage is left before it is perfect: later stages make it so.
    (ANY, ANY): {"curriculum": "multi-head", "threshold": 0.85, "last_threshold": 0.96},
}
"""(task, cell) -> settings of ``train-rl`` on the ladder."""

BPTT_LADDER: dict[str, Mapping[str, Any]] = {
    "parity": {"curriculum": "multi-head"},
    "dms": {"curriculum": "multi-head"},
    "evidence-accumulation": {"curriculum": "single-head", "first_n": 4, "step": 4},
    "flip-flop": {"curriculum": "single-head", "first_n": 4, "step": 4},
    # The share of answers within 0.04: at 0.6 some trials of N = 32 were still far off (0.85 of the normalised score).
    "delayed-addition": {"curriculum": "single-head", "first_n": 4, "step": 4, "threshold": 0.8, "last_threshold": 0.9},
}
"""Task -> settings of ``train`` on the ladder, where environment steps are scarce."""


def ppo_settings(cell: str, task: Task, seed: int, steps: int, folder: Path | None = None) -> RLSettings:
    """A run of ``train-rl`` for a rung: it takes ``steps`` environment steps at most, in whole parts.

    Raises:
        SettingsError: a setting cannot be.
    """
    settings = ppo_ladder(task.name, cell, task.N)
    settings |= {
        "last_threshold": _last_threshold(settings, task, RLSettings.threshold, PPO_SHARE),
        "seed": seed,
        "episodes": EPISODES,
        "out": folder,
    }
    _, _, recipe = RLSettings(**settings).parts()
    longest = with_length(task, recipe.trial_length).num_steps
    trials, envs = recipe.rollout_trials, recipe.num_envs
    if trials * envs * longest > steps:  # a small budget or a large N: rollouts that fit
        trials, envs = 1, max(min(envs, steps // longest), 1)
    rollout = trials * envs * longest
    rollouts = max(steps // rollout, 1)
    parts = max(rollouts // recipe.report_every, 1)
    each = rollouts // parts  # a part is never cut short, so up to ``parts`` - 1 rollouts are given up
    shape = {"rollout_trials": trials, "num_envs": envs, "report_every": each}
    settings["overrides"] = {**settings.get("overrides", {}), **shape}
    return RLSettings(**settings, steps=parts * each * rollout)


def ppo_ladder(task: str, cell: str, n: int) -> dict[str, Any]:
    """Arguments of ``RLSettings`` with which our PPO learns N in few steps; seed, steps and folder are left open.

    Args:
        task: the short name of the task.
        cell: the name of the cell, or its class as package.module:ClassName.
        n: N of the rung, that of the last stage.
    """
    settings: dict[str, Any] = {"task": task, "cell": cell, "n_max": n, **ppo_recipes.look_up(PPO_LADDER, task, cell)}
    if "curriculum" not in settings:
        return settings
    if task == "dms" and n <= 4:  # learned sooner without a curriculum
        return settings | {"curriculum": "none-single"}
    # Rollouts of some 2,000 steps, so that a stage has several updates of the policy.
    rollout = {} if n <= 4 else {"rollout_trials": 1} if n <= 8 else {"rollout_trials": 1, "num_envs": 32, "units": 128}
    return settings | {"overrides": rollout}


def bptt_settings(cell: str, task: Task, seed: int, steps: int, folder: Path | None = None) -> Settings:
    """A run of ``train`` for a rung: it takes ``steps`` environment steps at most."""
    settings = bptt_ladder(task.name, cell, task.N)
    settings |= {"last_threshold": _last_threshold(settings, task, Settings.threshold, BPTT_SHARE)}
    # The rung's limit of wall time ends the run, not a budget of its own.
    return Settings(**settings, seed=seed, steps=steps, budget=1e9, out=folder)


def bptt_ladder(task: str, cell: str, n: int) -> dict[str, Any]:
    """Arguments of ``Settings`` with which recipe ``lean`` learns N in few steps; seed, steps and folder are left open.

    Args:
        task: the short name of the task.
        cell: the name of the cell, or its class as package.module:ClassName.
        n: N of the rung, that of the last stage.

    Raises:
        SettingsError: ``BPTT_LADDER`` has no entry for the task.
    """
    if task not in BPTT_LADDER:
        raise SettingsError(
            "tasks",
            f"tasks must have ladder settings, {list(BPTT_LADDER)}, got {task!r}: BPTT_LADDER in "
            "baselines/benchmark/cell_settings.py lacks it",
        )
    settings: dict[str, Any] = {"task": task, "cell": cell, "n_max": n, "recipe": "lean", **BPTT_LADDER[task]}
    if "first_n" in settings:
        settings["first_n"] = min(settings["first_n"], n)
    if n <= 8:
        # Trials as long as those that are played: a network that has seen only four steps does not go on to eight.
        settings["overrides"] = {"trial_length": 4.0}
    return settings


def _last_threshold(settings: Mapping[str, Any], task: Task, usual: float, share: float) -> float | None:
    """The last threshold of a rung: it leaves room above the score that solves the rung.

    Training ends at this threshold, by an estimate from few answers. And where the current input often tells the
    answer, as on small flip-flops, more than 98 % must be right.

    Args:
        settings: the settings of the ladder.
        task: the task of the rung.
        usual: the threshold where the settings have none.
        share: the share of the wrong answers with which the rung is still solved that training may end with.
    """
    if task.real_valued:
        own: float | None = settings.get("last_threshold")
        return own
    threshold: float = settings.get("last_threshold", settings.get("threshold", usual))
    wrong = (1 - SOLVED) * (1 - task.memoryless_score) / 2  # labels: the score is the share right less that wrong
    return max(threshold, 1 - wrong * share)
