"""What a network learned: analyses of trained networks, a table and a figure each.

``ANALYSES`` lists them by the names of the command line; each has a module, with a dataclass of settings, ``check``,
``measure`` (a subject and settings -> tables) and ``draw`` (tables -> a figure).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from baselines.analysis import ablation, forgetting, generalisation, geometry, perturbation, timescales
from baselines.analysis.subject import Subject
from baselines.core.tables import Column, Table

__all__ = ["ANALYSES", "Analysis", "Column", "Subject", "Table", "analyse"]

Tables = dict[str, Table]


@dataclass(frozen=True)
class Analysis:
    """One analysis.

    Attributes:
        settings: its dataclass of settings.
        check: refuses subjects that it cannot serve, before any computing.
        measure: the tables of one subject.
        draw: the figure of the tables of all subjects.
        columns: of each of its tables.
        checkpoints: which of a run are taken unless others are asked for: ``"all"``, ``"course"`` or ``"latest"``, see
            ``subject.load``.
        conclude: tables that follow from those of all subjects.
    """

    settings: type[Any]
    check: Callable[[Subject, Any], None]
    measure: Callable[[Subject, Any], Tables]
    draw: Callable[[Tables], Figure]
    columns: Mapping[str, Sequence[Column]]
    checkpoints: str
    conclude: Callable[[Tables], Tables] | None = None


ANALYSES = {
    "timescales": Analysis(
        timescales.TimescaleSettings,
        timescales.check,
        timescales.measure,
        timescales.draw,
        {"units": timescales.UNITS, "summary": timescales.SUMMARY},
        "all",
    ),
    "ablation": Analysis(
        ablation.AblationSettings,
        ablation.check,
        ablation.measure,
        ablation.draw,
        {"ablation": ablation.ABLATIONS},
        "latest",
    ),
    "perturbation": Analysis(
        perturbation.PerturbationSettings,
        perturbation.check,
        perturbation.measure,
        perturbation.draw,
        {"perturbation": perturbation.PERTURBATIONS},
        "latest",
    ),
    "generalisation": Analysis(
        generalisation.GeneralisationSettings,
        generalisation.check,
        generalisation.measure,
        generalisation.draw,
        {"generalisation": generalisation.GENERALISATION},
        "latest",
    ),
    "forgetting": Analysis(
        forgetting.ForgettingSettings,
        forgetting.check,
        forgetting.measure,
        forgetting.draw,
        {"forgetting": forgetting.FORGETTING},
        "all",
    ),
    "geometry": Analysis(
        geometry.GeometrySettings,
        geometry.check,
        geometry.measure,
        geometry.draw,
        geometry.TABLES | {"changes": geometry.CHANGES},
        "course",
        geometry.conclude,
    ),
}
"""Name on the command line -> the analysis."""


def analyse(analysis: Analysis, subjects: Sequence[Subject], settings: Any) -> Iterator[Tables]:
    """The tables so far, after each subject and at the end.

    Raises:
        SettingsError: a subject cannot be served, or a setting cannot be; nothing has been computed.
    """
    for subject in subjects:
        analysis.check(subject, settings)
    tables: Tables = {}
    for subject in subjects:
        for name, table in analysis.measure(subject, settings).items():
            tables.setdefault(name, Table(table.columns)).extend(table)
        yield tables
    if analysis.conclude is not None:
        tables.update(analysis.conclude(tables))
        yield tables
