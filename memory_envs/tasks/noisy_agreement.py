"""How often the sums of some and of all pulses have the same sign, where each pulse carries Gaussian noise."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from memory_envs import sizes
from memory_envs.tasks import random_walk

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

_SIGMAS = 8.6  # a normal number is larger, and a Gaussian's transform is left out beyond, with less than 1e-16


def expected(seen: int, first: int, last: int, bias: float, noise: float) -> float:
    """E[sign(A) sign(A + B)], A the sum of ``seen`` noisy pulses, B of u others, summed over u = first .. last.

    The integral of f(s) sign(s) G(s) over s, with f the density of A and G(s) the sum over u of P(B > -s) - P(B < -s).
    Pulses are independent, so that both have Fourier transforms in closed form, cut off by the noise. A function
    whose transform ends at pi / h is known from its values at multiples of h, and so is its integral against a sign:
    the weights are sine integrals, and nothing is approximated.
    """
    if _SIGMAS * noise * math.sqrt(seen + last) < 1:  # noise decides nothing but ties, of which both sums may be
        angles = [2 / math.pi * math.asin(math.sqrt(seen / (seen + u))) for u in range(first, last + 1)]
        return sum(random_walk.agreement(seen, first + i, bias, tie) for i, tie in enumerate(angles))
    drift, roots = 2 * bias, math.sqrt(seen) + math.sqrt(last)
    likely = drift * (seen + last) + _SIGMAS * math.sqrt(1 - drift**2 + noise**2) * roots
    reach = min(likely, seen + last + _SIGMAS * noise * roots)  # of |A| + |B|
    band = _SIGMAS / noise * (1 / math.sqrt(seen) + 1 / math.sqrt(first))
    count = 2 ** math.ceil(math.log2(2 * reach * band / math.pi) + 1e-9)
    sizes.check(100.0 * count, f"the reference score over {seen + last} pulses with noise {noise}", "N must be smaller")
    width, spacing = 2 * reach / count, math.pi / reach
    places = (np.arange(count) - count // 2) * width
    transform = (1 - _one_minus(np.fft.fftfreq(count, 1 / count) * spacing, drift, noise)) ** seen
    density = np.fft.fftshift(np.fft.fft(transform)).real / (2 * reach)
    angles_between = (np.arange(count // 2) + 0.5) * spacing  # G jumps: between the multiples, its halves cancel
    series = np.zeros(count, np.complex128)
    series[: count // 2] = _powers(_one_minus(angles_between, drift, noise), first, last) / angles_between
    waves = np.fft.fftshift(np.fft.ifft(series)) * count
    ahead = 2 / math.pi * spacing * (np.exp(0.5j * spacing * places) * waves).imag
    return float(_sine_integrals(count // 2) @ (density * ahead) * width * 2 / math.pi)


def _one_minus(angles: Floats, drift: float, noise: float) -> Complex:
    """1 - E[exp(i angle x)] of one noisy pulse x, with all digits where the angle is small."""
    exponent = -0.5 * (noise * angles) ** 2
    lattice = 2 * np.sin(angles / 2) ** 2 - 1j * drift * np.sin(angles)
    return np.asarray(np.exp(exponent) * lattice - np.expm1(exponent))


def _powers(missing: Complex, first: int, last: int) -> Complex:
    """The sum of (1 - missing)^u over u = first .. last."""
    base = 1 - missing
    if first == last:
        return np.asarray(base**first)
    count, small = last - first + 1, np.abs(missing) < 0.5
    gone = np.where(small, -np.expm1(count * np.log1p(-np.where(small, missing, 0))), 1 - base**count)
    return np.asarray(base**first * gone / missing)


def _sine_integrals(half: int) -> Floats:
    """Si(pi i) for i = -half .. half - 1, (2 half,): the integral of sin(x) / x from 0 on, half-wave by half-wave."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    x = np.pi * (np.arange(half)[:, None] + (nodes + 1) / 2)
    upto = np.append(0.0, np.cumsum((np.sin(x) / x) @ weights * np.pi / 2))
    return np.concatenate([-upto[:0:-1], upto[:-1]])
