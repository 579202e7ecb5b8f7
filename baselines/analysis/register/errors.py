"""Errors along a chain of heads: how many each head makes, and whether they pass from one to the next.

Axes: T steps, B trials, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.core.statistics import share_intervals


def error_columns(wrong: Tensor, heads: Sequence[int]) -> dict[str, Any]:
    """Error rates of each head, with those after a right and after a wrong answer of the head before.

    Args:
        wrong: which answers are wrong, (T, B, H).
        heads: the k of each head, increasing.

    Returns:
        ``error``, ``low`` and ``high`` (its 95 % interval), ``before_wrong`` (answers for k that come one step after
        a wrong one for k - 1), ``after_wrong`` and ``after_right`` (error rates after those, and after the others),
        (H,) each; NaN, and 0 of ``before_wrong``, where k - 1 is not among the heads.
    """
    parts, wholes = wrong.double().sum(0), torch.full(wrong.shape[1:], float(len(wrong)))
    low, high = share_intervals(parts.numpy(), wholes.numpy()).T
    both, before = chained(wrong, heads)
    later = wrong[1:].sum((0, 1)).double()
    right = torch.where(before >= 0, (len(wrong) - 1) * wrong.shape[1] - before, torch.nan)
    return {
        "head": np.array(heads),
        "error": wrong.double().mean((0, 1)).numpy(),
        "low": low,
        "high": high,
        "before_wrong": before.clamp(min=0).long().numpy(),
        "after_wrong": torch.where(before > 0, both / before, torch.nan).numpy(),
        "after_right": torch.where(right > 0, (later - both) / right, torch.nan).numpy(),
    }


def chained(wrong: Tensor, heads: Sequence[int]) -> tuple[Tensor, Tensor]:
    """How often head k is wrong one step after head k - 1 was, and how often head k - 1 was, (H,) each.

    The second is -1 where k - 1 is not among the heads.
    """
    both, before = torch.zeros(len(heads)).double(), torch.full((len(heads),), -1.0).double()
    for i, (k, earlier) in enumerate(zip(heads[1:], heads, strict=False), 1):
        if k == earlier + 1:
            both[i] = (wrong[1:, :, i] & wrong[:-1, :, i - 1]).sum()
            before[i] = wrong[:-1, :, i - 1].sum()
    return both, before


def passed_on(columns: dict[str, Any], steps: int) -> tuple[float, float]:
    """The error rate one step after an error of the head before, and after a right answer, over all heads.

    Args:
        columns: of ``error_columns``.
        steps: answers of a head that come after another, (T - 1) B.
    """
    known = ~np.isnan(columns["after_right"])
    before = columns["before_wrong"][known]
    wrong = np.nan_to_num(columns["after_wrong"][known]) * before
    right = columns["after_right"][known] * (steps - before)
    total = before.sum()
    return (
        float(wrong.sum() / total) if total else float("nan"),
        float(right.sum() / (steps * len(before) - total)) if steps * len(before) > total else float("nan"),
    )
