"""An analysis as a user would write it."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from matplotlib.figure import Figure

from baselines.analysis import Analysis, Column, Subject, Table, Tables
from baselines.analysis.settings import AnalysisSettings
from baselines.core.settings import SettingsError


@dataclass(frozen=True, kw_only=True)
class WeightSettings(AnalysisSettings):
    """Which weights are large."""

    least: float = field(default=0.0, metadata={"help": "weights above which are counted", "range": (0.0, 1.0)})


class Weights(Analysis[WeightSettings]):
    """How many weights are large. Protocol: all are counted. Tables ``counts`` and ``all``."""

    name = "weights"
    settings = WeightSettings
    columns: ClassVar = {
        "counts": [Column("run", "run"), Column("count", "weights above the least")],
        "all": [Column("networks", "networks counted")],
    }
    checked: ClassVar[list[int]] = []
    """N of each subject that was checked."""

    def check(self, subject: Subject, settings: WeightSettings) -> None:
        self.checked.append(subject.task.N)
        if subject.task.N > 3:
            raise SettingsError("least", f"least must be left out for N = {subject.task.N}")

    def compute(self, subject: Subject, settings: WeightSettings) -> Tables:
        table = Table(self.columns["counts"])
        count = sum(int((weight.abs() > settings.least).sum()) for weight in subject.network.parameters())
        table.add(run=subject.run, count=count)
        return {"counts": table}

    def conclude(self, tables: Tables) -> Tables:
        table = Table(self.columns["all"])
        table.add(networks=len(tables["counts"]))
        return {"all": table}

    def draw(self, tables: Tables) -> Figure:
        figure = Figure()
        figure.subplots().bar(np.arange(len(tables["counts"])), tables["counts"]["count"])
        return figure
