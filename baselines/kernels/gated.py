"""The fused recurrences of the GRU and the LSTM, by torch's equations and in torch's order of gates.

torch's own kernels for the CPU cost a GRU or an LSTM several times what an additive network of the same size costs, and
its LSTM keeps the cell states of all steps but the last to itself. What the backward pass multiplies with is known
before it starts, so it is worked out for all steps at once; the loop is left with one product and a few elementwise
passes.

Axes: T steps, B trials, I inputs, U units.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def gru(
    inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, input_bias: Tensor, bias: Tensor
) -> Tensor:
    """h(t) = (1 - z) n + z h(t-1), at every step, with the gates of ``torch.nn.GRU``, stacked as r, z, n.

    Args:
        inputs: x, (T, B, I).
        state: h before the first step, (B, U).
        input_weight: (3U, I).
        weight: (3U, U).
        input_bias: (3U,).
        bias: (3U,), within the reset gate's reach for n.

    Returns:
        (T, B, U).
    """
    states: Tensor = _GRU.apply(inputs, state, input_weight, weight, input_bias, bias)  # type: ignore[no-untyped-call]
    return states


def lstm(inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """c(t) = f c(t-1) + i g and h(t) = o tanh(c(t)), with the gates of ``torch.nn.LSTM``, stacked as i, f, g, o.

    Args:
        inputs: x, (T, B, I).
        state: [h, c] before the first step, (B, 2U).
        input_weight: (4U, I).
        weight: (4U, U).
        bias: (4U,).

    Returns:
        h (T, B, U) and [h, c] (T, B, 2U) at every step.
    """
    outputs, states = _LSTM.apply(inputs, state, input_weight, weight, bias)  # type: ignore[no-untyped-call]
    return outputs, states


def _product(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x(t) weight' + bias at every step, in one product: (T, B, I) -> (T, B, K), contiguous."""
    flat = torch.addmm(bias, inputs.reshape(-1, inputs.shape[-1]), weight.t())
    return flat.view(*inputs.shape[:-1], -1)


def _outer(delta: Tensor, shown: Tensor) -> Tensor:
    """Sum over steps and trials: (T, B, K), (T, B, I) -> (K, I)."""
    return delta.reshape(-1, delta.shape[-1]).t() @ shown.reshape(-1, shown.shape[-1])


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, input_bias: Tensor, bias: Tensor
    ) -> Tensor:
        steps, (trials, units) = len(inputs), state.shape
        two = 2 * units
        states = state.new_empty(steps + 1, trials, units)
        states[0] = state
        gates = _product(inputs, input_weight[:two], input_bias[:two] + bias[:two])  # r, z
        new = _product(inputs, input_weight[two:], input_bias[two:])  # n
        recalled = torch.empty_like(new)  # what the reset gate multiplies
        gate_matrix, new_matrix, new_bias = weight[:two].t(), weight[two:].t(), bias[two:]
        resets, updates = gates[..., :units].unbind(0), gates[..., units:].unbind(0)
        before, *after = states.unbind(0)
        for now, gate, r, z, n, q in zip(
            after, gates.unbind(0), resets, updates, new.unbind(0), recalled.unbind(0), strict=True
        ):
            gate.addmm_(before, gate_matrix).sigmoid_()
            torch.addmm(new_bias, before, new_matrix, out=q)
            n.addcmul_(r, q).tanh_()
            torch.lerp(n, before, z, out=now)
            before = now
        ctx.save_for_backward(inputs, states, gates, new, recalled, input_weight, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, states, gates, new, recalled, input_weight, weight = ctx.saved_tensors
        units = states.shape[-1]
        two = 2 * units
        r, z = gates[..., :units], gates[..., units:]
        # With respect to the arguments of r, z and, behind the reset gate, n; first as factors, then multiplied.
        delta = states.new_empty(*new.shape[:-1], 3 * units)
        to_r, to_z, to_q = (delta[..., i * units : (i + 1) * units] for i in range(3))
        torch.mul(1 - r, recalled, out=to_r)
        to_r.mul_(r)
        torch.sub(states[:-1], new, out=to_z).mul_(z).mul_(1 - z)
        to_new = (1 - new * new).mul_(1 - z)  # with respect to the argument of n
        total = gradient.clone(memory_format=torch.contiguous_format)
        totals, deltas = total.unbind(0), delta.unbind(0)
        rs, zs, tr, tz, tq, tn = (x.unbind(0) for x in (r, z, to_r, to_z, to_q, to_new))
        first = torch.empty_like(totals[0])
        for t in reversed(range(len(totals))):
            now = totals[t]
            tn[t].mul_(now)
            tz[t].mul_(now)
            tr[t].mul_(tn[t])
            torch.mul(tn[t], rs[t], out=tq[t])
            if t:
                totals[t - 1].addcmul_(now, zs[t]).addmm_(deltas[t], weight)
            else:
                torch.mul(now, zs[0], out=first)
                first.addmm_(deltas[0], weight)
        wanted = ctx.needs_input_grad
        to_inputs = to_weight = to_bias = None
        outer = torch.cat((delta[..., :two], to_new), -1) if wanted[0] or wanted[2] or wanted[4] else None
        if outer is not None:
            to_inputs = outer @ input_weight if wanted[0] else None
            to_weight = _outer(outer, inputs) if wanted[2] else None
            to_bias = outer.sum((0, 1)) if wanted[4] else None
        return (
            to_inputs,
            first if wanted[1] else None,
            to_weight,
            _outer(delta, states[:-1]) if wanted[3] else None,
            to_bias,
            delta.sum((0, 1)) if wanted[5] else None,
        )


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        steps, trials, units = len(inputs), len(state), state.shape[1] // 2
        states = state.new_empty(steps + 1, trials, 2 * units)
        states[0] = state
        gates = _product(inputs, input_weight, bias)
        squashed = state.new_empty(steps, trials, units)  # tanh(c)
        matrix = weight.t()
        i_f, g, o = gates[..., : 2 * units], gates[..., 2 * units : 3 * units], gates[..., 3 * units :]
        i, f = i_f[..., :units], i_f[..., units:]
        views = [x.unbind(0) for x in (gates, i_f, i, f, g, o, squashed)]
        h, *later_h = states[..., :units].unbind(0)
        c, *later_c = states[..., units:].unbind(0)
        for t, (gate, i_f_t, i_t, f_t, g_t, o_t, tanh_c) in enumerate(zip(*views, strict=True)):
            gate.addmm_(h, matrix)
            i_f_t.sigmoid_()
            g_t.tanh_()
            o_t.sigmoid_()
            h, before, c = later_h[t], c, later_c[t]
            torch.mul(f_t, before, out=c)
            c.addcmul_(i_t, g_t)
            torch.tanh(c, out=tanh_c)
            torch.mul(o_t, tanh_c, out=h)
        ctx.save_for_backward(inputs, states, gates, squashed, input_weight, weight)
        ctx.set_materialize_grads(False)
        return states[1:, :, :units], states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_outputs: Tensor | None, to_states: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, states, gates, squashed, input_weight, weight = ctx.saved_tensors
        steps, trials, units = squashed.shape
        i, f, g, o = (gates[..., k * units : (k + 1) * units] for k in range(4))
        delta = torch.empty_like(gates)  # with respect to the arguments of the gates; first as factors, then multiplied
        to_i, to_f, to_g, to_o = (delta[..., k * units : (k + 1) * units] for k in range(4))
        torch.mul(g, i, out=to_i).mul_(1 - i)
        torch.mul(states[:-1, :, units:], f, out=to_f).mul_(1 - f)
        torch.mul(1 - g * g, i, out=to_g)
        torch.mul(squashed, o, out=to_o).mul_(1 - o)
        from_h = (1 - squashed * squashed).mul_(o)  # what c gets of h's gradient
        h_total = torch.zeros_like(squashed)
        if to_outputs is not None:
            h_total.copy_(to_outputs)
        if to_states is not None:
            h_total += to_states[..., :units]
        start = states.new_zeros(trials, 2 * units)
        carried = start[:, units:]  # with respect to c
        by_c = delta.view(steps, trials, 4, units)[:, :, :3].unbind(0)
        by_h, deltas, totals, factors, forgets = (x.unbind(0) for x in (to_o, delta, h_total, from_h, f))
        for t in reversed(range(steps)):
            now = totals[t]
            carried.addcmul_(now, factors[t])
            if to_states is not None:
                carried.add_(to_states[t, :, units:])
            by_h[t].mul_(now)
            by_c[t].mul_(carried[:, None])
            carried.mul_(forgets[t])
            if t:
                totals[t - 1].addmm_(deltas[t], weight)
        wanted = ctx.needs_input_grad
        if wanted[1]:
            torch.mm(deltas[0], weight, out=start[:, :units])
        return (
            delta @ input_weight if wanted[0] else None,
            start if wanted[1] else None,
            _outer(delta, inputs) if wanted[2] else None,
            _outer(delta, states[:-1, :, :units]) if wanted[3] else None,
            delta.sum((0, 1)) if wanted[4] else None,
        )
