"""Backpropagation through time: ``train()``, a generator of reports. It knows nothing of files or of printing.

Axes: T steps, B trials, I inputs, H heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from baselines.core import seeds
from baselines.network import RecurrentNetwork, Rollout, head_keys
from baselines.training import losses
from baselines.training.batches import Practice
from baselines.training.curriculum import Curriculum
from baselines.training.losses import LossTerm
from baselines.training.recipes import Recipe
from baselines.training.schedules import Weight
from memory_envs import Task, Trials, task_from_dict


@dataclass(frozen=True)
class Report:
    """One test, and what training was like since the one before.

    Attributes:
        update: updates so far.
        steps: environment steps so far, see ``Learner``.
        task: the stage that was tested.
        scores: accuracy of each of its H heads in the test, by the name of its readout.
        loss: mean since the last test of what is minimised: the weighted sum of the terms.
        losses: mean of each loss term since the last test, without its weight.
        gradient_norm: mean norm of the gradient since the last test, before clipping.
        readings: what the cell tells of itself now.
        solved: the stage is solved, and the curriculum has gone on.
        finished: it was the last one.
        diverged_at: the first update since the last test whose loss or gradient was not finite; None: there is none.
    """

    update: int
    steps: int
    task: Task
    scores: dict[str, float]
    loss: float
    losses: dict[str, float]
    gradient_norm: float
    readings: dict[str, float]
    solved: bool = False
    finished: bool = False
    diverged_at: int | None = None


class Learner:
    """Everything that training changes: weights, the optimiser's moments, the stage, the running test, the counters.

    An environment step is one time step of one trial that was trained on: what an agent that plays these trials would
    have been shown. Each trial of a batch counts with its own length, without the padding behind it. Batches drawn for
    tests alone do not count; those trained on count once, though they are a test too, and however often they are
    trained on (the recipe's ``epochs``).

    Args:
        network: what is trained, on the device where it is to be trained.
        task: the first stage.
        recipe: settings of the optimisation.
        seed: of the trials, the initial states and the new readouts.
        terms: loss terms, of which the weighted sum is minimised. None: the loss of the task alone.
        weights: of the terms, by name; 1 where there is none.
    """

    _sums: dict[str, Tensor]
    """Sums over the batches since the last test."""
    _tested: int
    """How many these are."""

    def __init__(
        self,
        network: RecurrentNetwork,
        task: Task,
        recipe: Recipe,
        *,
        seed: int,
        terms: Mapping[str, LossTerm] | None = None,
        weights: Mapping[str, Weight] | None = None,
    ) -> None:
        self.network = network
        self.recipe = recipe
        self.seed = seed
        self.terms = {"task": losses.task_loss(task)} if terms is None else dict(terms)
        self.weights = dict(weights or {})
        self.update = self.steps = 0
        self._drawn = 0
        self.optimizer = _optimizer(network, recipe)
        self._begin_momentum(network)
        self.set_task(task)

    def set_task(self, task: Task) -> None:
        """Go on with this task from the next update. Nothing is re-initialised; readouts that are missing are added."""
        if not all(task.active):
            raise ValueError(f"task must have all of its heads active, got {task}")
        self.task, self.heads = task, head_keys(task)
        self.practice = Practice(task, self.recipe, self.seed)
        (group,) = self.optimizer.param_groups  # there is one: each costs the optimiser a call of its own
        group["lr"] = self.recipe.learning_rate_at(task.N)
        for key in self.heads:
            if key not in self.network.readouts:
                readout = self.network.add_readout(key, seeds.generator(self.seed, "readout", key))
                self._adopt(readout)
        self._next: Trials | None = None
        self._stage_began = self.update
        self._begin_test()

    def draw(self) -> Trials:
        """The trials of the next update, drawn now if they have not been."""
        if self._next is None:
            self._next = self.practice.batch(self._drawn if self._fresh else self._drawn - 1)
        return self._next

    @property
    def next_steps(self) -> int:
        """Environment steps that the trials drawn for the next update add: 0 where it goes over trials again."""
        return int(self._next.lengths.sum()) if self._next is not None and self._fresh else 0

    def learn(self) -> None:
        """One update. Waits for no result: a GPU is kept busy."""
        network, fresh = self.network, self._fresh
        trials = self.draw()
        self.steps += self.next_steps
        self._drawn += fresh
        rollout, targets, mask = self._roll_out(trials, "state", self.update)
        weights = {name: self.weights[name](self.update) if name in self.weights else 1.0 for name in self.terms}
        loss, terms = losses.evaluate(self.terms, weights, rollout, targets, mask)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(network.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        self.update += 1
        if self._fresh:  # those of the update after this one are others
            self._next = None
        with torch.no_grad():
            if fresh and not self.recipe.test_batches:
                self._score(rollout, targets, mask)
            self._add("gradient_norm", norm)
            self._add("loss", loss)
            # Updates before the first non-finite loss or gradient.
            finite = torch.isfinite(loss + norm)
            self._add("finite", (finite & (self._sums["finite"] == self._tested) if self._tested else finite).long())
            for name, value in terms.items():
                self._add(f"loss_{name}", value)
        self._tested += 1

    def test(self) -> Report:
        """What a test says, on fresh batches or on those since the last test; the next one begins.

        The host waits for the device.
        """
        count = self.recipe.test_batches
        with torch.no_grad():
            for index in range(self.update * count, (self.update + 1) * count):
                self._score(*self._roll_out(self.practice.test_batch(index), "test state", index))
        correct = self._sums["correct"].tolist()
        sums = {name: value.item() for name, value in self._sums.items() if name != "correct"}
        readings = {name: value.item() for name, value in self.network.cell.readings().items()}
        report = Report(
            update=self.update,
            steps=self.steps,
            task=self.task,
            scores={key: n / max(sums["counted"], 1) for key, n in zip(self.heads, correct, strict=True)},
            loss=sums["loss"] / self._tested,
            losses={name: sums[f"loss_{name}"] / self._tested for name in self.terms},
            gradient_norm=sums["gradient_norm"] / self._tested,
            readings=readings,
            diverged_at=self.diverged_at(),
        )
        self._begin_test()
        return report

    def diverged_at(self) -> int | None:
        """The first update since the last test whose loss or gradient was not finite, or None. Waits for the device."""
        finite = int(self._sums["finite"].item()) if self._tested else 0
        return None if finite == self._tested else self.update - self._tested + finite + 1

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that training changes: named tensors, and the rest as plain JSON data."""
        names: dict[Tensor, str] = {parameter: name for name, parameter in self.network.named_parameters()}
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for parameter, moments in self.optimizer.state.items():
            tensors |= {
                f"optimizer.{names[parameter]}.{key}": value for key, value in moments.items() if value is not None
            }
        tensors |= {f"test.{name}": value for name, value in self._sums.items()}
        counters = {"update": self.update, "steps": self.steps, "drawn": self._drawn, "stage_began": self._stage_began}
        plain = {"tested": self._tested, "task": self.task.to_dict(), "readouts": list(self.network.readouts)}
        return tensors, counters | plain

    def restore(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Go on from where ``state`` was taken of a learner that was made with the same arguments."""
        for key in plain["readouts"]:
            if key not in self.network.readouts:
                readout = self.network.add_readout(key)
                self._adopt(readout)
        self.set_task(task_from_dict(plain["task"]))
        self.network.load_state_dict(_under("network.", tensors))
        device = next(self.network.parameters()).device
        for name, parameter in self.network.named_parameters():
            if moments := _under(f"optimizer.{name}.", tensors, device):
                self.optimizer.state[parameter] = moments
        self.update, self.steps, self._tested = plain["update"], plain["steps"], plain["tested"]
        self._drawn, self._stage_began = plain["drawn"], plain["stage_began"]
        self._sums = _under("test.", tensors, device)

    def _adopt(self, readout: nn.Module) -> None:
        """Let the optimiser learn a new readout too, in the one group that there is."""
        self.optimizer.param_groups[0]["params"].extend(readout.parameters())
        self._begin_momentum(readout)

    def _begin_momentum(self, module: nn.Module) -> None:
        # Torch's fused step cannot have momentum for some parameters and none yet for others, as after a new readout.
        # From zeros the first step is the same: its momentum is the gradient.
        if self.optimizer.param_groups[0].get("momentum"):
            for parameter in module.parameters():
                self.optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    @property
    def _fresh(self) -> bool:
        """Whether the next update is the first one on its batch."""
        return (self.update - self._stage_began) % self.recipe.epochs == 0

    def _roll_out(self, trials: Trials, name: str, index: int) -> tuple[Rollout, Tensor, Tensor]:
        """What the network does in some trials, and their targets and mask: from the first step that counts on."""
        network = self.network
        counted = trials.mask.any(axis=1)
        first = int(counted.argmax()) if counted.any() else 0
        state = network.cell.training_state(trials.inputs.shape[1], seeds.generator(self.seed, name, index))
        arrays = (trials.inputs, trials.targets[first:], trials.mask[first:], trials.lengths)
        inputs, targets, mask, lengths = map(self._to_device, arrays)
        rollout = network(inputs, self.heads, state, first_answer=first)
        return replace(rollout, lengths=lengths), targets, mask

    def _score(self, rollout: Rollout, targets: Tensor, mask: Tensor) -> None:
        correct = self.network.correct(rollout.answers, targets) & mask[..., None]
        self._add("correct", correct.sum((0, 1)))
        self._add("counted", mask.sum())

    def _begin_test(self) -> None:
        self._sums = {}
        self._tested = 0

    def _add(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()

    def _to_device(self, array: npt.NDArray[Any]) -> Tensor:
        device = next(self.network.parameters()).device
        tensor = torch.from_numpy(np.require(array, requirements=["C", "W"]))
        if device.type == "cuda":  # a copy from pinned memory does not wait for what the device is doing
            tensor = tensor.pin_memory()
        return tensor.to(device, non_blocking=True)


def train(
    learner: Learner,
    curriculum: Curriculum,
    stop: Callable[[], bool] = lambda: False,
    before_update: Callable[[], None] = lambda: None,
) -> Iterator[Report]:
    """Train through the stages of a curriculum until the last is solved or ``stop()`` says so.

    Args:
        learner: what is trained; between two reports, and after the last, it is the caller's to read and save.
        curriculum: which stage follows.
        stop: asked before every update, whose trials have been drawn.
        before_update: called before every update that is made; the learner can be saved here too.

    Yields:
        A report after each test.
    """
    while True:
        learner.draw()
        if stop():
            return
        before_update()
        learner.learn()
        if learner.update % learner.recipe.test_every == 0:
            report = learner.test()
            task = curriculum(report.task, list(report.scores.values()))
            if task is not None and task != report.task:
                learner.set_task(task)
            yield replace(report, solved=task != report.task, finished=task is None)
            if task is None:
                return


def _under(prefix: str, tensors: Mapping[str, Tensor], device: torch.device | str | None = None) -> dict[str, Tensor]:
    """Copies of the tensors whose names begin with ``prefix``, by the rest of the name, on ``device``."""
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return {name: value.detach().clone().to(device or value.device) for name, value in own.items()}


def _optimizer(network: RecurrentNetwork, recipe: Recipe) -> torch.optim.Optimizer:
    # Fused: one pass over each tensor. Moments and step counts are kept tensor by tensor, so that a new readout starts
    # with its own and leaves the others' alone.
    if recipe.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, fused=True)
    nesterov = recipe.optimizer == "nesterov"
    return torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=nesterov, fused=True
    )
