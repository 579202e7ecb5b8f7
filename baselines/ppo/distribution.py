"""``HeadsDistribution``: the distribution over the labels of several heads, some of which may be inactive.

Axes: B steps (of all sequences), H heads, K labels.
"""

from __future__ import annotations

import copy

import torch
from stable_baselines3.common.distributions import MultiCategoricalDistribution
from torch import Tensor
from torch.distributions import Categorical


class HeadsDistribution(MultiCategoricalDistribution):
    """Independent labels for H heads with K labels each.

    SB3's own distribution loops over the heads; this one handles all heads in a few tensor operations. An inactive head
    still answers, but has no part in the probability of an action or in the entropy.

    Args:
        heads: H, the number of heads.
        labels: K, the number of labels of each head.
        single: actions have the shape (B,) instead of (B, H), as a ``Discrete`` space wants.
    """

    _active: Tensor
    _logs: Tensor

    def __init__(self, heads: int, labels: int, single: bool) -> None:
        super().__init__([labels] * heads)
        self._shape = (-1, heads, labels)
        self._single = single

    def given(self, logits: Tensor, active: Tensor) -> HeadsDistribution:
        """A new distribution for these logits (B, H * K); ``active`` (H,) is 1 for active heads, else 0."""
        # A copy: two distributions may be compared, and a policy that kept the logits would keep their autograd graph
        # and could not be copied.
        given = copy.copy(self)
        given._active = active
        given._logs = torch.log_softmax(logits.view(self._shape), dim=-1)
        return given

    def log_prob(self, actions: Tensor) -> Tensor:
        """The log probabilities (B,) of actions (B, H) or (B,)."""
        chosen = actions.long().view(*self._shape[:2], 1)
        return self._logs.gather(-1, chosen)[..., 0] @ self._active

    def entropy(self) -> Tensor:
        """The entropies (B,) in nats."""
        return -(self._logs.exp() * self._logs).sum(-1) @ self._active

    @property
    def distribution(self) -> list[Categorical]:  # type: ignore[override]
        """Torch's own distribution (B, K) for each active head; Stable-Baselines3's ``kl_divergence`` reads them."""
        counted = zip(self._logs.unbind(1), self._active.tolist(), strict=True)
        return [Categorical(logits=logits) for logits, active in counted if active]

    def sample(self) -> Tensor:
        """Labels drawn from the probabilities by torch's global generator, as everywhere in Stable-Baselines3."""
        below = self._logs.exp().cumsum(-1)[..., :-1]
        return self._as_action((torch.rand_like(below[..., :1]) > below).sum(-1))

    def mode(self) -> Tensor:
        """The likeliest labels."""
        return self._as_action(self._logs.argmax(-1))

    def _as_action(self, labels: Tensor) -> Tensor:
        return labels[:, 0] if self._single else labels
