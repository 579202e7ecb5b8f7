"""One analysis of some runs, into a folder: tables, figure, protocol.

To make an ``AnalysisRun`` costs no torch: it is imported where the networks are loaded.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.analysis.checkpoints import chosen
from baselines.analysis.groups import check_runs
from baselines.analysis.settings import SETTINGS, AnalysisSettings
from baselines.core import files
from baselines.core.files import RunError, replace_file
from baselines.core.settings import SettingsError

if TYPE_CHECKING:
    from baselines.analysis.base import Analysis, Tables
    from baselines.analysis.subject import Subject


class AnalysisRun:
    """One analysis of some runs, into a folder. Make it, go through ``parts``, then ``draw``. It prints nothing.

    Args:
        paths: the folders of the runs.
        what: the name of one of ``ANALYSES``, or an analysis of yours.
        settings: the settings of that analysis.
        checkpoints: the N whose checkpoints are taken; empty: those that the analysis takes unless told otherwise.
        out: the folder to write into; None: ``analysis/<name>`` in the folder of the run.

    Raises:
        SettingsError: a setting cannot be, or the runs cannot be analysed together.
        RunError: a folder holds no run of ``train``.

    Attributes:
        folder: the folder to write into.
        tables: what is finished.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        what: str | Analysis[Any],
        settings: AnalysisSettings,
        checkpoints: Sequence[int] = (),
        out: Path | None = None,
    ) -> None:
        if isinstance(what, str) and what not in SETTINGS:
            raise SettingsError("what", f"what must be one of {list(SETTINGS)}, got {what!r}")
        if out is None and len(paths) > 1:
            raise SettingsError("out", f"out must be given with several runs, got none with {len(paths)}")
        settings.check()
        check_runs(paths)
        chosen(paths, checkpoints or "latest")  # where none are asked for, only the analysis knows which it takes
        self._paths, self._what, self._settings, self._checkpoints = paths, what, settings, checkpoints
        self.folder = paths[0] / "analysis" / (what if isinstance(what, str) else what.name) if out is None else out
        self.tables: Tables = {}

    def parts(self) -> Iterator[str]:
        """Measure subject by subject; after each the tables are written, so that finished parts are never lost.

        Yields:
            What was finished, in words.

        Raises:
            SettingsError: a network cannot be analysed with these settings, or the folder cannot be made. Nothing has
                been computed or written.
            RunError: a checkpoint cannot be read (nothing has been computed or written), or the folder cannot be
                written.
        """
        from baselines.analysis.base import analyse
        from baselines.analysis.subject import load

        analysis = self._analysis()
        subjects = load(self._paths, self._checkpoints or analysis.checkpoints)
        computed = analyse(analysis, subjects, self._settings)
        self._make_folder()
        words = [f"{subject.run}, N = {subject.task.N}, update {subject.update}" for subject in subjects]
        for number, tables in enumerate(computed):
            if not self.tables:
                self._clear(analysis)
                self._write("protocol.json", json.dumps(self._protocol(analysis, subjects), indent=2) + "\n")
            self.tables = tables
            for name, table in self.tables.items():
                self._write(f"{name}.csv", table.to_csv())
            yield words[number] if number < len(words) else "all together"

    def draw(self) -> list[Path]:
        """Draw what is finished.

        Returns:
            The files of the figure, PNG and SVG.

        Raises:
            RunError: the folder cannot be written.
        """
        from baselines.core import style

        analysis = self._analysis()
        file = self.folder / analysis.name
        try:
            return style.save(analysis.draw(self.tables), file)
        except OSError as error:
            raise RunError(f"{file} cannot be written: {error}") from None

    def _analysis(self) -> Analysis[Any]:
        if not isinstance(self._what, str):
            return self._what
        from baselines.analysis.catalogue import ANALYSES

        return ANALYSES[self._what]

    def _protocol(self, analysis: Analysis[Any], subjects: Sequence[Subject]) -> dict[str, Any]:
        return {
            "what": analysis.name,
            "settings": dataclasses.asdict(self._settings),
            "subjects": [subject.keys | {"task": subject.task.to_dict()} for subject in subjects],
            "protocol": " ".join((inspect.getdoc(type(analysis)) or "").split()),
            "columns": {
                name: {
                    column.name: f"{column.meaning} ({column.unit})" if column.unit else column.meaning
                    for column in columns
                }
                for name, columns in analysis.columns.items()
            },
            "versions": files.versions(),
        }

    def _clear(self, analysis: Analysis[Any]) -> None:
        """Remove an earlier analysis, so that no table or figure lies beside a protocol that is not its own."""
        name = analysis.name
        for file in (*(f"{table}.csv" for table in analysis.columns), f"{name}.png", f"{name}.svg"):
            (self.folder / file).unlink(missing_ok=True)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                "out", f"out must be a folder that can be made, got {self.folder} ({error.strerror})"
            ) from None

    def _write(self, name: str, text: str) -> None:
        replace_file(self.folder / name, text.encode())
