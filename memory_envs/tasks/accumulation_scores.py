"""Exact scores of bounded memory on evidence accumulation: how often do the last k pulses agree with them all?

Pulses are +1 with probability 0.5 + bias in half of the trials, 0.5 - bias in the others. Changing every
sign exchanges the two, so that one of them is enough for every score here.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def agreement(seen: int, total: int, bias: float, noise: float) -> float:
    """E[sign(sum of the last ``seen`` pulses) sign(sum of all ``total``)]; a sum of zero has sign 0."""
    if seen <= 0:
        return 0.0
    if noise:
        return 1.0 if seen >= total else _noisy_agreement(seen, total - seen, bias, noise)
    last, before = np.arange(-seen, seen + 1, 2), np.arange(seen - total, total - seen + 1, 2)
    signs = np.sign(last[:, None]) * np.sign(last[:, None] + before)
    return float(_binomial(seen, bias) @ signs @ _binomial(max(total - seen, 0), bias))


def final_score(pulses: int, delay: int, bias: float, noise: float, memory: int) -> float:
    """Score at the last step of a trial whose sum is not zero, with a memory of which ``delay`` steps are silent."""
    if noise:
        return agreement(min(memory - delay, pulses), pulses, bias, noise)
    tie = _binomial(pulses, bias)[pulses // 2] if pulses % 2 == 0 else 0.0
    return agreement(min(memory - delay, pulses), pulses, bias, noise) / (1 - float(tie))


def dense_score(pulses: int, delay: int, bias: float, noise: float, memory: int) -> float:
    """Expected score of a trial in which every step counts whose sum so far is not zero.

    A trial's score is the mean over its n counted steps, and n varies with the pulses. Since 1/n is the integral of
    z^(n - 1) over z from 0 to 1, E[(1/n) sum of signs] is the integral of E[z^(n - 1) sum of signs], which a walk over
    the sums with weight z for each counted step gives. The integrand is a polynomial in z of degree below
    pulses + delay: Gauss and Legendre's quadrature is exact.
    """
    if noise:  # no ties: every step counts
        within = [agreement(min(memory, t), t, bias, noise) for t in range(1, pulses + 1)]
        silent = [agreement(min(memory - j, pulses), pulses, bias, noise) for j in range(1, delay + 1)]
        return float(np.mean(within + silent))
    return _dense_curve(pulses, delay, bias)[min(memory, pulses + delay)]


@lru_cache(maxsize=64)
def _dense_curve(pulses: int, delay: int, bias: float) -> tuple[float, ...]:
    """``dense_score`` without noise for memory 0 .. pulses + delay: seconds for 100 pulses, in O(pulses^5)."""
    up, down = 0.5 + bias, 0.5 - bias
    sums = np.arange(-pulses, pulses + 1)
    signs = np.sign(sums)
    agree = signs * np.sign(sums - sums[:, None])  # [R, S]: from a sum R before the window to the sum S now
    # Expected share of the score, times the number of steps of each kind:
    known = np.zeros(pulses + 1)  # [t]: at pulse t, answered rightly
    partly = np.zeros(pulses + 1)  # [k]: at all pulses t > k, answered from the last k pulses
    silent = np.zeros(pulses + 1)  # [k]: at one silent step, answered from the last k pulses
    nodes, node_weights = np.polynomial.legendre.leggauss((pulses + delay) // 2 + 1)
    for z, weight in zip((nodes + 1) / 2, node_weights / 2, strict=True):
        pay = np.where(sums != 0, z, 1.0)
        before = np.zeros((pulses + 1, len(sums)))  # [t, S]: walks of t pulses from the start that end at S
        before[0, pulses] = 1
        after = np.zeros((pulses + 1, len(sums)))  # [t, S]: everything behind pulse t, from S
        after[pulses] = pay**delay
        for t in range(pulses):
            before[t + 1] = _walk(before[t], up, down) * pay
            after[pulses - t - 1] = _walk(after[pulses - t] * pay, down, up)
        behind = after * (weight / z)  # one counted step's z is taken out again: z^(n - 1)
        known += (before * behind)[:, sums != 0].sum(axis=1)
        window = np.eye(len(sums))
        for k in range(1, pulses):
            shorter, window = window, _walk(window, up, down) * pay  # [R, S]: k pulses from R to S
            paid = window * agree
            # The last k pulses tie: both answers are equally likely, and the last k - 1 decide, as for memory k - 1.
            from_below = np.append(np.diagonal(shorter, -1), 0) * (up * np.append(pay[1:], 0))
            from_above = np.append(0, np.diagonal(shorter, 1)) * (down * np.append(0, pay[:-1]))
            np.fill_diagonal(paid, signs * (from_above - from_below))
            partly[k] += ((before[1 : pulses + 1 - k].T @ behind[k + 1 :]) * paid).sum()  # over t, R and S
            silent[k] += before[pulses - k] @ paid @ behind[pulses]
    silent[pulses] = known[pulses]
    curve = []
    for memory in range(pulses + delay + 1):
        seen = min(memory, pulses)
        at_silent_steps = [silent[max(0, min(memory - j, pulses))] for j in range(1, delay + 1)]
        curve.append(float(known[1 : seen + 1].sum() + partly[seen] + sum(at_silent_steps)))
    return tuple(curve)


def _walk(weights: Floats, up: float, down: float) -> Floats:
    """One more step: weights (..., sums) of walks that end at each sum -> the same, a pulse later."""
    out = np.zeros_like(weights)
    out[..., 1:] += up * weights[..., :-1]
    out[..., :-1] += down * weights[..., 1:]
    return out


def _binomial(count: int, bias: float) -> Floats:
    """Probabilities of 0 .. count positive pulses among ``count``."""
    p, positive = 0.5 + bias, np.arange(count + 1)
    if p == 1:
        return (positive == count).astype(np.float64)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count + 1)))])
    ways = log_factorial[count] - log_factorial - log_factorial[::-1]
    return np.asarray(np.exp(ways + positive * np.log(p) + positive[::-1] * np.log1p(-p)))


_erf = np.frompyfunc(math.erf, 1, 1)


def _noisy_agreement(seen: int, unseen: int, bias: float, noise: float) -> float:
    """``agreement`` where each pulse carries Gaussian noise: two mixtures of normals, integrated over the seen one."""
    width_seen, width_unseen = noise * math.sqrt(seen), noise * math.sqrt(unseen)
    means_seen, means_unseen = np.arange(-seen, seen + 1, 2), np.arange(-unseen, unseen + 1, 2)
    s, ds = _nodes(means_seen, 9 * width_seen, min(width_seen, width_unseen) / 2)
    density = np.exp(-0.5 * ((s[:, None] - means_seen) / width_seen) ** 2) @ _binomial(seen, bias)
    density /= width_seen * math.sqrt(2 * math.pi)
    later = np.asarray(_erf((s[:, None] + means_unseen) / (width_unseen * math.sqrt(2))), np.float64)
    return float((np.sign(s) * density * ds) @ (later @ _binomial(unseen, bias)))


def _nodes(centres: npt.NDArray[np.int64], reach: float, panel: float) -> tuple[Floats, Floats]:
    """Nodes and weights of a quadrature over all that lies within ``reach`` of a centre, cut at 0."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    covered: list[list[float]] = []
    for centre in centres.tolist():
        if covered and centre - reach <= covered[-1][1]:
            covered[-1][1] = centre + reach
        else:
            covered.append([centre - reach, centre + reach])
    edges = [
        np.linspace(low, high, 1 + math.ceil((high - low) / panel))
        for start, end in covered
        for low, high in ([(start, 0.0), (0.0, end)] if start < 0 < end else [(start, end)])
    ]
    left = np.concatenate([e[:-1] for e in edges])
    half = np.concatenate([np.diff(e) for e in edges]) / 2
    return ((left + half)[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()
