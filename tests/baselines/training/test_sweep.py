"""A sweep's folder: what is run, what is skipped, what the table says. The runs take place in this process."""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from baselines.commands import sweep as sweep_options
from baselines.commands.display.jobs import SweepDisplay
from baselines.commands.main import main
from baselines.core.files import RunError
from baselines.core.jobs import Ended, Event, Job, Progressed, Started
from baselines.core.settings import SettingsError
from baselines.training import run_files
from baselines.training.recipes import ANY, RECIPES
from baselines.training.sweep import Sweep, SweepFolder
from tests.baselines import small

QUICK = {"n_max": 2, "units": 32, "batch_size": 32, "episodes": 20}
OPTIONS = ["--n-max", "2", "--units", "32", "--batch-size", "32", "--episodes", "20"]


class InPlaceEngine:
    """Runs the commands in this process, one after the other, as ``python -m baselines`` would."""

    def __init__(self, workers: int = 1) -> None:
        self.ran = list[str]()

    def run(self, jobs: Sequence[Job], interrupted: Callable[[], bool] = lambda: False) -> Generator[Event, None, None]:
        for job in jobs:
            yield Started(job)
            self.ran.append(job.name)
            job.log.parent.mkdir(exist_ok=True)
            with open(job.log, "a") as log, redirect_stdout(log), redirect_stderr(log):
                code = main(job.command[3:])
            yield Ended(job, code, again=False)


class ScriptedEngine:
    """Plays how jobs end: an exit code, and the summary that the run writes, if any."""

    def __init__(self, folder: Path, script: Mapping[str, tuple[int, dict[str, Any] | None]]) -> None:
        self.folder = folder
        self.script = script

    def run(self, jobs: Sequence[Job], interrupted: Callable[[], bool] = lambda: False) -> Generator[Event, None, None]:
        for job in jobs:
            if job.name not in self.script:
                continue
            yield Started(job)
            yield Progressed(job, "update 10: N = 2")
            code, summary = self.script[job.name]
            if summary is not None:
                (self.folder / job.name).mkdir()
                (self.folder / job.name / "summary.json").write_text(json.dumps(summary))
            yield Ended(job, code, again=False)


def table(path: Path) -> list[dict[str, str]]:
    with open(path / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


def sweep(path: Path, given: dict[str, Any], exclude: Sequence[dict[str, Any]] = ()) -> tuple[list[str], SweepFolder]:
    """Run a sweep to its end; which runs were started."""
    folder, engine = SweepFolder(path, Sweep.of(given, exclude)), InPlaceEngine()
    for _ in folder.run(engine):
        assert len(table(path)) == len(folder.sweep.runs)
    folder.close()
    return engine.ran, folder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweeps") / "done"
    sweep(
        path,
        {**QUICK, "n_max": 3, "cell": ["leaky", "gru"], "cell_args": [{}, {"tau": 2}]},
        [{"cell": "gru", "cell_args": {"tau": 2}}],
    )
    return path


def content(path: Path) -> dict[str, bytes]:
    files = [file for file in path.rglob("*") if file.is_file() and file.name != "lock"]
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def test_every_combination_is_a_run_and_a_row(done: Path) -> None:
    rows = table(done)
    names = ["cell=leaky_cell_args=none", "cell=leaky_cell_args=tau-2", "cell=gru_cell_args=none"]
    assert [row["run"] for row in rows] == names
    assert list(rows[0]) == [
        *("run", "cell", "cell_args.tau", "status", "largest_n", "updates", "seconds", "cpu_seconds"),
        *("played_n", "accuracy", "score", "score_error", "solved_at_2", "solved_at_3"),
    ]
    assert [(row["cell"], row["cell_args.tau"]) for row in rows] == [("leaky", ""), ("leaky", "2"), ("gru", "")]
    for row in rows:
        summary = run_files.read_summary(done / row["run"])
        assert (row["status"], row["largest_n"], row["played_n"]) == ("solved", "3", "3")
        assert int(row["updates"]) == int(row["solved_at_3"]) == summary["solved_at"]["3"] > int(row["solved_at_2"]) > 0
        assert float(row["cpu_seconds"]) == summary["cpu_seconds"]
        assert float(row["score"]) == pytest.approx(summary["played"]["score"])
        heads = summary["played"]["accuracy"].values()
        assert float(row["accuracy"]) == pytest.approx(sum(heads) / len(heads))
        settings = run_files.read_settings(done / row["run"])
        assert (settings.n_max, settings.overrides["units"], settings.episodes) == (3, 32, 20)
        assert (done / "logs" / f"{row['run']}.log").read_text().count("solved after") == 1
    assert {entry.name for entry in done.iterdir()} == {*names, "sweep.json", "results.csv", "logs", "lock"}


def test_what_is_done_is_skipped_and_seeds_can_be_added(tmp_path: Path) -> None:
    ran, folder = sweep(tmp_path, {**QUICK, "seed": "0..1"})
    assert ran == ["seed=0", "seed=1"]
    assert folder.complete
    before = content(tmp_path)
    assert sweep(tmp_path, {**QUICK, "seed": "0..1"})[0] == []
    assert content(tmp_path) == before
    ran, folder = sweep(tmp_path, {**QUICK, "seed": [2, 0, 1]})
    assert ran == ["seed=2"]
    assert [row["seed"] for row in table(tmp_path)] == ["2", "0", "1"]
    after = content(tmp_path)
    assert {name for name in before if after[name] != before[name]} == {"sweep.json", "results.csv"}


@pytest.mark.parametrize(
    ("given", "name", "complaint"),
    [
        ({"seed": "1..4"}, "out", "out must be another folder: the sweep in .* has seed=0, which must not be left out"),
        ({"seed": "0..1", "cell": ["leaky"]}, "out", r"has the axes \['seed'\], not \['cell', 'seed'\]"),
        ({"seed": "0..1", "n_max": 4}, "n_max", "n_max must be that of the sweep in .*, 2, got 4"),
        ({"seed": "0..1", "units": 33}, "units", "units must be that of the sweep in .*, 32, got 33"),
        ({"seed": "0..1", "tcr": 0.1}, "tcr", "tcr must be that of the sweep in .*, 0.0, got 0.1"),
    ],
    ids=str,
)
def test_another_sweep_in_the_folder_is_refused(
    given: dict[str, Any], name: str, complaint: str, tmp_path: Path
) -> None:
    SweepFolder(tmp_path, Sweep.of({**QUICK, "seed": "0..1"})).close()
    before = content(tmp_path)
    with pytest.raises(SettingsError, match=complaint) as caught:
        SweepFolder(tmp_path, Sweep.of({**QUICK, **given}))
    assert caught.value.name == name
    assert content(tmp_path) == before


@pytest.mark.parametrize("recipe", [{}, {"recipe": ["fast", "lean"]}], ids=["usual", "axis"])
def test_a_sweep_of_before_streams_goes_on_as_it_began(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file holds neither the recipe, unless it was asked for, nor the budget: today's defaults are others."""
    asked = {**QUICK, "max_updates": 5, **recipe, "seed": [0, 1]}
    monkeypatch.setitem(RECIPES, "fast", {(ANY, ANY): replace(small.RECIPE, stream_steps=4, smoothing=0.2)})
    axes = {name: value for name, value in asked.items() if isinstance(value, list)}
    fixed = {name: value for name, value in asked.items() if name not in axes}
    file = tmp_path / "sweep.json"
    file.write_text(json.dumps({"format": 1, "fixed": fixed, "axes": axes, "exclude": []}))
    ran, folder = sweep(tmp_path, asked)
    assert ran == [row["run"] for row in table(tmp_path)] == list(Sweep.of(asked).runs)
    for run in ran:
        settings = run_files.read_settings(tmp_path / run)
        assert settings.recipe == ("lean" if "lean" in run else "trials")
        assert (settings.overrides["stream_steps"], settings.overrides["smoothing"]) == (0, 0)
        assert settings.overrides["learning_rate"] == 0.005
        assert settings.budget == 600
    assert json.loads(file.read_text())["format"] == 1
    assert sweep(tmp_path, asked)[0] == []
    assert sweep_options.read(tmp_path, {})[0].runs.keys() == folder.sweep.runs.keys()
    if not recipe:
        assert sweep(tmp_path, {**asked, "recipe": "trials", "seed": "0..2"})[0] == ["seed=2"]
        with pytest.raises(SettingsError, match=r"recipe must be that of the sweep in .*, 'trials', got 'lean'"):
            SweepFolder(tmp_path, Sweep.of({**asked, "recipe": "lean"}))


def test_a_new_sweep_has_the_recipe_and_the_budget_of_today(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, Sweep.of({"seed": [0]}))
    folder.close()
    assert json.loads((tmp_path / "sweep.json").read_text())["format"] == 2
    assert (folder.sweep.runs["seed=0"].recipe, folder.sweep.runs["seed=0"].budget) == ("fast", 3600)


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    one = SweepFolder(tmp_path, Sweep.of({"seed": "0..1"}))
    with pytest.raises(RunError, match=f"is in use by process {os.getpid()}"):
        SweepFolder(tmp_path, Sweep.of({"seed": "0..1"}))
    one.close()
    SweepFolder(tmp_path, Sweep.of({"seed": "0..1"})).close()


def test_a_damaged_folder_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SweepFolder(tmp_path, Sweep.of({"seed": "0..1"})).close()
    for text, complaint in (
        ("{", "sweep.json cannot be read"),
        ('{"format": 7}', "sweep.json has the format 7; known: 1"),
        ('{"format": 1}', "sweep.json is not that of a sweep: it has no fixed"),
    ):
        (tmp_path / "sweep.json").write_text(text)
        assert main(["sweep", str(tmp_path)]) == 1
        assert re.fullmatch(rf"python -m baselines: error: .*{complaint}.*\n", capsys.readouterr().err)
        assert (tmp_path / "sweep.json").read_text() == text


def test_more_budget_goes_on_with_what_is_unsolved(tmp_path: Path) -> None:
    never = {**QUICK, "n_max": 60, "threshold": 0.9999, "seed": [0], "budget": 0.2}
    assert sweep(tmp_path, never)[0] == ["seed=0"]
    (row,) = table(tmp_path)
    assert row["status"] == "unsolved"
    assert sweep(tmp_path, never)[0] == []
    assert sweep(tmp_path, {**never, "budget": 0.5})[0] == ["seed=0"]
    (more,) = table(tmp_path)
    assert more["status"] == "unsolved"
    assert int(more["updates"]) > int(row["updates"])
    assert 0.5 <= float(more["seconds"]) < 2


def test_more_steps_go_on_with_what_is_unsolved(tmp_path: Path) -> None:
    never = {**QUICK, "n_max": 60, "threshold": 0.9999, "seed": [0], "steps": 2_000}
    for steps, done in ((2_000, ["seed=0"]), (2_000, []), (2_001, ["seed=0"]), (4_000, ["seed=0"])):
        assert sweep(tmp_path, {**never, "steps": steps})[0] == done
        (row,) = table(tmp_path)
        assert row["status"] == "unsolved"
        assert steps // 2 < run_files.read_summary(tmp_path / "seed=0")["steps"] <= steps
    del never["steps"]
    with pytest.raises(SettingsError, match=r"steps must be that of the sweep in .*, 4000, got None"):
        SweepFolder(tmp_path, Sweep.of(never))


SUMMARY = {
    "status": "solved",
    "largest_n": 4,
    "solved_at": {"2": 20, "4": 90},
    "updates": 90,
    "seconds": 1.5,
    "cpu_seconds": 1.25,
    "played": None,
}
SCRIPT: dict[str, tuple[int, dict[str, Any] | None, str]] = {
    "seed=0": (0, SUMMARY, "solved"),
    "seed=1": (1, {**SUMMARY, "status": "diverged", "largest_n": None, "solved_at": {}}, "diverged"),
    "seed=2": (-9, None, "died (signal 9)"),
    "seed=3": (1, None, "failed (exit code 1)"),
    "seed=4": (130, {**SUMMARY, "status": "interrupted"}, "interrupted"),
    "seed=5": (-2, None, "interrupted"),
    "seed=6": (0, {**SUMMARY, "status": "budget", "seconds": 3700.0}, "unsolved"),
    "seed=7": (-9, SUMMARY, "solved"),  # killed when all was done
}


def test_however_a_run_ends_it_is_a_row(tmp_path: Path) -> None:
    folder = SweepFolder(tmp_path, Sweep.of({"seed": "0..8"}))
    engine = ScriptedEngine(tmp_path, {name: end[:2] for name, end in SCRIPT.items()})
    seen = [(event.job.name, table(tmp_path)) for event in folder.run(engine) if isinstance(event, Ended)]
    for name, rows in seen:  # replaced as runs end
        assert next(row for row in rows if row["run"] == name)["status"] == SCRIPT[name][2]
    rows = table(tmp_path)
    assert [row["status"] for row in rows] == [*(end[2] for end in SCRIPT.values()), "waiting"]
    assert [row["solved_at_4"] for row in rows] == ["90", "", "", "", "", "", "90", "90", ""]
    assert [row["largest_n"] for row in rows[:3]] == ["4", "", ""]
    assert not folder.complete
    assert [job.name for job in folder.jobs()] == ["seed=2", "seed=3", "seed=4", "seed=5", "seed=8"]
    assert not list(tmp_path.glob(".part*"))


def test_runs_search_no_module_in_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a folder ``baselines`` there would be run, even where the command was ``python -P -m baselines``."""
    monkeypatch.chdir(tmp_path)
    for job in SweepFolder(tmp_path / "sweep", Sweep.of({"seed": "0..1"})).jobs():
        assert job.environment["PYTHONSAFEPATH"]


def test_a_table_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SweepFolder(tmp_path, Sweep.of({"seed": "0..8"}))
    before = content(tmp_path)

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(RunError, match=r"results.csv cannot be written: .*No space left"):
            list(folder.run(ScriptedEngine(tmp_path, {"seed=2": (-9, None)})))
    assert content(tmp_path) == before


def test_the_command_sweeps_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("baselines.commands.sweep.LocalEngine", InPlaceEngine)
    assert main(["sweep", "--seed", "0..1", *OPTIONS]) == 0
    said = capsys.readouterr().out
    name = "runs/sweep_seed_n_max=2_episodes=20_units=32_batch_size=32"
    assert re.search(r"^seed=1: solved after \d+ updates, \d+.\d CPU s; largest N solved: 2$", said, re.MULTILINE)
    assert said.endswith(f"2 runs: 2 solved. Table in {name}/results.csv\n")
    (tmp_path / name / "seed=1" / "summary.json").unlink()
    assert main(["sweep", name, "--seed", "0..2"]) == 0
    said = capsys.readouterr().out
    assert "1 of 3 runs have already ended" in said
    assert "3 runs: 3 solved." in said
    assert (tmp_path / name / "logs" / "seed=1.log").read_text().count("solved after") == 2
    assert (tmp_path / name / "logs" / "seed=0.log").read_text().count("solved after") == 1
    # A run that fails is told of, and the command for the others is there.
    (tmp_path / name / "seed=1" / "summary.json").unlink()
    (tmp_path / name / "seed=1" / "checkpoint.safetensors").write_bytes(b"")
    assert main(["sweep", name]) == 1
    said = capsys.readouterr().out
    assert "seed=1: failed (exit code 1)" in said
    assert said.endswith(f"Go on with: python -m baselines sweep {name}\n")


def test_one_command_begins_a_run_and_goes_on_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "--go-on", "--out", str(tmp_path / "run"), *OPTIONS]
    assert main([*command, "--budget", "0.01"]) == 0
    updates = run_files.read_summary(tmp_path / "run")["updates"]
    assert main(command) == 1  # the budget is that of the run, where nothing else is said
    assert "has used up its budget" in capsys.readouterr().err
    assert main([*command, "--budget", "60"]) == 0
    assert run_files.read_summary(tmp_path / "run")["updates"] > updates
    for bad in (command[:2] + OPTIONS, [*command, "--resume", str(tmp_path / "run")]):
        with pytest.raises(SystemExit):
            main(bad)
        assert "argument --go-on: go_on needs out" in capsys.readouterr().err


LONG_LINE = "update 40: N = 4" + ", loss 0.5" * 9


def events(folder: SweepFolder) -> list[Event]:
    first, second = folder.jobs()
    return [
        *(
            Started(first),
            Started(second),
            Progressed(first, LONG_LINE),
            Progressed(second, "head accuracy"),
        ),
        *(Ended(first, -9, again=True), Started(first), Ended(first, -9, again=False), Ended(second, 130, again=False)),
    ]


class Replay:
    """Yields what it was given."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events

    def run(self, jobs: Sequence[Job], interrupted: Callable[[], bool] = lambda: False) -> Generator[Event, None, None]:
        yield from self.events


@pytest.mark.parametrize("terminal", [True, False])
def test_the_display_has_a_line_for_each_run(terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SweepFolder(tmp_path, Sweep.of({"seed": "0..1"}))
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=90, color_system=None)
    shown = []
    with SweepDisplay(console, folder) as display:
        for event in folder.run(Replay(events(folder))):
            display.show(event)
            page = Console(file=io.StringIO(), width=90)
            page.print(display)
            shown.append([line.rstrip() for line in page.file.getvalue().splitlines()])  # type: ignore[attr-defined]
        display.heed(True)
    assert shown[0] == ["seed=0  starting", "1 running, 1 waiting"]
    assert shown[3] == [f"seed=0  {LONG_LINE}"[:89] + "…", "seed=1  trained", "2 running"]
    assert shown[-1] == ["1 died (signal 9), 1 interrupted"]
    for line in (
        "seed=0: killed by signal 9, resumes from its folder",
        "seed=0: died (signal 9): update 40: N = 4, loss 0.5, ",
        "seed=1: interrupted",
        "stopping: the runs save and end; Ctrl-C again kills them",
    ):
        assert line in file.getvalue()
    assert ("2 running" in file.getvalue()) == terminal


def test_plain_lines_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SweepFolder(tmp_path, Sweep.of({"seed": "0..1"}))
    now = 100.0
    monkeypatch.setattr("baselines.commands.display.jobs.time.monotonic", lambda: now)
    console = Console(file=io.StringIO(), width=80)
    job = folder.jobs()[0]
    with SweepDisplay(console, folder) as display:
        display.show(Started(job))
        for second in range(100):
            now = 100.0 + second
            display.show(Progressed(job, f"update {second}: N = 2"))
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue().splitlines()
    assert said == [f"seed=0: update {second}: N = 2" for second in (30, 60, 90)]
