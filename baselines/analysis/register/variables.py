"""What a register could hold, as variables of -1 and 1, and what of it the units of a network code.

Axes: M samples (steps of all trials together), N places, U units or entries of the state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from memory_envs import Parity, Task


@dataclass(frozen=True, eq=False)
class Variables:
    """The variables of a task on a stream of bits at each sample; with p = 0.5 different ones are uncorrelated.

    Place k = 1 .. N of a register holds what the answer for k + 1 needs in the next step: the answer is that of the
    sample's bit together with what place k - 1 held a step before.

    Attributes:
        bits: x(t - d), d = 0 .. N - 1, (M, N).
        answers: the answer for k = 1 .. N, (M, N): parity of the last k bits, or whether x(t) = x(t - k + 1).
        previous: the product of ``answers`` and x(t), (M, N): what place k - 1 held a step before. Of parity the parity
            of the k - 1 bits before the last one; of delayed match x(t - k + 1).
        held: what place k holds, (M, N): the answer for k of parity, x(t - k + 1) of delayed match.
    """

    bits: Tensor
    answers: Tensor
    previous: Tensor
    held: Tensor

    def kinds(self) -> dict[str, tuple[list[int], Tensor]]:
        """Kind of variable -> numbers (d of a bit, k of the others) and variables (M, numbers); none is there twice."""
        n = self.bits.shape[1]
        found = {"bit": (list(range(n)), self.bits), "answer": (list(range(2, n + 1)), self.answers[:, 1:])}
        if self.held is self.answers:  # else the previous ones are bits, as the one of place 2 always is
            found["previous"] = (list(range(3, n + 1)), self.previous[:, 2:])
        return found


def variables(task: Task, inputs: Tensor, warm_up: int, n: int) -> Variables:
    """The variables at all steps after the first ``warm_up`` ones, step by step.

    Args:
        task: parity or delayed match.
        inputs: the bits shown, (T, B, 1).
        warm_up: at least n.
        n: N, the number of places.
    """
    signs, steps = 2 * inputs[..., 0] - 1, len(inputs)
    bits = torch.stack([signs[warm_up - d : steps - d] for d in range(n)], -1).flatten(0, 1)
    now = bits[:, :1]
    if isinstance(task, Parity):
        answers = -torch.cumprod(-bits, 1)  # 1: odd
        return Variables(bits, answers, answers * now, answers)
    answers = bits * now
    return Variables(bits, answers, bits, bits)


def patterns(activity: Tensor, targets: Tensor) -> Tensor:
    """By how much each unit's activity (M, U) differs from its mean for each variable (M, N) at 1, (N, U).

    That is the covariance, for variables of mean 0 and variance 1.
    """
    centred = targets - targets.mean(0)
    return centred.t() @ (activity - activity.mean(0)) / len(activity)


def shares(activity: Tensor, targets: Tensor) -> Tensor:
    """The share of each unit's variance that each variable explains, (N, U): squared correlations; 0 of silent ones."""
    variance = activity.var(0, correction=0)
    spread = targets.var(0, correction=0)[:, None] * variance
    return torch.where(spread > 1e-12, patterns(activity, targets).square() / spread.clamp(min=1e-12), 0.0)


def place_shares(activity: Tensor, known: Variables) -> Tensor:
    """The share of each unit's variance that has to do with each place, (N, U).

    Place 1: the bit shown. Place k: the answer for k and what place k - 1 held a step before, which together with the
    bit are all that the unit of an exact register depends on. All are uncorrelated, so that shares add.
    """
    found = shares(activity, known.answers) + shares(activity, known.previous)
    found[:1] = shares(activity, known.bits[:, :1])
    return found


def participation(weights: Tensor) -> Tensor:
    """How many of the entries of the last axis share in its sum, (sum w)^2 / sum w^2; NaN where all are 0."""
    return weights.sum(-1).square() / weights.square().sum(-1)


def threshold(activity: Tensor, targets: Tensor) -> float:
    """The threshold above which one unit's activity (M,) best tells that a variable of -1 and 1 (M,) is 1.

    (The area under the ROC curve would not do: a unit that is active for one of the four cases of the bit shown and the
    place before, and whose small negative values tell the other three apart, may have an area of 0.5.)
    """
    values, order = activity.sort()
    signs = targets[order].double()
    # Ones above minus ones below each gap between two values, the end included.
    gain = torch.cat([signs.sum()[None], signs.sum() - 2 * signs.cumsum(0)])
    edges = torch.cat([values[:1] - 1, (values[:-1] + values[1:]) / 2, values[-1:] + 1])
    between = torch.ones(len(edges), dtype=torch.bool, device=values.device)
    between[1:-1] = values[1:] > values[:-1]  # equal values cannot be told apart
    return float(edges[torch.where(between, gain, -torch.inf).argmax()])


def decoded(fit: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> Tensor:
    """The share of samples at which a linear readout of all units tells each variable, (N,).

    Args:
        fit: activity (M, U) and variables (M, N) to which the readout is fitted, by ridge regression with a penalty of
            1e-4 times the mean variance of a unit.
        test: activity and variables of other trials.
    """
    activity, targets = (values.double() for values in fit)
    mean, offset = activity.mean(0), targets.mean(0)
    centred = activity - mean
    gram = centred.t() @ centred / len(centred)
    penalty = 1e-4 * gram.diagonal().mean() + 1e-12
    weight = torch.linalg.solve(
        gram + penalty * torch.eye(len(gram)).to(gram), centred.t() @ (targets - offset) / len(centred)
    )
    said = (test[0].double() - mean) @ weight + offset
    return ((said > 0) == (test[1] > 0)).double().mean(0)
