"""The folder of the experiments at one scale.

- ``reproduction.json``: the scale
- ``runs/parity-paper/`` and so on: the sweeps that the experiments share
- ``tau/result.json``, ``tau.csv``, ``tau.png``, ``tau.svg`` and so on: what came of an experiment
- ``tau/parts/``: what was measured of each run, so that an interrupted one goes on
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from baselines.core import files
from baselines.core.files import (
    RunError,
    file_word,
    foreign_entry,
    inside,
    make_folder,
    read_format,
    read_json,
    remove_leftovers,
    replace_file,
    replace_files,
)
from baselines.core.jobs import available_cores
from baselines.core.locks import lock
from baselines.core.settings import SettingsError
from baselines.core.stored import Number, check_stored, short
from baselines.reproduction.experiment import Experiment, Part
from baselines.reproduction.experiments import RUN_SETS, Source
from baselines.reproduction.measurements import Observation, Observed
from baselines.reproduction.results import conclude, text
from baselines.reproduction.runs import Finished

FORMAT = 1
"""The format of ``reproduction.json``."""

RESULT_FORMAT = 2
"""The format of ``result.json``. The page states the rule of its verdicts, so that another rule is another format."""


class Statement(TypedDict):
    """A statement in ``result.json`` with its verdict."""

    verdict: str
    words: str
    reason: str


class _Cell(TypedDict):
    x: Number | None
    published: list[Number]


class Cell(_Cell, total=False):
    """What a table in ``result.json`` has for one x."""

    mean: Number
    networks: int
    bound: bool
    low: Number
    high: Number


class Row(TypedDict):
    """A row of a table in ``result.json``."""

    case: str
    cells: list[Cell]


class StoredTable(TypedDict):
    """A table in ``result.json``."""

    quantity: str
    x: str
    rows: list[Row]


class StoredSet(TypedDict):
    """A set of runs in ``result.json``."""

    name: str
    settings: dict[str, Any]
    runs: int
    seeds: list[int]
    cpu_seconds: float
    machine_known: bool
    statuses: dict[str, int]


class Result(TypedDict):
    """The content of ``result.json``, beside its format."""

    name: str
    scale: str
    title: str
    claim: str
    source: str
    note: str
    verdict: str
    statements: list[Statement]
    tables: list[StoredTable]
    sets: list[StoredSet]
    measuring_cpu_seconds: float
    processors: list[str]
    cores: int
    torch: list[str]


class StoredObservation(TypedDict):
    """An observation in ``parts/NUMBER/RUN.json``."""

    quantity: str
    case: str
    x: Number | None
    seed: int
    value: Number
    bound: str
    run: str


class MeasuredPart(TypedDict):
    """The content of ``parts/NUMBER/RUN.json``."""

    asked: list[Any]
    observations: list[StoredObservation]
    cpu_seconds: float


class Reproduction:
    """The folder of the experiments at one scale, made where it is missing.

    Args:
        path: the folder.
        scale: ``"small"`` or ``"full"``.

    Raises:
        SettingsError: the folder holds something else, or experiments of another scale; nothing has been written.
    """

    def __init__(self, path: Path, scale: str) -> None:
        self.path, self.scale = path, scale
        self.run_sets = RUN_SETS[scale]
        try:
            there = foreign_entry(path, "reproduction.json.part")  # which an earlier version may have left
        except OSError as error:
            raise SettingsError("out", f"out must be a folder to write in, got {path} ({error.strerror})") from None
        mark = path / "reproduction.json"
        if mark.exists():
            if (held := read_format(mark, FORMAT).get("scale")) != scale:
                raise SettingsError("out", f"out must be a folder of scale {scale!r}, got {path}, of scale {held!r}")
        elif there is not None:
            raise SettingsError(
                "out", f"out must be a new folder or one of experiments, got {path}, which holds {there}"
            )
        else:
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SettingsError("out", f"out must be a folder to write in, got {path} ({error.strerror})") from None
            replace_file(mark, _text({"format": FORMAT, "scale": scale}))

    def sources(self, experiment: Experiment) -> dict[str, Source]:
        """The sets of runs that an experiment needs, by name."""
        return {part.runs: self.run_sets[part.runs] for part in experiment.scales[self.scale].parts}

    def cpu_minutes(self, experiment: Experiment) -> float:
        """CPU minutes that are left: of each set the share that has not ended, and the measuring."""
        minutes = experiment.scales[self.scale].cpu_minutes
        for name, source in self.sources(experiment).items():
            minutes += source.cpu_minutes * source.share_left(self.runs(name))
        return minutes

    def runs(self, name: str) -> Path:
        """The folder of a set of runs."""
        before = re.sub("-trials$", "-fast", name)  # what it is called in folders of before there were streams
        return inside(self.path, "runs", before if (self.path / "runs" / before).exists() else name)

    def ended(self, name: str) -> Sequence[Finished]:
        """The runs of a set.

        Raises:
            RunError: one has not ended, or is damaged.
        """
        return self.run_sets[name].ended(self.runs(name))

    def measure(self, experiment: Experiment) -> Iterator[str]:
        """Measure the runs that have not been measured, then write ``result.json``, the table and the figure.

        Yields:
            The name of each run, once it has been measured.

        Raises:
            RunError: a run has not ended or is damaged, another process measures the same, or something cannot be
                written.
        """
        release = lock(self, make_folder(self.path, experiment.name, "parts"))
        try:
            remove_leftovers(self.path / experiment.name)
            yield from self._measure_all(experiment)
        finally:
            release()

    def _measure_all(self, experiment: Experiment) -> Iterator[str]:
        rows, seconds = list[Observation](), 0.0
        folder = self.path / experiment.name
        for number, part in enumerate(experiment.scales[self.scale].parts):
            measured = make_folder(folder, "parts", f"{number}")
            remove_leftovers(measured)
            for run in self.ended(part.runs):
                if part.takes(run):
                    held = self._measure(part, run, inside(measured, f"{file_word(run.name)}.json"))
                    rows += [Observation(**row) for row in held["observations"]]
                    seconds += held["cpu_seconds"]
                    yield run.name
        observed = Observed(rows)
        result = conclude(experiment, self.scale, observed)
        whole = {"format": RESULT_FORMAT, **result, **self._origin(experiment, seconds)}
        table = {folder / f"{experiment.name}.csv": observed.table().to_csv().encode()}
        drawn = _drawn(experiment, observed, folder / experiment.name) if rows else {}
        replace_files(table | drawn | {folder / "result.json": _text(whole)})
        if not drawn:
            for ending in (".png", ".svg"):
                (folder / f"{experiment.name}{ending}").unlink(missing_ok=True)

    def _measure(self, part: Part, run: Finished, file: Path) -> dict[str, Any]:
        """What is measured of a run: read, where it was measured before with the same settings after the same training.

        The code of a measure is not compared. A measure that changes needs another name or other settings; otherwise
        old and new measurements would stand side by side.
        """
        asked = json.loads(json.dumps([part.measure.__name__, part.case_of(run), part.settings, run.summary]))
        if (known := _read_part(file)) and known["asked"] == asked:
            return known
        began = time.process_time()
        seen = [asdict(row) for row in part.measure(run, part.case_of(run), **part.settings)]
        held = {"asked": asked, "observations": seen, "cpu_seconds": round(time.process_time() - began, 2)}
        replace_file(file, _text(held))
        return held

    def _origin(self, experiment: Experiment, seconds: float) -> dict[str, Any]:
        """Where the numbers come from: runs, seeds, CPU time and machine, as the runs themselves say."""
        sets, versions = [], list[dict[str, str]]()
        for name, source in self.sources(experiment).items():
            ended = self.ended(name)
            statuses = [run.summary["status"] for run in ended]
            versions += [run.versions for run in ended if run.versions]
            sets.append(
                {
                    "name": name,
                    "settings": source.asked(),
                    "runs": len(ended),
                    "seeds": sorted({run.seed for run in ended}),
                    "cpu_seconds": round(sum(run.summary["cpu_seconds"] for run in ended), 1),
                    "machine_known": all(run.versions for run in ended),
                    "statuses": {word: statuses.count(word) for word in sorted(set(statuses))},
                }
            )
        return {
            "sets": sets,
            "measuring_cpu_seconds": round(seconds, 1),
            "processors": sorted({one.get("processor", "?") for one in versions}) or [files.processor()],
            "cores": available_cores(),
            "torch": sorted({one["torch"] for one in versions}) or [files.versions()["torch"]],
        }


def read_result(path: Path) -> dict[str, Any]:
    """The ``result.json`` at ``path``.

    Raises:
        RunError: it is not one, or it is of another version.
    """
    content, name = read_json(path), path.parent.name
    if content.get("format") != RESULT_FORMAT or content.get("name") != name:
        got = f"{short(content.get('name'))} in format {short(content.get('format'))}"
        raise RunError(
            f"{path} must be the result of an experiment in format {RESULT_FORMAT}, got {got}: after another version "
            f"`python -m baselines reproduce {name}` writes it anew, without training or measuring again"
        )
    result: dict[str, Any] = check_stored(content, Result, path, "an experiment")
    try:
        text(result)
    except (KeyError, IndexError, ValueError, TypeError):
        raise RunError(f"{path} is not that of an experiment: its tables do not fit together") from None
    return result


def read_results(path: Path) -> list[dict[str, Any]]:
    """Every result in the folder at ``path``, in the order of the experiments' names."""
    return [read_result(file) for file in sorted(path.glob("*/result.json"))]


def _read_part(file: Path) -> dict[str, Any] | None:
    """What was measured of a run before; None where there is no such file, or where it is damaged."""
    try:
        held: dict[str, Any] = check_stored(read_json(file), MeasuredPart, file, "a measurement")
    except RunError:
        return None
    known = set(StoredObservation.__annotations__)
    return held if all(set(row) == known for row in held["observations"]) else None


def _drawn(experiment: Experiment, observed: Observed, path: Path) -> dict[Path, bytes]:
    from baselines.core import style  # matplotlib
    from baselines.reproduction.figure import draw

    return style.files_of(draw(experiment, observed), path)


def _text(content: Any) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()
