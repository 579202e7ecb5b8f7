"""Callbacks of Stable-Baselines3: the curriculum, and what a training run needs besides.

Axes: B columns, H heads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import FloatSchedule
from torch import Tensor

from baselines.network import head_keys
from baselines.ppo.policy import CellPolicy
from baselines.training.batches import with_length
from baselines.training.curriculum import Curriculum
from baselines.training.ppo_recipes import PPORecipe
from memory_envs import Task, checks, task_from_dict


class CurriculumCallback(BaseCallback):
    """A curriculum in reinforcement learning: N grows when the recent accuracy in training passes the threshold.

    Accuracy counts the answers as they were drawn in training, not the likeliest ones. The curricula are those of
    ``baselines.training.curriculum``. With a single head, the environment plays the stage's task. With several heads,
    the action space has the heads of all N from the start. Only the heads of the stage are active: the others are not
    rewarded (``active_heads`` of the task) and have no part in the policy's gradient
    (``CellPolicy.set_active_heads``). ::

        callback = CurriculumCallback(SingleHead(n_max=8, threshold=0.95), Parity())
        model = RecurrentPPO(CellPolicy, make_sb3_vec_env(callback.task, 64))
        model.learn(10**6, callback)

    With a single head, a policy that is sure of its answers for one N would no longer explore for the next N. So the
    weights of its readout are scaled down when a stage begins: the likeliest answers stay the same, but others are
    drawn as well.

    A stage begins between two rollouts, in all columns at once. Trials in progress are dropped: no rollout mixes two
    stages. Training ends when the last stage is solved.

    Args:
        curriculum: the curriculum.
        task: the task; the curriculum sets its N.
        least_answers: the number of counted answers that a test of the accuracy needs. A test takes whole rollouts, and
            each rollout enters one test only.
        trial_length: the number of steps in a trial in multiples of the stage's N, if the task lets one choose. None:
            the task's default.
        readout_scale: the factor of the readout's weights when a single head with labels begins a stage. 1: no change.

    Attributes:
        stage: the task of the present stage.
        solved: N of each solved stage -> the number of environment steps when it was solved.
        scores: name of each head (``head_keys``) -> its accuracy in its last test.
        finished: whether the last stage is solved, which ends training.
        trains_on: whether training goes on although the last stage is solved; see ``train_on``.

    Raises:
        ValueError, TypeError: an argument is out of range or of the wrong type.
    """

    def __init__(
        self,
        curriculum: Curriculum,
        task: Task,
        *,
        least_answers: int = 1000,
        trial_length: float | None = None,
        readout_scale: float = 0.01,
    ) -> None:
        super().__init__()
        curriculum.check(task)
        self.curriculum = curriculum
        self.least_answers = checks.integer("least_answers", least_answers, 1)
        self.trial_length = trial_length if trial_length is None else checks.real("trial_length", trial_length, 1, 1e6)
        self.readout_scale = checks.real("readout_scale", readout_scale, 0, 1)
        self.stage = curriculum.first(task)
        self._all = None if self.stage.heads is None else task.replace(heads=curriculum.ns)
        self._next: Task | None = None
        self.solved: dict[int, int] = {}
        self.scores: dict[str, float] = {}
        self.finished = self.trains_on = False
        self._forget()

    @property
    def task(self) -> Task:
        """The task that the environment plays in the present stage. Make the environment for this task."""
        stage = self.stage if self.trial_length is None else with_length(self.stage, self.trial_length)
        if self._all is None:
            return stage
        length = {"num_steps": stage.num_steps} if stage.free_length else {}
        return self._all.replace(active_heads=stage.heads, **length)

    def state(self) -> dict[str, Any]:
        """The whole state of the callback between two calls of ``learn``, as plain JSON data."""
        return {
            "stage": self.stage.to_dict(),
            "solved": [[n, steps] for n, steps in self.solved.items()],
            "scores": dict(self.scores),
            "finished": self.finished,
            "trains_on": self.trains_on,
            "correct": [int(n) for n in self._correct],
            "counted": self._counted,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Set the state to what ``state()`` returned for a callback made with the same arguments."""
        self.stage = task_from_dict(state["stage"])
        self.solved = dict(state["solved"])
        self.scores, self.finished = state["scores"], state["finished"]
        self.trains_on = state.get("trains_on", False)
        self._correct, self._counted = np.array(state["correct"]), state["counted"]

    def train_on(self) -> None:
        """Let training go on in the last stage, and no longer end when that is solved."""
        self.finished, self.trains_on = False, True

    def _on_training_start(self) -> None:
        if self.training_env.get_attr("task", 0) != [self.task]:
            self._begin_stage()
        self._choose_heads()

    def _on_step(self) -> bool:
        if self.finished:  # nothing will be learned from this step, so it does not count
            self.model.num_timesteps -= self.training_env.num_envs
            return False
        infos = self.locals["infos"]
        # "correct" is False for answers that do not count and for heads that are not active.
        self._correct += np.array([info["correct"] for info in infos]).reshape(len(infos), -1).sum(axis=0)
        self._counted += sum(info["counted"] for info in infos)
        return True

    def _on_rollout_end(self) -> None:
        if self._counted < self.least_answers:
            return
        scores = (self._correct[np.array(self.task.active)] / self._counted).tolist()
        self._forget()
        self.scores |= dict(zip(head_keys(self.stage), scores, strict=True))
        for key, score in zip(head_keys(self.stage), scores, strict=True):
            self.logger.record(f"curriculum/accuracy_{key}", score)
        self.logger.record("curriculum/N", self.stage.N)
        following = self.curriculum(self.stage, scores)
        if following != self.stage and not (following is None and self.trains_on):
            self.solved[self.stage.N] = self.num_timesteps
            self._next, self.finished = following, following is None

    # SB3 learns from a rollout after it ends and before the next one starts. So the next stage must not begin at the
    # rollout's end: until the rollout is learned from, the old stage's heads must stay active.
    def _on_rollout_start(self) -> None:
        self._advance()

    def _on_training_end(self) -> None:
        self._advance()

    def _advance(self) -> None:
        if self._next is not None:
            self.stage, self._next = self._next, None
            self._forget()
            self._shrink_readout()
            self._begin_stage()

    def _begin_stage(self) -> None:
        self.training_env.env_method("set_task", self.task)
        model: Any = self.model
        model._last_obs = self.training_env.reset()
        model._last_episode_starts = np.ones(self.training_env.num_envs, np.bool_)
        self._choose_heads()

    def _shrink_readout(self) -> None:
        # Real-valued answers explore by a noise of their own, which does not depend on the readout.
        if self._all is None and not self.stage.real_valued:
            policy: Any = self.model.policy
            with torch.no_grad():
                for parameter in policy.action_net.parameters():
                    parameter.mul_(self.readout_scale)

    def _choose_heads(self) -> None:
        if self._all is not None:
            if not isinstance(self.model.policy, CellPolicy):
                raise ValueError(
                    f"policy must be a CellPolicy for several heads, got {type(self.model.policy).__name__}"
                )
            self.model.policy.set_active_heads(self.task.active)

    def _forget(self) -> None:
        self._correct, self._counted = np.zeros(self.task.num_heads, np.int64), 0


Kept: TypeAlias = tuple[dict[str, Tensor], dict[str, Any]]
"""The tensors and the plain data (JSON) of a checkpoint."""


class StepSize(BaseCallback):
    """Sets the learning rate of the curriculum's stage; 0 once the last stage is solved.

    SB3 learns once more from the last rollout. With a learning rate of 0 the final policy is the one that solved it.

    Args:
        recipe: gives the learning rate of each N.
        curriculum: the curriculum of the same training.
    """

    def __init__(self, recipe: PPORecipe, curriculum: CurriculumCallback) -> None:
        super().__init__()
        self.recipe, self.curriculum = recipe, curriculum

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self.model.lr_schedule = FloatSchedule(self.recipe.learning_rate_at(self.curriculum.stage.N))

    def _on_rollout_end(self) -> None:
        if self.curriculum.finished:
            self.model.lr_schedule = FloatSchedule(0.0)


class Solved(BaseCallback):
    """Keeps a copy of the network that solved a stage, from before it learns from the rollout that solved it.

    Args:
        curriculum: the curriculum of the same training; it must come before this callback in the list.
        tensors: returns the tensors to keep, by name.

    Attributes:
        kept: N of each stage solved since this callback was made -> the contents of the stage's checkpoint.
    """

    def __init__(self, curriculum: CurriculumCallback, tensors: Callable[[], Mapping[str, Tensor]]) -> None:
        super().__init__()
        self.curriculum, self.tensors = curriculum, tensors
        self.before = set(curriculum.solved)
        self.kept: dict[int, Kept] = {}

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        n = self.curriculum.stage.N
        if n in self.curriculum.solved and n not in self.before | set(self.kept):
            tensors = {name: value.detach().clone() for name, value in self.tensors().items()}
            model: Any = self.model
            plain = {"steps": model.num_timesteps, "updates": model._n_updates, "curriculum": self.curriculum.state()}
            self.kept[n] = tensors, plain


class Stop(BaseCallback):
    """Ends training at the first step at which ``interrupted`` returns True.

    Args:
        interrupted: whether training should end; called after every step.

    Attributes:
        asked: whether ``interrupted`` has returned True.
    """

    def __init__(self, interrupted: Callable[[], bool]) -> None:
        super().__init__()
        self.interrupted = interrupted
        self.asked = False

    def _on_step(self) -> bool:
        self.asked = self.asked or self.interrupted()
        return not self.asked
