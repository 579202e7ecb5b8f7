"""What the figures of analyses have in common where they compare groups of runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from baselines.core import style
from baselines.core.tables import Table

DASHES = ("-", "--", ":", "-.")
"""How lines of one group are told apart, where colours tell groups apart."""


def groups(table: Table) -> list[str]:
    """The groups in a table, in their order; one that is empty where there is only one."""
    return [group for (group,) in table.distinct("group")]


def largest(table: Table) -> Table:
    """The rows of the largest N of each group."""
    most = {group: table.where(group=group)["N"].max() for group in groups(table)}
    return table.keep(np.array([n == most[group] for group, n in zip(table["group"], table["N"], strict=True)]))


def demands(table: Table) -> str:
    """The N in a table, in words: ``"N = 8"`` or ``"N = 8 or 12"``."""
    return "N = " + " or ".join(str(n) for n in np.unique(table["N"]))


def named(group: str, *words: str) -> str:
    """The label of a line of a group: its name, where there are several, and other words that tell it apart."""
    return ", ".join(word for word in (group, *words) if word)


def look(group: int, kind: int, several: bool) -> dict[str, Any]:
    """Colour, marker and dashes of a line.

    Args:
        group: the number of its group.
        kind: the number of its kind within the group.
        several: whether there are several groups: then colours tell groups apart and dashes kinds, else colours kinds.
    """
    return style.look(group) | {"ls": DASHES[kind % len(DASHES)]} if several else style.look(kind)
