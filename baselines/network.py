"""A recurrent network: a cell with a linear readout for each answer, and the agent that plays it.

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
"""(t, state (B, S) before step t) -> the state (B, S) from which step t starts instead.

The one hook for ablation, noise and clamping. It acts between two steps: the output of step t - 1 stays as it was."""


@dataclass(frozen=True, eq=False)
class Rollout:
    """The activity and the answers of a network over whole trials.

    Attributes:
        outputs: (T, B, U), the outputs of the cell.
        states: (T, B, S), the states of the cell. Only the last one, (1, B, S), if the caller asked for no others
            (``last_state``).
        answers: (T, B, H, K), the logits of the two labels (K = 2) or the real value (K = 1). Only the last steps,
            fewer than T, if the caller asked for no others (``first_answer``).
        lengths: (B,), the number of steps in each trial; later steps are padding. None: every trial has T steps.
        ahead: how many of the H heads, the last ones, are learned ahead of their stage.
    """

    outputs: Tensor
    states: Tensor
    answers: Tensor
    lengths: Tensor | None = None
    ahead: int = 0


def head_keys(task: Task) -> tuple[str, ...]:
    """The H names of the readouts that answer a task, in the order of its heads.

    If the task has ``heads``, each readout is named after its N: it keeps its name when heads are added or removed.
    Otherwise readouts are numbered from 0, so that the one readout of a single-head task serves every N.
    """
    return tuple(map(str, range(task.num_heads) if task.heads is None else task.heads))


class RecurrentNetwork(nn.Module):
    """A cell with linear readouts; a new readout can be added at any time and changes no other.

    Inputs may be of any type: the cell gets them in that of its state, so a network in double precision plays as well.

    Args:
        cell: the recurrent cell.
        width: K, the numbers that each readout gives (``answer_width``).
        signed: feed the cell 2 x - 1 instead of the inputs x, so that bits become -1 and 1.
    """

    def __init__(self, cell: Cell, width: int, signed: bool = False) -> None:
        super().__init__()
        self.cell = cell
        self.width = width
        self.signed = signed
        self.readouts = nn.ModuleDict()

    def add_readout(self, key: str, generator: torch.Generator | None = None) -> nn.Linear:
        """Add a readout named ``key``; its weights and biases are drawn from U(-1/sqrt(U), 1/sqrt(U)).

        Args:
            key: the name, one of ``head_keys``.
            generator: draws the weights; None: torch's global generator.

        Raises:
            ValueError: the network has a readout of this name already.
        """
        if key in self.readouts:
            raise ValueError(f"key must be a new name, got {key!r}: the network has readouts {list(self.readouts)}")
        like = next(self.cell.parameters())
        # Made on the device "meta": otherwise nn.Linear would draw from torch's global generator.
        readout = nn.Linear(self.cell.output_size, self.width, device="meta", dtype=like.dtype).to_empty(device="cpu")
        bound = 1 / math.sqrt(self.cell.output_size)
        with torch.no_grad():
            for parameter in readout.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
        self.readouts[key] = readout.to(like)
        return readout

    def read(self, outputs: Tensor, heads: Sequence[str]) -> Tensor:
        """The answers of the readouts named in ``heads`` to outputs of the cell: (..., U) -> (..., H, K).

        All readouts are applied in one matrix product.
        """
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
        last_state: bool = False,
    ) -> Rollout:
        """Run the network over whole trials.

        Args:
            inputs: (T, B, I), the inputs of the task.
            heads: the names of the H readouts that answer.
            state: (B, S), the state before the first step. None: the cell's ``initial_state``.
            first_answer: the first step whose answers are computed.
            intervention: called before every step. The cell then runs step by step, which is slower.
            last_state: keep only the last state: a cell may then have a faster way (``Cell.run``).
        """
        if state is None:
            state = self.cell.initial_state(inputs.shape[1])
        if last_state and intervention is None:
            outputs, last = self.cell.run(self.encode(inputs).to(state.dtype), state)
            states = last[None]
        else:
            outputs, states = self.unroll(inputs, state, intervention)
            states = states[-1:] if last_state else states
        return Rollout(outputs, states, self.read(outputs[first_answer:], heads))

    def unroll(self, inputs: Tensor, state: Tensor, intervention: Intervention | None = None) -> tuple[Tensor, Tensor]:
        """Run the cell alone: inputs (T, B, I), state (B, S) -> outputs (T, B, U), states (T, B, S)."""
        inputs = self.encode(inputs).to(state.dtype)
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
        output, state = self.cell.step(self.encode(inputs).to(state.dtype), state)
        return self.read(output, heads), state

    def choose(self, answers: Tensor) -> Tensor:
        """Answers (..., H, K) -> the likelier label, or the real value clipped to [-1, 1]: (..., H)."""
        if self.width == 1:
            return answers[..., 0].clamp(-1, 1)
        return (answers[..., 1] > answers[..., 0]).long()

    def correct(self, answers: Tensor, targets: Tensor) -> Tensor:
        """Which answers (..., H, K) are right for targets (..., H): (..., H) bool, by the environments' criterion."""
        chosen = self.choose(answers)
        return chosen == targets if self.width > 1 else (chosen - targets).abs() < CORRECT_WITHIN

    def encode(self, inputs: Tensor) -> Tensor:
        """The task's inputs (..., I) as the cell gets them, (..., I): see ``signed``."""
        return 2 * inputs - 1 if self.signed else inputs


def answer_width(task: Task) -> int:
    """K, the numbers that a readout gives for this task: 1 for real values, or the logits of the two labels."""
    return 1 if task.real_valued else 2


class NetworkAgent:
    """A network as an agent (``baselines.evaluation.Agent``): it carries the network's state from step to step.

    Args:
        network: the network; it needs a readout for each head of the task.
        task: the task that is played; its heads choose the readouts.

    Raises:
        ValueError: the network lacks a readout.
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
        """Answer one observation or B observations at once.

        Args:
            observation: (I,) or (B, I), what is shown now.
            state: the state that the previous call returned, one array (B, S) in a tuple. None at the first step.
            episode_start: (B,) bool, which observations begin a trial: these start from the cell's initial state.
            deterministic: without effect, because a network's answers are never drawn.

        Returns:
            The likelier labels or the real values, shaped like the task's actions, and the state for the next call.
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
        chosen = _array(self.network.choose(answers))
        return chosen.reshape((*shown.shape[:-1], *self.task.answer_shape)), (_array(now),)


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    # NumPy has no bfloat16; float32 holds all of its values.
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).cpu().numpy()
