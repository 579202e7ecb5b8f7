"""The folder of the experiments at one scale.

- ``reproduction.json``: the scale
- ``runs/parity-paper/`` and so on: the sweeps, which experiments share
- ``tau/result.json``, ``tau.csv``, ``tau.png``, ``tau.svg`` and so on: what came of an experiment
- ``tau/parts/``: what was measured of each run, so that an interrupted one goes on
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from baselines import runs
from baselines.analysis import style
from baselines.checking import SettingsError
from baselines.engines import available_cores
from baselines.files import RunError, read_json, replace_file, writing
from baselines.reproduction.experiment import Experiment, Part, RunSet
from baselines.reproduction.figure import draw
from baselines.reproduction.observations import Observation, Observed, Trained
from baselines.reproduction.results import conclude
from baselines.reproduction.run_sets import RUN_SETS
from baselines.sweep import SweepFolder

FORMAT = 1
"""Of ``reproduction.json`` and ``result.json``."""


class Reproduction:
    """The folder of the experiments at one scale, made where it is missing.

    Args:
        path: of the folder.
        scale: ``"small"`` or ``"full"``.

    Raises:
        SettingsError: it holds something else, or those of another scale; nothing has been written.
    """

    def __init__(self, path: Path, scale: str) -> None:
        self.path, self.scale = path, scale
        self.run_sets = RUN_SETS[scale]
        try:
            there = sorted(entry.name for entry in path.iterdir()) if path.exists() else []
        except OSError as error:
            raise SettingsError("out", f"out must be a folder to write in, got {path} ({error.strerror})") from None
        mark = path / "reproduction.json"
        if mark.exists():
            if (held := read_json(mark).get("scale")) != scale:
                raise SettingsError("out", f"out must be a folder of scale {scale!r}, got {path}, of scale {held!r}")
        elif there:
            raise SettingsError(
                "out", f"out must be a new folder or one of experiments, got {path}, which holds {there[0]}"
            )
        else:
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SettingsError("out", f"out must be a folder to write in, got {path} ({error.strerror})") from None
            _write(mark, {"format": FORMAT, "scale": scale})

    def sets(self, experiment: Experiment) -> dict[str, RunSet]:
        """The runs that an experiment needs, by the name of the set."""
        return {part.runs: self.run_sets[part.runs] for part in experiment.scales[self.scale].parts}

    def cpu_minutes(self, experiment: Experiment) -> float:
        """What is expected to be left to do: of every set as large a part as has runs that have not ended."""
        minutes = experiment.scales[self.scale].cpu_minutes
        for name, needed in self.sets(experiment).items():
            names = list(needed.sweep.runs)
            left = sum(not (self.path / "runs" / name / run / "summary.json").exists() for run in names)
            minutes += needed.cpu_minutes * left / len(names)
        return minutes

    def sweep(self, name: str) -> SweepFolder:
        """The sweep of a set, to be closed. See ``SweepFolder``."""
        return SweepFolder(self.path / "runs" / name, self.run_sets[name].sweep)

    def trained(self, name: str) -> list[Trained]:
        """The runs of a set, all of which have ended."""
        folder = self.path / "runs" / name
        return [Trained.read(folder / run, f"{name}/{run}") for run in self.run_sets[name].sweep.runs]

    def measure(self, experiment: Experiment) -> Iterator[str]:
        """Measure the runs that have not been measured, then write ``result.json``, the table and the figure.

        Yields:
            What was measured, in words.

        Raises:
            RunError: a run has not ended, or something cannot be written.
        """
        rows, seconds = list[Observation](), 0.0
        folder = self.path / experiment.name
        parts = experiment.scales[self.scale].parts
        for number, part in enumerate(parts):
            for run in self.trained(part.runs):
                if part.takes(run):
                    file = folder / "parts" / f"{number}" / f"{run.name.replace('/', '_')}.json"
                    held = self._measure(part, run, file)
                    rows += [Observation(**row) for row in held["observations"]]
                    seconds += held["cpu_seconds"]
                    yield run.name
        observed = Observed(rows)
        with writing(folder):
            replace_file(folder / f"{experiment.name}.csv", observed.table().to_csv().encode())
            if rows:
                style.save(draw(experiment, observed), folder / experiment.name)
        result = conclude(experiment, self.scale, observed)
        _write(folder / "result.json", {"format": FORMAT, **result, **self._made(experiment, seconds)})

    def _measure(self, part: Part, run: Trained, file: Path) -> dict[str, Any]:
        """What was measured of a run, now or before by the same settings on the same training."""
        asked = json.loads(json.dumps([part.measure.__name__, part.case_of(run), part.settings, run.summary]))
        if file.exists() and (held := read_json(file)).get("asked") == asked:
            return held
        began = time.process_time()
        seen = [asdict(row) for row in part.measure(run, part.case_of(run), **part.settings)]
        held = {"asked": asked, "observations": seen, "cpu_seconds": round(time.process_time() - began, 2)}
        _write(file, held)
        return held

    def _made(self, experiment: Experiment, seconds: float) -> dict[str, Any]:
        """What the numbers rest on: runs, seeds, CPU time and machine, as the runs themselves say."""
        sets = []
        for name in self.sets(experiment):
            trained = self.trained(name)
            statuses = [run.summary["status"] for run in trained]
            sets.append(
                {
                    "name": name,
                    "settings": dict(self.run_sets[name].settings),
                    "runs": len(trained),
                    "seeds": sorted({run.settings.seed for run in trained}),
                    "cpu_seconds": round(sum(run.summary["cpu_seconds"] for run in trained), 1),
                    "statuses": {word: statuses.count(word) for word in sorted(set(statuses))},
                }
            )
        begun = [runs.read_versions(run.path) for name in self.sets(experiment) for run in self.trained(name)]
        return {
            "sets": sets,
            "measuring_cpu_seconds": round(seconds, 1),
            "processors": sorted({one.get("processor", "unknown") for one in begun}),
            "cores": available_cores(),
            "torch": sorted({one["torch"] for one in begun}),
        }


def read_result(path: Path) -> dict[str, Any]:
    """The ``result.json`` at ``path``.

    Raises:
        RunError: it is none.
    """
    result = read_json(path)
    if result.get("format") != FORMAT:
        raise RunError(f"{path} has the format {result.get('format')!r}; known: {FORMAT}")
    return result


def results(path: Path) -> list[dict[str, Any]]:
    """Every result in the folder at ``path``, in the order of the experiments' names."""
    return [read_result(file) for file in sorted(path.glob("*/result.json"))]


def _write(file: Path, content: Any) -> None:
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, (json.dumps(content, indent=1) + "\n").encode())
