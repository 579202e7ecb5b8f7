"""How the weight of a loss term goes with the update. Plain numbers: nothing here needs torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Weight: TypeAlias = Callable[[int], float]
"""Number of the update, from 0 -> what a term is multiplied by in it."""

SCHEDULES = ("constant", "linear-decay", "cut-off", "freeze-in")
"""How the weight of the temporal consistency term goes with the update; see ``schedule``."""


def schedule(name: str, weight: float, updates: int) -> tuple[Weight, Weight]:
    """The weight of the temporal consistency term, and what the weights of all other terms are multiplied by.

    - ``"constant"``: ``weight``, and 1
    - ``"linear-decay"``: from ``weight`` at update 0 in a straight line to 0 at update ``updates``, and 0 from then on
    - ``"cut-off"``: ``weight`` in the first ``updates`` updates, 0 from then on
    - ``"freeze-in"``: ``weight`` throughout, but in the first ``updates`` updates alone: all other terms weigh 0

    Raises:
        ValueError: there is no such schedule.
    """
    if name == "constant":
        return (lambda update: weight), _always
    if name == "linear-decay":
        return (lambda update: weight * max(1 - update / updates, 0.0)), _always
    if name == "cut-off":
        return (lambda update: weight if update < updates else 0.0), _always
    if name == "freeze-in":
        return (lambda update: weight), (lambda update: float(update >= updates))
    raise ValueError(f"name must be one of {list(SCHEDULES)}, got {name!r}")


def _always(update: int) -> float:
    return 1.0
