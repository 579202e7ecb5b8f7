"""What a sweep can be asked to do: products, names, ranges, what is left out, and what is refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from baselines.commands.main import main
from baselines.core.settings import SettingsError
from baselines.training.bptt_settings import Settings
from baselines.training.sweep import Sweep
from baselines.training.sweep.folder import options
from baselines.training.sweep.product import _short

TOML = """
n_max = 4
units = 32
budget = 60
workers = 3
seed = ["0..2", 7]
cell = ["leaky", "gru"]
learning_rate = [0.003, 1]
cell_args = [{}, {tau = 2, form = "mod"}]
exclude = [{cell = "gru", cell_args = {tau = 2, form = "mod"}}, {learning_rate = 1, seed = ["1..2", 7]}]
"""
NAMES = [
    *(f"cell=leaky_cell_args=none_learning_rate=0.003_seed={seed}" for seed in (0, 1, 2, 7)),
    "cell=leaky_cell_args=none_learning_rate=1.0_seed=0",
    *(f"cell=leaky_cell_args=tau-2+form-mod_learning_rate=0.003_seed={seed}" for seed in (0, 1, 2, 7)),
    "cell=leaky_cell_args=tau-2+form-mod_learning_rate=1.0_seed=0",
    *(f"cell=gru_cell_args=none_learning_rate=0.003_seed={seed}" for seed in (0, 1, 2, 7)),
    "cell=gru_cell_args=none_learning_rate=1.0_seed=0",
]


class AskedError(Exception):
    """Stands for the folder of the sweep that a command line asks for."""


def ask(arguments: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Sweep, Path]:
    """What a command line asks for, without running it."""

    def catch(path: Path, sweep: Sweep) -> None:
        raise AskedError(sweep, path)

    monkeypatch.setattr("baselines.commands.sweep.SweepFolder", catch)
    with pytest.raises(AskedError) as caught:
        main(["sweep", *arguments.split()])
    sweep, path = caught.value.args
    return sweep, path


def test_a_file_gives_the_product_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cells.toml").write_text(TOML)
    sweep, path = ask(str(tmp_path / "cells.toml"), monkeypatch)
    assert path == Path("runs/cells")
    assert list(sweep.runs) == NAMES
    assert sweep.fixed == {"n_max": 4, "units": 32, "budget": 60.0}
    last = sweep.runs[NAMES[8]]
    assert last == Settings(
        cell="leaky",
        cell_args={"tau": 2, "form": "mod"},
        n_max=4,
        budget=60.0,
        seed=7,
        overrides={"units": 32, "learning_rate": 0.003},
    )
    assert sweep.values(NAMES[8]) == {
        "cell": "leaky",
        "cell_args": {"tau": 2, "form": "mod"},
        "learning_rate": 0.003,
        "seed": 7,
    }
    assert Sweep.from_dict(sweep.to_dict()) == sweep


def test_options_give_the_same_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cells.toml").write_text(TOML.replace('"gru"', '"lstm"').replace("exclude", "#"))
    line = "--seed 0..2 7 --learning-rate 0.003 1 --n-max 4 --units 32 --budget 60 --cell leaky"
    other, path = ask(line + " --cell-args --cell-args tau=2 form=mod --out runs/x", monkeypatch)
    assert path == Path("runs/x")
    # Options replace what the file says of the same setting, and nothing else.
    replaced = f"{tmp_path / 'cells.toml'} --cell leaky"
    sweep, _ = ask(replaced, monkeypatch)
    assert sweep.fixed == {"cell": "leaky", "n_max": 4, "units": 32, "budget": 60.0}
    assert sweep == other


def test_the_order_of_the_options_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    one, path = ask("--seed 0..1 --cell gru lstm --task dms parity --n-max 5", monkeypatch)
    other, same = ask("--n-max 5 --task dms parity --cell gru lstm --seed 0 1", monkeypatch)
    assert list(one.runs) == list(other.runs)
    assert list(one.runs)[:3] == [
        "task=dms_cell=gru_seed=0",
        "task=dms_cell=gru_seed=1",
        "task=dms_cell=lstm_seed=0",
    ]
    assert path == same == Path("runs/sweep_task_cell_seed_n_max=5")


def test_long_names_are_cut_and_stay_apart() -> None:
    """As names of folders they may have 255 bytes."""
    many = {"n_max": [100, 200], "first_n": [2], "step": [1], "threshold": [0.9], "tcr": [0.001], "budget": [1.0]}
    many |= {"episodes": [10], "activity_l2": [0.1], "learning_rate": [0.001], "clip_norm": [1.0], "batch_size": [1, 2]}
    many |= {"cell_args": [{"form": "default", "activation": "tanh"}]}
    names = list(Sweep.of(many).runs)
    assert len(set(names)) == 4
    assert 150 < max(map(len, names)) < 200
    letters = [_short(letter * 149 + end) for letter in ("a", "ä", "漢", "😀") for end in ("x", "y")]
    assert letters[:2] == ["a" * 149 + "x", "a" * 149 + "y"]
    assert len(set(letters)) == 8
    assert max(len(f"{name}.log".encode()) for name in letters) <= 255


def test_settings_survive_the_command_line_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        task="dms",
        cell="leaky",
        curriculum="sliding-window",
        window=3,
        shift=1,
        n_max=7,
        budget=1e-3,
        seed=5,
        cell_args={"tau": 2.5, "form": "mod"},
        task_args={"p": 0.3},
        tcr=1e-5,
        tcr_schedule="cut-off",
        tcr_updates=10,
        overrides={"units": 33, "learning_rate": 1e-4},
        out=tmp_path / "a folder",
    )

    def catch(asked: Settings) -> None:
        raise AskedError(asked)

    monkeypatch.setattr("baselines.training.run.TrainingRun", catch)
    with pytest.raises(AskedError) as caught:
        main(["train", "--go-on", f"--out={settings.out}", *options(settings)])
    assert caught.value.args == (settings,)


BAD: list[tuple[dict[str, Any], list[Any], str, str]] = [
    ({"seed": 3}, [], "seed", "a sweep must have an axis: a setting with several values, such as seed 0..4"),
    ({"sead": [3]}, [], "sead", r"settings of a sweep must be among \['task', .*, got 'sead'"),
    ({"seed": []}, [], "seed", "seed must have a value, got an empty list"),
    ({"seed": [1, "0..2"]}, [], "seed", "seed must have values that differ, got 1 more than once"),
    ({"cell_args": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]}, [], "cell_args", "cell_args must have values that differ"),
    ({"seed": [0, 2**32]}, [], "seed", "seed must be an integer from 0 to 4294967295, got 4294967296"),
    ({"seed": "4..2"}, [], "seed", "seed must be a range from a smaller to a larger number, got '4..2'"),
    ({"seed": [0.5]}, [], "seed", "seed must be an integer, got 0.5"),
    ({"seed": [True]}, [], "seed", "seed must be an integer, got True"),
    ({"cell": ["leaky", 3]}, [], "cell", "cell must be a string, got 3"),
    ({"cell": ["leaky", "foo"]}, [], "cell", r"cell must be one of .* got 'foo'$"),
    ({"threshold": 1, "seed": "0..1"}, [], "threshold", r"threshold must lie between 0 and 1, got 1\.0$"),
    ({"seed": "0-4"}, [], "seed", r'seed must be an integer or a range such as "0..4", got \'0-4\''),
    ({"learning_rate": ["fast"]}, [], "learning_rate", "learning_rate must be a number, got 'fast'"),
    ({"learning_rate": [1.0, 11.0]}, [], "learning_rate", "learning_rate must be a number from 1e-09 to 10, got 11.0"),
    ({"cell_args": ["tau=2"]}, [], "cell_args", "cell_args must be a table, got 'tau=2'"),
    (
        {"cell": ["leaky", "gru"], "cell_args": [{"tau": 2}], "seed": "0..1"},
        [],
        "cell_args",
        r"cell_args must be among \[\] for gru, got 'tau' \(in the run with cell = 'gru', cell_args = {'tau': 2}, "
        r"seed = 0; an entry in exclude of a TOML file can leave it out\)",
    ),
    (
        {"cell": ["leaky", "gru"]},
        [{"seed": 3}],
        "exclude",
        r"exclude must name axes .*'cell'.*, got 'seed'",
    ),
    ({"cell": ["leaky", "gru"]}, [{"cell": "lstm"}], "exclude", "exclude must take values of cell, .*, got 'lstm'"),
    ({"cell": ["leaky", "gru"]}, ["leaky"], "exclude", "exclude must hold tables with names of axes, got 'leaky'"),
    ({"cell": ["leaky"]}, [{"cell": "leaky"}], "exclude", "exclude must leave a run, got entries that leave none"),
    ({"cell_args": [{"tau": "2 "}, {"tau": "x"}]}, [], "cell_args", "tau must be"),
    ({"seed": "0..9999", "n_max": [3, 4]}, [], "seed", "seed must leave at most 10000 runs, got 20000"),
]


@pytest.mark.parametrize(("given", "exclude", "name", "complaint"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_what_cannot_be_is_refused(given: dict[str, Any], exclude: list[Any], name: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as caught:
        Sweep.of(given, exclude)
    assert caught.value.name == name


BAD_LINES = [
    ("", "--seed: a sweep must have an axis"),
    ("--seed 3", "--seed: a sweep must have an axis"),
    ("--seed 0..1 --cell foo", r"--cell: cell must be one of .*got 'foo'$"),
    ("--seed 0..x", "--seed: must be an integer or a range such as 0..4, got '0..x'"),
    ("--seed 0..1 --workers 0", "--workers: workers must be an integer from 1 to 1000, got 0"),
    ("--seed 0..1 --cell-args tau", "--cell-args: must be KEY=VALUE, got 'tau'"),
    (
        "nothing.toml",
        "FILE.toml: file must be a TOML file or the folder of a sweep, got nothing.toml, which .*No such file",
    ),
    ("bad.toml", "FILE.toml: file must be a TOML file or the folder of a sweep, got bad.toml, which .*: Invalid value"),
    ("task.toml --seed 0..1", "--task: task must be a string, got 3"),
    ("out.toml --seed 0..1", "--out: out must be a string, got 3"),
    ("exclude.toml --seed 0..1", "exclude: exclude must be a list of tables, got {'seed': 1}"),
    ("--seed 0..1 --out bad.toml", "--out: out must be a folder to write in, got bad.toml"),
    ("--seed 0..1 --out .", "--out: out must be a new folder or a sweep's, got ., which holds bad.toml"),
]


@pytest.mark.parametrize(("options", "complaint"), BAD_LINES, ids=[options for options, _ in BAD_LINES])
def test_bad_input_is_one_line_and_writes_nothing(
    options: str,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {"bad": "seed =", "task": "task = 3", "out": "out = 3", "exclude": "exclude = {seed = 1}"}
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(text)
    with pytest.raises(SystemExit) as left:
        main(["sweep", *options.split()])
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(rf"python -m baselines sweep: error: argument {complaint}.*\n", said.err)
    assert sorted(entry.stem for entry in tmp_path.iterdir()) == sorted(texts)


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["sweep", "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    for option in ("--out ", "--workers ", "--cell ", "--seed ", "--learning-rate ", "--cell-args ", "FILE.toml"):
        assert option in said
