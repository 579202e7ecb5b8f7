"""The command ``analyze``: what it writes, what it refuses, what an interrupted one leaves."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from baselines.analysis import ANALYSES, Tables
from baselines.analysis.run import AnalysisRun
from baselines.analysis.settings import SETTINGS
from baselines.commands.main import main
from baselines.core.settings import declared
from baselines.core.tables import read_csv
from tests.baselines.analysis.own_analysis import Weights, WeightSettings

SHORT = ["--steps", "40", "--warm-up", "5", "--trials", "2"]
QUICK = {
    "timescales": ["--steps", "300", "--trials", "3", "--burn-in", "10"],
    "ablation": [*SHORT, "--singles", "3", "--groups", "2"],
    "perturbation": [*SHORT, "--sizes", "0.01", "1", "--repetitions", "2"],
    "generalisation": [*SHORT, "--lengths", "2", "--ns", "2", "4", "--updates", "2"],
    "forgetting": [*SHORT, "--fit-trials", "2"],
    "geometry": ["--trials", "8", "--points", "5", "--exponent-steps", "5"],
    "register": [*SHORT, "--permutations", "2"],
}
"""Options that make each analysis quick."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "three"
    options = "--n-max 3 --units 24 --batch-size 32 --episodes 10 --budget 60"
    assert main(["train", *options.split(), "--out", str(path)]) == 0
    return path


@pytest.fixture
def nothing_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(*_: Any) -> Tables:
        raise AssertionError("something was computed")

    for analysis in ANALYSES.values():
        monkeypatch.setattr(analysis, "compute", compute)


@pytest.mark.parametrize("what", ["timescales", "geometry"])
def test_it_writes_tables_protocol_and_figure_and_again_the_same(
    what: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["analyze", str(run), "--what", what, *QUICK[what], "--out"]
    assert main([*command, str(tmp_path / "a")]) == 0
    assert f"Saved in {tmp_path / 'a'}" in capsys.readouterr().out
    columns = ANALYSES[what].columns
    made = {f"{name}.csv" for name in columns} | {"protocol.json", f"{what}.png", f"{what}.svg", "lock"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == made
    protocol = json.loads((tmp_path / "a" / "protocol.json").read_text())
    assert "Protocol" in protocol["protocol"]
    for name in columns:
        table = read_csv(tmp_path / "a" / f"{name}.csv")
        assert table
        assert list(table[0]) == list(protocol["columns"][name])
    assert main([*command, str(tmp_path / "b")]) == 0
    for file in made - {f"{what}.png", "lock"}:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


@pytest.mark.parametrize("what", ANALYSES)
def test_options_become_settings(what: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def compute(subject: Any, settings: Any) -> Tables:
        asked.append(settings)
        raise KeyboardInterrupt  # that is all there is to see

    monkeypatch.setattr(ANALYSES[what], "compute", compute)
    command = ["analyze", str(run), "--what", what, *QUICK[what], "--seed", "5", "--task-args", "scoring=dense"]
    assert main([*command, "--checkpoints", "2", "--out", str(tmp_path)]) == 130
    (settings,) = asked
    assert type(settings) is SETTINGS[what]
    assert settings.seed == 5
    assert settings.task_args == {"scoring": "dense"}
    texts = iter(QUICK[what])
    for word in texts:
        if word.startswith("--"):
            name = word[2:].replace("-", "_")
            continue
        value = getattr(settings, name)
        assert float(word) in (value if isinstance(value, tuple) else (value,)), name


def test_an_analysis_of_a_user_is_run_as_ours_are(run: Path, tmp_path: Path) -> None:
    own = AnalysisRun([run], Weights(), WeightSettings(least=0.1), [2, 3], tmp_path)
    *words, last = own.parts()
    assert [word.partition(", update")[0] for word in words] == ["three, N = 2", "three, N = 3"]
    assert last == "all together"
    assert [file.name for file in own.draw()] == ["weights.png", "weights.svg"]
    assert [row["run"] for row in read_csv(tmp_path / "counts.csv")] == ["three", "three"]
    assert read_csv(tmp_path / "all.csv") == [{"networks": "2"}]
    protocol = json.loads((tmp_path / "protocol.json").read_text())
    assert protocol["settings"]["least"] == 0.1
    assert protocol["protocol"].startswith("How many weights are large.")


@pytest.mark.parametrize("what", ANALYSES)
def test_help_lists_the_options_of_an_analysis(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["analyze", "--what", what, "--help"])
    text = capsys.readouterr().out
    for setting in declared(SETTINGS[what]):
        assert f"--{setting.name.replace('_', '-')}" in text


def test_an_interrupted_analysis_leaves_its_finished_parts(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = ANALYSES["timescales"].compute

    def compute(subject: Any, settings: Any) -> Tables:
        if subject.task.N == 3:
            raise KeyboardInterrupt
        return whole(subject, settings)

    monkeypatch.setattr(ANALYSES["timescales"], "compute", compute)
    assert main(["analyze", str(run), "--what", "timescales", *QUICK["timescales"], "--out", str(tmp_path)]) == 130
    assert {row["N"] for row in read_csv(tmp_path / "summary.csv")} == {"2"}
    assert (tmp_path / "timescales.svg").exists()
    assert "interrupted. Saved in" in capsys.readouterr().out


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "lock"}


def test_an_earlier_result_stays_until_the_new_one_is_whole(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["analyze", str(run), "--what", "geometry", *QUICK["geometry"], "--out", str(tmp_path)]
    assert main(command) == 0
    earlier = contents(tmp_path)
    whole, calls = ANALYSES["geometry"].compute, iter("sk")  # the second checkpoint is not finished

    def compute(subject: Any, settings: Any) -> Tables:
        assert contents(tmp_path) == earlier
        if next(calls) == "k":
            raise KeyboardInterrupt
        return whole(subject, settings)

    monkeypatch.setattr(ANALYSES["geometry"], "compute", compute)
    assert main(command) == 130
    assert f"interrupted: the earlier result in {tmp_path} stays" in capsys.readouterr().out
    assert contents(tmp_path) == earlier
    calls = iter("k")
    assert main(command) == 130
    assert "interrupted: nothing was finished" in capsys.readouterr().out
    assert contents(tmp_path) == earlier
    (tmp_path / "geometry.svg").write_text("an old drawing")
    earlier, calls = contents(tmp_path), iter("ss")
    assert main(command) == 0
    assert "Saved in" in capsys.readouterr().out
    assert (tmp_path / "geometry.svg").read_text() != "an old drawing"
    assert contents(tmp_path).keys() == earlier.keys()


def test_what_an_unfinished_analysis_left_goes_with_the_next_one(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["analyze", str(run), "--what", "geometry", *QUICK["geometry"], "--out", str(tmp_path)]
    assert main(command) == 0
    for kind in ("png", "svg"):  # as one that was killed leaves it
        (tmp_path / f"geometry.{kind}").unlink()
    whole, calls = ANALYSES["geometry"].compute, iter("sk")

    def compute(subject: Any, settings: Any) -> Tables:
        if next(calls) == "k":
            raise KeyboardInterrupt
        return whole(subject, settings)

    monkeypatch.setattr(ANALYSES["geometry"], "compute", compute)
    assert main(command) == 130
    assert not (tmp_path / "changes.csv").exists()  # it follows from all checkpoints
    assert {row["N"] for row in read_csv(tmp_path / "geometry.csv")} == {"2"}


OTHER_FOLDERS = [
    ({}, "--what timescales --steps 300", "holds 'geometry'"),
    ({}, "--what geometry --trials 9", "holds an analysis with trials 8, not 9"),
    ({}, "--what geometry --trials 8 --checkpoints 2", r"holds an analysis with checkpoints \[\], not \[2\]"),
    (
        {"runs": {"three": "another"}},
        "--what geometry --trials 8",
        r"holds an .* runs \{'three': 'another'\}, not",
    ),
    ({"what": None}, "--what geometry --trials 8", "holds None"),
    ({"settings": []}, "--what geometry --trials 8", "holds 'geometry'"),
]


@pytest.mark.parametrize(("protocol", "options", "words"), OTHER_FOLDERS)
@pytest.mark.usefixtures("nothing_computed")
def test_a_folder_with_another_analysis_is_refused(
    protocol: dict[str, Any],
    options: str,
    words: str,
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    held = {"what": "geometry", "checkpoints": [], "settings": {"trials": 8}} | protocol
    (tmp_path / "protocol.json").write_text(json.dumps(held))
    (tmp_path / "geometry.csv").write_text("mine")
    earlier = contents(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["analyze", str(run), *options.split(), "--out", str(tmp_path)])
    assert left.value.code == 2
    assert re.search(f"--out: out must be another folder: {tmp_path} {words}", capsys.readouterr().err)
    assert contents(tmp_path) == earlier
    assert not (tmp_path / "lock").exists()


@pytest.mark.usefixtures("nothing_computed")
def test_a_folder_of_something_else_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "summary.csv").write_text("mine")
    for folder in (tmp_path, run):
        with pytest.raises(SystemExit):
            main(["analyze", str(run), "--what", "timescales", "--out", str(folder)])
        assert "--out: out must be a new folder or one of this analysis, got" in capsys.readouterr().err
    assert {file.name for file in tmp_path.iterdir()} == {"summary.csv"}


def test_the_folder_of_an_analysis_is_locked(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words: dict[str, Any] = {"steps": 300, "trials": 3, "burn_in": 10}
    working = AnalysisRun([run], "timescales", SETTINGS["timescales"](**words), out=tmp_path)
    parts = working.parts()
    next(parts)
    command = ["analyze", str(run), "--what", "timescales", *QUICK["timescales"], "--out", str(tmp_path)]
    assert main(command) == 1
    assert f"{tmp_path} is in use by process {os.getpid()}" in capsys.readouterr().err
    list(parts)
    working.draw()
    assert main(command) == 0


def changed(run: Path, to: Path, name: str, value: Any) -> Path:
    """A folder with the ``config.json`` of a run, in which one value is another; it has no checkpoints."""
    config = json.loads((run / "config.json").read_text())
    next(part for part in (config["recipe"], config["settings"], config) if name in part)[name] = value
    to.mkdir()
    (to / "config.json").write_text(json.dumps(config))
    return to


def test_runs_of_different_tasks_are_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = changed(run, tmp_path / "other", "task", "dms")
    with pytest.raises(SystemExit) as left:
        main(["analyze", str(run), str(other), "--what", "ablation", "--out", str(tmp_path / "both")])
    assert left.value.code == 2
    assert f"runs must be of one task, got 'parity' ({run}) and 'dms' ({other})" in capsys.readouterr().err
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        ("--seed 7 --budget 1000", {"three": "", "other": ""}),
        ("--units 16", {"three": "units = 24", "other": "units = 16"}),
        ("--curriculum single-head", {"three": "multi-head", "other": "single-head"}),
    ],
)
def test_runs_of_one_task_are_compared(options: str, groups: dict[str, str], run: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "other", tmp_path / "both"
    usual = "--n-max 3 --units 24 --batch-size 32 --episodes 10 --budget 60 --max-updates 10"
    assert main(["train", *usual.split(), *options.split(), "--out", str(other)]) == 0
    command = ["analyze", str(run), str(other), "--what", "forgetting", *QUICK["forgetting"], "--out", str(out)]
    assert main(command) == 0
    assert {row["run"]: row["group"] for row in read_csv(out / "forgetting.csv")} == groups
    assert (out / "forgetting.png").exists()


BAD = [
    ("--what foo", "--what: invalid choice: 'foo'"),
    ("", "the following arguments are required: --what"),
    ("--what timescales --checkpoints 9", r"--checkpoints: checkpoints must be among those of .*, \[2, 3\], got 9"),
    ("--what timescales --steps 200", "--steps: steps must be at least 10 lags = 300 for a fit, got 200"),
    ("--what timescales --on c", "--on: on must be among"),
    ("--what timescales --task-args N=3", r"--task-args: task_args must be among \['scoring', 'p'\]"),
    ("--what forgetting --ns 4", "--ns: ns must be at most the N of the checkpoint, 2, got 4"),
    ("--what ablation --singles 25", "--singles: singles must be an integer from 0 to 24, got 25"),
    ("--what perturbation --sizes big", "--sizes: must be a number, got 'big'"),
    ("--what timescales --out {run}/config.json", "--out: out must be a folder that can be made"),
    ("{run}/../{run.name} --what timescales --out {run}/x", "RUN: runs must differ, got one run twice: "),
    ("{run} --what timescales", "--out: out must be given with several runs, got none with 2"),
]


@pytest.mark.parametrize(("options", "complaint"), BAD, ids=[options for options, _ in BAD])
@pytest.mark.usefixtures("nothing_computed")
def test_bad_input_is_one_line_before_any_computing(
    options: str, complaint: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["analyze", str(run), *options.format(run=run).split()])
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert said.count("\n") == 1
    assert re.search(complaint, said), said
    assert not (run / "analysis").exists()


def test_what_is_no_run_of_train_is_told(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_ppo = changed(run, tmp_path / "ppo", "method", "train-rl")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{")
    for path, words in (
        (tmp_path, "is not a run folder"),
        (tmp_path / "nowhere", "is not a run folder"),
        (broken, "config.json cannot be read"),
        (by_ppo, "must be a run of train, and is one of train-rl"),
    ):
        assert main(["analyze", str(path), "--what", "timescales"]) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"{path}" in said
        assert words in said
        assert not (path / "analysis").exists()


def test_mistakes_are_answered_without_torch(run: Path, tmp_path: Path) -> None:
    by_ppo = changed(run, tmp_path / "ppo", "method", "train-rl")
    mistakes = [
        [run, "--what", "foo"],
        [run, "--what", "timescales", "--steps", "200"],
        [run, "--what", "geometry", "--device", "tpu"],
        [run, "--what", "ablation", "--checkpoints", "9"],
        [run, by_ppo, "--what", "ablation"],
        [by_ppo, "--what", "ablation"],
        [tmp_path, "--what", "ablation"],
    ]
    code = """
import sys
from contextlib import suppress
from baselines.commands.main import main
for words in eval(sys.argv[1]):
    with suppress(SystemExit):
        main(["analyze", *words])
print([name for name in ("torch", "matplotlib", "scipy", "rich", "tensorboard") if name in sys.modules])
"""
    words = repr([[str(word) for word in mistake] for mistake in mistakes])
    said = subprocess.run([sys.executable, "-c", code, words], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"
    assert said.stderr.count("\n") == len(mistakes)
