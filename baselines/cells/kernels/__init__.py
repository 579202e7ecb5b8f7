"""Fused recurrences: a whole sequence is one autograd node, with a hand-written backward pass.

A loop over autograd's own operations allocates a graph node and a new buffer for each operation of each step. Here each
step of the loop does its matrix products and a few elementwise operations in place, in buffers that are allocated once
per sequence. The gradients of the weights are one large product after the loop. On a GPU the host never waits for the
device.

Where torch must transform a recurrence or differentiate it again, its plain form runs in its place: see ``fallback``.
"""

from __future__ import annotations

from baselines.cells.kernels.activations import ACTIVATIONS, Activation, leaky_relu
from baselines.cells.kernels.additive import folded, leaky, piecewise_linear
from baselines.cells.kernels.fallback import check_steps, is_transformed, needs_plain
from baselines.cells.kernels.folding import fold
from baselines.cells.kernels.gated import gru, gru_step, lstm, lstm_step

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "check_steps",
    "fold",
    "folded",
    "gru",
    "gru_step",
    "is_transformed",
    "leaky",
    "leaky_relu",
    "lstm",
    "lstm_step",
    "needs_plain",
    "piecewise_linear",
]
