"""A leaky network's parameters folded into those of one weighted sum.

Written by hand because autograd's chain of small operations, there and back, cost a tenth of a whole sequence of 26
steps at 128 units and batch 64.

Axes: I inputs, U units.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def fold(weight: Tensor, input_weight: Tensor, bias: Tensor, rate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """diag(1 - rate) + rate W, rate W_in and rate b, with rate multiplying rows and W without its diagonal.

    Args:
        weight: W, (U, U). Its diagonal counts as zero and gets a gradient of zero.
        input_weight: W_in, (U, I).
        bias: b, (U,).
        rate: 1 / time constant, (U,).

    Returns:
        (U, U), (U, I) and (U,).
    """
    matrix, drive, offset = _Fold.apply(weight, input_weight, bias, rate)  # type: ignore[no-untyped-call]
    return matrix, drive, offset


class _Fold(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, input_weight: Tensor, bias: Tensor, rate: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(weight, input_weight, bias, rate)
        share = rate[:, None]
        matrix = weight * share
        matrix.diagonal().copy_(1 - rate)
        return matrix, input_weight * share, bias * rate

    @staticmethod
    @once_differentiable
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
