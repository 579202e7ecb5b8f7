"""The experiments, by name."""

from __future__ import annotations

from baselines.reproduction.consistency import CONSISTENCY
from baselines.reproduction.courses import COURSES
from baselines.reproduction.networks import NETWORKS

EXPERIMENTS = {one.name: one for one in (*COURSES, *NETWORKS, *CONSISTENCY)}
"""Name -> experiment."""
