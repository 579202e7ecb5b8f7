"""The training runs that several experiments share, at either scale."""

from __future__ import annotations

from typing import Any

from baselines.reproduction.runs import RunSet, Source

_BOTH = ["single-head", "multi-head"]
# Updates end a run, not seconds: what is reached in a number of seconds is a property of the machine.
NO_BUDGET = {"budget": 1e7, "episodes": 200}

# The published recipe, update for update, but for a quarter of the units and of the trials in a batch. Five networks,
# where four are published: with three, the intervals of most differences held zero, however large they looked.
_SMALL_PAPER: dict[str, Any] = {"recipe": "paper", "units": 128, "batch_size": 64, "seed": "0..4", **NO_BUDGET}
_SMALL_FAST: dict[str, Any] = {"recipe": "fast", "units": 128, "seed": "0..4", **NO_BUDGET}
_FULL_FAST: dict[str, Any] = {"recipe": "fast", "units": 500, "seed": "0..3", **NO_BUDGET}
_FULL_PAPER: dict[str, Any] = {"recipe": "paper", "seed": "0..3", **NO_BUDGET}
_TAUS = [{"tau": tau} for tau in (1, 2, 3, 4)]

SMALL: dict[str, Source] = {
    "parity-paper": RunSet(
        settings={**_SMALL_PAPER, "curriculum": _BOTH, "n_max": 12, "max_updates": 12_000}, cpu_minutes=14.5
    ),
    "parity-single-fast": RunSet(
        settings={**_SMALL_FAST, "curriculum": ["single-head"], "n_max": 40, "max_updates": 4_000}, cpu_minutes=3.5
    ),
    "parity-single-wide": RunSet(
        settings={**_SMALL_FAST, "units": 500, "curriculum": ["single-head"], "n_max": 22, "max_updates": 10_000},
        cpu_minutes=41,
    ),
    "parity-multi-fast": RunSet(
        settings={**_SMALL_FAST, "curriculum": ["multi-head"], "n_max": 40, "max_updates": 800}, cpu_minutes=1
    ),
    "fixed-tau-fast": RunSet(
        settings={
            **_SMALL_FAST,
            "curriculum": _BOTH,
            "n_max": 40,
            "max_updates": 800,
            "cell_args": [{"tau": 1}, {"tau": 3}],
        },
        cpu_minutes=4,
    ),
    "dms-paper": RunSet(
        settings={**_SMALL_PAPER, "task": "dms", "curriculum": _BOTH, "n_max": 10, "max_updates": 6_000}, cpu_minutes=7
    ),
    "dms-fast": RunSet(
        settings={**_SMALL_FAST, "task": "dms", "curriculum": _BOTH, "n_max": 40, "max_updates": 800}, cpu_minutes=2.5
    ),
    "none-single-fast": RunSet(
        settings={**_SMALL_FAST, "curriculum": "none-single", "n_max": [4, 6, 8, 10, 12], "max_updates": 800},
        cpu_minutes=5,
    ),
    "none-multi-fast": RunSet(
        settings={**_SMALL_FAST, "curriculum": ["none-multi"], "n_max": 12, "max_updates": 800}, cpu_minutes=1
    ),
    "window-fast": RunSet(
        settings={
            **_SMALL_FAST,
            "curriculum": ["sliding-window"],
            "window": 5,
            "shift": 2,
            "n_max": 40,
            "max_updates": 800,
        },
        cpu_minutes=1.5,
    ),
    "gated-fast": RunSet(
        settings={**_SMALL_FAST, "cell": ["gru", "lstm"], "curriculum": _BOTH, "n_max": 40, "max_updates": 800},
        cpu_minutes=6,
    ),
}

# As long as single-head networks took to N = 28 and more, but not to where the multi-head ones ended.
_PAPER_FULL: dict[str, Any] = {**_FULL_PAPER, "curriculum": _BOTH, "n_max": 30, "max_updates": 200_000}
_FAST_FULL: dict[str, Any] = {**_FULL_FAST, "n_max": 101, "max_updates": 20_000}

FULL: dict[str, Source] = {
    "parity-paper": RunSet(settings=_PAPER_FULL, cpu_minutes=4_800),
    "parity-single-fast": RunSet(
        settings={**_FAST_FULL, "curriculum": ["single-head"], "max_updates": 40_000}, cpu_minutes=70
    ),
    "parity-multi-fast": RunSet(settings={**_FAST_FULL, "curriculum": ["multi-head"]}, cpu_minutes=150),
    "fixed-tau-fast": RunSet(settings={**_FAST_FULL, "curriculum": _BOTH, "cell_args": _TAUS}, cpu_minutes=800),
    "dms-paper": RunSet(settings={**_PAPER_FULL, "task": "dms"}, cpu_minutes=1_500),
    "dms-fast": RunSet(settings={**_FAST_FULL, "task": "dms", "curriculum": _BOTH}, cpu_minutes=200),
    "none-single-fast": RunSet(
        settings={**_FAST_FULL, "curriculum": "none-single", "n_max": [4, 6, 8, 10, 12, 14]}, cpu_minutes=90
    ),
    "none-multi-fast": RunSet(settings={**_FAST_FULL, "curriculum": ["none-multi"], "n_max": 30}, cpu_minutes=40),
    "window-fast": RunSet(
        settings={**_FAST_FULL, "curriculum": ["sliding-window"], "window": 10, "shift": 5}, cpu_minutes=100
    ),
    "gated-fast": RunSet(settings={**_FAST_FULL, "cell": ["gru", "lstm"], "curriculum": _BOTH}, cpu_minutes=800),
}

SHARED = {"small": SMALL, "full": FULL}
"""Scale -> name -> runs."""
