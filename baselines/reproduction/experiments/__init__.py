"""The experiments, by name; one file a topic holds its runs, measures, published values and claims."""

from __future__ import annotations

from baselines.reproduction.experiments import consistency
from baselines.reproduction.experiments.consistency import CONSISTENCY
from baselines.reproduction.experiments.learning import LEARNING
from baselines.reproduction.experiments.robustness import ROBUSTNESS
from baselines.reproduction.experiments.run_sets import SHARED
from baselines.reproduction.experiments.time_constants import TIME_CONSTANTS
from baselines.reproduction.runs import Source

EXPERIMENTS = {one.name: one for one in (*LEARNING, *TIME_CONSTANTS, *ROBUSTNESS, *CONSISTENCY)}
"""Name -> experiment."""

RUN_SETS: dict[str, dict[str, Source]] = {scale: {**SHARED[scale], **consistency.RUN_SETS[scale]} for scale in SHARED}
"""Scale -> name -> runs."""
