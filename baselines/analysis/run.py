"""The command ``analyze``: subjects from runs, tables and a figure into a folder. It prints nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from baselines.analysis import ANALYSES, Tables, analyse
from baselines.analysis.subject import load
from baselines.core import files, style
from baselines.core.files import RunError, replace_file
from baselines.core.settings import SettingsError
from baselines.training import run_files

MAY_DIFFER = (
    "seed",
    "n_max",
    "budget",
    "max_updates",
    "steps",
    "keep_every",
    "episodes",
    "device",
    "recipe",
    "overrides",
)
"""Settings in which networks whose means are taken may differ: they are of one kind. (Overrides are looked into.)"""


class AnalysisRun:
    """One analysis of some runs, into a folder. Make it, then go through ``parts``; then ``draw``.

    Args:
        paths: of the runs.
        what: one of ``ANALYSES``.
        settings: of that analysis.
        checkpoints: those kept when these N were solved; empty: what the analysis usually takes.
        out: where to write; None: ``analysis/<what>`` in the folder of the run.

    Raises:
        SettingsError, RunError: it cannot be; nothing has been computed or written.
    """

    def __init__(
        self, paths: Sequence[Path], what: str, settings: Any, checkpoints: Sequence[int] = (), out: Path | None = None
    ) -> None:
        if what not in ANALYSES:
            raise SettingsError("what", f"what must be one of {list(ANALYSES)}, got {what!r}")
        if out is None and len(paths) > 1:
            raise SettingsError("out", f"out must be given with several runs, got none with {len(paths)}")
        if len({path.resolve() for path in paths}) < len(paths):
            raise SettingsError("runs", f"runs must differ, got {' '.join(map(str, paths))}")
        self.what, self.settings, self.analysis = what, settings, ANALYSES[what]
        self.subjects = load(paths, checkpoints or self.analysis.checkpoints)
        _check_alike([run_files.read_settings(path).to_dict() for path in paths])
        for subject in self.subjects:
            self.analysis.check(subject, settings)
        self.folder = paths[0] / "analysis" / what if out is None else out
        self.tables: Tables = {}

    def parts(self) -> Iterator[str]:
        """Measure subject by subject; after each the tables are written, so that finished parts are never lost.

        Yields:
            What was finished, in words.

        Raises:
            RunError: the folder cannot be written.
        """
        self._make_folder()
        words = [f"{subject.run}, N = {subject.task.N}, update {subject.update}" for subject in self.subjects]
        for number, tables in enumerate(analyse(self.analysis, self.subjects, self.settings)):
            if not self.tables:
                self._clear()
                self._write("protocol.json", json.dumps(self._protocol(), indent=2) + "\n")
            self.tables = tables
            for name, table in self.tables.items():
                self._write(f"{name}.csv", table.to_csv())
            yield words[number] if number < len(words) else "all together"

    def draw(self) -> list[Path]:
        """Draw what is finished; the files, PNG and SVG."""
        try:
            return style.save(self.analysis.draw(self.tables), self.folder / self.what)
        except OSError as error:
            raise RunError(f"{self.folder / self.what} cannot be written: {error}") from None

    def _protocol(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "settings": dataclasses.asdict(self.settings),
            "subjects": [subject.keys | {"task": subject.task.to_dict()} for subject in self.subjects],
            "protocol": " ".join((self.analysis.measure.__doc__ or "").split()),
            "columns": {
                name: {
                    column.name: f"{column.meaning} ({column.unit})" if column.unit else column.meaning
                    for column in columns
                }
                for name, columns in self.analysis.columns.items()
            },
            "versions": files.versions(),
        }

    def _clear(self) -> None:
        """Take away an earlier analysis, so that no table or figure lies beside a protocol that is not its own."""
        for name in (*(f"{table}.csv" for table in self.analysis.columns), f"{self.what}.png", f"{self.what}.svg"):
            (self.folder / name).unlink(missing_ok=True)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                "out", f"out must be a folder that can be made, got {self.folder} ({error.strerror})"
            ) from None

    def _write(self, name: str, text: str) -> None:
        replace_file(self.folder / name, text.encode())


def _check_alike(asked: Sequence[dict[str, Any]]) -> None:
    """Refuse runs of different kinds: means and intervals over them would be of nothing.

    Raises:
        SettingsError: it names the first setting that differs.
    """
    kinds = [{name: value for name, value in one.items() if name not in MAY_DIFFER} | one["overrides"] for one in asked]
    for name, value in kinds[0].items():
        if other := [kind[name] for kind in kinds if kind[name] != value]:
            raise SettingsError(
                "runs", f"runs must have one {name} for means over networks, got {value!r} and {other[0]!r}"
            )
