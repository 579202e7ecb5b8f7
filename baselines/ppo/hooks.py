"""What a run adds to Stable-Baselines3's training: the step size of a stage, what solved one, and somebody's Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import FloatSchedule
from torch import Tensor

from baselines.ppo.callback import CurriculumCallback
from baselines.ppo_recipes import PPORecipe

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
