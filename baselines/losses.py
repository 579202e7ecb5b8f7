"""Loss terms: a term is (rollout, targets, mask) -> scalar, and training sums the terms of a dictionary by name.

Axes: T steps, B trials, H heads, K numbers a head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from torch import Tensor
from torch.nn.functional import softplus

from baselines.network import Rollout
from memory_envs import Task

LossTerm: TypeAlias = Callable[[Rollout, Tensor, Tensor], Tensor]
"""(rollout, targets (T, B, H), mask (T, B) bool) -> scalar, its weight included."""


def cross_entropy(rollout: Rollout, targets: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of labels 0 and 1 in nats, averaged over counted steps, trials and heads: guessing costs ln 2.

    Of two logits only the difference matters: -log softmax(l)[y] = softplus(l[1 - y] - l[y]).
    """
    lead = rollout.answers[..., 1] - rollout.answers[..., 0]
    return _mean(softplus(lead * (1 - 2 * targets)), mask)


def squared_error(rollout: Rollout, targets: Tensor, mask: Tensor) -> Tensor:
    """Squared error of real-valued answers, averaged over counted steps, trials and heads."""
    return _mean((rollout.answers[..., 0] - targets).square(), mask)


def task_loss(task: Task) -> LossTerm:
    """The loss that a task's kind of answer asks for."""
    return squared_error if task.real_valued else cross_entropy


def evaluate(terms: Mapping[str, LossTerm], rollout: Rollout, targets: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Each term's value by its name. Their sum is the loss."""
    return {name: term(rollout, targets, mask) for name, term in terms.items()}


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values (T, B, H) over heads and the steps that count: products only, for indexing would stop a GPU."""
    weights = mask.to(values.dtype)
    return (values.mean(-1) * weights).sum() / weights.sum()
