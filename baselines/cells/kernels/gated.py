"""The fused recurrences of the GRU and the LSTM, by torch's equations and in torch's order of gates.

torch's own LSTM keeps the cell states of all steps but the last to itself. Here each gate has a buffer of its own,
(T, B, U): a gate's columns within a product of all gates would make every elementwise pass four times as slow. What the
backward pass multiplies with is known before it starts, so it is worked out for all steps at once; the loop is left
with one product a gate and a few elementwise passes.

Axes: G gates, T steps, B trials, I inputs, U units.
"""

from __future__ import annotations

from collections.abc import Iterable
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


def _driven(inputs: Tensor, weight: Tensor, bias: Tensor, gates: Tensor) -> None:
    """What the inputs and the bias add to each gate: (T, B, I), (G U, I), (G U,) -> gates (G, T, B, U)."""
    flat, count = inputs.reshape(-1, inputs.shape[-1]), len(gates)
    for gate, rows, offset in zip(gates, weight.chunk(count), bias.chunk(count), strict=True):
        torch.addmm(offset, flat, rows.t(), out=gate.view(-1, gate.shape[-1]))


def _outer(deltas: Iterable[Tensor], shown: Tensor) -> Tensor:
    """Sums over steps and trials: (G, T, B, U), (T, B, I) -> (G U, I)."""
    flat = shown.reshape(-1, shown.shape[-1])
    return torch.cat([delta.view(-1, delta.shape[-1]).t() @ flat for delta in deltas])


def _back(deltas: Tensor, weight: Tensor) -> Tensor:
    """What the gates' gradients say to what the weight multiplies: (G, ..., U), (G U, K) -> (..., K)."""
    parts = zip(deltas, weight.chunk(len(deltas)), strict=True)
    total, *others = (delta @ rows for delta, rows in parts)
    for other in others:
        total += other
    return total


def _one_less_square(value: Tensor, out: Tensor | None = None) -> Tensor:
    """1 - value^2, the slope of tanh where it has this value."""
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
        recalled = torch.empty_like(gates[0])  # what the reset gate multiplies
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
        ctx.save_for_backward(inputs, states, gates, recalled, input_weight, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, states, gates, recalled, input_weight, weight = ctx.saved_tensors
        r, z, n = gates
        # With respect to the arguments of the gates, n behind and before the reset gate. First the factors of the
        # gradient with respect to h, which the loop then multiplies them with.
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
        ctx.save_for_backward(inputs, hs, cs, gates, squashed, input_weight, weight)
        ctx.set_materialize_grads(False)
        return hs[1:], torch.cat((hs[1:], cs[1:]), -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_outputs: Tensor | None, to_states: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, hs, cs, gates, squashed, input_weight, weight = ctx.saved_tensors
        steps, trials, units = squashed.shape
        i, f, g, o = gates
        # With respect to the arguments of the gates: first the factors of the gradients with respect to c and h, which
        # the loop then multiplies them with.
        delta = torch.empty_like(gates)
        i_, f_, g_, o_ = delta
        torch.mul(g, i, out=i_).mul_(1 - i)
        torch.mul(cs[:-1], f, out=f_).mul_(1 - f)
        _one_less_square(g, out=g_).mul_(i)
        torch.mul(squashed, o, out=o_).mul_(1 - o)
        from_h = _one_less_square(squashed).mul_(o)  # what c gets of h's gradient
        if to_states is not None:
            from_state = to_states[..., :units]
            to_outputs = from_state if to_outputs is None else to_outputs + from_state
        rows = weight.chunk(4)
        carried = hs.new_zeros(trials, units)  # with respect to c
        now = torch.zeros_like(carried)  # with respect to h
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
