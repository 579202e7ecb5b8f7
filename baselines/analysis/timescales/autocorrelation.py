"""Autocorrelations of many long series at once. Activity comes in blocks, and need not be kept.

Axes: T steps, M series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class Curves:
    """Autocorrelations of M series.

    Attributes:
        values: the autocorrelations at lags 0 to ``lags``, (M, lags + 1): 1 at lag 0; NaN for a series that is silent
            or has diverged.
        silent: whether a series does not vary, (M,) bool: its standard deviation is below 1e-5 of its mean,
            which float32 cannot tell from rounding, or is 0.
        diverged: whether a series, or its squares, are not finite, (M,) bool.
    """

    values: npt.NDArray[np.float64]
    silent: npt.NDArray[np.bool_]
    diverged: npt.NDArray[np.bool_]


class Autocorrelation:
    """The autocorrelation of M series at lags 0 to ``lags``. It is fed with consecutive blocks of steps.

    A series is cut into pieces of w = ``lags`` steps, the rows of a matrix X (pieces, w). X'X holds all products of two
    steps of one piece, X(p)'X(p+1) all products of steps of neighbouring pieces. The sums over their diagonals are the
    sums of x(t) x(t+k) for every k <= w. This takes twice the arithmetic of the sums themselves, but in matrix
    products, which are many times as fast. The mean of a series is known, and subtracted, only at the end; the mean of
    its first block is subtracted at once, so that little precision is lost then.

    The result equals that of an FFT of the whole series with zero padding.

    Args:
        lags: the largest lag, in steps, at least 1.
    """

    _reference: Tensor
    """Mean of the first block, (M,). It is subtracted from all activity before anything below is taken."""
    _sum: Tensor
    """Sum over all steps, (M,), in float64."""
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
        """Take in more steps, (T, M), any T."""
        if not self.steps:
            self._begin(block)
        block = block - self._reference
        self._sum += block.sum(0)  # float32 within a block: a sum in float64 takes as long as all the rest
        self.steps += len(block)
        if len(self._first) < self.lags:
            self._first = torch.cat((self._first, block[: self.lags - len(self._first)]))
        waiting = torch.cat((self._waiting, block))
        self._products = self._products + self._of(waiting)
        self._waiting = waiting[(len(waiting) // self.lags - 1) * self.lags :].clone()

    def result(self, divisor: str = "pairs") -> Curves:
        """The autocorrelations of what was added so far.

        Args:
            divisor: what the sum over the n - k pairs of steps at lag k is divided by. ``"pairs"``: n - k, which gives
                the mean over pairs. ``"published"``: n - 1 - k, as Khajehabdollahi et al. (ICLR 2024) do.

        Raises:
            ValueError: not more than ``lags`` + 1 steps were added.
        """
        if self.steps <= self.lags + 1:
            raise ValueError(f"add must have been given more than lags + 1 = {self.lags + 1} steps, got {self.steps}")
        n, lags = self.steps, self.lags
        rest = self._waiting[self.lags :]
        padding = rest.new_zeros(lags - len(rest), rest.shape[1])
        products = self._products + self._of(torch.cat((self._waiting, padding)))
        # The sum over pairs of (x(t) - m)(x(t+k) - m), where x is the activity without the reference and m its mean.
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
        """What all pieces but the first add to ``_products``, (M, lags + 1), in float64."""
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
    """The autocorrelations of whole series, (T, M). See ``Autocorrelation``."""
    running = Autocorrelation(lags)
    running.add(activity)
    return running.result(divisor)
