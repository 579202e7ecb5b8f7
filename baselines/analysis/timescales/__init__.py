"""Timescales of units: of a unit by itself (tau), and of its activity in the network (tau_net)."""

from baselines.analysis.settings import TimescaleSettings
from baselines.analysis.timescales.measurement import Timescales

__all__ = ["TimescaleSettings", "Timescales"]
