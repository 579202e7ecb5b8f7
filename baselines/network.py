"""A recurrent network: a cell and one linear readout for each answer.

Axes: T steps, B trials, I inputs, H heads, K numbers a head (2 logits, or 1 real value), U units, S state size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from baselines.cells import Cell
from memory_envs import Task
from memory_envs.task import CORRECT_WITHIN

Intervention = Callable[[int, Tensor], Tensor]
"""(t, state (B, S) that step t is about to start from) -> the state that it starts from instead.

The one hook for ablation, noise and clamping. It acts between steps: what the cell put out at step t - 1 stands."""


@dataclass(frozen=True, eq=False)
class Rollout:
    """What a network did over whole trials.

    Attributes:
        outputs: (T, B, U), the cell's output.
        states: (T, B, S), the cell's state.
        answers: (T, B, H, K), logits of the two labels, or the value itself with K = 1; of the last steps alone, where
            no others were asked for.
        lengths: (B,), steps in each trial, the rest being padding. None: T in each.
    """

    outputs: Tensor
    states: Tensor
    answers: Tensor
    lengths: Tensor | None = None


def head_keys(task: Task) -> tuple[str, ...]:
    """The names under which a network keeps its readouts for a task's H answers.

    A task with ``heads`` has one for each N, the same whatever the others are. Elsewhere they go by position, so that
    the one readout of a single-head task is re-used as its N grows.
    """
    heads: tuple[int, ...] | None = getattr(task, "heads", None)
    return tuple(map(str, range(task.num_heads) if heads is None else heads))


class RecurrentNetwork(nn.Module):
    """A cell with readouts that can be added at any time without touching what is there.

    Args:
        cell: the recurrent part.
        width: K, numbers a readout gives.
        signed: the cell gets 2 x - 1 for inputs x: -1 and 1 for bits.
    """

    def __init__(self, cell: Cell, width: int, signed: bool = False) -> None:
        super().__init__()
        self.cell = cell
        self.width = width
        self.signed = signed
        self.readouts = nn.ModuleDict()

    def add_readout(self, key: str, generator: torch.Generator | None = None) -> nn.Linear:
        """A new readout called ``key``; weights and biases ~ U(-1/sqrt(U), 1/sqrt(U)).

        Raises:
            ValueError: there is one of this name.
        """
        if key in self.readouts:
            raise ValueError(f"key must be new, got {key!r}; there are {list(self.readouts)}")
        like = next(self.cell.parameters())
        # By way of "meta", for nn.Linear would draw from torch's global generator.
        readout = nn.Linear(self.cell.output_size, self.width, device="meta").to_empty(device="cpu")
        bound = 1 / math.sqrt(self.cell.output_size)
        with torch.no_grad():
            for parameter in readout.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
        self.readouts[key] = readout.to(like)
        return readout

    def read(self, outputs: Tensor, heads: Sequence[str]) -> Tensor:
        """The answers of some readouts to the cell's outputs: (..., U) -> (..., H, K), in one product."""
        readouts = [self.readouts[key] for key in heads]
        weight, bias = (torch.cat([getattr(readout, name) for readout in readouts]) for name in ("weight", "bias"))
        answers = nn.functional.linear(outputs, weight, bias)
        return answers.view(*outputs.shape[:-1], len(readouts), self.width)

    def forward(
        self,
        inputs: Tensor,
        heads: Sequence[str],
        state: Tensor | None = None,
        first_answer: int = 0,
        intervention: Intervention | None = None,
    ) -> Rollout:
        """Whole trials: inputs (T, B, I) -> what the network did.

        Args:
            inputs: (T, B, I).
            heads: which readouts answer, H of them.
            state: before the first step, (B, S); None: the cell's ``initial_state``.
            first_answer: the first step that is read out.
            intervention: called before every step. The cell then goes step by step, which is slower.
        """
        if state is None:
            state = self.cell.initial_state(inputs.shape[1])
        outputs, states = self.unroll(inputs, state, intervention)
        return Rollout(outputs, states, self.read(outputs[first_answer:], heads))

    def unroll(self, inputs: Tensor, state: Tensor, intervention: Intervention | None = None) -> tuple[Tensor, Tensor]:
        """The cell over whole trials, not read out: (T, B, I), (B, S) -> outputs (T, B, U), states (T, B, S)."""
        inputs = self.encode(inputs)
        if intervention is None:
            return self.cell.unroll(inputs, state)
        passed = []
        for t, now in enumerate(inputs):
            output, state = self.cell.step(now, intervention(t, state))
            passed.append((output, state))
        outputs, states = zip(*passed, strict=True)
        return torch.stack(outputs), torch.stack(states)

    def step(self, inputs: Tensor, heads: Sequence[str], state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: inputs (B, I), state (B, S) -> answers (B, H, K), new state (B, S)."""
        output, state = self.cell.step(self.encode(inputs), state)
        return self.read(output, heads), state

    def choose(self, answers: Tensor) -> Tensor:
        """What is answered: (..., H, K) -> the likelier label, or the value cut to [-1, 1]: (..., H)."""
        if self.width == 1:
            return answers[..., 0].clamp(-1, 1)
        return (answers[..., 1] > answers[..., 0]).long()

    def correct(self, answers: Tensor, targets: Tensor) -> Tensor:
        """Which answers (..., H, K) are right for targets (..., H), by the environments' criterion: (..., H) bool."""
        chosen = self.choose(answers)
        return chosen == targets if self.width > 1 else (chosen - targets).abs() < CORRECT_WITHIN

    def encode(self, inputs: Tensor) -> Tensor:
        """What the cell gets of the task's inputs, (..., I)."""
        return 2 * inputs - 1 if self.signed else inputs


def answer_width(task: Task) -> int:
    """K, the numbers that a readout gives for a task: 1 for real values, else one logit for each of the two labels."""
    return 1 if task.real_valued else 2


class NetworkAgent:
    """A trained network as an agent: it carries the network's state from step to step.

    Args:
        network: it must have a readout for each of the task's heads.
        task: the task it plays, which says which readouts answer.
    """

    def __init__(self, network: RecurrentNetwork, task: Task) -> None:
        self.network = network
        self.task = task
        self.heads = head_keys(task)
        if missing := [key for key in self.heads if key not in network.readouts]:
            raise ValueError(f"task must ask for heads among {list(network.readouts)}, got {task} (no {missing})")

    @torch.no_grad()
    def predict(
        self,
        observation: npt.ArrayLike,
        state: tuple[npt.NDArray[np.float32], ...] | None = None,
        episode_start: npt.ArrayLike | None = None,
        deterministic: bool = True,
    ) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[np.float32], ...]]:
        """The likelier label (or the value) for one observation (I,) or for B of them (B, I), and the state.

        Args:
            observation: what is shown now.
            state: what the last call returned, one array (B, S); None at the start.
            episode_start: (B,) bool, which observations begin a trial: there the cell's initial state is taken.
            deterministic: has no effect; nothing is drawn.
        """
        like = next(self.network.parameters())
        shown = np.asarray(observation, np.float32)
        inputs = torch.from_numpy(shown.reshape(-1, shown.shape[-1])).to(like)
        start = self.network.cell.initial_state(len(inputs))
        now: Tensor = start if state is None else torch.from_numpy(state[0]).to(like)
        if episode_start is not None:
            fresh = torch.from_numpy(np.array(episode_start, np.bool_).reshape(-1, 1)).to(like.device)
            now = torch.where(fresh, start, now)
        answers, now = self.network.step(inputs, self.heads, now)
        chosen = self.network.choose(answers).cpu().numpy()
        return chosen.reshape((*shown.shape[:-1], *self.task.answer_shape)), (now.cpu().numpy(),)
