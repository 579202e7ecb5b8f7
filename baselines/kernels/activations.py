"""Elementwise nonlinearities as a fused recurrence needs them: in place, the derivative from the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_aten = torch.ops.aten


class Activation(NamedTuple):
    """An elementwise nonlinearity whose derivative follows from its value.

    Attributes:
        value: argument -> value, as autograd differentiates it.
        apply: overwrites its argument with the value.
        pull_back: (value, gradient) -> overwrites the gradient with respect to the value by that with respect to
            the argument.
    """

    value: Callable[[Tensor], Tensor]
    apply: Callable[[Tensor], object]
    pull_back: Callable[[Tensor, Tensor], object]


def leaky_relu(slope: float = 0.01) -> Activation:
    """max(a, slope a), for 0 < slope < 1. At 0 the derivative is ``slope``, as in torch."""

    def pull_back(value: Tensor, gradient: Tensor) -> None:
        _aten.leaky_relu_backward.grad_input(gradient, value, slope, True, grad_input=gradient)

    return Activation(
        lambda a: torch.nn.functional.leaky_relu(a, slope),
        lambda a: torch.nn.functional.leaky_relu_(a, slope),
        pull_back,
    )


def _relu_back(value: Tensor, gradient: Tensor) -> None:
    _aten.threshold_backward.grad_input(gradient, value, 0, grad_input=gradient)


def _tanh_back(value: Tensor, gradient: Tensor) -> None:
    _aten.tanh_backward.grad_input(gradient, value, grad_input=gradient)


def _sigmoid_back(value: Tensor, gradient: Tensor) -> None:
    _aten.sigmoid_backward.grad_input(gradient, value, grad_input=gradient)


relu = Activation(torch.relu, torch.relu_, _relu_back)
"""max(a, 0). At 0 the derivative is 0, as in torch."""

ACTIVATIONS: dict[str, Activation] = {
    "leaky_relu": leaky_relu(),
    "relu": relu,
    "tanh": Activation(torch.tanh, torch.tanh_, _tanh_back),
    "sigmoid": Activation(torch.sigmoid, torch.sigmoid_, _sigmoid_back),
}
"""By name; the leaky ReLU has a slope of 0.01."""
