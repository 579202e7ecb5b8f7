"""Elementwise nonlinearities as a fused recurrence needs them: in place, the derivative from the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Activation(NamedTuple):
    """An elementwise nonlinearity whose derivative follows from its value.

    Attributes:
        value: argument -> value, as autograd differentiates it.
        apply: overwrites its argument with the value.
        slope: value -> the derivative there, a new contiguous tensor.
    """

    value: Callable[[Tensor], Tensor]
    apply: Callable[[Tensor], object]
    slope: Callable[[Tensor], Tensor]


def leaky_relu(slope: float = 0.01) -> Activation:
    """max(a, slope a), for 0 < slope < 1. At 0 the derivative is ``slope``, as in torch."""
    return Activation(
        lambda a: torch.nn.functional.leaky_relu(a, slope),
        lambda a: torch.nn.functional.leaky_relu_(a, slope),
        lambda value: _positive(value).clamp_(min=slope),
    )


def _positive(value: Tensor) -> Tensor:
    """1 where the value is above 0, else 0, as floats: straight into them, for ``where`` takes twenty times as long."""
    return torch.gt(value, 0, out=torch.empty_like(value, memory_format=torch.contiguous_format))


def _tanh_slope(value: Tensor) -> Tensor:
    return torch.mul(value, value).neg_().add_(1)


def _sigmoid_slope(value: Tensor) -> Tensor:
    return (1 - value).mul_(value)


relu = Activation(torch.relu, torch.relu_, _positive)
"""max(a, 0). At 0 the derivative is 0, as in torch."""

ACTIVATIONS: dict[str, Activation] = {
    "leaky_relu": leaky_relu(),
    "relu": relu,
    "tanh": Activation(torch.tanh, torch.tanh_, _tanh_slope),
    "sigmoid": Activation(torch.sigmoid, torch.sigmoid_, _sigmoid_slope),
}
"""By name; the leaky ReLU has a slope of 0.01."""
