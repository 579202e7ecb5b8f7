"""The experiments, by name; one file a topic holds its runs, measures, published values and claims."""

from __future__ import annotations

from baselines.reproduction.experiments.consistency import CONSISTENCY
from baselines.reproduction.experiments.learning import LEARNING
from baselines.reproduction.experiments.robustness import ROBUSTNESS
from baselines.reproduction.experiments.time_constants import TIME_CONSTANTS

EXPERIMENTS = {one.name: one for one in (*LEARNING, *TIME_CONSTANTS, *ROBUSTNESS, *CONSISTENCY)}
"""Name -> experiment."""
