"""A moving average of a network's weights, which jitters less than the weights of the latest update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

SHARE, LEAST = 4, 5
"""After k updates of a stage the average reaches over about k / ``SHARE`` of them, at least over ``LEAST``: so the
average of a stage that has just begun is not that of its latest weights alone."""


class AveragedWeights:
    """The moving average of a network's weights.

    After update k of a stage the average moves towards the weights by the share 1 / r, r = 1 + k / ``SHARE``, but
    at least ``LEAST`` and at most ``reach``: it follows the latest quarter of a young stage, and the last ``reach``
    updates of an old one.

    Args:
        network: the network; its weights are read at every update.
        reach: the most updates that the average reaches over.
    """

    def __init__(self, network: nn.Module, reach: int) -> None:
        self.network, self.reach = network, reach
        self.restore({})

    def adopt(self) -> None:
        """Take in weights that the network has got since; they begin with their present values."""
        self.restore(self.weights)

    @torch.no_grad()
    def update(self, age: int) -> None:
        """Move towards the network's present weights.

        Args:
            age: the updates since the stage began, 0 in its first.
        """
        averages, present = self._pairs
        torch._foreach_lerp_(averages, present, self.share(age))

    def share(self, age: int) -> float:
        """By how much of the difference the average moves after this many updates of the stage."""
        return 1 / min(self.reach, max(LEAST, 1 + age / SHARE))

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Within the block, the network has the averaged weights."""
        pairs = [(value, self.weights[name]) for name, value in self.network.named_parameters()]
        raw = [value.data for value, _ in pairs]
        for value, average in pairs:
            value.data = average
        try:
            yield
        finally:
            for (value, _), data in zip(pairs, raw, strict=True):
                value.data = data

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from these averages, by the names of the weights; others begin with their present values."""
        present = dict(self.network.named_parameters())
        self.weights: dict[str, Tensor] = dict(weights)
        for name, value in present.items():
            if name not in self.weights:
                self.weights[name] = value.detach().clone()
        # Listed once: to collect the weights of many heads anew would take longer than to average them.
        self._pairs: tuple[list[Tensor], list[Tensor]] = ([self.weights[name] for name in present], [*present.values()])
