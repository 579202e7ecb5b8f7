"""How well a network answers, whatever is done to it.

Axes: T steps, B trials, I inputs, H heads, U units, S state size, V variants of a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.analysis import stimuli
from baselines.analysis.settings import ProbeSettings
from baselines.analysis.subject import Subject
from baselines.core.settings import SettingsError
from baselines.core.statistics import share_intervals
from baselines.core.tables import Column
from baselines.network import Intervention, RecurrentNetwork, head_keys
from memory_envs import Task

_BLOCK = 10_000_000  # numbers of activity that are kept at once: 40 MB

ACCURACY = (
    Column("accuracy", "share of right answers to the largest N (tasks without such heads: to all)"),
    Column("low", "lower end of its 95 % interval: Wilson's for the effective number of answers, trials independent"),
    Column("high", "upper end of that interval"),
    Column("baseline", "accuracy of the network as it is"),
    Column(
        "relative",
        "(accuracy - chance) / (baseline - chance), empty where the baseline is not above chance; chance: accuracy of "
        "the best constant answer to the inputs played (0.5 unless p is not 0.5; of real values that of answering 0)",
    ),
)

RELATIVE = "relative accuracy\n(0: chance, 1: unharmed)"
"""What figures call the column ``relative``."""


def probed_task(subject: Subject, n: int, settings: ProbeSettings, *, known: bool = True) -> Task:
    """The task by which accuracy for one N is measured: that N alone, on a long stream where the task has one.

    Args:
        subject: the network and its task.
        n: the N.
        settings: how accuracy is measured.
        known: whether the network must have a readout for that N.

    Raises:
        SettingsError: the network has no such readout, or ``task_args`` cannot be.
    """
    usual = {"p": 0.5} if "p" in subject.task.parameters() else {}
    task = stimuli.changed(subject.task_for(n, known=known), usual | settings.task_args, subject.task.num_inputs)
    return stimuli.with_steps(task, settings.warm_up + settings.steps)


@dataclass(frozen=True, eq=False)
class Score:
    """Right answers of V variants of a network.

    Attributes:
        correct: right answers in each trial, averaged over heads, (V, B).
        counted: answers that counted in each trial, (B,).
        chance: the accuracy of the best constant answer.
    """

    correct: npt.NDArray[np.float64]
    counted: npt.NDArray[np.float64]
    chance: float

    @property
    def accuracy(self) -> npt.NDArray[np.float64]:
        """The share of right answers, (V,)."""
        return np.asarray(self.correct.sum(1) / self.counted.sum())

    def columns(self, baseline: Score) -> dict[str, Any]:
        """The values of the columns ``ACCURACY``, (V,) each; ``baseline`` is the score of the network as it is."""
        wholes = np.broadcast_to(self.counted[:, None], self.correct.T.shape)
        intervals = share_intervals(self.correct.T, wholes)
        base = float(baseline.accuracy[0])
        above = base - self.chance
        return {
            "accuracy": self.accuracy,
            "low": intervals[:, 0],
            "high": intervals[:, 1],
            "baseline": base,
            "relative": (self.accuracy - self.chance) / above if above > 0 else np.full(len(intervals), np.nan),
        }


class Probe:
    """The same trials for every variant of a network.

    Args:
        subject: the network and its task.
        settings: how accuracy is measured.
        n: the N that is asked; None: the subject's.
        index: probes with different indices have different trials.
        known: whether the network must have a readout for that N.

    Raises:
        SettingsError: see ``probed_task``; or no answer is left that counts.
    """

    def __init__(
        self, subject: Subject, settings: ProbeSettings, n: int | None = None, index: int = 0, *, known: bool = True
    ) -> None:
        task = probed_task(subject, subject.task.N if n is None else n, settings, known=known)
        trials, warm_up = settings.trials, settings.warm_up
        if not task.free_length:
            trials, warm_up = max(2, -(-trials * settings.steps // task.num_steps)), 0
        shown = stimuli.fresh(task, trials, settings.seed, index, subject.seed)
        counts = shown.mask.copy()
        counts[:warm_up] = False
        if not counts.any():
            raise SettingsError("steps", f"steps must leave answers that count after the warm-up, got {settings.steps}")
        self.task, self.heads, self.device = task, head_keys(task), settings.device
        self.inputs, self.targets, self.mask = (
            torch.from_numpy(np.require(values, requirements=["C", "W"])).to(settings.device)
            for values in (shown.inputs, shown.targets, counts)
        )
        self.counted = counts.sum(0).astype(np.float64)
        right = np.abs(shown.targets[counts]) < 0.04
        self.chance = float(right.mean()) if task.real_valued else (1 + task.reference_score(0)) / 2

    @torch.no_grad()
    def play(
        self,
        network: RecurrentNetwork,
        *,
        variants: int = 1,
        intervention: Intervention | None = None,
        heard: Tensor | None = None,
    ) -> Score:
        """Let a network answer.

        Args:
            network: the network, which has readouts for the heads and is on the probe's device.
            variants: V: the trials are shown V times side by side, first all B of variant 0, then all B of variant 1.
            intervention: what is done to the states of all V B trials before each step.
            heard: what each unit's output is multiplied by before it is read, (V, U); None: 1.
        """
        trials = len(self.counted)
        state = network.cell.initial_state(variants * trials)
        block = max(1, _BLOCK // (variants * trials * network.cell.state_size))
        correct: Tensor = torch.zeros(variants, trials, dtype=torch.float64, device=self.device)
        for start in range(0, len(self.inputs), block):
            shown = self.inputs[start : start + block].repeat(1, variants, 1)
            rollout = network(shown, self.heads, state, intervention=_later(intervention, start))
            state, answers = rollout.states[-1], rollout.answers
            if heard is not None:
                answers = network.read(rollout.outputs * heard.repeat_interleave(trials, 0), self.heads)
            answers = answers.unflatten(1, (variants, trials))
            right = network.correct(answers, self.targets[start : start + block, None])
            right &= self.mask[start : start + block, None, :, None]
            correct += right.sum(0, dtype=torch.float64).mean(-1)
        return Score(correct.cpu().numpy(), self.counted, self.chance)


def _later(intervention: Intervention | None, start: int) -> Intervention | None:
    return None if intervention is None else lambda t, state: intervention(start + t, state)
