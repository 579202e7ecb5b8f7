"""Fused recurrences: a whole sequence in one autograd node, forward and hand-written backward.

A loop over autograd's own operations costs a graph node and a fresh buffer for each operation of each step. Here the
time loop does its matrix products and a few elementwise passes a step, in place, in buffers allocated once a sequence;
the gradients of the weights are one large product after the loop. There is no synchronisation with the host.
"""

from __future__ import annotations

from baselines.cells.kernels.activations import ACTIVATIONS, Activation, leaky_relu
from baselines.cells.kernels.additive import folded, leaky, piecewise_linear
from baselines.cells.kernels.folding import fold
from baselines.cells.kernels.gated import gru, lstm

__all__ = ["ACTIVATIONS", "Activation", "fold", "folded", "gru", "leaky", "leaky_relu", "lstm", "piecewise_linear"]
