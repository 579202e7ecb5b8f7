"""Sweeps: one training run for each combination of settings, several in parallel, in one folder with one table."""

from __future__ import annotations

from baselines.training.sweep.folder import SweepFolder
from baselines.training.sweep.product import Sweep

__all__ = ["Sweep", "SweepFolder"]
