"""Fused recurrences of additive networks, in which each unit sums its weighted inputs.

Axes: T steps, B trials, I inputs, U units. Matrices multiply from the right: (B, U) @ (U, U).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from baselines.cells.kernels.activations import Activation, relu
from baselines.cells.kernels.fallback import check_steps, differentiable, needs_plain


def folded(
    inputs: Tensor, state: Tensor, matrix: Tensor, input_weight: Tensor, bias: Tensor, activation: Activation
) -> Tensor:
    """s(t) = phi[s(t-1) matrix + x(t) input_weight + bias].

    Args:
        inputs: x, (T, B, I).
        state: s before the first step, (B, U).
        matrix: the recurrent weights, (U, U).
        input_weight: the input weights, (I, U).
        bias: the bias, (U,).
        activation: phi.

    Returns:
        The states s after each step, (T, B, U).
    """
    check_steps(inputs)
    tensors = inputs, state, matrix, input_weight, bias
    form: Any = _plain_folded if needs_plain(*tensors) else _Folded.apply
    states: Tensor = form(*tensors, activation)
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
    """s(t) = keep s(t-1) + gain phi[s(t-1) matrix + x(t) input_weight + bias].

    The arguments are those of ``folded`` and two factors (U,): ``keep`` of the previous state and ``gain`` of the new
    activity. Returns the states s after each step, (T, B, U).
    """
    check_steps(inputs)
    tensors = inputs, state, matrix, input_weight, bias, keep, gain
    form: Any = _plain_leaky if needs_plain(*tensors) else _Leaky.apply
    states: Tensor = form(*tensors, activation)
    return states


def piecewise_linear(
    inputs: Tensor, state: Tensor, keep: Tensor, matrix: Tensor, input_weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """z(t) = keep z(t-1) + relu(z(t-1)) matrix + x(t) input_weight + bias.

    The arguments are those of ``leaky``. Returns relu(z) and z after each step, (T, B, U) each.
    """
    check_steps(inputs)
    tensors = inputs, state, keep, matrix, input_weight, bias
    form: Any = _plain_piecewise_linear if needs_plain(*tensors) else _PiecewiseLinear.apply
    values, states = form(*tensors)
    return values, states


def _plain_folded(
    inputs: Tensor, state: Tensor, matrix: Tensor, input_weight: Tensor, bias: Tensor, activation: Activation
) -> Tensor:
    states = []
    for drive in inputs @ input_weight + bias:
        state = activation.value(state @ matrix + drive)
        states.append(state)
    return torch.stack(states)


def _plain_leaky(
    inputs: Tensor,
    state: Tensor,
    matrix: Tensor,
    input_weight: Tensor,
    bias: Tensor,
    keep: Tensor,
    gain: Tensor,
    activation: Activation,
) -> Tensor:
    states = []
    for drive in inputs @ input_weight + bias:
        state = keep * state + gain * activation.value(state @ matrix + drive)
        states.append(state)
    return torch.stack(states)


def _plain_piecewise_linear(
    inputs: Tensor, state: Tensor, keep: Tensor, matrix: Tensor, input_weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    states = []
    for drive in inputs @ input_weight + bias:
        state = keep * state + torch.relu(state) @ matrix + drive
        states.append(state)
    whole = torch.stack(states)
    return torch.relu(whole), whole


def _drive(inputs: Tensor, input_weight: Tensor, bias: Tensor, out: Tensor) -> None:
    """Write the inputs' and the bias' share of every step's sum to ``out`` (T, B, U), in one product."""
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
            activation.apply(now.addmm_(before, matrix))
            before = now
        ctx.save_for_backward(inputs, state, matrix, input_weight, bias, states)
        ctx.others = (activation,)
        return states[1:]

    @staticmethod
    @differentiable(_plain_folded)
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, _, matrix, input_weight, _, states = ctx.saved_tensors
        (activation,) = ctx.others
        transposed = matrix.t()
        # First phi's slope at every step; the loop overwrites it with the gradient of phi's argument.
        delta = activation.slope(states[1:])
        to_value = torch.empty_like(states[0])
        *earlier, after = delta.unbind(0)
        *toward, last = gradient.unbind(0)
        after.mul_(last)
        for now, given in zip(reversed(earlier), reversed(toward), strict=True):
            after = now.mul_(torch.addmm(given, after, transposed, out=to_value))
        return (*_weight_gradients(ctx, inputs, states, delta, input_weight, transposed), None)


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
        values = state.new_empty(steps, trials, units)  # phi[...], kept because the state alone does not tell it
        states[0] = state
        _drive(inputs, input_weight, bias, out=values)
        before, *after = states.unbind(0)
        for now, value in zip(after, values.unbind(0), strict=True):
            activation.apply(value.addmm_(before, matrix))
            torch.mul(before, keep, out=now).addcmul_(value, gain)
            before = now
        ctx.save_for_backward(inputs, state, matrix, input_weight, bias, keep, gain, states, values)
        ctx.others = (activation,)
        return states[1:]

    @staticmethod
    @differentiable(_plain_leaky)
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, _, matrix, input_weight, _, keep, gain, states, values = ctx.saved_tensors
        (activation,) = ctx.others
        transposed = matrix.t()
        total = torch.empty_like(values)  # the gradient of the states
        # First gain times phi's slope at every step; the loop overwrites it with the gradient of phi's argument.
        delta = activation.slope(values).mul_(gain)
        *sums, after_sum = total.unbind(0)
        *deltas, after = delta.unbind(0)
        *toward, last = gradient.unbind(0)
        after.mul_(after_sum.copy_(last))
        for now, now_sum, given in zip(reversed(deltas), reversed(sums), reversed(toward), strict=True):
            after_sum = torch.addcmul(given, after_sum, keep, out=now_sum).addmm_(after, transposed)
            after = now.mul_(after_sum)
        first, *others = _weight_gradients(ctx, inputs, states, delta, input_weight, transposed)
        if others[0] is not None:
            others[0].addcmul_(after_sum, keep)
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
        ctx.save_for_backward(inputs, state, keep, matrix, input_weight, bias, states, values)
        ctx.others = ()
        ctx.set_materialize_grads(False)
        return values[1:], states[1:]

    @staticmethod
    @differentiable(_plain_piecewise_linear)
    def backward(ctx: Any, to_values: Tensor | None, to_states: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, _, keep, matrix, input_weight, _, states, values = ctx.saved_tensors
        transposed = matrix.t()
        # First relu's slope at every step; the loop overwrites it with the gradient of z.
        total = relu.slope(states[1:])
        totals = total.unbind(0)
        to_value = torch.zeros_like(states[0])
        after: Tensor | None = None
        for t in reversed(range(len(totals))):
            now = totals[t]
            if after is not None:
                torch.mm(after, transposed, out=to_value)
            if to_values is not None:
                to_value.add_(to_values[t])
            now.mul_(to_value)
            if after is not None:
                now.addcmul_(after, keep)
            if to_states is not None:
                now.add_(to_states[t])
            after = now
        # The matrix multiplies relu(z), so the initial state's gradient also passes through relu.
        to_inputs, to_state, to_matrix, to_weight, to_bias = _weight_gradients(
            ctx, inputs, values, total, input_weight, transposed, matrix_at=3
        )
        if to_state is not None:
            to_state.mul_(relu.slope(states[0])).addcmul_(totals[0], keep)
        to_keep = (total * states[:-1]).sum((0, 1)) if ctx.needs_input_grad[2] else None
        return to_inputs, to_state, to_keep, to_matrix, to_weight, to_bias


def _weight_gradients(
    ctx: Any,
    inputs: Tensor,
    states: Tensor,
    delta: Tensor,
    input_weight: Tensor,
    transposed: Tensor,
    matrix_at: int = 2,
) -> tuple[Tensor | None, ...]:
    """The gradients of inputs, initial state, matrix, input weight and bias, each by one large product.

    The gradients of the two weights are transposed views, like the weights that the cells pass in: the rest of the
    backward pass then reads gradient and weight in their memory order.

    Args:
        ctx: the autograd context; it says which gradients are needed.
        inputs: (T, B, I).
        states: (T + 1, B, U), what the matrix multiplies.
        delta: (T, B, U), the gradient of each step's sum.
        input_weight: (I, U).
        transposed: the matrix, transposed, (U, U).
        matrix_at: the position of the matrix among the arguments of ``forward``; input weight and bias follow it.

    Returns:
        The five gradients; None where none is needed.
    """
    wanted = ctx.needs_input_grad
    matrix, weight, bias = wanted[matrix_at : matrix_at + 3]
    flat = delta.view(-1, delta.shape[-1])
    turned = flat.t()
    return (
        (flat @ input_weight.t()).view_as(inputs) if wanted[0] else None,
        delta[0] @ transposed if wanted[1] else None,
        (turned @ states[:-1].view_as(flat)).t() if matrix else None,
        (turned @ inputs.reshape(-1, inputs.shape[-1])).t() if weight else None,
        flat.sum(0) if bias else None,
    )
