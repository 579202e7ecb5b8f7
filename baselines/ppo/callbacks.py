"""A curriculum in reinforcement learning, as one callback of Stable-Baselines3.

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
    """N grows when the recent accuracy of the answers, as they were drawn in training, passes the threshold.

    The curricula are ``training.curriculum``'s. A single head plays the stage's task. Several heads live in one
    action space, that of all N; those of the stage are active, the others are neither paid (``active_heads`` of the
    task) nor part of the policy's gradient (``CellPolicy.set_active_heads``). ::

        callback = CurriculumCallback(SingleHead(n_max=8, threshold=0.95), Parity())
        model = RecurrentPPO(CellPolicy, make_sb3_vec_env(callback.task, 64))
        model.learn(10**6, callback)

    Where a single readout goes on to the next N, a policy that has become sure of its answers would no longer try
    others: so its readout begins the stage small, with the same answers likeliest and all of them drawn.

    A stage begins between two rollouts, in all columns at once: trials in progress are dropped, so that no answer is
    learned from under the rules of another stage. Training ends when the last stage is solved.

    Args:
        curriculum: the stages.
        task: before the curriculum sets its N.
        least_answers: counted answers that a test of the accuracy needs; tests take whole rollouts, and none twice.
        trial_length: steps in a trial, in multiples of the stage's N, where the task lets one choose. None: its own.
        readout_scale: factor of the readout's weights when a single head with labels begins a new stage; 1: none.

    Attributes:
        stage: what the curriculum has come to.
        solved: N of the stages solved -> environment steps at that time.
        scores: accuracy of each head in its last test, by the names of ``head_keys``.
        finished: the last stage is solved.

    Raises:
        ValueError, TypeError: an argument cannot be.
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
        self._all = None if getattr(self.stage, "heads", None) is None else task.replace(heads=curriculum.ns)
        self._next: Task | None = None
        self.solved: dict[int, int] = {}
        self.scores: dict[str, float] = {}
        self.finished = False
        self._forget()

    @property
    def task(self) -> Task:
        """What the environment plays now; make it for this."""
        stage = self.stage if self.trial_length is None else with_length(self.stage, self.trial_length)
        if self._all is None:
            return stage
        length = {"num_steps": stage.num_steps} if stage.free_length else {}
        return self._all.replace(active_heads=stage.heads, **length)

    def state(self) -> dict[str, Any]:
        """Everything that changes, as plain JSON data; between two calls of ``learn`` there is nothing else."""
        return {
            "stage": self.stage.to_dict(),
            "solved": [[n, steps] for n, steps in self.solved.items()],
            "scores": dict(self.scores),
            "finished": self.finished,
            "correct": [int(n) for n in self._correct],
            "counted": self._counted,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state()`` of a callback that was made with the same arguments."""
        self.stage = task_from_dict(state["stage"])
        self.solved = dict(state["solved"])
        self.scores, self.finished = state["scores"], state["finished"]
        self._correct, self._counted = np.array(state["correct"]), state["counted"]

    def _on_training_start(self) -> None:
        if self.training_env.get_attr("task", 0) != [self.task]:
            self._begin_stage()
        self._choose_heads()

    def _on_step(self) -> bool:
        if self.finished:  # this step is learned from no more: it is not counted
            self.model.num_timesteps -= self.training_env.num_envs
            return False
        infos = self.locals["infos"]
        # False wherever an answer does not count or is not asked for.
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
        if following != self.stage:
            self.solved[self.stage.N] = self.num_timesteps
            self._next, self.finished = following, following is None

    # The rollout is learned from before the next one starts: until then the old stage's heads are active.
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
        # Real values have a noise of their own.
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
"""The tensors and the plain data of a checkpoint."""


class StepSize(BaseCallback):
    """The step size of the curriculum's stage; 0 once the last is solved, so that what solved it is what is kept."""

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
    """Keeps the network that solved a stage: as it answered, before it learns from that and goes on to the next stage.

    Attributes:
        kept: N of each stage solved in this part -> what its checkpoint has of its own.
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
    """Ends training as soon as somebody asks for it."""

    def __init__(self, interrupted: Callable[[], bool]) -> None:
        super().__init__()
        self.interrupted = interrupted
        self.asked = False

    def _on_step(self) -> bool:
        self.asked = self.asked or self.interrupted()
        return not self.asked
