"""Geometry of a network's states: components, slow points, exponents, and how they change over training."""

from baselines.analysis.geometry.figure import draw
from baselines.analysis.geometry.measurement import TABLES, GeometrySettings, check, measure
from baselines.analysis.geometry.restructuring import CHANGES, conclude

__all__ = ["CHANGES", "TABLES", "GeometrySettings", "check", "conclude", "draw", "measure"]
