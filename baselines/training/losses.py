"""Loss terms: a term is a function (rollout, targets, mask) -> scalar. Training minimises their weighted sum.

Terms and weights are dictionaries by name. A weight is a function of the update; a missing weight is 1.

Axes: T steps, B trials, H heads, K numbers per head, U units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from baselines.cells import Cell
from baselines.network import Rollout
from memory_envs import Task

LossTerm: TypeAlias = Callable[[Rollout, Tensor, Tensor], Tensor]
"""(rollout, targets (T, B, H), mask (T, B) bool) -> scalar, without its weight."""

Reader: TypeAlias = Callable[[Rollout], Tensor]
"""Selects an activity of a rollout; its shape is (T, B, any size)."""

F = TypeVar("F", bound=Callable[..., Any])


def without_states(term: F) -> F:
    """Mark a loss term, or a reader, as one that reads no states: a cell may then leave out all but the last."""
    term.reads_states = False  # type: ignore[attr-defined]
    return term


def reads_states(term: Callable[..., Any]) -> bool:
    """Whether a loss term or a reader may read the states of a rollout. It may, unless it is marked otherwise."""
    return bool(getattr(term, "reads_states", True))


@without_states
def cross_entropy(
    rollout: Rollout,
    targets: Tensor,
    mask: Tensor,
    last_head: float = 0.0,
    ahead_weight: float = 0.0,
    smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of labels 0 and 1 in nats, averaged over counted steps, trials and heads. Guessing costs ln 2.

    It is computed from the difference of the two logits: -log softmax(l)[y] = softplus(l[1 - y] - l[y]).

    Args:
        rollout: what the network did; its answers are the logits, (T, B, H, 2).
        targets: the labels, (T, B, H).
        mask: whether a step counts, (T, B) bool.
        last_head: the weight of the last head where it exceeds 1 / H; every other head has the weight 1 / H. Heads
            that are learned ahead of their stage are not among the H.
        ahead_weight: the weight of each head that is learned ahead of its stage.
        smoothing: label smoothing as torch's, epsilon: the right label has the probability 1 - epsilon / 2.
    """
    against = (rollout.answers[..., 1] - rollout.answers[..., 0]) * (1 - 2 * targets)
    values = softplus(against)
    if smoothing:
        values = values - smoothing / 2 * against
    return _mean(values, mask, last_head, rollout.ahead, ahead_weight)


@without_states
def squared_error(
    rollout: Rollout, targets: Tensor, mask: Tensor, last_head: float = 0.0, ahead_weight: float = 0.0
) -> Tensor:
    """Squared error of real-valued answers, averaged as ``cross_entropy`` is.

    Args:
        rollout: what the network did; its answers have the shape (T, B, H, 1).
        targets: the right answers, (T, B, H).
        mask: whether a step counts, (T, B) bool.
        last_head: the weight of the last head where it exceeds 1 / H; every other head has the weight 1 / H.
        ahead_weight: the weight of each head that is learned ahead of its stage.
    """
    return _mean((rollout.answers[..., 0] - targets).square(), mask, last_head, rollout.ahead, ahead_weight)


def task_loss(
    task: Task, over_heads: str = "mean", last_head: float = 0.0, ahead_weight: float = 0.0, smoothing: float = 0.0
) -> LossTerm:
    """The loss for a task: squared error where its answers are real-valued, cross-entropy where they are labels.

    Args:
        task: the task.
        over_heads: ``"mean"`` or ``"sum"`` over heads.
        last_head: the weight of the last head, where it exceeds 1 / H; every other head has the weight 1 / H.
        ahead_weight: the weight of each head that is learned ahead of its stage.
        smoothing: label smoothing; without effect where answers are real-valued.
    """
    averaged: Callable[..., Tensor] = squared_error if task.real_valued else cross_entropy
    if smoothing and not task.real_valued:
        averaged = without_states(partial(cross_entropy, smoothing=smoothing))
    if last_head or ahead_weight:
        averaged = without_states(partial(averaged, last_head=last_head, ahead_weight=ahead_weight))
    if over_heads == "mean":
        return averaged
    return without_states(lambda rollout, targets, mask: averaged(rollout, targets, mask) * targets.shape[-1])


def evaluate(
    terms: Mapping[str, LossTerm], weights: Mapping[str, float], rollout: Rollout, targets: Tensor, mask: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss, and the value of each term by name.

    Args:
        terms: the loss terms, by name.
        weights: the present weight of each term, by name. A term of weight 0 is measured too, without a gradient.
        rollout: what the network did.
        targets: the right answers, (T, B, H).
        mask: whether a step counts, (T, B) bool.
    """
    values, parts = {}, []
    for name, term in terms.items():
        weight = weights[name]
        with torch.set_grad_enabled(torch.is_grad_enabled() and weight != 0):
            values[name] = term(rollout, targets, mask)
        if weight:
            parts.append(values[name] * weight)
    return torch.stack(parts).sum(), values


def activity_reader(cell: Cell, name: str, setting: str = "tcr_on") -> Reader:
    """The activity called ``name``: ``"output"``, ``"state"`` (all of it), or one of the cell's ``state_parts``.

    Args:
        cell: the cell whose activity it is.
        name: the name of the activity.
        setting: the setting that holds the name, for the error.

    Raises:
        ValueError: the cell has no such activity.
    """
    parts = cell.state_parts()
    if name == "output":
        return without_states(lambda rollout: rollout.outputs)
    if name == "state":
        return lambda rollout: rollout.states
    if name not in parts:
        raise ValueError(f"{setting} must be among {['output', 'state', *parts]} for this cell, got {name!r}")
    part = parts[name]
    return lambda rollout: rollout.states[..., part]


def temporal_consistency(read: Reader) -> LossTerm:
    """Temporal consistency: the mean over trials and steps t >= 1 of |r(t) - r(t-1)|^2, summed over units.

    It penalises the change of the activity r from step to step, at every step of a trial (after Haputhanthri et al.,
    arXiv 2502.07256; the formula is that of temporal activation regularisation, Merity et al. 2017, and our choice).
    Steps after a trial's end do not count, nor does the change from the initial state to step 0. Every trial weighs as
    much as it has steps. A weight on this sum over units equals U times that weight on the mean over units.
    """

    def term(rollout: Rollout, targets: Tensor, mask: Tensor) -> Tensor:
        activity = read(rollout)
        return _over_steps((activity[1:] - activity[:-1]).square().sum(-1), rollout, first=1)

    return term if reads_states(read) else without_states(term)


@without_states
def activity_size(rollout: Rollout, targets: Tensor, mask: Tensor) -> Tensor:
    """L2 on activity: the mean over trials and steps of |r(t)|^2, summed over units; r is the cell's output.

    Steps after a trial's end do not count. The normalisation is that of ``temporal_consistency``.
    """
    return _over_steps(rollout.outputs.square().sum(-1), rollout, first=0)


def manifold_attractor(cell: Cell) -> LossTerm:
    """Manifold-attractor regularisation of a PLRNN (Schmidt et al., ICLR 2021), on the first half of its units.

    For z(t) = A z(t-1) + W relu(z(t-1)) + C x(t) + h it is mean (A_ii - 1)^2 + mean W_ij^2 + mean h_i^2, over i in the
    first half of the units and all j other than i. Where it is 0, each of these units keeps its value for ever.

    Args:
        cell: a cell with the attributes ``A`` (U,), ``W`` (U, U) with a zero diagonal, and ``h`` (U,).

    Raises:
        ValueError: the cell lacks one of them.
    """
    if missing := [name for name in ("A", "W", "h") if not isinstance(getattr(cell, name, None), Tensor)]:
        raise ValueError(
            f"manifold needs a cell with the parameters A, W and h of a PLRNN, this one has no {missing[0]}"
        )

    def term(rollout: Rollout, targets: Tensor, mask: Tensor) -> Tensor:
        a, w, h = (getattr(cell, name) for name in ("A", "W", "h"))
        half = max(len(a) // 2, 1)
        others = max(half * (len(a) - 1), 1)  # the zero diagonal is left out of the mean
        return (a[:half] - 1).square().mean() + w[:half].square().sum() / others + h[:half].square().mean()

    return without_states(term)


def _over_steps(values: Tensor, rollout: Rollout, first: int) -> Tensor:
    """Mean over the steps within the trials of values (T - first, B), which begin at step ``first``."""
    if rollout.lengths is None:
        return values.sum() / max(values.numel(), 1)
    time = torch.arange(first, first + len(values), device=values.device)
    within = (time[:, None] < rollout.lengths).to(values.dtype)
    return (values * within).sum() / within.sum().clamp(min=1)


def _mean(values: Tensor, mask: Tensor, last_head: float, ahead: int, ahead_weight: float) -> Tensor:
    """Mean of values (T, B, H) over heads and counted steps. It only multiplies: indexing would make a GPU wait."""
    weights = mask.to(values.dtype)
    # A batch in which no step counts (all sums of evidence end in a tie) has the loss 0.
    number = values.shape[-1] - ahead
    heads = values[..., :number].mean(-1)
    if last_head > 1 / number:
        heads = heads + (last_head - 1 / number) * values[..., number - 1]
    if ahead:
        heads = heads + ahead_weight * values[..., number:].sum(-1)
    return (heads * weights).sum() / weights.sum().clamp(min=1)
