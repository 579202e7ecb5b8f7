"""Elementwise nonlinearities for the fused recurrences: applied in place, differentiated from their value alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor


class Activation(NamedTuple):
    """An elementwise nonlinearity phi whose derivative can be computed from its value.

    Its functions have names in a module, or are ``partial``s of such, so that a cell that keeps them can be pickled.

    Attributes:
        value: a -> phi(a), which autograd can differentiate.
        apply: overwrites a with phi(a).
        slope: phi(a) -> phi'(a), as a new contiguous tensor.
    """

    value: Callable[[Tensor], Tensor]
    apply: Callable[[Tensor], object]
    slope: Callable[[Tensor], Tensor]


def leaky_relu(slope: float = 0.01) -> Activation:
    """phi(a) = max(a, slope a), for 0 < slope < 1. At 0 the derivative is ``slope``, as in torch."""
    value = partial(torch.nn.functional.leaky_relu, negative_slope=slope)
    return Activation(value, partial(value, inplace=True), partial(_leaky_relu_slope, slope=slope))


def _positive(value: Tensor) -> Tensor:
    """1.0 where the value is above 0, else 0.0. Written directly as floats: ``torch.where`` takes 20 times as long."""
    return torch.gt(value, 0, out=torch.empty_like(value, memory_format=torch.contiguous_format))


def _leaky_relu_slope(value: Tensor, slope: float) -> Tensor:
    return _positive(value).clamp_(min=slope)


def _tanh_slope(value: Tensor) -> Tensor:
    return torch.mul(value, value).neg_().add_(1)


def _sigmoid_slope(value: Tensor) -> Tensor:
    return (1 - value).mul_(value)


relu = Activation(torch.relu, torch.relu_, _positive)
"""phi(a) = max(a, 0). At 0 the derivative is 0, as in torch."""

ACTIVATIONS: dict[str, Activation] = {
    "leaky_relu": leaky_relu(),
    "relu": relu,
    "tanh": Activation(torch.tanh, torch.tanh_, _tanh_slope),
    "sigmoid": Activation(torch.sigmoid, torch.sigmoid_, _sigmoid_slope),
}
"""Name -> nonlinearity. The leaky ReLU has the slope 0.01."""
