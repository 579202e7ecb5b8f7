"""The analyses, by the names of the command line."""

from __future__ import annotations

from typing import Any

from baselines.analysis.ablation import Ablation
from baselines.analysis.base import Analysis
from baselines.analysis.forgetting import Forgetting
from baselines.analysis.generalisation import Generalisation
from baselines.analysis.geometry import Geometry
from baselines.analysis.perturbation import Perturbation
from baselines.analysis.register import Register
from baselines.analysis.timescales import Timescales

ANALYSES: dict[str, Analysis[Any]] = {
    analysis.name: analysis
    for analysis in (Timescales(), Ablation(), Perturbation(), Generalisation(), Forgetting(), Geometry(), Register())
}
"""Name -> the analysis. Their settings, by the same names: ``settings.SETTINGS``."""
