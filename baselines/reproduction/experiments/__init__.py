"""The experiments, by name; one file a topic holds its published values, runs, measures and claims together."""

from __future__ import annotations

from baselines.reproduction.experiments import consistency, learning, robustness, run_sets, time_constants
from baselines.reproduction.experiments.consistency import ConditionSet
from baselines.reproduction.runs import RunSet

__all__ = ["EXPERIMENTS", "RUN_SETS", "ConditionSet", "RunSet", "Source"]

Source = RunSet | ConditionSet
"""A set of training runs: where an experiment's numbers come from."""

EXPERIMENTS = {
    one.name: one
    for one in (
        *learning.LEARNING,
        *time_constants.TIME_CONSTANTS,
        *robustness.ROBUSTNESS,
        *consistency.CONSISTENCY,
    )
}
"""Name -> experiment."""

RUN_SETS: dict[str, dict[str, Source]] = {
    scale: {
        **run_sets.SHARED[scale],
        **learning.RUN_SETS[scale],
        **time_constants.RUN_SETS[scale],
        **consistency.RUN_SETS[scale],
    }
    for scale in run_sets.SHARED
}
"""Scale -> name -> runs."""
