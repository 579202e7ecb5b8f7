"""Fold the leak and the time constants of a leaky network into its weights, so that a step is one weighted sum.

The gradient is written by hand: autograd's chain of small operations took a tenth of the time of a whole sequence (26
steps, 128 units, batch 64).

Axes: I inputs, U units.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.cells.kernels.fallback import differentiable, needs_plain


def fold(weight: Tensor, input_weight: Tensor, bias: Tensor, rate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fold the rates into the weights; ``rate`` multiplies rows.

    Args:
        weight: W, (U, U). Its diagonal counts as zero and gets a gradient of zero.
        input_weight: W_in, (U, I).
        bias: b, (U,).
        rate: 1 / time constant, per step, (U,).

    Returns:
        diag(1 - rate) + rate W, (U, U); rate W_in, (U, I); rate b, (U,).
    """
    tensors = weight, input_weight, bias, rate
    form: Any = _plain_fold if needs_plain(*tensors) else _Fold.apply
    matrix, drive, offset = form(*tensors)
    return matrix, drive, offset


def _plain_fold(weight: Tensor, input_weight: Tensor, bias: Tensor, rate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    share = rate[:, None]
    matrix = (weight - torch.diag(weight.diagonal())) * share + torch.diag(1 - rate)
    return matrix, input_weight * share, bias * rate


class _Fold(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, input_weight: Tensor, bias: Tensor, rate: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(weight, input_weight, bias, rate)
        ctx.others = ()
        share = rate[:, None]
        matrix = weight * share
        matrix.diagonal().copy_(1 - rate)
        return matrix, input_weight * share, bias * rate

    @staticmethod
    @differentiable(_plain_fold)
    def backward(ctx: Any, to_matrix: Tensor, to_drive: Tensor, to_offset: Tensor) -> tuple[Tensor | None, ...]:
        weight, input_weight, bias, rate = ctx.saved_tensors
        share = rate[:, None]
        to_weight, to_rate = to_matrix * share, None
        to_weight.diagonal().zero_()
        if ctx.needs_input_grad[3]:
            to_rate = (to_matrix * weight).sum(1)
            to_rate -= to_matrix.diagonal() * (1 + weight.diagonal())
            to_rate += (to_drive * input_weight).sum(1)
            to_rate.addcmul_(to_offset, bias)
        return to_weight, to_drive * share, to_offset * rate, to_rate
