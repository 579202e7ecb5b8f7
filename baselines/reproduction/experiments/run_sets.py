"""The training runs that several topics share, at either scale, and the settings that sets of runs have in common."""

from __future__ import annotations

from typing import Any

from baselines.reproduction.runs import RunSet

BOTH = ["single-head", "multi-head"]

# Updates end a run, not seconds: what is reached in a number of seconds depends on the machine.
NO_BUDGET: dict[str, Any] = {"budget": 1e7, "episodes": 200}

# The published recipe, update for update, but for a quarter of the units and of the trials in a batch. Five networks,
# where four are published: with three, the intervals of most differences held zero, however large they looked.
_SMALL_PAPER: dict[str, Any] = {"recipe": "paper", "units": 128, "batch_size": 64, "seed": "0..4", **NO_BUDGET}
SMALL_TRIALS: dict[str, Any] = {"recipe": "trials", "units": 128, "seed": "0..4", **NO_BUDGET}

# As long as single-head networks took to N = 28 and more, but not to where the multi-head ones ended.
_FULL_PAPER: dict[str, Any] = {
    "recipe": "paper",
    "seed": "0..3",
    **NO_BUDGET,
    "curriculum": BOTH,
    "n_max": 30,
    "max_updates": 200_000,
}
FULL_TRIALS: dict[str, Any] = {
    "recipe": "trials",
    "units": 500,
    "seed": "0..3",
    **NO_BUDGET,
    "n_max": 101,
    "max_updates": 20_000,
}

SHARED: dict[str, dict[str, RunSet]] = {
    "small": {
        "parity-paper": RunSet(
            settings={**_SMALL_PAPER, "curriculum": BOTH, "n_max": 12, "max_updates": 12_000}, cpu_minutes=14.5
        ),
        "parity-single-trials": RunSet(
            settings={**SMALL_TRIALS, "curriculum": ["single-head"], "n_max": 40, "max_updates": 4_000}, cpu_minutes=3.5
        ),
        "parity-multi-trials": RunSet(
            settings={**SMALL_TRIALS, "curriculum": ["multi-head"], "n_max": 40, "max_updates": 800}, cpu_minutes=1
        ),
        "dms-paper": RunSet(
            settings={**_SMALL_PAPER, "task": "dms", "curriculum": BOTH, "n_max": 10, "max_updates": 6_000},
            cpu_minutes=7,
        ),
        "dms-trials": RunSet(
            settings={**SMALL_TRIALS, "task": "dms", "curriculum": BOTH, "n_max": 40, "max_updates": 800},
            cpu_minutes=2.5,
        ),
    },
    "full": {
        "parity-paper": RunSet(settings=_FULL_PAPER, cpu_minutes=4_800),
        "parity-single-trials": RunSet(
            settings={**FULL_TRIALS, "curriculum": ["single-head"], "max_updates": 40_000}, cpu_minutes=70
        ),
        "parity-multi-trials": RunSet(settings={**FULL_TRIALS, "curriculum": ["multi-head"]}, cpu_minutes=150),
        "dms-paper": RunSet(settings={**_FULL_PAPER, "task": "dms"}, cpu_minutes=1_500),
        "dms-trials": RunSet(settings={**FULL_TRIALS, "task": "dms", "curriculum": BOTH}, cpu_minutes=200),
    },
}
"""Scale -> name -> runs."""
