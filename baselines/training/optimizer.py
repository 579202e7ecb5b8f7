"""The optimiser of a recipe, and the clipping of its gradient, made for many small tensors.

A network has two tensors for each head. torch's own step and its clipping take longer for the bookkeeping of each
tensor than for its numbers; here both are a few calls for all tensors, with the same numbers as torch's to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from baselines.training.recipes import Recipe


class Adam(torch.optim.Adam):
    """torch's Adam in its fused form, with torch's state of each parameter."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        super().__init__(parameters, lr=learning_rate, fused=True)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        (group,) = self.param_groups
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        states = [self.state[parameter] for parameter in parameters]
        if closure is not None or not all(states):  # torch makes the state of a new parameter
            super().step(closure)
            return
        first, second, steps = ([state[key] for state in states] for key in ("exp_avg", "exp_avg_sq", "step"))
        torch._foreach_add_(steps, [torch.ones_like(steps[0])] * len(steps))  # a number would be converted for each
        torch._fused_adam_(
            parameters,
            [parameter.grad for parameter in parameters],
            first,
            second,
            [],
            steps,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )


def new_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser for all parameters of the network, in one group: each group costs a separate call."""
    # Fused: one pass over each tensor. Moments and step counts are kept for each tensor, so that a new readout starts
    # from nothing and does not change those of the others.
    if recipe.optimizer == "adam":
        return Adam(network.parameters(), recipe.learning_rate)
    nesterov = recipe.optimizer == "nesterov"
    return torch.optim.SGD(
        network.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=nesterov, fused=True
    )


@torch.no_grad()
def clip(optimizer: torch.optim.Optimizer, largest: float) -> Tensor:
    """Shorten the gradient of the optimiser's parameters to this norm where it is longer, as torch's clipping does.

    Returns:
        The norm before, a scalar.
    """
    parameters = optimizer.param_groups[0]["params"]
    gradients = [gradient for parameter in parameters if (gradient := parameter.grad) is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (largest / (norm + 1e-6)).clamp(max=1))
    return norm
