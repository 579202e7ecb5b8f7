"""Fused recurrences of the GRU and the LSTM, with torch's equations and torch's order of gates.

They exist because torch's own LSTM returns only the last cell state c, and the analyses need all of them. Each gate has
its own buffer (T, B, U): with all gates side by side in one buffer, every elementwise operation on one of them would
take four times as long. The factors of the backward pass are known before it starts, so they are computed for all steps
at once; the loop is left with one matrix product per gate and a few elementwise operations.

Axes: G gates, T steps, B trials, I inputs, U units.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from baselines.cells.kernels.fallback import check_steps, differentiable, needs_plain


def gru(
    inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, input_bias: Tensor, bias: Tensor
) -> Tensor:
    """h(t) = (1 - z) n + z h(t-1), with the gates of ``torch.nn.GRU``; rows are stacked in the order r, z, n.

    Args:
        inputs: x, (T, B, I).
        state: h before the first step, (B, U).
        input_weight: the input weights, (3U, I).
        weight: the recurrent weights, (3U, U).
        input_bias: the bias that is added to the inputs' sum, (3U,).
        bias: the bias that is added to the recurrent sum, (3U,); in n the reset gate multiplies it.

    Returns:
        The states h after each step, (T, B, U).
    """
    check_steps(inputs)
    tensors = inputs, state, input_weight, weight, input_bias, bias
    form: Any = _plain_gru if needs_plain(*tensors) else _GRU.apply
    states: Tensor = form(*tensors)
    return states


def gru_step(
    inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, input_bias: Tensor, bias: Tensor
) -> Tensor:
    """One step of ``gru`` in torch's plain operations: inputs (B, I), h (B, U) -> h (B, U)."""
    shown, recalled = linear(inputs, input_weight, input_bias).chunk(3, -1), linear(state, weight, bias).chunk(3, -1)
    r, z = (torch.sigmoid(x + y) for x, y in zip(shown[:2], recalled[:2], strict=True))
    n = torch.tanh(shown[2] + r * recalled[2])
    return (1 - z) * n + z * state


def _plain_gru(inputs: Tensor, state: Tensor, *weights: Tensor) -> Tensor:
    states = []
    for now in inputs:
        state = gru_step(now, state, *weights)
        states.append(state)
    return torch.stack(states)


def lstm(inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """c(t) = f c(t-1) + i g, h(t) = o tanh(c(t)), with the gates of ``torch.nn.LSTM``; rows are stacked as i, f, g, o.

    Args:
        inputs: x, (T, B, I).
        state: [h, c] before the first step, (B, 2U).
        input_weight: the input weights, (4U, I).
        weight: the recurrent weights, (4U, U).
        bias: the sum of both biases of torch, (4U,).

    Returns:
        The outputs h (T, B, U) and the states [h, c] (T, B, 2U) after each step.
    """
    check_steps(inputs)
    tensors = inputs, state, input_weight, weight, bias
    form: Any = _plain_lstm if needs_plain(*tensors) else _LSTM.apply
    outputs, states = form(*tensors)
    return outputs, states


def lstm_step(
    inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of ``lstm`` in torch's plain operations: inputs (B, I), [h, c] (B, 2U) -> h (B, U), [h, c] (B, 2U)."""
    h, c = state.chunk(2, -1)
    i, f, g, o = (linear(inputs, input_weight, bias) + linear(h, weight)).chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    return h, torch.cat((h, c), -1)


def _plain_lstm(inputs: Tensor, state: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    outputs, states = [], []
    for now in inputs:
        output, state = lstm_step(now, state, *weights)
        outputs.append(output)
        states.append(state)
    return torch.stack(outputs), torch.stack(states)


def _driven(inputs: Tensor, weight: Tensor, bias: Tensor, gates: Tensor) -> None:
    """Write the inputs' and the bias' share of each gate's sum to ``gates`` (G, T, B, U)."""
    flat, count = inputs.reshape(-1, inputs.shape[-1]), len(gates)
    for gate, rows, offset in zip(gates, weight.chunk(count), bias.chunk(count), strict=True):
        torch.addmm(offset, flat, rows.t(), out=gate.view(-1, gate.shape[-1]))


def _outer(deltas: Iterable[Tensor], shown: Tensor) -> Tensor:
    """Outer products summed over steps and trials: deltas (G, T, B, U), shown (T, B, I) -> (G U, I)."""
    flat = shown.reshape(-1, shown.shape[-1])
    return torch.cat([delta.view(-1, delta.shape[-1]).t() @ flat for delta in deltas])


def _back(deltas: Tensor, weight: Tensor) -> Tensor:
    """The gradient of what the weight multiplies: deltas (G, ..., U), weight (G U, K) -> (..., K)."""
    parts = zip(deltas, weight.chunk(len(deltas)), strict=True)
    total, *others = (delta @ rows for delta, rows in parts)
    for other in others:
        total += other
    return total


def _one_less_square(value: Tensor, out: Tensor | None = None) -> Tensor:
    """1 - value^2: the slope of tanh where tanh has this value."""
    return torch.addcmul(value.new_ones(()), value, value, value=-1, out=out)


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, input_bias: Tensor, bias: Tensor
    ) -> Tensor:
        steps, (trials, units) = len(inputs), state.shape
        two = 2 * units
        states = state.new_empty(steps + 1, trials, units)
        states[0] = state
        gates = state.new_empty(3, steps, trials, units)  # r, z, n
        _driven(inputs, input_weight, torch.cat((input_bias[:two] + bias[:two], input_bias[two:])), gates)
        recalled = torch.empty_like(gates[0])  # V_n h(t-1) + c_n, which the reset gate multiplies
        (to_r, to_z, to_q), new_bias = (rows.t() for rows in weight.chunk(3)), bias[two:]
        views = (gates[:2].unbind(1), *(x.unbind(0) for x in (*gates, recalled)))
        before, *after = states.unbind(0)
        for now, rz, r, z, n, q in zip(after, *views, strict=True):
            r.addmm_(before, to_r)
            z.addmm_(before, to_z)
            rz.sigmoid_()
            torch.addmm(new_bias, before, to_q, out=q)
            n.addcmul_(r, q).tanh_()
            torch.lerp(n, before, z, out=now)
            before = now
        ctx.save_for_backward(inputs, state, input_weight, weight, input_bias, bias, states, gates, recalled)
        ctx.others = ()
        return states[1:]

    @staticmethod
    @differentiable(_plain_gru)
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, _, input_weight, weight, _, _, states, gates, recalled = ctx.saved_tensors
        r, z, n = gates
        # First the factors that turn h's gradient into the gradients of V_n h(t-1) + c_n and of the arguments of r, z
        # and n; the loop multiplies them by h's gradient, step by step.
        delta = gates.new_empty(4, *n.shape)
        q_, r_, z_, n_ = delta
        _one_less_square(n, out=n_).mul_(1 - z)
        torch.mul(n_, r, out=q_)
        torch.mul(q_, recalled, out=r_).mul_(1 - r)
        torch.sub(states[:-1], n, out=z_).mul_(z).mul_(1 - z)
        back_r, back_z, back_q = weight.chunk(3)
        now, spare = gradient[-1].clone(memory_format=torch.contiguous_format), torch.empty_like(n[0])
        steps = zip(*(reversed(x.unbind(at)) for x, at in ((delta, 1), (q_, 0), (r_, 0), (z_, 0), (z, 0))), strict=True)
        for given, (all_, q, r, z_now, keep) in zip((*reversed(gradient[:-1].unbind(0)), None), steps, strict=True):
            all_.mul_(now)
            if given is None:
                torch.mul(now, keep, out=spare)
            else:
                torch.addcmul(given, now, keep, out=spare)
            spare.addmm_(r, back_r).addmm_(z_now, back_z).addmm_(q, back_q)
            now, spare = spare, now
        wanted = ctx.needs_input_grad
        outer, inner = delta[1:], (delta[1], delta[2], delta[0])
        return (
            _back(outer, input_weight) if wanted[0] else None,
            now if wanted[1] else None,
            _outer(outer, inputs) if wanted[2] else None,
            _outer(inner, states[:-1]) if wanted[3] else None,
            outer.sum((1, 2)).view(-1) if wanted[4] else None,
            torch.cat([x.sum((0, 1)) for x in inner]) if wanted[5] else None,
        )


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        steps, trials, units = len(inputs), len(state), state.shape[1] // 2
        hs, cs = (state.new_empty(steps + 1, trials, units) for _ in range(2))
        hs[0], cs[0] = state[:, :units], state[:, units:]
        gates = state.new_empty(4, steps, trials, units)  # i, f, g, o
        _driven(inputs, input_weight, bias, gates)
        squashed = torch.empty_like(gates[0])  # tanh(c)
        to_i, to_f, to_g, to_o = (rows.t() for rows in weight.chunk(4))
        views = (gates[:2].unbind(1), *(x.unbind(0) for x in (*gates, squashed)))
        (h, *later_h), (c, *later_c) = hs.unbind(0), cs.unbind(0)
        for next_h, next_c, i_f, i, f, g, o, tanh_c in zip(later_h, later_c, *views, strict=True):
            i.addmm_(h, to_i)
            f.addmm_(h, to_f)
            i_f.sigmoid_()
            g.addmm_(h, to_g).tanh_()
            o.addmm_(h, to_o).sigmoid_()
            c = torch.mul(f, c, out=next_c).addcmul_(i, g)
            h = torch.mul(o, torch.tanh(c, out=tanh_c), out=next_h)
        ctx.save_for_backward(inputs, state, input_weight, weight, bias, hs, cs, gates, squashed)
        ctx.others = ()
        ctx.set_materialize_grads(False)
        return hs[1:], torch.cat((hs[1:], cs[1:]), -1)

    @staticmethod
    @differentiable(_plain_lstm)
    def backward(ctx: Any, to_outputs: Tensor | None, to_states: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, _, input_weight, weight, _, hs, cs, gates, squashed = ctx.saved_tensors
        steps, trials, units = squashed.shape
        i, f, g, o = gates
        # First the factors that turn the gradients of c and h into those of the gates' arguments; the loop multiplies
        # them by the gradient of c (i, f, g) or of h (o), step by step.
        delta = torch.empty_like(gates)
        i_, f_, g_, o_ = delta
        torch.mul(g, i, out=i_).mul_(1 - i)
        torch.mul(cs[:-1], f, out=f_).mul_(1 - f)
        _one_less_square(g, out=g_).mul_(i)
        torch.mul(squashed, o, out=o_).mul_(1 - o)
        from_h = _one_less_square(squashed).mul_(o)  # the factor that passes h's gradient on to c
        if to_states is not None:
            from_state = to_states[..., :units]
            to_outputs = from_state if to_outputs is None else to_outputs + from_state
        rows = weight.chunk(4)
        carried = hs.new_zeros(trials, units)  # the gradient of c
        now = torch.zeros_like(carried)  # the gradient of h
        by_c, by_h, factors, forgets = delta[:3].unbind(1), o_.unbind(0), from_h.unbind(0), f.unbind(0)
        deltas = [x.unbind(0) for x in delta]
        for t in reversed(range(steps)):
            if to_outputs is not None:
                now.add_(to_outputs[t])
            carried.addcmul_(now, factors[t])
            if to_states is not None:
                carried.add_(to_states[t, :, units:])
            by_h[t].mul_(now)
            by_c[t].mul_(carried)
            carried.mul_(forgets[t])
            torch.mm(deltas[0][t], rows[0], out=now)
            for gate, row in zip(deltas[1:], rows[1:], strict=True):
                now.addmm_(gate[t], row)
        wanted = ctx.needs_input_grad
        return (
            _back(delta, input_weight) if wanted[0] else None,
            torch.cat((now, carried), -1) if wanted[1] else None,
            _outer(delta, inputs) if wanted[2] else None,
            _outer(delta, hs[:-1]) if wanted[3] else None,
            delta.sum((1, 2)).view(-1) if wanted[4] else None,
        )
