"""What a network learned: analyses of trained networks, with tables and a figure each.

``ANALYSES`` has them by the names of the command line, ``baselines.analysis.settings`` their settings. To bring an
analysis of your own, subclass ``Analysis``; ``baselines.analysis.run.AnalysisRun`` takes it as it takes ours.

Names are imported when they are asked for, so that settings can be had without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from baselines.core.process import lazy_exports

if TYPE_CHECKING:
    from baselines.analysis.base import Analysis, Tables, analyse
    from baselines.analysis.catalogue import ANALYSES
    from baselines.analysis.subject import Subject
    from baselines.core.tables import Column, Table

__all__ = ["ANALYSES", "Analysis", "Column", "Subject", "Table", "Tables", "analyse"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ANALYSES": "catalogue",
        "Analysis": "base",
        "Column": "base",
        "Subject": "subject",
        "Table": "base",
        "Tables": "base",
        "analyse": "base",
    },
)
