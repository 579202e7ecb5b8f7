"""Timescales of units: of their own (tau) and of their activity (tau_net)."""

from baselines.analysis.timescales.measurement import SUMMARY, UNITS, TimescaleSettings, check, draw, measure

__all__ = ["SUMMARY", "UNITS", "TimescaleSettings", "check", "draw", "measure"]
