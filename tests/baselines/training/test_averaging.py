"""The moving average of the weights: what it is, when it is used, and that it leaves the weights alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from baselines.training.averaging import AveragedWeights


def test_it_is_the_mean_over_its_reach() -> None:
    network = nn.Linear(1, 1)
    averaged, expected = AveragedWeights(network, reach=8), network.weight.item()
    for age in range(60):
        with torch.no_grad():
            network.weight.fill_(age)
        averaged.update(age)
        expected += (age - expected) / min(8, max(5, 1 + age / 4))
    assert float(averaged.weights["weight"]) == pytest.approx(expected)
    # A stage begins with the average of a few updates, and never has the latest weights alone.
    assert [averaged.share(age) for age in (0, 16, 24, 60)] == pytest.approx([1 / 5, 1 / 5, 1 / 7, 1 / 8])
    assert AveragedWeights(network, reach=3).share(0) == pytest.approx(1 / 3)


def test_it_is_used_within_the_block_only() -> None:
    network = nn.Linear(2, 2)
    averaged = AveragedWeights(network, reach=5)
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    averaged.weights["weight"].zero_()

    def fail() -> None:
        with averaged.in_use():
            assert not network.weight.any()
            assert torch.equal(network.bias, before["bias"])
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    for name, value in network.named_parameters():
        assert torch.equal(value, before[name])


def test_new_weights_begin_with_their_values() -> None:
    network = nn.ModuleDict({"a": nn.Linear(2, 2)})
    averaged = AveragedWeights(network, reach=5)
    averaged.weights["a.weight"].zero_()
    network["b"] = nn.Linear(2, 2)
    averaged.adopt()
    assert not averaged.weights["a.weight"].any()
    assert torch.equal(averaged.weights["b.weight"], network.get_parameter("b.weight"))
