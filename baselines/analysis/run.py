"""One analysis of some runs, into a folder of its own.

- ``protocol.json``: which analysis of which networks, with which settings; what the columns mean; versions
- ``NAME.csv``: its tables; ``WHAT.png`` and ``WHAT.svg``: its figure, drawn last
- ``lock``: held by the process that writes here, if there is one

The same analysis may be done again in its folder: then nothing of the earlier result goes before all of the new one is
there. Any other needs another folder.

To make an ``AnalysisRun`` costs no torch: it is imported where the networks are loaded.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.analysis.checkpoints import chosen
from baselines.analysis.groups import check_runs
from baselines.analysis.settings import SETTINGS, AnalysisSettings
from baselines.core import files
from baselines.core.files import foreign_entry, inside, read_json, replace_file, replace_files
from baselines.core.locks import lock
from baselines.core.settings import SettingsError
from baselines.training.run_files import identity, read_config

if TYPE_CHECKING:
    from baselines.analysis.base import Analysis, Tables
    from baselines.analysis.subject import Subject

PROTOCOL = "protocol.json"


class AnalysisRun:
    """One analysis of some runs, into a folder. Make it, go through ``parts``, then ``draw``. It prints nothing.

    The folder is locked from the first of ``parts`` until ``draw``. The runs are not: they may be in training, for
    their checkpoints are read whole, each as it is at that moment.

    Args:
        paths: the folders of the runs.
        what: the name of one of ``ANALYSES``, or an analysis of yours.
        settings: the settings of that analysis.
        checkpoints: the N whose checkpoints are taken; empty: those that the analysis takes unless told otherwise.
        out: the folder to write into; None: ``analysis/<name>`` in the folder of the run.

    Raises:
        SettingsError: a setting cannot be, the runs cannot be analysed together, or the folder holds something else.
        RunError: a folder holds no run of ``train``.

    Attributes:
        folder: the folder to write into.
        tables: what is finished.
        kept: whether the folder holds an earlier result that stays as it is until this one is finished.
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
        self._name = what if isinstance(what, str) else what.name
        self.folder = inside(paths[0], "analysis", self._name) if out is None else out
        self.tables: Tables = {}
        self.kept = False
        self._release: Callable[[], object] = lambda: None
        self._check_folder()

    def parts(self) -> Iterator[str]:
        """Measure subject by subject; after each the tables are written, so that finished parts are never lost.

        Where the folder holds this analysis already, with its figure, nothing is written before ``draw``.

        Yields:
            What was finished, in words.

        Raises:
            SettingsError: a network cannot be analysed with these settings, or the folder cannot be made or holds
                something else. Nothing has been computed or written.
            RunError: a checkpoint cannot be read (nothing has been computed or written), or the folder cannot be
                written, or another process writes to it.
        """
        from baselines.analysis.base import analyse
        from baselines.analysis.subject import load

        analysis = self._analysis()
        subjects = load(self._paths, self._checkpoints or analysis.checkpoints)
        computed = analyse(analysis, subjects, self._settings)
        self._make_folder()
        self._release = lock(self, self.folder)
        try:
            self._check_folder()  # again, under the lock
            self.kept = (self.folder / f"{self._name}.svg").exists()
            self._protocol_text = json.dumps(self._protocol(analysis, subjects), indent=2) + "\n"
            words = [subject.words for subject in subjects]
            for number, tables in enumerate(computed):
                if not self.tables and not self.kept:
                    self._clear(analysis)
                    replace_file(self.folder / PROTOCOL, self._protocol_text.encode())
                self.tables = tables
                if not self.kept:
                    for name, text in self._texts().items():
                        replace_file(self.folder / name, text)
                yield words[number] if number < len(words) else "all together"
            self.kept = False
        except BaseException:
            if not self.tables or self.kept:
                self._release()
            raise

    def draw(self) -> list[Path]:
        """Draw what is finished, and replace an earlier result by it; then others may write to the folder.

        Returns:
            The files of the figure, PNG and SVG. None if the earlier result stays, since this one is not finished.

        Raises:
            RunError: the folder cannot be written.
        """
        from baselines.core import style

        try:
            if self.kept:
                return []
            analysis = self._analysis()
            drawn = style.files_of(analysis.draw(self.tables), inside(self.folder, analysis.name))
            texts = {self.folder / name: text for name, text in self._texts().items()}
            replace_files(texts | drawn | {self.folder / PROTOCOL: self._protocol_text.encode()})
            self._clear(analysis)
            return list(drawn)
        finally:
            self._release()

    def _texts(self) -> dict[str, bytes]:
        """The files of the tables and their contents."""
        return {f"{name}.csv": table.to_csv().encode() for name, table in self.tables.items()}

    def _check_folder(self) -> None:
        """Refuse a folder that holds anything but this analysis of these runs."""
        try:
            strange = foreign_entry(self.folder)
        except OSError as error:
            raise SettingsError(
                "out", f"out must be a folder that can be made, got {self.folder} ({error.strerror})"
            ) from None
        if strange is None:
            return
        file = self.folder / PROTOCOL
        if not file.is_file():
            raise SettingsError(
                "out", f"out must be a new folder or one of this analysis, got {self.folder}, which holds {strange}"
            )
        held, asked = read_json(file), json.loads(json.dumps(self._identity()))
        if held.get("what") != self._name or not isinstance(held.get("settings"), dict):
            raise SettingsError("out", f"out must be another folder: {self.folder} holds {held.get('what')!r}")
        for part in (asked, asked.pop("settings")):
            there = held if part is asked else held["settings"]
            for name, value in part.items():
                if name in there and there[name] != value and name != "device":
                    raise SettingsError(
                        "out",
                        f"out must be another folder: {self.folder} holds an analysis with {name} "
                        f"{_short(there[name])}, not {_short(value)}",
                    )

    def _identity(self) -> dict[str, Any]:
        """What makes two analyses the same, in a form that JSON can hold."""
        subjects = chosen(self._paths, self._checkpoints or "latest")
        return {
            "what": self._name,
            "runs": {one.run: identity(read_config(one.path)) for one in subjects},
            "checkpoints": list(self._checkpoints),
            "settings": dataclasses.asdict(self._settings),
        }

    def _analysis(self) -> Analysis[Any]:
        if not isinstance(self._what, str):
            return self._what
        from baselines.analysis.catalogue import ANALYSES

        return ANALYSES[self._what]

    def _protocol(self, analysis: Analysis[Any], subjects: Sequence[Subject]) -> dict[str, Any]:
        return {
            **self._identity(),
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
        """Remove tables that this analysis has not made: they are of an earlier one."""
        for table in analysis.columns:
            if table not in self.tables:
                inside(self.folder, f"{table}.csv").unlink(missing_ok=True)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                "out", f"out must be a folder that can be made, got {self.folder} ({error.strerror})"
            ) from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
