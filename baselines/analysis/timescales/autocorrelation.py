"""Autocorrelations of many long series at once, from blocks of activity that need not be kept.

Axes: T steps, M series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

DIVISORS = ("pairs", "published")


@dataclass(frozen=True)
class Curves:
    """Autocorrelations of M series.

    Attributes:
        values: (M, lags + 1), 1 at lag 0; NaN for a series that is silent or has diverged.
        silent: does not vary, (M,) bool: its standard deviation is under 1e-5 of its mean, or is 0; less is rounding
            in float32.
        diverged: holds, or has squares, that are not finite, (M,) bool.
    """

    values: npt.NDArray[np.float64]
    silent: npt.NDArray[np.bool_]
    diverged: npt.NDArray[np.bool_]


class Autocorrelation:
    """The autocorrelation of M series at lags 0 .. ``lags``, fed with consecutive blocks of steps.

    What it adds up: a series is cut into pieces of w = ``lags`` steps, the rows of a matrix X (pieces, w). Then X'X
    holds all products of steps within a piece, X(p)'X(p+1) all those of neighbouring pieces, and the sums over their
    diagonals are the sums of x(t) x(t+k) for every k <= w. That is twice the arithmetic of the sums themselves, but as
    matrix products, which are many times as fast. The means, known only at the end, are taken out then; the mean of the
    first block is taken out at once, so that little cancels.

    Equal to what an FFT of the whole series with zero padding gives.

    Args:
        lags: the largest lag, in steps, at least 1.
    """

    _reference: Tensor
    """Mean of the first block, (M,): what follows is of the activity without it."""
    _sum: Tensor
    """Over all steps, (M,), in float64."""
    _first: Tensor
    """The first ``lags`` steps, (lags, M)."""
    _waiting: Tensor
    """The last whole piece, and the steps after it that are not yet a piece, (lags to 2 lags - 1, M)."""
    _products: Tensor
    """Sums of x(t) x(t+k) over all pairs within the whole pieces, (M, lags + 1), in float64."""

    def __init__(self, lags: int) -> None:
        self.lags = lags
        self.steps = 0

    def add(self, block: Tensor) -> None:
        """Go on with these steps: (T, M), any T."""
        if not self.steps:
            self._begin(block)
        block = block - self._reference
        self._sum += block.sum(0)  # of one block in float32: a sum in float64 takes as long as all the rest
        self.steps += len(block)
        if len(self._first) < self.lags:
            self._first = torch.cat((self._first, block[: self.lags - len(self._first)]))
        waiting = torch.cat((self._waiting, block))
        self._products = self._products + self._of(waiting)
        self._waiting = waiting[(len(waiting) // self.lags - 1) * self.lags :].clone()

    def result(self, divisor: str = "pairs") -> Curves:
        """The autocorrelations of what was added so far.

        Args:
            divisor: of the sum over the n - k pairs of steps at lag k. ``"pairs"``: n - k, the mean over pairs.
                ``"published"``: n - 1 - k, that of Khajehabdollahi et al. (ICLR 2024).
        """
        if self.steps <= self.lags + 1:
            raise ValueError(f"add must have been given more than lags + 1 = {self.lags + 1} steps, got {self.steps}")
        n, lags = self.steps, self.lags
        rest = self._waiting[self.lags :]
        padding = rest.new_zeros(lags - len(rest), rest.shape[1])
        products = self._products + self._of(torch.cat((self._waiting, padding)))
        # Sum over pairs of (x(t) - m)(x(t+k) - m), with x as it is after the reference is taken out and m its mean.
        mean = self._sum / n
        last = (torch.cat((self._waiting[:lags], rest))[-lags:]).flip(0)
        zero = mean.new_zeros(1, len(mean))
        early, late = (
            self._sum - torch.cat((zero, ends.double().cumsum(0))) for ends in (last, self._first)
        )  # sums without the last and without the first k steps, (lags + 1, M)
        pairs = torch.arange(n, n - lags - 1, -1, dtype=torch.float64, device=mean.device)[:, None]
        covariance = products.T - mean * (early + late) + pairs * mean**2
        covariance = covariance / (pairs if divisor == "pairs" else pairs - 1)
        variance = covariance[0]
        level = (mean + self._reference.double()).abs()
        diverged = ~torch.isfinite(covariance).all(0)
        silent = ~diverged & (variance <= (1e-5 * level) ** 2)
        curves = (covariance / variance).T
        curves[silent | diverged] = torch.nan
        return Curves(*(values.cpu().numpy() for values in (curves, silent, diverged)))

    def _begin(self, block: Tensor) -> None:
        self._reference = block.mean(0)
        series = block.shape[1]
        self._sum = block.new_zeros(series, dtype=torch.float64)
        self._first = block.new_zeros(0, series)
        self._waiting = block.new_zeros(self.lags, series)  # a piece of zeros before the first adds nothing
        self._products = block.new_zeros(series, self.lags + 1, dtype=torch.float64)

    def _of(self, steps: Tensor) -> Tensor:
        """Sums of products that the pieces after the first one add, (M, lags + 1), in float64."""
        width = self.lags
        pieces = len(steps) // width
        if pieces < 2:
            return torch.zeros((), dtype=torch.float64, device=steps.device)
        x = steps[: pieces * width].view(pieces, width, -1).permute(2, 0, 1).contiguous()
        after = x[:, 1:]
        within, across = after.mT @ after, x[:, :-1].mT @ after
        # Lag k: the k-th diagonal above the main one, and across a border the (width - k)-th below it.
        sums = [within.diagonal(k, 1, 2).sum(1) for k in range(width)] + [torch.zeros_like(within[:, 0, 0])]
        for k in range(1, width + 1):
            sums[k] = sums[k] + across.diagonal(k - width, 1, 2).sum(1)
        return torch.stack(sums, 1).double()


def autocorrelation(activity: Tensor, lags: int, divisor: str = "pairs") -> Curves:
    """The autocorrelations of activity that is there, (T, M). See ``Autocorrelation``."""
    running = Autocorrelation(lags)
    running.add(activity)
    return running.result(divisor)
