"""Readouts fitted anew to a network that stays as it is: what its activity holds, whoever is to read it.

Axes: T steps, B trials, H heads, K numbers a head, U units, M samples.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from baselines.analysis.probing import Probe
from baselines.network import RecurrentNetwork

PENALTY = 1e-4
"""Weight of the squared readout weights, for activity scaled to a standard deviation of 1."""


def refitted(network: RecurrentNetwork, probe: Probe) -> RecurrentNetwork:
    """A network with the same cell and the best linear readouts of a probe's answers.

    Labels: logistic regression, each head alone; real values: ridge regression. Both are convex, so that nothing
    depends on a start or on a number of updates. The cell is shared, not copied.

    Args:
        network: whose cell it is.
        probe: the trials and the steps that the readouts are fitted to; take another one to test them.
    """
    with torch.no_grad():
        outputs, _ = network.unroll(probe.inputs, network.cell.initial_state(probe.inputs.shape[1]))
    samples, targets = outputs[probe.mask], probe.targets[probe.mask].to(outputs)
    mean, sd = samples.mean(0), samples.std(0).clamp(min=1e-6)
    scaled = (samples - mean) / sd
    weight, bias = (_values if network.width == 1 else _labels)(scaled, targets)
    weight = weight / sd
    bias = bias - weight @ mean
    fitted = RecurrentNetwork(network.cell, network.width, network.signed)
    for key, w, b in zip(probe.heads, weight, bias, strict=True):
        readout = fitted.add_readout(key, torch.Generator())
        with torch.no_grad():
            # Of two logits the first one stays at 0.
            readout.weight.zero_()[-1] = w
            readout.bias.zero_()[-1] = b
    return fitted


def _labels(samples: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logistic regression: samples (M, U), labels (M, H) -> weights (H, U), biases (H,)."""
    weight = samples.new_zeros(targets.shape[1], samples.shape[1], requires_grad=True)
    bias = samples.new_zeros(targets.shape[1], requires_grad=True)
    search = torch.optim.LBFGS(
        [weight, bias], max_iter=200, tolerance_grad=1e-6, tolerance_change=1e-9, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        search.zero_grad()
        logits = samples @ weight.t() + bias
        value = binary_cross_entropy_with_logits(logits, targets) + PENALTY * weight.square().sum()
        torch.autograd.backward(value)
        return value

    with torch.enable_grad():
        search.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def _values(samples: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression: samples (M, U), values (M, H) -> weights (H, U), biases (H,)."""
    bias = targets.mean(0)
    gram = samples.t() @ samples + PENALTY * len(samples) * torch.eye(samples.shape[1], device=samples.device)
    return torch.linalg.solve(gram, samples.t() @ (targets - bias)).t(), bias
