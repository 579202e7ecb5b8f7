"""Backpropagation through time: ``train()`` is a generator of reports. It writes no files and prints nothing.

Axes: T steps, B trials, I inputs, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from baselines.cells import Cell
from baselines.core import seeds
from baselines.network import RecurrentNetwork, Rollout, head_keys
from baselines.training import losses
from baselines.training.averaging import AveragedWeights
from baselines.training.batches import Practice
from baselines.training.checkpoint import FLOATS, Like, check_tensors, moments_of, weights_of
from baselines.training.curriculum import Curriculum
from baselines.training.growth import Enlargement, Growth
from baselines.training.losses import LossTerm
from baselines.training.optimizer import clip, new_optimizer
from baselines.training.passing import SequentialTest
from baselines.training.recipes import Recipe
from baselines.training.schedules import Weight
from baselines.training.streams import Streams
from memory_envs import Task, Trials, task_from_dict


@dataclass(frozen=True)
class Report:
    """The result of one test, with averages over the training updates since the test before.

    Attributes:
        update: the number of updates so far.
        steps: the number of environment steps so far; see ``Learner``.
        task: the task of the stage that was tested.
        scores: the accuracy of each of the task's H heads in the test, by the name of the readout.
        loss: the mean of the minimised loss (the weighted sum of the terms) since the last test.
        losses: the mean of each loss term since the last test, without its weight.
        gradient_norm: the mean norm of the gradient since the last test, before clipping.
        readings: quantities that the cell reports about itself now, such as its mean time constant.
        solved: whether the stage is solved; the curriculum has then moved on.
        finished: whether the solved stage was the last one.
        diverged_at: the first update since the last test whose loss or gradient was not finite; None if all were.
        passed: whether the stage is passed by a sequential test. None: the recipe has no such test.
        tested: whether a sequential test was made: the scores are those of its fresh trials, by the averaged weights if
            there are some. Otherwise they are those of the training trials or of the recipe's test batches.
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
    passed: bool | None = None
    tested: bool = False


class Learner:
    """Everything that training changes: weights, the optimiser's moments, the stage, the running test, the counters.

    An environment step is one time step of one training trial, as an agent that plays the trial would see it. Each
    trial of a batch counts with its own length, without padding. A training batch counts once, even if the recipe's
    ``epochs`` train on it several times. Batches that are only tested on do not count.

    Args:
        network: the network to train, already on its device.
        task: the task of the first stage.
        recipe: the settings of the optimisation.
        seed: the seed of the run, for trials, initial states and new readouts.
        terms: the loss terms by name; their weighted sum is minimised. None: the loss of the task alone.
        weights: the weight of each term, by name. A missing weight is 1.
        growth: when the cell grows, and to what; None: never.
        new_terms: makes the loss terms for a cell that has grown. None: the terms do not depend on the cell.
        ahead: further N whose heads are learned ahead of their stage, in the first stage.

    Raises:
        ValueError: the task has inactive heads.
    """

    RUNAWAY = 1e3
    """A stream has run away when its state's largest number is so many times as large as the median over the streams.

    The activity of a network that answers well may grow without end after a rare sequence of bits. Such a stream
    teaches once, and then counts no more until another one begins in its place.
    """
    PATIENCE = 0.15
    """By which share of its age a stage must grow older after a test that it failed."""

    _sums: dict[str, Tensor]
    """Sums over the updates since the last test, by name."""
    _tested: int
    """The number of updates since the last test."""
    _carried: Tensor
    """The state (B, S) in which the next window of the streams begins; NaN in a stream that has run away."""

    def __init__(
        self,
        network: RecurrentNetwork,
        task: Task,
        recipe: Recipe,
        *,
        seed: int,
        terms: Mapping[str, LossTerm] | None = None,
        weights: Mapping[str, Weight] | None = None,
        growth: Growth | None = None,
        new_terms: Callable[[Cell], Mapping[str, LossTerm]] | None = None,
        ahead: Sequence[int] = (),
    ) -> None:
        self.network = network
        self.growth, self._new_terms = growth, new_terms
        self.recipe = recipe
        self.seed = seed
        self.terms = {"task": losses.task_loss(task)} if terms is None else dict(terms)
        self.weights = dict(weights or {})
        self.update = self.steps = 0
        self._drawn = 0
        self.optimizer = new_optimizer(network, recipe)
        self._begin_momentum(network)
        self.averaged = AveragedWeights(network, recipe.averaged) if recipe.averaged else None
        self.streams: Streams | None = None
        self.set_task(task, ahead)

    def set_task(self, task: Task, ahead: Sequence[int] = ()) -> None:
        """Train on this task from the next update on. Weights are kept; missing readouts are added.

        Args:
            task: the task of the stage.
            ahead: further N whose heads are learned ahead of their stage.

        Raises:
            ValueError: the task has inactive heads.
        """
        if not all(task.active):
            raise ValueError(f"task must have all of its heads active, got {task}")
        self.task, self.heads = task, head_keys(task)
        # All heads count from the first step on at which the largest N ahead has an answer. So the first answers of the
        # newest head after a start are not trained; with them both networks that were tried were slower from N = 50 on.
        self.trained = task.replace(heads=(*(task.heads or ()), *ahead)) if ahead else task
        self.practice = Practice(task, self.recipe, self.seed)
        self.training_practice = Practice(self.trained, self.recipe, self.seed)
        if self.growth is not None and self.growth.at <= task.N:
            self.grow(self.growth.units)
        (group,) = self.optimizer.param_groups
        group["lr"] = self.recipe.learning_rate_at(task.N)
        for key in head_keys(self.trained):
            if key not in self.network.readouts:
                readout = self.network.add_readout(key, seeds.generator(self.seed, "readout", key))
                self._adopt(readout)
        if self.averaged is not None:
            self.averaged.adopt()
        if self.recipe.stream_steps:
            self._set_streams()
        self._next: Trials | None = None
        self._stage_began = self._check_due = self.update
        self._begin_test()

    def grow(self, units: int) -> None:
        """Give the cell more units. Answers stay what they are, and the optimiser's moments are kept."""
        if self.network.cell.output_size >= units:
            return
        assert self.growth is not None
        cell = self.growth.new_cell(units)
        state = None if self.streams is None else self._carried
        names = {id(parameter): name for name, parameter in self.network.named_parameters()}
        moments = {names[id(parameter)]: moment for parameter, moment in self.optimizer.state.items()}
        larger = Enlargement(self.network, cell)
        self.optimizer = new_optimizer(self.network, self.recipe)
        for name, parameter in self.network.named_parameters():
            self.optimizer.state[parameter] = {
                key: larger.moments(name, value) if isinstance(value, Tensor) else value
                for key, value in moments.get(name, {}).items()
            }
        if self.averaged is not None:
            parameters = dict(self.network.named_parameters())
            self.averaged.restore(
                {name: larger.weights(name, value, parameters[name]) for name, value in self.averaged.weights.items()}
            )
        if state is not None:
            drawn = self.network.cell.training_state(len(state), seeds.generator(self.seed, "grown", self.update))
            self._carried = larger.state(state, drawn)
        if self._new_terms is not None:
            self.terms = dict(self._new_terms(self.network.cell))

    def _set_streams(self) -> None:
        """Ask the questions of the stage of the streams; begin them if there are none yet."""
        if self.streams is None:
            recipe = self.recipe
            self.streams = Streams(
                self.trained, recipe.batch_size, recipe.stream_steps, recipe.stream_length, self.seed
            )
            self._carried = self.network.cell.initial_state(recipe.batch_size).detach()
        else:
            self.streams.set_task(self.trained)

    def draw(self) -> Trials:
        """The trials of the next update, drawn now if they have not been."""
        if self._next is None:
            if self.streams is not None:
                self._next, self._begun = self.streams.draw()
            else:
                self._next = self.training_practice.batch(self._drawn if self._fresh else self._drawn - 1)
        return self._next

    @property
    def next_steps(self) -> int:
        """Environment steps of the trials drawn for the next update: 0 where it trains on the same trials again."""
        return int(self._next.lengths.sum()) if self._next is not None and self._fresh else 0

    def learn(self) -> None:
        """Make one update. It never waits for a result, so that a GPU is kept busy."""
        fresh = self._fresh
        trials = self.draw()
        self.steps += self.next_steps
        self._drawn += fresh
        if self.streams is None:
            state = self._start(len(trials.lengths), "state", self.update)
        else:
            state = self._carried
            if self._begun.any():
                begun = torch.from_numpy(self._begun[:, None]).to(state.device)
                state = torch.where(begun, self._start(len(state), "state", self.update), state)
            alive = ~state.isnan().any(1)
            state = torch.where(alive[:, None], state, 0.0)
        heads = head_keys(self.trained)
        rollout, targets, mask = self._roll_out(trials, heads, state)
        rollout = replace(rollout, ahead=len(heads) - len(self.heads))
        if self.streams is not None:
            assert rollout.lengths is not None
            rollout, mask = replace(rollout, lengths=rollout.lengths * alive), mask & alive
        weights = {name: self.weights[name](self.update) if name in self.weights else 1.0 for name in self.terms}
        loss, terms = losses.evaluate(self.terms, weights, rollout, targets, mask)
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        norm = clip(self.optimizer, self.recipe.clip_norm)
        self.optimizer.step()
        if self.averaged is not None:
            self.averaged.update(self.update - self._stage_began)
        self.update += 1
        if self.streams is not None:
            self.streams.advance()
            self._carried = self._alive(rollout.states[-1].detach(), alive)
        if self._fresh:  # the next update takes new trials
            self._next = None
        with torch.no_grad():
            if fresh and not self.recipe.test_batches:
                own = len(self.heads)
                self._score(replace(rollout, answers=rollout.answers[..., :own, :]), targets[..., :own], mask)
            self._add("gradient_norm", norm)
            self._add("loss", loss)
            # Updates before the first non-finite loss or gradient.
            finite = torch.isfinite(loss + norm)
            self._add("finite", (finite & (self._sums["finite"] == self._tested) if self._tested else finite).long())
            for name, value in terms.items():
                self._add(f"loss_{name}", value)
        self._tested += 1

    def _alive(self, states: Tensor, alive: Tensor) -> Tensor:
        """The states (B, S) after a window, NaN in streams that have run away now or (``alive``, (B,)) before."""
        size = states.abs().amax(1)
        alive = alive & (size <= self.RUNAWAY * size.nanmedian())
        return torch.where(alive[:, None], states, torch.nan)

    def test(self, threshold: float | None = None) -> Report:
        """Report accuracy, on fresh batches or on the training batches since the last test, and begin the next test.

        The host waits for the device here.

        Args:
            threshold: the accuracy of a sequential test, where the recipe has one. None: without such a test.
        """
        count = self.recipe.test_batches
        with self._tested_weights(), torch.no_grad():
            for index in range(self.update * count, (self.update + 1) * count):
                self._score(*self._roll_out_test(index))
        sequential = self.recipe.sequential_test > 0 and threshold is not None
        tested = sequential and self._is_promising(threshold or 0.0)
        passed = (tested and self._pass(threshold or 0.0)) if sequential else None
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
            passed=passed,
            tested=tested,
        )
        self._begin_test()
        return report

    def _is_promising(self, threshold: float) -> bool:
        """Whether a sequential test is worth its while.

        It takes as long as some updates. So it is made only where the training trials look promising, and after a test
        that was failed not before the stage is older by ``PATIENCE``.
        """
        latest = float(self._sums["correct"][-1]) / max(float(self._sums["counted"]), 1)
        return self.update >= self._check_due and latest >= 1 - max(5 * (1 - threshold), 0.1)

    def _pass(self, threshold: float) -> bool:
        """Whether the network passes the stage by a sequential test; the scores become those of the test's trials."""
        newest, mean = SequentialTest(threshold), SequentialTest(threshold)
        correct = counted = torch.zeros(())
        with self._tested_weights(), torch.no_grad():
            for index in range(self.recipe.sequential_test):
                rollout, targets, mask = self._roll_out_test(self.update * self.recipe.sequential_test + index)
                right = self.network.correct(rollout.answers, targets) & mask[..., None]
                answers = mask.sum(0)
                newest.add(answers.tolist(), right[..., -1].sum(0).tolist())
                mean.add((answers * right.shape[-1]).tolist(), right.sum((0, 2)).tolist())
                correct, counted = correct + right.sum((0, 1)), counted + mask.sum()
                decided = [test for test in (newest, mean) if test.decided]
                if len(decided) == 2 or any(not test.passed for test in decided):
                    break
        self._sums["correct"], self._sums["counted"] = correct, counted
        self._check_due = self.update + math.ceil(self.PATIENCE * (self.update - self._stage_began))
        return newest.passed and mean.passed

    def _tested_weights(self) -> AbstractContextManager[None]:
        """Within the block, the network has the weights that are tested and played: averaged ones, if there are."""
        return nullcontext() if self.averaged is None else self.averaged.in_use()

    def diverged_at(self) -> int | None:
        """The first update since the last test whose loss or gradient was not finite, or None.

        The host waits for the device here.
        """
        finite = int(self._sums["finite"].item()) if self._tested else 0
        return None if finite == self._tested else self.update - self._tested + finite + 1

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that training changes: tensors by name, and all other data in a form that JSON can hold."""
        names: dict[Tensor, str] = {parameter: name for name, parameter in self.network.named_parameters()}
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for parameter, moments in self.optimizer.state.items():
            tensors |= {
                f"optimizer.{names[parameter]}.{key}": value for key, value in moments.items() if value is not None
            }
        tensors |= {f"test.{name}": value for name, value in self._sums.items()}
        counters = {"update": self.update, "steps": self.steps, "drawn": self._drawn, "stage_began": self._stage_began}
        plain: dict[str, Any] = {
            "tested": self._tested,
            "task": self.task.to_dict(),
            "readouts": list(self.network.readouts),
        }
        if self.averaged is not None:
            tensors |= {f"averaged.{name}": value for name, value in self.averaged.weights.items()}
        if self.streams is not None:
            tensors["carried"] = self._carried
            plain["streams"] = self.streams.state()
        if self.growth is not None:
            plain["units"] = self.network.cell.output_size
        if self.recipe.heads_ahead:
            plain["ahead"] = list(self.trained.heads or ())[len(self.heads) :]
        if self.recipe.sequential_test:
            plain["check_due"] = self._check_due
        return tensors, counters | plain

    def restore(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None:
        """Continue from a ``state`` that was taken from a learner with the same arguments.

        Args:
            tensors: the tensors of the state, by name.
            plain: the other data of the state.

        Raises:
            ValueError: a tensor is missing, unknown, or has another shape or dtype than here.
        """
        for key in plain["readouts"]:
            if key not in self.network.readouts:
                readout = self.network.add_readout(key)
                self._adopt(readout)
        if self.growth is not None:
            if plain["units"] not in (self.recipe.units, self.growth.units):
                raise ValueError(f"units must be {self.recipe.units} or {self.growth.units}, got {plain['units']}")
            self.grow(plain["units"])
        self.set_task(task_from_dict(plain["task"]), plain.get("ahead", ()))
        moments = moments_of(self.network, self.optimizer, "optimizer.")
        needed = weights_of(self.network, "network.") | self._sums_like(plain["tested"] > 0)
        if self.averaged is not None:
            needed |= {f"averaged.{name}": Like.of(value) for name, value in self.averaged.weights.items()}
        if self.streams is not None:
            needed["carried"] = Like.of(self._carried)
        check_tensors(tensors, needed, moments)
        self.network.load_state_dict(_under("network.", tensors))
        device = next(self.network.parameters()).device
        for name, parameter in self.network.named_parameters():
            if own := _under(f"optimizer.{name}.", tensors, device):
                self.optimizer.state[parameter] = own
        self.update, self.steps, self._tested = plain["update"], plain["steps"], plain["tested"]
        self._drawn, self._stage_began = plain["drawn"], plain["stage_began"]
        self._sums = _under("test.", tensors, device)
        self._check_due = plain.get("check_due", 0)
        if self.averaged is not None:
            self.averaged.restore(_under("averaged.", tensors, device))
        if self.streams is not None:
            self.streams.restore(plain["streams"])
            self._carried = tensors["carried"].to(device)

    def _sums_like(self, begun: bool) -> dict[str, Like]:
        """What the sums since the last test are, by their names in a state; none before the first update after it."""
        if not begun:
            return {}
        counts = {"finite": Like((), (torch.int64,))}
        if not self.recipe.test_batches:
            counts |= {"correct": Like((len(self.heads),), (torch.int64,)), "counted": Like((), (torch.int64,))}
        numbers = ("gradient_norm", "loss", *(f"loss_{name}" for name in self.terms))
        return {f"test.{name}": like for name, like in (counts | dict.fromkeys(numbers, Like((), FLOATS))).items()}

    def _adopt(self, readout: nn.Module) -> None:
        """Add a new readout to the optimiser's only parameter group."""
        self.optimizer.param_groups[0]["params"].extend(readout.parameters())
        self._begin_momentum(readout)

    def _begin_momentum(self, module: nn.Module) -> None:
        # Torch's fused step fails where some parameters have momentum and others have none yet, as after a new readout.
        # Zeros change nothing: the momentum of the first step is then the gradient, as without them.
        if self.optimizer.param_groups[0].get("momentum"):
            for parameter in module.parameters():
                self.optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    @property
    def _fresh(self) -> bool:
        """Whether the next update is the first one on its batch."""
        return (self.update - self._stage_began) % self.recipe.epochs == 0

    @property
    def _last_state(self) -> bool:
        """Whether nobody reads the states of the steps between.

        On whole trials they are computed all the same: an LSTM would get the same weights up to rounding only, but
        stored runs on whole trials are repeated to the bit.
        """
        return self.streams is not None and not any(map(losses.reads_states, self.terms.values()))

    def _start(self, trials: int, name: str, index: int) -> Tensor:
        return self.network.cell.training_state(trials, seeds.generator(self.seed, name, index))

    def _roll_out_test(self, index: int) -> tuple[Rollout, Tensor, Tensor]:
        trials = self.practice.test_batch(index)
        return self._roll_out(trials, self.heads, self._start(len(trials.lengths), "test state", index))

    def _roll_out(self, trials: Trials, heads: Sequence[str], state: Tensor) -> tuple[Rollout, Tensor, Tensor]:
        """Run the network on trials.

        Returns:
            The rollout, the targets (T', B, H) and the mask (T', B): the T' steps from the first that counts on.
        """
        counted = trials.mask.any(axis=1)
        first = int(counted.argmax()) if counted.any() else 0
        arrays = (trials.inputs, trials.targets[first:], trials.mask[first:], trials.lengths)
        inputs, targets, mask, lengths = map(self._to_device, arrays)
        rollout = self.network(inputs, heads, state, first_answer=first, last_state=self._last_state)
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
        if device.type == "cuda":  # a copy from pinned memory does not wait until the device is idle
            tensor = tensor.pin_memory()
        return tensor.to(device, non_blocking=True)


def train(
    learner: Learner,
    curriculum: Curriculum,
    stop: Callable[[], bool] = lambda: False,
    before_update: Callable[[], None] = lambda: None,
) -> Iterator[Report]:
    """Train through the stages of a curriculum until the last one is solved or ``stop()`` is true.

    Args:
        learner: the learner to train. The caller may read and save it after each report and after the last update.
        curriculum: chooses the next task after each test.
        stop: called before every update, whose trials have been drawn; training ends once it returns True.
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
            report = learner.test(curriculum.threshold_at(learner.task.N))
            if report.passed is None:
                task = curriculum(report.task, list(report.scores.values()))
            else:
                task = curriculum.after(report.task) if report.passed else report.task
            if task is not None and task != report.task:
                learner.set_task(task, curriculum.ahead(task, learner.recipe.heads_ahead))
            yield replace(report, solved=task != report.task, finished=task is None)
            if task is None:
                return


def _under(prefix: str, tensors: Mapping[str, Tensor], device: torch.device | str | None = None) -> dict[str, Tensor]:
    """Copies on ``device`` of the tensors whose names begin with ``prefix``, by their names without it."""
    own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
    return {name: value.detach().clone().to(device or value.device) for name, value in own.items()}
