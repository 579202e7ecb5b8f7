"""Fused recurrences: a whole sequence in one autograd node, forward and hand-written backward.

A loop over autograd's own operations costs a graph node and a fresh buffer for each operation of each step. Here the
time loop does its matrix products and a few elementwise passes a step, in place, in buffers allocated once a sequence;
the gradients of the weights are one large product after the loop. There is no synchronisation with the host.
"""

from baselines.kernels.activations import ACTIVATIONS, Activation, leaky_relu
from baselines.kernels.additive import folded, leaky, piecewise_linear
from baselines.kernels.folding import fold
from baselines.kernels.gated import gru, lstm

__all__ = ["ACTIVATIONS", "Activation", "fold", "folded", "gru", "leaky", "leaky_relu", "lstm", "piecewise_linear"]
