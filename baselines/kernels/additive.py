"""The fused recurrence of additive networks, in which a state is a nonlinearity of one weighted sum.

Axes: T steps, B trials, I inputs, U units. Matrices multiply from the right: (B, U) @ (U, U).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from baselines.kernels.activations import Activation, relu


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


def piecewise_linear(
    inputs: Tensor, state: Tensor, keep: Tensor, matrix: Tensor, input_weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """z(t) = keep z(t-1) + relu(z(t-1)) matrix + x(t) input_weight + bias: relu(z) and z at every step.

    Arguments as for ``leaky``. Returns two tensors (T, B, U).
    """
    values, states = _PiecewiseLinear.apply(inputs, state, keep, matrix, input_weight, bias)  # type: ignore[no-untyped-call]
    return values, states


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
        delta = _owned(gradient)  # with respect to the argument of phi
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
        total = _owned(gradient)  # with respect to the states
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


class _PiecewiseLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, state: Tensor, keep: Tensor, matrix: Tensor, input_weight: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        steps, (trials, units) = len(inputs), state.shape
        states = state.new_empty(steps + 1, trials, units)
        values = torch.empty_like(states)  # relu(z)
        states[0] = state
        torch.clamp(state, min=0, out=values[0])
        _drive(inputs, input_weight, bias, out=states[1:])
        before, *after = states.unbind(0)
        value, *later = values.unbind(0)
        for now, next_value in zip(after, later, strict=True):
            now.addcmul_(before, keep).addmm_(value, matrix)
            torch.clamp(now, min=0, out=next_value)
            before, value = now, next_value
        ctx.save_for_backward(inputs, states, values, keep, matrix, input_weight)
        ctx.set_materialize_grads(False)
        return values[1:], states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_values: Tensor | None, to_states: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, states, values, keep, matrix, input_weight = ctx.saved_tensors
        transposed = matrix.t()
        # With respect to relu(z); overwritten, step by step, by that with respect to z.
        total = torch.zeros_like(states[1:]) if to_values is None else _owned(to_values)
        totals, later = total.unbind(0), states[1:].unbind(0)
        after: Tensor | None = None
        for t in reversed(range(len(totals))):
            now = totals[t]
            if after is not None:
                now.addmm_(after, transposed)
            relu.pull_back(later[t], now)
            if after is not None:
                now.addcmul_(after, keep)
            if to_states is not None:
                now.add_(to_states[t])
            after = now
        # What leads to the first state passes through its relu.
        to_inputs, to_state, to_matrix, to_weight, to_bias = _weight_gradients(
            ctx, inputs, values, total, input_weight, transposed, totals[0], matrix_at=3
        )
        if to_state is not None:
            relu.pull_back(states[0], to_state)
            to_state.addcmul_(totals[0], keep)
        to_keep = (total * states[:-1]).sum((0, 1)) if ctx.needs_input_grad[2] else None
        return to_inputs, to_state, to_keep, to_matrix, to_weight, to_bias


def _owned(gradient: Tensor) -> Tensor:
    """A contiguous copy that may be overwritten."""
    return gradient.clone(memory_format=torch.contiguous_format)


def _weight_gradients(
    ctx: Any,
    inputs: Tensor,
    states: Tensor,
    delta: Tensor,
    input_weight: Tensor,
    transposed: Tensor,
    first_delta: Tensor,
    matrix_at: int = 2,
) -> tuple[Tensor | None, ...]:
    """Gradients of inputs, first state, matrix, input weight and bias, each one large product; None where unasked.

    ``states`` are what the matrix multiplies; the matrix, the input weight and the bias are the arguments number
    ``matrix_at`` and on.
    """
    wanted = ctx.needs_input_grad
    matrix, weight, bias = wanted[matrix_at : matrix_at + 3]
    flat = delta.view(-1, delta.shape[-1])
    return (
        (flat @ input_weight.t()).view_as(inputs) if wanted[0] else None,
        first_delta @ transposed if wanted[1] else None,
        states[:-1].view_as(flat).t() @ flat if matrix else None,
        inputs.reshape(-1, inputs.shape[-1]).t() @ flat if weight else None,
        flat.sum(0) if bias else None,
    )
