"""The fused recurrence: a whole sequence of an additive network, forward and hand-written backward.

A loop over autograd's own operations costs a graph node and a fresh buffer for each operation of each step. Here the
time loop does one matrix product and one elementwise pass a step, in place, in buffers allocated once a sequence; the
gradients of the weights are one large product after the loop. There is no synchronisation with the host.

Axes: T steps, B trials, I inputs, U units. Matrices multiply from the right: (B, U) @ (U, U).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Activation(NamedTuple):
    """An elementwise nonlinearity whose derivative follows from its value.

    Attributes:
        apply: overwrites its argument with the value.
        pull_back: (value, gradient) -> overwrites the gradient with respect to the value by that with respect to
            the argument.
    """

    apply: Callable[[Tensor], object]
    pull_back: Callable[[Tensor, Tensor], object]


def leaky_relu(slope: float = 0.01) -> Activation:
    """max(a, slope a), for 0 < slope < 1. At 0 the derivative is ``slope``, as in torch."""

    def pull_back(value: Tensor, gradient: Tensor) -> None:
        torch.ops.aten.leaky_relu_backward.grad_input(gradient, value, slope, True, grad_input=gradient)

    return Activation(lambda a: torch.nn.functional.leaky_relu_(a, slope), pull_back)


def folded(
    inputs: Tensor, state: Tensor, matrix: Tensor, input_weight: Tensor, bias: Tensor, activation: Activation
) -> Tensor:
    """s(t) = phi[s(t-1) matrix + x(t) input_weight + bias], the states at every step.

    Args:
        inputs: x, (T, B, I).
        state: s before the first step, (B, U).
        matrix: (U, U).
        input_weight: (I, U).
        bias: (U,).
        activation: phi.

    Returns:
        (T, B, U).
    """
    states: Tensor = _Folded.apply(inputs, state, matrix, input_weight, bias, activation)  # type: ignore[no-untyped-call]
    return states


def leaky(
    inputs: Tensor,
    state: Tensor,
    matrix: Tensor,
    input_weight: Tensor,
    bias: Tensor,
    keep: Tensor,
    gain: Tensor,
    activation: Activation,
) -> Tensor:
    """s(t) = keep s(t-1) + gain phi[s(t-1) matrix + x(t) input_weight + bias], the states at every step.

    Arguments as for ``folded``; ``keep`` and ``gain`` are (U,). Returns (T, B, U).
    """
    states: Tensor = _Leaky.apply(inputs, state, matrix, input_weight, bias, keep, gain, activation)  # type: ignore[no-untyped-call]
    return states


def _drive(inputs: Tensor, input_weight: Tensor, bias: Tensor, out: Tensor) -> None:
    """What the inputs and the bias add at every step, in one product: (T, B, I) -> out (T, B, U)."""
    torch.addmm(bias, inputs.reshape(-1, inputs.shape[-1]), input_weight, out=out.view(-1, out.shape[-1]))


class _Folded(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        state: Tensor,
        matrix: Tensor,
        input_weight: Tensor,
        bias: Tensor,
        activation: Activation,
    ) -> Tensor:
        steps, (trials, units) = len(inputs), state.shape
        states = state.new_empty(steps + 1, trials, units)
        states[0] = state
        _drive(inputs, input_weight, bias, out=states[1:])
        before, *after = states.unbind(0)
        for now in after:
            now.addmm_(before, matrix)
            activation.apply(now)
            before = now
        ctx.save_for_backward(inputs, states, matrix, input_weight)
        ctx.activation = activation
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, states, matrix, input_weight = ctx.saved_tensors
        transposed = matrix.t()
        delta = gradient.clone(memory_format=torch.contiguous_format)  # with respect to the argument of phi
        deltas, values = delta.unbind(0), states[1:].unbind(0)
        after: Tensor | None = None
        for now, value in zip(reversed(deltas), reversed(values), strict=True):
            if after is not None:
                now.addmm_(after, transposed)
            ctx.activation.pull_back(value, now)
            after = now
        return (*_weight_gradients(ctx, inputs, states, delta, input_weight, transposed, deltas[0]), None)


class _Leaky(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        state: Tensor,
        matrix: Tensor,
        input_weight: Tensor,
        bias: Tensor,
        keep: Tensor,
        gain: Tensor,
        activation: Activation,
    ) -> Tensor:
        steps, (trials, units) = len(inputs), state.shape
        states = state.new_empty(steps + 1, trials, units)
        values = state.new_empty(steps, trials, units)  # phi[...], kept: its sign is lost in the state
        states[0] = state
        _drive(inputs, input_weight, bias, out=values)
        before, *after = states.unbind(0)
        for now, value in zip(after, values.unbind(0), strict=True):
            value.addmm_(before, matrix)
            activation.apply(value)
            torch.mul(before, keep, out=now)
            now.addcmul_(value, gain)
            before = now
        ctx.save_for_backward(inputs, states, values, matrix, input_weight, keep, gain)
        ctx.activation = activation
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, states, values, matrix, input_weight, keep, gain = ctx.saved_tensors
        transposed = matrix.t()
        total = gradient.clone(memory_format=torch.contiguous_format)  # with respect to the states
        delta = torch.empty_like(total)  # with respect to the argument of phi
        totals, deltas = total.unbind(0), delta.unbind(0)
        for t in reversed(range(len(totals))):
            if t + 1 < len(totals):
                totals[t].addcmul_(totals[t + 1], keep).addmm_(deltas[t + 1], transposed)
            torch.mul(totals[t], gain, out=deltas[t])
            ctx.activation.pull_back(values[t], deltas[t])
        first, *others = _weight_gradients(ctx, inputs, states, delta, input_weight, transposed, deltas[0])
        if others[0] is not None:
            others[0].addcmul_(totals[0], keep)
        to_keep = (total * states[:-1]).sum((0, 1)) if ctx.needs_input_grad[5] else None
        to_gain = (total * values).sum((0, 1)) if ctx.needs_input_grad[6] else None
        return first, *others, to_keep, to_gain, None


def _weight_gradients(
    ctx: Any,
    inputs: Tensor,
    states: Tensor,
    delta: Tensor,
    input_weight: Tensor,
    transposed: Tensor,
    first_delta: Tensor,
) -> tuple[Tensor | None, ...]:
    """Gradients of inputs, first state, matrix, input weight and bias, each one large product; None where unasked."""
    wanted = ctx.needs_input_grad
    flat = delta.view(-1, delta.shape[-1])
    return (
        (flat @ input_weight.t()).view_as(inputs) if wanted[0] else None,
        first_delta @ transposed if wanted[1] else None,
        states[:-1].view_as(flat).t() @ flat if wanted[2] else None,
        inputs.reshape(-1, inputs.shape[-1]).t() @ flat if wanted[3] else None,
        flat.sum(0) if wanted[4] else None,
    )
