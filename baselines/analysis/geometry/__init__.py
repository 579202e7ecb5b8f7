"""Geometry of a network's states: components, slow points, exponents, and how they change over training."""

from baselines.analysis.geometry.measurement import Geometry
from baselines.analysis.settings import GeometrySettings

__all__ = ["Geometry", "GeometrySettings"]
