"""What a network answers once what one place of its register holds was flipped.

Axes: B trials, H heads, N places, S state size, A steps after the flip, U units.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from baselines.network import RecurrentNetwork


@torch.no_grad()
def flipped(
    network: RecurrentNetwork, inputs: Tensor, state: Tensor, held: Tensor, patterns: Tensor, keys: Sequence[str]
) -> Tensor:
    """The share of trials in which a flip changes an answer, (N, A, H).

    With e the pattern of a place over the entries of the state and v = -1 or 1 what the place holds, the state s
    becomes s - 2 v e: the mean state of trials that hold the one becomes that of trials that hold the other.

    Args:
        network: the network.
        inputs: the inputs of the A steps after the flip, (A, B, I).
        state: the states that are changed, (B, S).
        held: what each place holds in each trial, -1 or 1, (B, N).
        patterns: the pattern of each place, (N, S).
        keys: the H readouts that answer.
    """
    before = network.choose(network(inputs, keys, state).answers)
    changed = []
    for value, pattern in zip(held.t(), patterns, strict=True):
        answers = network.choose(network(inputs, keys, state - 2 * value[:, None] * pattern).answers)
        changed.append((answers != before).double().mean(1))
    return torch.stack(changed)


def on_and_off(changed: Tensor, heads: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The changes of the head that a register would change, and the mean over all others, (N, A) each.

    What place j holds changes, s steps after, the answer for k = j + s and no other.

    Args:
        changed: as of ``flipped``, (N, A, H).
        heads: the k of each head.
    """
    places, steps, _ = changed.shape
    reached = torch.arange(1, places + 1)[:, None] + torch.arange(1, steps + 1)
    hit = (reached[..., None] == torch.tensor(heads)).to(changed)
    on, off = ((changed * chosen).sum(-1) / chosen.sum(-1) for chosen in (hit, 1 - hit))
    return on, off
