"""The environment in which an agent is trained: the native one, which counts its steps and ends with the budget."""

from __future__ import annotations

from typing import Any

from gymnasium.vector import AutoresetMode

from memory_envs import MemoryVectorEnv, Task
from memory_envs.vector_env import Step


class BudgetSpent(BaseException):
    """The step would take more than the budget: training is over.

    Like ``SystemExit`` it is not an ``Exception``: a training loop that catches every ``Exception`` must end, too.
    """


class CountedEnv(MemoryVectorEnv):
    """``MemoryVectorEnv`` with a budget of environment steps, those of all columns together.

    Everything else is as in ``MemoryVectorEnv``: ``task``, ``set_task``, infos, seeds.

    Args:
        task: what is played, until ``set_task`` says otherwise.
        num_envs: columns, B.
        total_steps: the budget, in environment steps.
        seed: column i begins the stream of ``seed`` + i; ``reset`` without a seed goes on with it.
        autoreset_mode: see ``MemoryVectorEnv``. In mode ``"NextStep"`` the step that resets a column counts as well.

    Attributes:
        steps: environment steps taken so far, of all columns together.
    """

    def __init__(
        self, task: Task, num_envs: int, *, total_steps: int, seed: int, autoreset_mode: str | AutoresetMode
    ) -> None:
        super().__init__(task, num_envs, autoreset_mode=autoreset_mode)
        self.total_steps = total_steps
        self.steps = 0
        self._spent = False
        self.reset(seed=seed)

    def step(self, actions: Any) -> Step:
        """One step in every column; see ``MemoryVectorEnv.step``.

        Raises:
            BudgetSpent: the step would take more than the budget, or training is over.
        """
        if self._spent or self.steps + self.num_envs > self.total_steps:
            raise BudgetSpent(f"{self.steps} of {self.total_steps} environment steps are taken")
        answer = super().step(actions)
        self.steps += self.num_envs
        return answer

    def end_training(self) -> None:
        """Allow no further step, whatever is left of the budget: an agent may have kept this environment."""
        self._spent = True
