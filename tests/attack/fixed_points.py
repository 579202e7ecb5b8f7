"""Fixed points of random networks, known beforehand: all found but one saddle at most, none besides, each of its kind.

Axes: S state size, P known points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

SEARCHES, STARTS = 2, 100  # as the analysis ``geometry`` does it by default


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Random networks of 3 to 12 dimensions, 1 to 3 of which remember a bit.

    Args:
        seed: draws the networks, what they visit and where the searches start.
        count: how many networks.

    Yields:
        The network in words, and whether the fixed points found are the known ones; of the unstable ones, of which
        there are up to 26, one may be missing.
    """
    import torch

    from baselines.analysis.geometry.fixed_points import find_points, starting_states

    for number in range(count):
        rng = np.random.default_rng([seed, number])
        system = System(rng)
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        visited = [system.visit(generator) for _ in range(SEARCHES)]
        starts = [starting_states(states, STARTS, generator) for states in visited]
        found = find_points(system.cell(), torch.zeros(1), torch.cat(visited), torch.cat(starts))
        fixed = found.kinds != "slow"
        known, stable = system.known()
        apart = np.linalg.norm(found.states[fixed][:, None] - known, axis=-1)
        near = apart < 1e-4
        only = (near.sum(1) == 1).all() and (near.sum(0) <= 1).all()
        missing = ~near.any(0)
        enough = not missing[stable].any() and missing.sum() <= 1
        kinds = ((found.kinds[fixed] == "stable") == stable[apart.argmin(1)]).all()
        yield system.words, bool(only and enough and kinds)


class System:
    """y(t) = (1 - a) y(t-1) + a tanh(g y(t-1) + b) in each coordinate of a turned state s = Q^T y.

    A coordinate with g < 1 has one fixed point. One with g > 1 has three (two of them stable), unless |b| is above
    g m - artanh(m) with m = sqrt(1 - 1/g), where two meet; b stays below 0.6 of that.

    Args:
        rng: draws the size, the gains g, the biases b, the turn Q, and a.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.size, self.bits = int(rng.integers(3, 13)), int(rng.integers(1, 4))
        self.a = float(rng.choice([0.2, 0.5, 1.0]))
        gains, limits = rng.uniform(0.2, 0.8, self.size), np.full(self.size, 0.5)
        gains[: self.bits] = rng.uniform(1.2, 2.5, self.bits)
        m = np.sqrt(1 - 1 / gains[: self.bits])
        limits[: self.bits] = 0.6 * (gains[: self.bits] * m - np.arctanh(m))
        self.gains, self.biases = gains, rng.uniform(-1, 1, self.size) * limits
        self.turn = np.linalg.qr(rng.standard_normal((self.size, self.size)))[0]
        self.words = f"{self.bits} bits in {self.size} dimensions, a = {self.a:g}, gains {gains[: self.bits].round(2)}"

    def known(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The fixed points, (P, S), and which of them are stable, (P,): every combination of those of a coordinate."""
        each = [_roots(g, b) for g, b in zip(self.gains, self.biases, strict=True)]
        points = np.array(list(itertools.product(*each)))
        slopes = 1 - self.a + self.a * self.gains * (1 - points**2)
        return points @ self.turn, (np.abs(slopes) < 1).all(1)

    def visit(self, generator: torch.Generator) -> torch.Tensor:
        """What it visits: 64 trials of 48 steps, in each of which a bit is set with a probability of 0.1, (M, S)."""
        import torch

        gains, biases = (torch.from_numpy(values) for values in (self.gains, self.biases))
        y, states = 0.1 * torch.randn(64, self.size, generator=generator, dtype=torch.float64), []
        for t in range(48):
            pulse = torch.rand(64, self.size, generator=generator, dtype=torch.float64) < (0.1 if t else 1.0)
            sign = torch.randint(2, (64, self.size), generator=generator).double() * 2 - 1
            y = torch.where(pulse, sign, (1 - self.a) * y + self.a * torch.tanh(gains * y + biases))
            states.append(y)
        return torch.cat(states) @ torch.from_numpy(self.turn)

    def cell(self) -> Any:
        """The system as a cell, whose input changes nothing."""
        import torch

        from baselines.cells import Cell

        class Turned(Cell):
            def __init__(self, system: System) -> None:
                super().__init__()
                self.state_size = self.output_size = system.size
                self.input_size, self.a = 1, system.a
                arrays = (system.gains, system.biases, system.turn)
                self.gains, self.biases, self.turn = (torch.nn.Buffer(torch.from_numpy(array)) for array in arrays)

            def step(self, inputs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                y = state @ self.turn.t()
                state = ((1 - self.a) * y + self.a * torch.tanh(self.gains * y + self.biases)) @ self.turn
                return state, state

        return Turned(self)


def _roots(gain: float, bias: float) -> list[float]:
    """The solutions of y = tanh(gain y + bias), by bisection."""
    grid = np.linspace(-1.1, 1.1, 4402)

    def excess(y: float) -> float:
        return math.tanh(gain * y + bias) - y

    values = np.array([excess(y) for y in grid])
    found = []
    for i in np.flatnonzero(values[:-1] * values[1:] < 0):
        low, high = grid[i], grid[i + 1]
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if excess(low) * excess(middle) > 0 else (low, middle)
        found.append(float(low))
    return found
