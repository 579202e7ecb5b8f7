"""What an analysis is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from baselines.analysis.settings import AnalysisSettings
from baselines.analysis.subject import Subject
from baselines.core.files import RunError
from baselines.core.settings import check, check_device
from baselines.core.tables import Column, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

S = TypeVar("S", bound=AnalysisSettings)
Tables = dict[str, Table]
"""Name of a table -> the table."""


class Analysis(ABC, Generic[S]):
    """One way to find out what a network learned: tables of numbers, and a figure of them.

    To bring an analysis, subclass this: set ``name``, ``settings`` and ``columns``, write ``compute`` and ``draw``,
    inherit the rest. Write ``check`` where a network or a task can be such that the analysis cannot serve it, and
    ``conclude`` where something follows from several networks or checkpoints together. Every result is stored with the
    docstring of its class: say there what is measured, and how.

    Attributes:
        name: the name of the analysis, which is that of its folder and its figure, too.
        settings: its dataclass of settings, a subclass of ``AnalysisSettings``.
        columns: name of each table, those of ``conclude`` included -> its columns.
        checkpoints: which checkpoints of a run are taken unless others are asked for: ``"all"``, ``"course"`` or
            ``"latest"``; see ``checkpoints.chosen``.
    """

    name: ClassVar[str]
    settings: type[S]
    columns: ClassVar[Mapping[str, Sequence[Column]]]
    checkpoints: ClassVar[str] = "latest"

    def check(self, subject: Subject, settings: S) -> None:
        """Refuse a subject that cannot be analysed with these settings. Each setting by itself has been checked.

        Raises:
            SettingsError: it names the setting, its value and what is allowed for this subject.
        """

    @abstractmethod
    def compute(self, subject: Subject, settings: S) -> Tables:
        """The tables of one subject, which ``check`` has let pass and which is on the device of the settings.

        To call an analysis, call ``measure``. The network must be left as it is.
        """

    @abstractmethod
    def draw(self, tables: Tables) -> Figure:
        """The figure of the tables of all subjects: at least one row in the first table."""

    def conclude(self, tables: Tables) -> Tables:
        """More tables, which follow from those of all subjects; none unless a subclass says so."""
        return {}

    def measure(self, subject: Subject, settings: S) -> Tables:
        """The tables of one subject.

        Args:
            subject: the network and its task. It is not changed.
            settings: what is asked for.

        Returns:
            Name of the table -> the table, with the ``columns`` of that name.

        Raises:
            SettingsError: the settings cannot be, or not with this subject; nothing has been computed.
            RunError: a weight of the network is NaN or infinite, or what it does cannot be analysed.
        """
        *_, tables = analyse(self, [subject], settings)
        return tables


def analyse(analysis: Analysis[S], subjects: Sequence[Subject], settings: S) -> Iterator[Tables]:
    """Analyse several subjects, one after the other. Everything is checked at once, before the first is computed.

    Returns:
        An iterator over the tables so far: after each subject, and with those of ``conclude`` at the end.

    Raises:
        SettingsError: the settings cannot be, or not with one of the subjects.
        RunError: a weight of one of the networks is NaN or infinite.
    """
    settings.check()
    check("device", check_device, settings.device)
    for subject in subjects:
        _check_finite(subject)
        analysis.check(subject, settings)
    return _computed(analysis, subjects, settings)


def _check_finite(subject: Subject) -> None:
    for name, value in subject.network.state_dict().items():
        if not bool(value.isfinite().all()):
            raise RunError(f"{subject.words}: the weights of the network must be finite, those of {name} are not")


def _computed(analysis: Analysis[S], subjects: Sequence[Subject], settings: S) -> Iterator[Tables]:
    tables: Tables = {}
    for subject in subjects:
        for name, table in analysis.compute(subject.on(settings.device), settings).items():
            tables.setdefault(name, Table(table.columns)).extend(table)
        yield tables
    if concluded := analysis.conclude(tables):
        yield tables | concluded
