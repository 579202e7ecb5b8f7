"""Random walks of steps +1 and -1: binomial numbers, and tables of walks under a weight for each step off zero."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SIGMAS = 9.0
"""Standard deviations from the mean beyond which a sum is left out: its probability is below 1e-18."""


def binomial(count: int, bias: float) -> Floats:
    """Probabilities of 0 .. count positive pulses among ``count``, each positive with probability 0.5 + bias."""
    p, positive = 0.5 + bias, np.arange(count + 1)
    if p == 1:
        return (positive == count).astype(np.float64)
    # From the likeliest number on, each from its neighbour: sums of logarithms of factorials would lose digits.
    mode, odds = min(count, int((count + 1) * p)), p / (1 - p)
    ways = np.ones(count + 1)
    above, below = positive[mode:-1], positive[mode:0:-1]
    ways[mode + 1 :] = np.cumprod((count - above) / (above + 1) * odds)
    ways[:mode] = np.cumprod(below / (count - below + 1) / odds)[::-1]
    return np.asarray(ways / ways.sum())


def agreement(seen: int, unseen: int, bias: float, tie: float = 0.0) -> float:
    """E[sign(A) sign(A + B)], A the sum of ``seen`` pulses, B of ``unseen`` others; ``tie`` where A = B = 0."""
    last, before = np.arange(-seen, seen + 1, 2), np.arange(-unseen, unseen + 1, 2)
    chances = binomial(unseen, bias)
    below = np.append(0.0, np.cumsum(chances))  # [i]: P(B < before[i])
    less = below[np.searchsorted(before, -last, "left")]
    more = 1 - below[np.searchsorted(before, -last, "right")]
    agreed = (binomial(seen, bias) * np.sign(last)) @ (more - less)
    if tie and seen % 2 == 0 and unseen % 2 == 0:
        agreed += tie * binomial(seen, bias)[seen // 2] * chances[unseen // 2]
    return float(agreed)


def from_start(half: int, wide: int, up: float, down: float, pay: Floats) -> Floats:
    """Walks from 0 at time 0, each step weighted by its probability and, unless it ends at 0, by ``pay`` (K,).

    Returns:
        (half + 2, K, 4 wide + 3): for each time and each pay the walks to the sums -(2 wide + 1) .. 2 wide + 1. Row i
        has the even sums at time 2 i and the odd sums at time 2 i - 1. Walks that leave the table are left out.
    """
    out = np.zeros((half + 2, len(pay), 4 * wide + 3))
    even, odd = out[:-1, :, 1::2], out[1:, :, ::2]
    up_pay, down_pay = up * pay[:, None], down * pay[:, None]
    now, then = np.zeros((len(pay), 2 * wide + 1)), np.zeros((len(pay), 2 * wide + 2))
    now[:, wide] = 1
    for i in range(half + 1):
        even[i] = now
        then[:, :-1] = down_pay * now
        then[:, -1] = 0
        then[:, 1:] += up_pay * now
        odd[i] = then
        now = up_pay * then[:, :-1]
        now += down_pay * then[:, 1:]
        now[:, wide] /= pay
    return out


def to_end(pulses: int, wide: int, up: float, down: float, pay: Floats, end: Floats, tie: Floats) -> Floats:
    """Walks from a sum to the end at time ``pulses``, weighted as in ``from_start`` and by ``end`` (K,), ``tie`` at 0.

    Returns:
        (half + 1, K, 4 wide + 3), half = pulses // 2: row i has the even sums at time 2 i, the odd ones at 2 i + 1.
    """
    half = pulses // 2
    out = np.zeros((half + 1, len(pay), 4 * wide + 3))
    even, odd = out[:, :, 1::2], out[:, :, ::2]
    up_pay, down_pay = up * pay[:, None], down * pay[:, None]
    if pulses % 2:
        odd[half] = end[:, None]
    else:
        even[half] = end[:, None]
        even[half, :, wide] = tie
    for i in range(half, -1, -1):
        if i < half:
            later = even[i + 1].copy()
            later[:, wide] /= pay
            odd[i, :, :-1] = up_pay * later
            odd[i, :, 1:] += down_pay * later
        if i < half or pulses % 2:
            even[i] = up_pay * odd[i, :, 1:] + down_pay * odd[i, :, :-1]
    return out
