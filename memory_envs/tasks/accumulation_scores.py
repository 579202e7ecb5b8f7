"""Exact scores of bounded memory on evidence accumulation: how often do the last k pulses agree with them all?

Pulses are +1 with probability 0.5 + bias in half of the trials, 0.5 - bias in the others. Changing every
sign exchanges the two, so that one of them is enough for every score here.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from memory_envs import sizes
from memory_envs.tasks import noisy_agreement, random_walk

Floats = npt.NDArray[np.float64]


def agreement(seen: int, total: int, bias: float, noise: float) -> float:
    """E[sign(sum of the last ``seen`` pulses) sign(sum of all ``total``)]; a sum of zero has sign 0."""
    if seen <= 0:
        return 0.0
    if noise:
        return 1.0 if seen >= total else noisy_agreement.expected(seen, total - seen, total - seen, bias, noise)
    return random_walk.agreement(seen, max(total - seen, 0), bias)


def final_score(pulses: int, delay: int, bias: float, noise: float, memory: int) -> float:
    """Score at the last step of a trial whose sum is not zero, with a memory of which ``delay`` steps are silent."""
    agreed = agreement(min(memory - delay, pulses), pulses, bias, noise)
    if noise or pulses % 2:
        return agreed
    return agreed / (1 - float(random_walk.binomial(pulses, bias)[pulses // 2]))  # trials that tie are drawn again


def dense_score(pulses: int, delay: int, bias: float, noise: float, memory: int) -> float:
    """Expected score of a trial in which every step counts whose sum so far is not zero."""
    if noise:  # no ties: every step counts
        at_pulses = float(min(memory, pulses))
        if 0 < memory < pulses:
            at_pulses += noisy_agreement.expected(memory, 1, pulses - memory, bias, noise)
        at_silent = [_noisy_whole(min(memory - j, pulses), pulses, bias, noise) for j in range(1, delay + 1)]
        return (at_pulses + sum(at_silent)) / (pulses + delay)
    return float(_dense_curve(pulses, delay, bias)[min(memory, pulses + delay)])


@lru_cache(maxsize=4096)
def _noisy_whole(seen: int, pulses: int, bias: float, noise: float) -> float:
    return agreement(seen, pulses, bias, noise)


@lru_cache(maxsize=64)
def _dense_curve(pulses: int, delay: int, bias: float) -> Floats:
    """``dense_score`` without noise for memory 0 .. pulses + delay, for all memories at once.

    A trial's score is the mean over its n counted steps, and n varies with the pulses. Three steps make that cheap.

    1. 1/n is a sum of some ten powers z^n, to the last bits (``_reciprocal``). Under a weight of z for each counted
       step, what comes before a window of pulses, what happens in it and what comes after it are independent.
    2. An even memory of k gives the answers of k - 1. From an odd k to k + 2, an answer about the sum S > 0 changes
       only if the two pulses that join the window lead from S - 1 to S + 1, or from S + 1 to S - 1. So the score
       changes by

           2 sum_s sum_S  B(s, S -+ 1) V(S +- 1 -> S in k steps) A(s + k + 2, S) / n, up minus down,

       with B the weighted walks from the start and A those to the end. For all k, the sum over s is a correlation.
    3. V depends on |S| alone: by reflection, the walks from x to y in k steps that touch 0 are as many as those from 0
       to x + y. Those that do not are binomial numbers.

    The work is that of 10 Fourier transforms of length ``pulses`` for each sum in reach.
    """
    # Two tables of walks, for each of about ten z; two transforms of such a table and their products, one z at a time.
    reach = min(pulses, math.ceil(2 * bias * pulses + random_walk.SIGMAS * math.sqrt(pulses)))
    bases, weights = _reciprocal((pulses + 1) // 2, pulses + delay)
    sizes.check(
        8.0 * pulses * reach * (2 * len(bases) + 12),
        f"the reference score of evidence accumulation over {pulses} pulses",
        "N must be smaller (or scoring='final')",
    )
    up, down, half = 0.5 + bias, 0.5 - bias, pulses // 2
    wide = min(half, math.ceil(reach / 2))
    before = random_walk.from_start(half, wide, up, down, np.append(bases, 1.0))
    after = random_walk.to_end(pulses, wide, up, down, bases, weights * bases**delay, weights)
    plain = _even_handed(before[:, -1])  # unweighted: binomial
    size = 1 << (2 * half + 2).bit_length()
    steps = np.arange(1, 2 * half + 3, 2)[:, None]  # k
    # [0]: the score at all pulses, [1]: at the last one; the gain of k = 1, and then from each odd k to the next.
    gains = np.zeros((2, half + 2))
    for j, z in enumerate(bases):
        within = np.append(plain[:, :1] - plain, plain[:, :1], axis=1) * z ** (steps + 2)
        within[:, :-1] += z * _even_handed(before[:, j])
        end = after[half, j].copy()
        end[pulses % 2 :: 2] = 0  # sums that the last pulse cannot lead to belong to the step before
        spectra = [np.fft.rfft(table[:, j].T, size) for table in (before, after)]
        joint = _neighbours(spectra[0].conj(), spectra[1], up, down)
        at_all = np.fft.irfft(_few(joint, plain.shape[1]), size)[:, : half + 2]
        at_last = _few(_neighbours(before[half::-1, j].T, end[:, None], up, down), plain.shape[1])
        for gain, lagged in zip(gains, (at_all, at_last), strict=True):
            count = lagged.shape[1] - 1
            gain[0] += z * lagged[:, 0].sum()
            gain[1 : count + 1] += 2 * math.sqrt(up * down) * np.einsum("kc,ck->k", within[:count], lagged[:, 1:])
    at_pulses, at_silent = np.cumsum(gains, axis=1)
    memory = np.arange(pulses + delay + 1)
    odd = (np.minimum(memory, pulses) - 1) // 2
    curve = np.where(memory > 0, at_pulses[odd], 0.0)
    silent = np.cumsum(np.append(0.0, at_silent[(np.arange(1, pulses + 1) - 1) // 2]))  # [k]: of memories 1 .. k
    # At silent step j only memory - j pulses are left: sums over memory - delay .. memory - 1, at most ``pulses`` each.
    least, most = np.maximum(memory - delay, 1), memory - 1
    beyond = np.maximum(most - np.maximum(pulses + 1, least) + 1, 0) * at_silent[(pulses - 1) // 2]
    within_reach = silent[np.clip(most, 0, pulses)] - silent[np.clip(least - 1, 0, pulses)]
    return curve + np.where(most >= least, within_reach + beyond, 0.0)


def _reciprocal(least: int, most: int) -> tuple[Floats, Floats]:
    """Bases z and weights w, (K,) each: sum_j w_j z_j^n = 1/n for every n from ``least`` to ``most``.

    1/n is the integral of z^(n - 1) over z from 0 to 1. With z = y^(10 / least) the exponents of y do not grow with n,
    and few nodes of Gauss and Legendre's quadrature are enough.
    """
    scale, n = least / 10, np.unique(np.linspace(least, most, 200).round())[:, None]
    for count in range(8, most // 2 + 1):
        nodes, weights = np.polynomial.legendre.leggauss(count)
        y = (nodes + 1) / 2
        shares = weights / (2 * scale * y)
        if np.abs(y ** (n / scale) @ shares * n[:, 0] - 1).max() < 1e-14:
            return y ** (1 / scale), shares
    nodes, weights = np.polynomial.legendre.leggauss(most // 2 + 1)  # exact for z^(n - 1) itself
    return (nodes + 1) / 2, weights / (nodes + 1)


def _even_handed(walks: Floats) -> Floats:
    """Walks from 0 to 1, 3, 5, ... in 1, 3, 5, ... steps, of which up and down are equally likely, (half + 1, H).

    ``walks`` is one of the tables of ``random_walk.from_start``. Up and down are weighted by their geometric mean: the
    walks to h and to -h differ in nothing else.
    """
    zero = walks.shape[1] // 2
    return np.asarray(np.sqrt(walks[1:, zero + 1 :: 2] * walks[1:, zero - 1 :: -2]))


def _neighbours(before: npt.NDArray[np.inexact], after: npt.NDArray[np.inexact], up: float, down: float) -> Floats:
    """Walks that step from S - 1 to S, minus those from S + 1, and go on to S; the same for -S: (C, ...).

    Entry c takes what belongs to one sum of the two ends of the window, 2 c + 1: S = c from below, S = c + 1 from
    above.
    The tables are (sums, ...), the sum of zero in their middle.
    """
    zero = len(before) // 2
    upper, lower = (before[zero:], after[zero:]), (before[zero::-1], after[zero::-1])
    out = np.zeros(np.broadcast_shapes(upper[0].shape, upper[1].shape), np.result_type(before, after))
    out[1:] = up * upper[0][:-1] * upper[1][1:] + down * lower[0][:-1] * lower[1][1:]
    out[:-2] -= down * upper[0][2:] * upper[1][1:-1] + up * lower[0][2:] * lower[1][1:-1]
    return out


def _few(pairs: npt.NDArray[np.inexact], count: int) -> Floats:
    """The first ``count`` entries, and the sum of the others: windows that start too far up to touch zero."""
    return np.concatenate([pairs[:count], pairs[count:].sum(axis=0, keepdims=True)])
