"""Sweeps: the product of settings, as runs side by side, in one folder with one table."""

from baselines.sweep.axes import Sweep
from baselines.sweep.folder import SweepFolder

__all__ = ["Sweep", "SweepFolder"]
