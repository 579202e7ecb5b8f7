"""The clock that the benchmark keeps of a climb: an agent can stop the clocks in its own process, but not this one."""

from __future__ import annotations

import time
from collections.abc import Callable

SLACK = 60.0
"""Seconds beyond the limit of a rung: a climb's own clocks end it first, and starting it takes time."""

LONGEST_STEP = 1.0
"""Seconds that count at most between two looks: while the benchmark was stopped, its climbs may have been, too."""


class RungClock:
    """Says whether a climb has been at one rung for too long. Ask it again and again.

    Args:
        limit: seconds of wall time for a rung.
        played: says how many rungs the climb has played.

    Attributes:
        seconds: how long the climb has been at its rung.
    """

    def __init__(self, limit: float, played: Callable[[], int]) -> None:
        self.limit = limit
        self.seconds = 0.0
        self._played = played
        self._most = 0
        self._looked: float | None = None

    def __call__(self) -> bool:
        """Whether the rung has taken longer than its limit and ``SLACK``."""
        now, played = time.monotonic(), self._played()
        if played > self._most:
            self._most, self.seconds = played, 0.0
        elif self._looked is not None:
            self.seconds += min(now - self._looked, LONGEST_STEP)
        self._looked = now
        return self.seconds > self.limit + SLACK
