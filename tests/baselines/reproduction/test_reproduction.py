"""The command ``reproduce``, with run sets of small networks: what it writes, goes on with and refuses."""

import csv
import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from baselines.analysis.geometry import Geometry, GeometrySettings
from baselines.analysis.subject import load
from baselines.commands.main import main
from baselines.core.locks import lock
from baselines.reproduction import folder
from baselines.reproduction.experiment import RECIPES, SCALES
from baselines.reproduction.experiments import EXPERIMENTS, RUN_SETS
from baselines.reproduction.experiments.consistency import ConditionSet, geometry_at, task_loss_at
from baselines.reproduction.runs import RunSet, Trained
from baselines.training.bptt_settings import Settings
from baselines.training.run import TrainingRun
from baselines.training.sweep.folder import SweepFolder
from tests.baselines.small import BEFORE_STREAMS

TINY: dict[str, Any] = {"units": 16, "batch_size": 8, "seed": [0, 1], "episodes": 2, "threshold": 0.3, "test_every": 2}
TINY |= {"n_max": 4, "max_updates": 30, "recipe": "trials"}
NONE: dict[str, Any] = {"curriculum": "none-single", "cell": "rate", "threshold": 0.999, "keep_every": 4}
FLIP_FLOP = NONE | {"task": "flip-flop", "task_args": {"pulse_probability": 0.2}, "max_updates": 8}
ADDITION = NONE | {"task": "delayed-addition", "task_args": {"scoring": "final"}, "max_updates": 8}
SETS: dict[str, dict[str, Any]] = {
    "parity-paper": {"recipe": "paper", "curriculum": ["single-head", "multi-head"], "test_batches": 1},
    "parity-single-trials": {"curriculum": ["single-head"]},
    "parity-single-wide": {"curriculum": ["single-head"]},
    "parity-multi-trials": {"curriculum": ["multi-head"]},
    "none-single-trials": {"curriculum": "none-single", "n_max": [3, 4]},
    "none-multi-trials": {"curriculum": ["none-multi"]},
    "window-trials": {"curriculum": ["sliding-window"], "window": 2, "shift": 1},
    "flip-flop": FLIP_FLOP | {"tcr": [0.0, 0.03]},
    "addition": ADDITION,
    "freeze-in": ADDITION | {"tcr": [1.0], "tcr_schedule": "freeze-in", "tcr_updates": 4},
    "gated-trials": {"cell": ["gru", "lstm"], "curriculum": ["single-head", "multi-head"]},
}


@pytest.fixture(scope="module", autouse=True)
def _tiny_sets() -> Any:
    """Run sets of seconds in place of those of minutes."""
    with pytest.MonkeyPatch.context() as patch:
        for name, own in SETS.items():
            patch.setitem(RUN_SETS["small"], name, RunSet(settings=TINY | own, cpu_minutes=1))
        yield


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of experiments, all of whose runs have ended. They were trained here, without a process each."""
    path = tmp_path_factory.mktemp("reproduction") / "small"
    reproduction = folder.Reproduction(path, "small")
    for name in SETS:
        source = RUN_SETS["small"][name]
        assert isinstance(source, RunSet)
        sweep = source.sweep
        SweepFolder(path / "runs" / name, sweep).close()
        for run, settings in sweep.runs.items():
            trained = TrainingRun(dataclasses.replace(settings, out=path / "runs" / name / run))
            for _ in trained.train():
                pass
            trained.finish()
    assert reproduction.cpu_minutes(EXPERIMENTS["epochs"]) < 1
    return path


PROBE = {"steps": 60, "warm_up": 10, "trials": 4}
QUICK: dict[str, dict[str, Any]] = {
    "net_timescales": {"ns": (2, 3), "steps": 300, "trials": 3},
    "ablations": {"n": 3, "singles": 2, **PROBE},
    "perturbations": {"n": 3, "repetitions": 2, **PROBE},
    "retraining": {"n": 2, "ns": (3,), "updates": 1, **PROBE},
    "forgotten": {"n": 3, "fit_trials": 4, **PROBE},
    "dimensions": {"ns": (2, 3), "steps": 100, "trials": 2},
    "geometry_at": {"updates": (0, 8), "trials": 8, "points": 3, "exponent_steps": 5},
    "task_loss_at": {"updates": (0, 8)},
}
"""Measure -> settings that suit small networks and take little time."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements of small networks for the small scale."""
    for name, one in list(EXPERIMENTS.items()):
        scale = one.scales["small"]
        parts = [
            dataclasses.replace(part, settings={**part.settings, **QUICK.get(part.measure.__name__, {})})
            for part in scale.parts
        ]
        scales = {**one.scales, "small": dataclasses.replace(scale, parts=parts)}
        monkeypatch.setitem(EXPERIMENTS, name, dataclasses.replace(one, scales=scales))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures, for tests of something else: each takes a CPU second."""
    monkeypatch.setattr(folder, "_drawn", lambda experiment, observed, path: {})


ON_THESE = [name for name, one in EXPERIMENTS.items() if {part.runs for part in one.scales["small"].parts} <= set(SETS)]


@pytest.mark.parametrize("name", ON_THESE)
def test_it_writes_numbers_figure_and_verdicts(
    name: str, out: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", name, "--out", str(out), "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "of CPU time" in said.splitlines()[0]
    made = {path.name for path in (out / name).iterdir()}
    assert made == {"parts", "result.json", f"{name}.csv", f"{name}.png", f"{name}.svg"}
    result = json.loads((out / name / "result.json").read_text())
    assert f"Verdict: **{result['verdict']}**" in said
    assert len(result["statements"]) == len(EXPERIMENTS[name].scales["small"].statements)
    with open(out / name / f"{name}.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["quantity"] for row in rows} == {table["quantity"] for table in result["tables"]}
    assert {row["seed"] for row in rows} == {"0", "1"}
    assert result["sets"][0]["seeds"] == [0, 1]


def test_numbers_are_those_of_the_runs(out: Path, undrawn: None) -> None:
    assert main(["reproduce", "epochs", "--out", str(out), "--workers", "1"]) == 0
    with open(out / "epochs" / "epochs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        summary = json.loads((out / "runs" / row["run"] / "summary.json").read_text())
        assert float(row["value"]) == pytest.approx(summary["solved_at"][row["x"]] / 600, rel=1e-5)
        assert row["run"].endswith(f"curriculum={row['case']}_seed={row['seed']}")


def test_what_was_measured_is_not_measured_again(
    out: Path, quick: None, undrawn: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, whole = "forgetting", EXPERIMENTS["forgetting"]
    (part,) = whole.scales["small"].parts
    calls: list[str] = []

    def measure(run: Any, case: str, **settings: Any) -> Any:
        calls.append(run.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return part.measure(run, case, **settings)

    def ask(measure: Any) -> int:
        scale = dataclasses.replace(whole.scales["small"], parts=[dataclasses.replace(part, measure=measure)])
        monkeypatch.setitem(EXPERIMENTS, name, dataclasses.replace(whole, scales={"small": scale}))
        return main(["reproduce", name, "--out", str(out), "--workers", "1"])

    assert ask(measure) == 130
    assert ask(measure) == 0
    assert len(calls) == 5  # of four runs the third was begun twice
    assert calls[2] == calls[3]


def test_the_page_is_made_of_the_results(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "epochs", "--out", str(out), "--workers", "1"]) == 0
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    assert main(["reproduce", "--report", str(out), "--write", str(page)]) == 0
    text = page.read_text()
    result = json.loads((out / "epochs" / "result.json").read_text())
    assert "## epochs\n" in text
    assert f"Verdict: **{result['verdict']}**" in text
    assert "python -m baselines reproduce epochs --scale small" in text
    assert f"{result['sets'][0]['cpu_seconds']:.0f} CPU seconds" in text
    assert str(out.parent) not in text
    assert str(tmp_path) not in text
    assert "ended unsolved at the limit of updates" in text
    for rule in ("- `agrees` where the 95 % interval", "- is `undecided` where", "A published number is met"):
        assert f"\n{rule}" in text
    assert re.search(rf"\| {result['verdict']} \| [a-z ]+: \d", text)
    assert re.search("Not run to its end yet, and left out here: .*tcr-lstm", text)
    for image in re.findall(r"\]\((page/.*?)\)", text):
        assert (page.parent / image).stat().st_size > 1000


def test_the_page_says_which_results_are_by_earlier_definitions(out: Path, quick: None, undrawn: None) -> None:
    assert main(["reproduce", "tcr-attractors", "--out", str(out), "--workers", "1"]) == 0
    words, page, file = "by the definitions of the day", out.parent / "page.md", out / "tcr-attractors" / "result.json"
    result = json.loads(file.read_text())
    assert result.pop("definitions") == 2
    report = ["reproduce", "--report", str(out), "--write", str(page)]
    assert main(report) == 0
    assert words not in page.read_text()
    file.write_text(json.dumps(result))  # as one of before
    assert main(report) == 0
    assert page.read_text().count(words) == 1


def test_a_run_that_was_solved_stays_at_its_final_network(tmp_path: Path) -> None:
    """Solved after 5 updates: at update 9 its network and its loss are those of the end, not missing."""
    asked: dict[str, Any] = {
        "task": "parity",
        "curriculum": "none-single",
        "n_max": 2,
        "threshold": 0.01,
        "keep_every": 50,
    }
    settings = Settings(out=tmp_path, episodes=2, overrides={"units": 4, "batch_size": 4, "test_every": 5}, **asked)
    trained = TrainingRun(settings)
    list(trained.train())
    trained.finish()
    run = Trained(tmp_path, "run", settings, json.loads((tmp_path / "summary.json").read_text()))
    assert (run.summary["status"], run.summary["updates"]) == ("solved", 5)
    quick: dict[str, Any] = {"trials": 4, "points": 2, "exponent_steps": 2}
    found = list(geometry_at(run, "case", updates=(0, 5, 9), quantities={"loss": "loss"}, **quick))
    assert [row.x for row in found] == [0, 5, 9]
    last = Geometry().measure(load([tmp_path], "latest")[0], GeometrySettings(**quick))["geometry"]["loss"][0]
    assert found[0].value != found[1].value == found[2].value == last
    (only,) = task_loss_at(run, "case", updates=(0, 9))
    assert (only.x, only.value) == (9, run.reports()[-1]["loss_task"])


def test_experiments_are_whole() -> None:
    for name, one in EXPERIMENTS.items():
        assert one.name == name
        assert set(one.scales) == set(SCALES)
        for scale, asked in one.scales.items():
            assert {part.runs for part in asked.parts} <= set(RUN_SETS[scale])
            words = [statement.words for statement in asked.statements]
            assert len(set(words)) == len(words)
            drawn = {quantity.name for quantity in one.quantities}
            assert {of for statement in asked.statements for of in statement.quantities} <= drawn


@pytest.mark.parametrize("scale", SCALES)
def test_every_run_is_possible(scale: str) -> None:
    for source in RUN_SETS[scale].values():
        assert source.share_left(Path("nowhere")) == 1  # they are checked as they are made
        assert source.cpu_minutes > 0


def test_the_list_has_every_experiment_and_its_times(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce"]) == 0
    listed = capsys.readouterr().out
    assert main(["reproduce", "--list"]) == 0
    assert capsys.readouterr().out == listed
    for name in EXPERIMENTS:
        assert re.search(rf"^{name} +small \d+ min, full \d+ (min|h|days) ", listed, re.MULTILINE)


def _one_run_each(path: Path, out: Path) -> Path:
    """A copy of the runs with nothing measured."""
    for name in ("runs", "reproduction.json"):
        (shutil.copytree if name == "runs" else shutil.copyfile)(out / name, path / name)
    return path


def _cut_metrics(run: Path) -> None:
    rows = (run / "metrics.csv").read_text().splitlines(keepends=True)
    (run / "metrics.csv").write_text("".join(rows[:-1]))


def _cut_last_row(run: Path) -> None:
    text = (run / "metrics.csv").read_text()
    (run / "metrics.csv").write_text(text[: text.rindex(",", 0, -8)])


def _edit_config(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["settings"]["curriculum"] = "multi-head"
    (run / "config.json").write_text(json.dumps(config))


def _edit_recipe(run: Path) -> None:
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["units"] = 500
    (run / "config.json").write_text(json.dumps(config))


DAMAGE = [
    ("tau-turn", _cut_metrics, "metrics.csv must have a whole row for every 2 updates"),
    ("tau-turn", _cut_last_row, "metrics.csv must have a whole row for every 2 updates"),
    ("epochs", _edit_config, "config.json must have the settings of its sweep, and has others"),
    ("epochs", _edit_recipe, "config.json must have the settings of its sweep, and has others"),
    ("forgetting", lambda run: (run / "checkpoints" / "N003.safetensors").unlink(), "N003.safetensors must be there"),
    ("epochs", lambda run: (run / "summary.json").write_text("{"), "summary.json cannot be read"),
]


@pytest.mark.parametrize(("name", "damage", "complaint"), DAMAGE)
def test_a_damaged_run_is_not_left_out_without_a_word(
    name: str, damage: Any, complaint: str, out: Path, quick: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _one_run_each(tmp_path, out)
    damage(path / "runs" / "parity-paper" / "curriculum=single-head_seed=1")
    assert main(["reproduce", name, "--out", str(path), "--workers", "1"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert complaint in error
    assert not (path / name / "result.json").exists()


def test_a_course_without_one_of_its_checkpoints_is_damaged(out: Path, quick: None, tmp_path: Path) -> None:
    path = _one_run_each(tmp_path, out)
    (path / "runs" / "flip-flop" / "tcr=0.0_seed=0" / "checkpoints" / "U0000000.safetensors").unlink()
    assert main(["reproduce", "tcr-attractors", "--out", str(path), "--workers", "1"]) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"observations": [{"quantity": "epochs"}]}', '{"observations": []}'])
def test_what_is_left_of_a_measurement_is_measured_again(text: str, out: Path, undrawn: None) -> None:
    command = ["reproduce", "epochs", "--out", str(out), "--workers", "1"]
    assert main(command) == 0
    before = (out / "epochs" / "epochs.csv").read_text()
    next((out / "epochs" / "parts" / "0").glob("*.json")).write_text(text)
    assert main(command) == 0
    assert (out / "epochs" / "epochs.csv").read_text() == before


def test_two_processes_do_not_work_on_the_same(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RUN_SETS["small"], "tcr-cells", ConditionSet(groups=("cells",), seeds=[0], cpu_minutes=1))
    owner = folder.Reproduction(out, "small")
    for name, held in (("epochs", out / "epochs" / "parts"), ("tcr-lstm", out / "runs" / "tcr-cells")):
        held.mkdir(parents=True, exist_ok=True)
        release = lock(owner, held)
        assert main(["reproduce", name, "--out", str(out), "--workers", "1"]) == 1
        assert f"{held} is in use by process" in capsys.readouterr().err
        release()


def test_a_part_takes_the_runs_that_it_is_told_to(out: Path, undrawn: None) -> None:
    assert main(["reproduce", "tau-turn", "--out", str(out), "--workers", "1"]) == 0
    with open(out / "tau-turn" / "tau-turn.csv", newline="") as file:
        cases = {row["case"] for row in csv.DictReader(file)}
    kinds = ("paper", "trials", f"trials, {TINY['units']} units")
    assert cases == {f"parity single-head, recipe {kind}" for kind in kinds}


def test_a_folder_of_before_streams_goes_on(out: Path, tmp_path: Path, undrawn: None) -> None:
    """Its runs are of the recipe that was called ``fast``, and so were its sets of runs."""
    path = tmp_path / "small"
    shutil.copytree(out, path)
    shutil.rmtree(path / "tau", ignore_errors=True)
    for name in ("parity-single", "parity-multi"):
        runs = (path / "runs" / f"{name}-trials").rename(path / "runs" / f"{name}-fast")
        sweep = json.loads((runs / "sweep.json").read_text())
        sweep["fixed"]["recipe"] = "fast"
        (runs / "sweep.json").write_text(json.dumps(sweep | {"format": 1}))
        for stored in runs.glob("*/config.json"):
            config = json.loads(stored.read_text())
            config["settings"]["recipe"] = "fast"
            config["recipe"] = {one: config["recipe"][one] for one in BEFORE_STREAMS}
            stored.write_text(json.dumps(config))
    assert folder.Reproduction(path, "small").cpu_minutes(EXPERIMENTS["tau"]) < 1
    assert main(["reproduce", "tau", "--out", str(path), "--workers", "1"]) == 0
    with open(path / "tau" / "tau.csv", newline="") as file:
        cases = {row["case"] for row in csv.DictReader(file)}
    kinds = ("single-head", "multi-head")
    assert cases == {f"parity {curriculum}, recipe {recipe}" for curriculum in kinds for recipe in RECIPES}
    assert not list(path.glob("runs/parity-*-trials"))


def test_stored_results_are_gone_on_with(out: Path, undrawn: None, capsys: pytest.CaptureFixture[str]) -> None:
    stored = Path(__file__).parents[3] / "speed" / "results" / "tcr.csv"
    (out / "runs" / "tcr").mkdir()
    shutil.copyfile(stored, out / "runs" / "tcr" / "results.csv")
    assert main(["reproduce", "tcr", "--out", str(out), "--workers", "1"]) == 0  # nothing is left to train
    result = json.loads((out / "tcr" / "result.json").read_text())
    assert result["sets"][0]["runs"] == 130
    assert "The rows of tcr do not say where they were trained" in capsys.readouterr().out
    with open(out / "runs" / "tcr" / "results.csv", "a") as file:
        file.write("half a row\n")
    assert main(["reproduce", "tcr", "--out", str(out), "--workers", "1"]) == 1
    assert "results.csv must have whole rows" in capsys.readouterr().err
    (out / "runs" / "tcr" / "results.csv").write_text("a,b\n")
    assert main(["reproduce", "tcr", "--out", str(out), "--workers", "1"]) == 1
    assert "results.csv must be new or a file of this benchmark" in capsys.readouterr().err


@pytest.mark.slow
def test_runs_are_trained_in_processes_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only = RunSet(settings=TINY | {"curriculum": ["single-head"]}, cpu_minutes=1)
    monkeypatch.setitem(RUN_SETS["small"], "parity-paper", only)
    command = ["reproduce", "epochs", "--out", str(tmp_path / "out"), "--workers", "2"]
    assert main(command) == 0
    assert "2 solved" in capsys.readouterr().out
    assert main(command) == 0
    assert "2 of 2 runs have already ended" in capsys.readouterr().out
