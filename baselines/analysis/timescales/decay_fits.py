"""Exponential decays fitted to many autocorrelations at once.

Axes: M curves, L lags, P parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Model = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""A model: (parameters (M, P), lags (L,)) -> values (M, L) and their derivatives by the parameters (M, L, P)."""

SHORTEST, LONGEST = 0.1, 100.0
"""Bounds of a timescale, in lags. The published ones are 0 and 100; with 0.1 nothing is left at lag 1 (e^-10)."""

_MOST_STEPS = 200
_SETTLED = 1e-9  # change of all parameters (of log tau) below which a fit has converged
_FLAT = 1e-10  # relative gain of a step below which it has


@dataclass(frozen=True)
class Fits:
    """One model fitted to M curves.

    Attributes:
        amplitude: the amplitude a, (M,).
        share: the share c of the slower decay, (M,); 1 for a single decay.
        slow: the timescale of the slower decay, or of the single one, in lags, (M,).
        fast: the timescale of the faster decay, in lags, (M,); NaN for a single decay.
        rss: the residual sum of squares, (M,).
        aic: Akaike's criterion, 2 P + L ln(RSS / L), (M,).
        failed: whether the fit did not converge, (M,) bool. The other values are then those at which the search ended.
    """

    amplitude: Floats
    share: Floats
    slow: Floats
    fast: Floats
    rss: Floats
    aic: Floats
    failed: npt.NDArray[np.bool_]

    @property
    def at_lower(self) -> npt.NDArray[np.bool_]:
        """Whether the slower timescale lies at its lower bound, (M,): nothing is left at lag 1."""
        return np.asarray(self.slow < SHORTEST * 1.001)

    @property
    def at_upper(self) -> npt.NDArray[np.bool_]:
        """Whether the slower timescale lies at its upper bound, (M,): hardly any decay, or noise."""
        return np.asarray(self.slow > LONGEST / 1.001)

    def values(self, lags: int) -> Floats:
        """The fitted curves at lags 0 .. ``lags`` - 1, (M, lags)."""
        k = np.arange(lags)
        two = np.where(np.isnan(self.fast), 1.0, self.fast)  # of one decay it has no weight
        c = self.share[:, None]
        mixed = c * np.exp(-k / self.slow[:, None]) + (1 - c) * np.exp(-k / two[:, None])
        return np.asarray(self.amplitude[:, None] * mixed)


def fit_single(curves: Floats) -> Fits:
    """Fit one decay by least squares: a exp(-k / tau) at lags k = 0, 1, ...; 0 <= a <= 1, tau within its bounds.

    The fit starts at the best of a grid of tau, each with its best a. Then Levenberg-Marquardt steps follow, for all
    curves at once.

    Args:
        curves: the autocorrelations, (M, L).
    """
    taus, decays = _grid(curves.shape[1], 64)
    amplitudes = np.clip(curves @ decays.T / (decays**2).sum(1), 0, 1)
    errors = ((curves[:, None] - amplitudes[..., None] * decays) ** 2).sum(-1)
    best = errors.argmin(1)
    rows = np.arange(len(curves))
    start = np.stack([amplitudes[rows, best], np.log(taus[best])], 1)
    parameters, rss, failed = _descend(_single, start, curves, [0, np.log(SHORTEST)], [1, np.log(LONGEST)])
    a, tau = parameters[:, 0], np.exp(parameters[:, 1])
    return Fits(a, np.ones_like(a), tau, np.full_like(a, np.nan), rss, _aic(rss, 2, curves.shape[1]), failed)


def fit_double(curves: Floats) -> Fits:
    """Fit two decays as ``fit_single`` fits one: a [c exp(-k / tau1) + (1 - c) exp(-k / tau2)], tau1 >= tau2.

    The fit starts at the best of a grid of pairs of timescales, each with its best a and c, 0 <= a, c <= 1.

    Args:
        curves: the autocorrelations, (M, L).
    """
    taus, decays = _grid(curves.shape[1], 40)
    fast, slow = np.triu_indices(len(taus), 1)
    p, q, errors = _weights(curves, decays, slow, fast)
    best = errors.argmin(1)
    rows = np.arange(len(curves))
    p, q = p[rows, best], q[rows, best]
    a = p + q
    c = np.divide(p, a, out=np.full_like(p, 0.5), where=a > 0)
    start = np.stack([a, c, np.log(taus[slow[best]]), np.log(taus[fast[best]])], 1)
    low, high = np.log(SHORTEST), np.log(LONGEST)
    parameters, rss, failed = _descend(_double, start, curves, [0, 0, low, low], [1, 1, high, high])
    a, c, (one, two) = parameters[:, 0], parameters[:, 1], np.exp(parameters[:, 2:]).T
    swapped = two > one
    return Fits(
        amplitude=a,
        share=np.where(swapped, 1 - c, c),
        slow=np.maximum(one, two),
        fast=np.minimum(one, two),
        rss=rss,
        aic=_aic(rss, 4, curves.shape[1]),
        failed=failed,
    )


def _aic(rss: Floats, count: int, lags: int) -> Floats:
    # Below 1e-20 a residual is rounding; 0, of a perfect fit, would have the logarithm minus infinity.
    return np.asarray(2 * count + lags * np.log(np.maximum(rss, 1e-20) / lags))


def _grid(lags: int, count: int) -> tuple[Floats, Floats]:
    """A grid of ``count`` timescales (G,), and their decays (G, L)."""
    taus = np.geomspace(SHORTEST, LONGEST, count)
    return taus, np.exp(-np.arange(lags) / taus[:, None])


def _weights(curves: Floats, decays: Floats, slow: Any, fast: Any) -> tuple[Floats, Floats, Floats]:
    """The best weights p, q of p exp(-k/slow) + q exp(-k/fast), where p, q >= 0 and p + q <= 1.

    The problem is convex, and (p, q) lies in a triangle: the best point is inside, or on one of the three sides.

    Returns:
        p, q and the residual sum of squares, for each curve and pair of timescales, (M, pairs) each.
    """
    with_decay, gram = curves @ decays.T, decays @ decays.T
    s, f, sf = gram[slow, slow], gram[fast, fast], gram[slow, fast]
    x, y = with_decay[:, slow], with_decay[:, fast]
    determinant = s * f - sf**2
    inside = (x * f - y * sf) / determinant, (y * s - x * sf) / determinant
    allowed = (inside[0] >= 0) & (inside[1] >= 0) & (inside[0] + inside[1] <= 1)
    side = np.clip((x - y - sf + f) / (s + f - 2 * sf), 0, 1)  # p on the side p + q = 1
    zero = np.zeros_like(x)
    candidates = [inside, (side, 1 - side), (np.clip(x / s, 0, 1), zero), (zero, np.clip(y / f, 0, 1))]
    p, q = (np.stack([candidate[i] for candidate in candidates]) for i in range(2))
    errors = (curves**2).sum(1)[:, None] - 2 * (p * x + q * y) + p**2 * s + 2 * p * q * sf + q**2 * f
    errors[0] = np.where(allowed, errors[0], np.inf)
    best = errors.argmin(0)[None]
    p, q, errors = (np.take_along_axis(values, best, 0)[0] for values in (p, q, errors))
    return p, q, errors


def _single(parameters: Floats, lags: Floats) -> tuple[Floats, Floats]:
    a, tau = parameters[:, :1], np.exp(parameters[:, 1:])
    decay = np.exp(-lags / tau)
    return a * decay, np.stack([decay, a * decay * lags / tau], -1)


def _double(parameters: Floats, lags: Floats) -> tuple[Floats, Floats]:
    a, c = parameters[:, :1], parameters[:, 1:2]
    tau1, tau2 = np.exp(parameters[:, 2:3]), np.exp(parameters[:, 3:])
    one, two = np.exp(-lags / tau1), np.exp(-lags / tau2)
    mixed = c * one + (1 - c) * two
    return a * mixed, np.stack([mixed, a * (one - two), a * c * one * lags / tau1, a * (1 - c) * two * lags / tau2], -1)


def _descend(
    model: Model, start: Floats, curves: Floats, low: list[float], high: list[float]
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Least squares within bounds, by projected Levenberg-Marquardt steps.

    Returns:
        Parameters, (M, P); residual sums of squares, (M,); which fits did not converge, (M,) bool.
    """
    lags = np.arange(curves.shape[1], dtype=np.float64)
    now = np.clip(start, low, high)
    values, slopes = model(now, lags)
    rss = ((curves - values) ** 2).sum(1)
    damping = np.full(len(now), 1e-3)
    going = np.isfinite(rss)
    failed = ~going
    identity = np.eye(now.shape[1])
    for _ in range(_MOST_STEPS):
        if not going.any():
            break
        i = np.flatnonzero(going)
        residual, jacobian = curves[i] - values[i], slopes[i]
        gradient = np.einsum("mlp,ml->mp", jacobian, residual)
        # A parameter that is pushed against a bound stays there.
        held = ((now[i] <= low) & (gradient < 0)) | ((now[i] >= high) & (gradient > 0))
        jacobian = np.where(held[:, None], 0, jacobian)
        normal = np.einsum("mlp,mlq->mpq", jacobian, jacobian)
        scale = np.maximum(np.einsum("mpp->mp", normal), 1e-12)
        normal = normal + damping[i, None, None] * identity * scale[:, None]
        step = np.linalg.solve(normal + 1e-14 * identity, np.where(held, 0, gradient)[..., None])[..., 0]
        tried = np.clip(now[i] + step, low, high)
        new_values, new_slopes = model(tried, lags)
        new_rss = ((curves[i] - new_values) ** 2).sum(1)
        better = new_rss <= rss[i]
        moved = np.abs(tried - now[i]).max(1)
        done = (moved < _SETTLED) | (damping[i] > 1e12) | (better & (rss[i] - new_rss <= _FLAT * rss[i]))
        damping[i] = np.where(better, np.maximum(damping[i] / 10, 1e-12), damping[i] * 10)
        taken = i[better]
        now[taken], values[taken], slopes[taken] = tried[better], new_values[better], new_slopes[better]
        rss[taken] = new_rss[better]
        going[i[done]] = False
    return now, rss, failed | going
