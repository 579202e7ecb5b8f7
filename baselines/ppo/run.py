"""One run of reinforcement learning, from its settings to its run folder: train, evaluate, save. It prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import set_random_seed

from baselines.core import seeds
from baselines.core.process import single_precision
from baselines.evaluation import Evaluation, evaluate
from baselines.network import head_keys
from baselines.ppo.algorithm import RecurrentPPO
from baselines.ppo.callbacks import CurriculumCallback, Kept, Solved, StepSize, Stop
from baselines.ppo.checkpoint import load_model, load_policy, model_tensors
from baselines.ppo.policy import CellPolicy
from baselines.ppo.vec_env import make_sb3_vec_env
from baselines.training import loading, run_files
from baselines.training.ppo_settings import RLPlan, RLSettings
from baselines.training.resume import ResumableRun
from baselines.training.run_folder import RunFolder
from memory_envs import Task

LOGGED = ("policy_gradient_loss", "value_loss", "entropy_loss", "tcr_loss", "approx_kl", "clip_fraction")
"""The values among SB3's ``train/...`` that go into ``metrics.csv``, as of the last rollout of a part."""


class RLRun(ResumableRun[RLSettings]):
    """One run of reinforcement learning. Iterate over ``train`` to its end, then call ``finish``.

    A run consists of parts. Each part is ``report_every`` rollouts, an evaluation of the likeliest answers on fresh
    trials, and a checkpoint. A part begins new trials in all columns, and everything random in it follows from the
    run's seed and the part's number. So a run resumed from a checkpoint gives the same numbers as a run that was never
    stopped; an unfinished part is repeated from its beginning.

    A run ends with the part that solves its last stage. Where it is resumed with ``steps`` among the changes, it trains
    on in that stage until these steps are used up, however good it becomes.

    Args:
        settings: the settings of a new run. ``RLRun.resume`` goes on with an existing one.

    Attributes:
        plan: the settings with the recipe and the curriculum that follow from them.
        folder: the run folder.
        model: the model, with SB3's ``save`` and ``predict``.
        curriculum: the curriculum and its present stage.
        status: ``"running"``; at the end ``"solved"`` (the last stage is solved), ``"steps"`` (all environment steps
            are used), ``"interrupted"`` or ``"diverged"`` (a weight or an answer became NaN or infinite; the last
            checkpoint is from before that).
        part: the number of finished parts.
        played: the latest evaluation; None before the first.
        row: the latest row of ``metrics.csv``.

    Raises:
        SettingsError: a setting is invalid; nothing has been written.
        RunError: the run folder exists already or cannot be written.
    """

    KIND = RLSettings

    def __init__(self, settings: RLSettings) -> None:
        self._prepare(settings)
        self.folder = RunFolder.new(settings.folder, self.plan, self._columns())
        self._save({})

    def _prepare(self, settings: RLSettings) -> None:
        """Set everything to its state before the first part."""
        self.plan = plan = settings.plan()
        self.seed = settings.seed
        recipe = plan.recipe
        self.curriculum = _curriculum(plan)
        last = plan.curriculum.stage(plan.task, plan.curriculum.stages()[-1])
        n_steps = recipe.rollout_trials * _curriculum(plan, last).task.num_steps
        set_random_seed(_small(settings.seed, "weights"))
        with single_precision():
            self.model = RecurrentPPO(
                CellPolicy,
                make_sb3_vec_env(self.curriculum.task, recipe.num_envs),
                learning_rate=recipe.learning_rate,
                n_steps=n_steps,
                batch_size=max(n_steps * recipe.num_envs // recipe.minibatches, 1),
                n_epochs=recipe.epochs,
                gamma=recipe.gamma,
                gae_lambda=recipe.gae_lambda,
                clip_range=recipe.clip_range,
                ent_coef=recipe.entropy,
                vf_coef=recipe.value,
                max_grad_norm=recipe.clip_norm,
                whole_episodes=True,
                tcr=settings.tcr,
                tcr_on=settings.tcr_on,
                policy_kwargs=_policy_kwargs(plan),
                device=settings.device,
            )
        self.model.set_logger(Logger(None, []))
        self.model.num_timesteps = 0
        self.status, self.part = "running", 0
        self.played: Evaluation | None = None
        self.row: dict[str, float] = {}
        self._begins_to_train_on = False
        self.seconds = self.cpu_seconds = 0.0

    @property
    def steps(self) -> int:
        """The number of environment steps so far, over all columns."""
        return self.model.num_timesteps

    def train(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[RLRun]:
        """Train until the last stage is solved, all steps are used, or ``interrupted()`` returns True.

        Args:
            interrupted: whether to stop; called after every step of the environment.

        Yields:
            This run, after every part.

        Raises:
            RunError: the run folder cannot be written. The run can be resumed from its last checkpoint.
        """
        began, cpu_began = time.monotonic() - self.seconds, time.process_time() - self.cpu_seconds
        recipe, settings, model = self.plan.recipe, self.plan.settings, self.model
        size = recipe.report_every * model.n_steps * model.n_envs
        step_size, stop = StepSize(recipe, self.curriculum), Stop(interrupted)
        callbacks = [self.curriculum, step_size, stop]
        if self._begins_to_train_on:  # so that a run that is killed before its next checkpoint still trains on
            self._save({})
        if self.status != "running":  # resumed after a kill that came between the last checkpoint and the summary
            self.played = self._play(self.curriculum.task)
        while self.status == "running":
            self._begin_part()
            before, curriculum, played = self.steps, self.curriculum.state(), None
            callbacks[3:] = [solved := Solved(self.curriculum, lambda: model_tensors(model))]
            try:
                model.learn(size, callbacks, log_interval=None, reset_num_timesteps=False)  # type: ignore[arg-type]
                if not all(bool(torch.isfinite(p).all()) for p in model.policy.parameters()):
                    self.status = "diverged"
                elif stop.asked:
                    self.status = "interrupted"
                else:
                    played = self._play(self.curriculum.task)
            except FloatingPointError:
                self.status = "diverged"
            if played is None:  # back to the last checkpoint, which stays as it is
                model.num_timesteps = before
                self.curriculum.restore(curriculum)
                return
            self.part, self.played = self.part + 1, played
            if self.curriculum.finished:
                self.status = "solved"
            elif self.steps >= settings.steps:
                self.status = "steps"
            self.seconds, self.cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
            self.row = self._row(played)
            self.folder.add_metrics(self.row)
            self._save(solved.kept)
            yield self

    def _results(self) -> dict[str, Any]:
        return {
            "largest_n": max(self.curriculum.solved, default=None),
            "solved_at": {str(n): steps for n, steps in self.curriculum.solved.items()},
            "steps": self.steps,
        }

    def _begin_part(self) -> None:
        """Begin new trials in all columns, and seed every generator from the run's seed and the part's number."""
        seed, env, model = self.plan.settings.seed, self.model.get_env(), self.model
        assert env is not None
        # SB3 and the policies draw from the global generators of torch and NumPy.
        set_random_seed(_small(seed, "part", self.part))
        env.seed(seeds.environment_seed(seed, self.part, env.num_envs))
        model._last_obs = env.reset()  # type: ignore[assignment]
        model._last_episode_starts = np.ones(env.num_envs, np.bool_)
        model.ep_info_buffer = None  # so that the reported mean return covers this part's episodes only

    def _play(self, task: Task) -> Evaluation:
        settings = self.plan.settings
        return evaluate(self.model, task, episodes=settings.episodes, seed=seeds.evaluation_seed(settings.seed))

    def _columns(self) -> list[str]:
        plan, keys = self.plan, dict[str, None]()
        for n in plan.curriculum.stages():
            keys |= dict.fromkeys(head_keys(plan.curriculum.stage(plan.task, n)))
        logged = [name for name in LOGGED if name != "tcr_loss" or plan.settings.tcr]
        return [
            *("steps", "N", "solved", "training_return", "score", *logged),
            *(f"accuracy_{key}" for key in keys),
            *("seconds", "cpu_seconds"),
        ]

    def _row(self, played: Evaluation) -> dict[str, float]:
        """A row of ``metrics.csv``. ``score`` and ``accuracy_*`` measure the likeliest answers on fresh trials."""
        logged = self.model.logger.name_to_value
        accuracies = zip(head_keys(self.curriculum.stage), played.accuracy.values(), strict=True)
        returns = [info["r"] for info in self.model.ep_info_buffer or []]
        return {
            "steps": self.steps,
            "N": self.curriculum.stage.N,
            "solved": len(self.curriculum.solved),
            **({"training_return": float(np.mean(returns))} if returns else {}),
            "score": played.score,
            **{name: float(logged[f"train/{name}"]) for name in LOGGED if f"train/{name}" in logged},
            **{f"accuracy_{key}": accuracy for key, accuracy in accuracies},
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
        }

    def _save(self, solved: Mapping[int, Kept]) -> None:
        plain = {
            "steps": self.steps,
            "updates": self.model._n_updates,
            "part": self.part,
            "curriculum": self.curriculum.state(),
            "status": "solved" if self.status == "solved" else "running",
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }
        for n, (tensors, then) in solved.items():
            self.folder.keep_checkpoint(tensors, plain | then, n)
        self.folder.save_checkpoint(model_tensors(self.model), plain)

    def _restore(self, path: Path, changes: Mapping[str, Any]) -> None:
        """Go back to the latest checkpoint. The folder changes only after everything has been read and checked."""
        steps, before = self.plan.settings.steps, run_files.read_settings_as(RLSettings, path).steps
        run_files.check_rl_goes_on(self.plan.settings, path, changes)
        if not run_files.is_begun(path):  # it was killed before its first checkpoint
            self.folder.go_back(0, 0)
            self._save({})
            return
        tensors, plain = loading.read_checkpoint(path)
        if steps < before and plain["steps"] >= steps:
            raise run_files.used_up(path, steps, plain["steps"])
        with loading.fitting(run_files.checkpoint_file(path), self.plan.settings):
            load_model(self.model, tensors)
            self.model.num_timesteps, self.model._n_updates = plain["steps"], plain["updates"]
            self.part = plain["part"]
            _restore_curriculum(self.curriculum, self.plan, plain["curriculum"])
            if plain["status"] == "solved" and "steps" in changes and steps > self.steps:
                self.curriculum.train_on()
                self._begins_to_train_on = True
            elif plain["status"] == "solved":
                self.status = "solved"
            elif self.steps >= steps:
                self.status = "steps"
            env = self.model.get_env()
            assert env is not None
            env.env_method("set_task", self.curriculum.task)
        self.seconds, self.cpu_seconds = plain["seconds"], plain["cpu_seconds"]
        self.folder.go_back(self.steps, self.part, self.steps, plain.get("metrics"))


def load_agent(path: Path, n: int | None = None) -> tuple[CellPolicy, Task]:
    """Load the policy of a run, which is an ``Agent``, and the task that it played. No pickle is read.

    Args:
        path: the run folder.
        n: load the checkpoint that was kept when this N was solved. None: the latest checkpoint.

    Returns:
        The policy on the CPU, and the task of the checkpoint's stage.

    Raises:
        RunError: the folder holds no such checkpoint, or is damaged; or its cell is one of others that is not trusted
            (``baselines.core.trust``).
    """
    plan = run_files.read_settings_as(RLSettings, path).plan()
    tensors, plain = loading.read_checkpoint(path, n)
    curriculum = _curriculum(plan)
    with loading.fitting(run_files.checkpoint_file(path, n), plan.settings):
        _restore_curriculum(curriculum, plan, plain["curriculum"])
        task = curriculum.task
        # The weights drawn here are overwritten: leave the global generator alone.
        with torch.random.fork_rng(devices=[]), single_precision():
            policy = CellPolicy(task.observation_space, task.action_space, lambda _: 0.0, **_policy_kwargs(plan))
        load_policy(policy, tensors)
    return policy, task


def _restore_curriculum(curriculum: CurriculumCallback, plan: RLPlan, state: dict[str, Any]) -> None:
    """Set the state of a curriculum to that of a checkpoint.

    Raises:
        ValueError: the state does not fit the plan.
    """
    loading.stage_of(plan.curriculum, plan.task, state["stage"])
    if wrong := [entry for entry in state["solved"] if len(entry) != 2]:
        raise ValueError(f"curriculum.solved must have pairs (N, steps), got {wrong[0]}")
    curriculum.restore(state)
    if len(state["correct"]) != (heads := curriculum.task.num_heads):
        raise ValueError(f"curriculum.correct must have a count for each of {heads} heads, has {len(state['correct'])}")


def _curriculum(plan: RLPlan, stage: Task | None = None) -> CurriculumCallback:
    callback = CurriculumCallback(plan.curriculum, plan.task, trial_length=plan.recipe.trial_length)
    callback.stage = stage or callback.stage
    return callback


def _policy_kwargs(plan: RLPlan) -> dict[str, Any]:
    asked, recipe = plan.settings, plan.recipe
    own = {"cell": asked.cell, "cell_kwargs": plan.cell_options, "critic": asked.critic}
    return own | {"units": recipe.units, "layers": recipe.layers, "log_std_init": recipe.log_std}


def _small(seed: int, *name: str | int) -> int:
    """A seed of 32 bits for the purpose ``name``, because NumPy's global generator takes no larger one."""
    return seeds.generator(seed, "rl", *name).initial_seed() % 2**32
