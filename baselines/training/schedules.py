"""Schedules: the weight of a loss term as a function of the update. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Weight: TypeAlias = Callable[[int], float]
"""The number of the update, from 0 -> the weight of a loss term in this update."""

SCHEDULES = ("constant", "linear-decay", "cut-off", "freeze-in")
"""The schedules for the weight of the temporal consistency term; see ``schedule``."""


def schedule(name: str, weight: float, updates: int) -> tuple[Weight, Weight]:
    """The weight of the temporal consistency term, and a factor for the weights of all other terms.

    - ``"constant"``: the weight is always ``weight``
    - ``"linear-decay"``: the weight falls linearly from ``weight`` at update 0 to 0 at update ``updates``, then stays 0
    - ``"cut-off"``: the weight is ``weight`` in the first ``updates`` updates, then 0
    - ``"freeze-in"``: the weight is always ``weight``; the factor of the other terms is 0 in the first ``updates``
      updates, then 1

    The factor of the other terms is 1 except in ``"freeze-in"``.

    Args:
        name: the name of the schedule.
        weight: the weight of the temporal consistency term.
        updates: the number of updates of the schedule; ``"constant"`` does not use it.

    Returns:
        Two functions of the update: the weight, and the factor.

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
