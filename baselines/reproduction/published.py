"""Published values of Khajehabdollahi et al., ICLR 2024 (arXiv 2309.12927): quantity -> case -> x -> values.

Largest N: one value for each of four networks. The others were read off figures, or measured on the published networks,
with 500 units throughout. What is not a number (a range without a place, "larger than") is told in notes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from baselines.reproduction.statements import Published


def _over(xs: Sequence[float], values: Sequence[float | None]) -> dict[float | None, Sequence[float]]:
    return {x: (value,) for x, value in zip(xs, values, strict=True) if value is not None}


def _number(*values: float) -> Mapping[float | None, Sequence[float]]:
    return {None: values}


LARGEST_N: Published = {
    "largest N": {
        "parity single-head, tau trained": _number(37, 33, 35, 35),
        "parity multi-head, tau trained": _number(100, 101, 100, 101),
        "parity single-head, tau 1": _number(24, 25, 24, 26),
        "parity multi-head, tau 1": _number(101, 101, 101, 101),
        "parity single-head, tau 2": _number(26, 25, 26, 26),
        "parity multi-head, tau 2": _number(87, 88, 87, 87),
        "parity single-head, tau 3": _number(25, 24, 24, 24),
        "parity multi-head, tau 3": _number(66, 70, 70, 72),
        "parity single-head, tau 4": _number(24, 23, 23, 23),
        "dms single-head, tau trained": _number(93),
        "dms multi-head, tau trained": _number(99),
    }
}
"""DMS: every network solved this N or more. N = 101 is the ceiling: there were 100 heads."""

EPOCHS: Published = {
    "epochs": {
        "single-head": _over([11, 20, 28], [20, 99, 242]),
        "multi-head": _over([12], [12]),
    }
}
"""Multi-head: one new N an epoch."""

_NS = (2, 5, 10, 15, 20, 25, 30, 40, 50, 70, 99)
TAU: Published = {
    "mean tau": {
        "parity single-head": _over(_NS[:7], [1.50, 1.48, 1.45, 1.44, 1.475, 1.55, 1.65]),
        "parity multi-head": _over(_NS, [1.50, 1.46, 1.41, 1.38, 1.36, 1.34, 1.32, 1.29, 1.265, 1.225, 1.18]),
        "dms single-head": _over([2, 10, 20, 30, 40, 50, 70], [1.5, 1.48, 1.48, 1.52, 1.59, 1.68, 1.88]),
        "dms multi-head": _over([2, 10, 20, 30, 40, 50, 99], [1.5, 1.40, 1.33, 1.28, 1.26, 1.24, 1.18]),
    },
    "SD of tau": {
        "parity single-head": _over([2, 15, 20, 25, 30], [0.30, 0.36, 0.465, 0.69, 1.00]),
        "parity multi-head": dict.fromkeys((2, 10, 20, 30), (0.30, 0.33)),
    },
}
"""SD of tau with several heads: about 0.30 to 0.33 throughout, whose ends are two values. DMS with one head: more than
2 at N = 99."""

TAU_NET: Published = {
    "mean tau_net": {
        "single-head": _over([5, 10, 15, 20, 25, 30], [2.5, 3.3, 3.5, 4.4, 5.7, 7.0]),
        "multi-head": _over(
            [5, 10, 15, 20, 25, 30, 40, 50, 70, 100], [2.5, 2.7, 3.9, 4.9, 5.0, 6.7, 6.8, 6.3, 8.6, 7.2]
        ),
    }
}

ABLATION: Published = {
    quantity: {"single-head, as published": _number(single), "multi-head, as published": _number(multi)}
    for quantity, single, multi in (
        ("accuracy", 0.959, 0.993),
        ("accuracy, one of the fastest", 0.925, 0.891),
        ("accuracy, one of the slowest", 0.708, 0.993),
        ("tau of the slowest", 5.3, 1.95),
    )
}
"""At N = 30, one unit at a time, means over 20; ablated in the published way, which is not the clean one."""

PERTURBATION: Published = {
    "relative accuracy, weights perturbed": {
        "single-head": _over([0.0464, 0.1, 0.215, 0.464, 1.0], [1.00, 0.960, 0.736, 0.167, 0.0]),
        "multi-head": _over([0.0464, 0.1, 0.215, 0.464, 1.0], [1.00, 0.995, 0.962, 0.653, 0.02]),
    },
    "relative accuracy, tau perturbed": {
        "single-head": _over([0.01, 0.0215, 0.0464, 0.1, 0.215], [0.993, 0.932, 0.713, 0.379, 0.045]),
        "multi-head": _over([0.01, 0.0215, 0.0464, 0.1, 0.215], [0.999, 0.998, 0.986, 0.894, 0.416]),
    },
}
"""At N = 30."""
