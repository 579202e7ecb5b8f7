"""What holds for every analysis, because it is listed, and for one that a user brings."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import MISSING, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.analysis import ANALYSES, Subject, Tables, analyse
from baselines.analysis.run import AnalysisRun
from baselines.analysis.settings import SETTINGS, AnalysisSettings, ProbeSettings
from baselines.core.settings import Declared, SettingsError, declared
from memory_envs import Parity
from tests.baselines.analysis.own_analysis import Weights, WeightSettings
from tests.baselines.small import make_network

QUICK: dict[str, dict[str, Any]] = {
    "timescales": {"steps": 300, "trials": 3, "burn_in": 10},
    "ablation": {"steps": 40, "warm_up": 5, "trials": 2, "singles": 3, "groups": (2,)},
    "perturbation": {"steps": 40, "warm_up": 5, "trials": 2, "sizes": (0.01, 1.0), "repetitions": 2},
    "generalisation": {"steps": 40, "warm_up": 5, "trials": 2, "lengths": (2.0,), "ns": (2, 4), "updates": 1},
    "forgetting": {"steps": 40, "warm_up": 5, "trials": 2, "fit_trials": 2},
    "geometry": {"trials": 8, "points": 5, "exponent_steps": 5},
    "register": {"steps": 40, "warm_up": 5, "trials": 2, "permutations": 2},
}
"""Settings that make each analysis quick."""


def subjects() -> list[Subject]:
    """Two checkpoints of one network, untrained."""
    found = []
    for update, n in enumerate((2, 3)):
        task = Parity(heads=tuple(range(2, n + 1)))
        found.append(Subject(make_network(task, 8, seed=n).requires_grad_(False), task, "run", update))
    return found


def measured(name: str) -> Tables:
    *_, tables = analyse(ANALYSES[name], subjects(), SETTINGS[name](**QUICK[name]))
    return tables


@pytest.fixture(scope="module")
def results() -> dict[str, Tables]:
    return {name: measured(name) for name in ANALYSES}


def test_settings_are_listed_by_the_names_of_the_analyses() -> None:
    assert {name: analysis.settings for name, analysis in ANALYSES.items()} == SETTINGS
    assert list(ANALYSES) == list(SETTINGS) == list(QUICK)
    assert all(analysis.name == name for name, analysis in ANALYSES.items())


FIELDS = [(kind, one) for kind in (*SETTINGS.values(), ProbeSettings) for one in declared(kind)]
FREE = {"task_args", "on", "parameter"}
"""What the task or the cell names: only they know what it may be."""


@pytest.mark.parametrize(("kind", "one"), FIELDS, ids=[f"{kind.__name__}.{one.name}" for kind, one in FIELDS])
def test_every_setting_is_declared_and_refused_from_there(kind: type[AnalysisSettings], one: Declared) -> None:
    assert one.metadata["help"]
    assert one.default is not MISSING
    kind().check()
    if one.name in FREE:
        assert not {"range", "choices", "check"} & set(one.metadata)
        return
    (rule,) = {"range", "choices", "check"} & set(one.metadata)
    wrong: Any = {"choices": "nothing of the kind", "check": "tpu"}.get(rule)
    if rule == "range":
        wrong = one.metadata["range"][1] + 1
    given: dict[str, Any] = {one.name: (wrong,) if one.many else wrong}
    with pytest.raises(
        SettingsError, match=rf"^{one.name} must be .*got {wrong!r}|^{one.name} must be .*{wrong}"
    ) as told:
        kind(**given).check()
    assert told.value.name == one.name


@pytest.mark.parametrize("name", ANALYSES)
def test_tables_have_the_declared_columns(name: str, results: dict[str, Tables]) -> None:
    assert {table: tuple(rows.columns) for table, rows in results[name].items()} == {
        table: tuple(columns) for table, columns in ANALYSES[name].columns.items()
    }
    for columns in ANALYSES[name].columns.values():
        assert all(column.meaning for column in columns)
        assert len({column.name for column in columns}) == len(columns)
    assert all(len(rows) for rows in results[name].values())


@pytest.mark.parametrize("name", ANALYSES)
def test_a_seed_says_what_the_tables_are(name: str, results: dict[str, Tables]) -> None:
    again = measured(name)
    assert {table: rows.to_csv() for table, rows in again.items()} == {
        table: rows.to_csv() for table, rows in results[name].items()
    }


@pytest.mark.parametrize("name", ANALYSES)
def test_the_network_is_left_as_it_is(name: str) -> None:
    one = subjects()[1]
    before = {key: value.clone() for key, value in one.network.state_dict().items()}
    ANALYSES[name].measure(one, SETTINGS[name](**QUICK[name]))
    after = one.network.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert set(before) == set(after)


@pytest.mark.parametrize("name", ANALYSES)
@pytest.mark.parametrize("last", [False, True], ids=["all checkpoints", "the last"])
def test_the_figure_has_labelled_axes(name: str, last: bool, results: dict[str, Tables]) -> None:
    tables = results[name]
    if last:
        tables = {table: rows.where(N=3) for table, rows in tables.items()}
    drawn = ANALYSES[name].draw(tables)
    assert drawn.axes
    for axes in drawn.axes:
        assert axes.get_ylabel(), axes
        assert axes.get_xlabel() or axes.get_label() == "<colorbar>", axes


@pytest.mark.parametrize("name", ANALYSES)
def test_the_docstring_says_what_is_measured_and_in_which_tables(name: str) -> None:
    words = type(ANALYSES[name]).__doc__ or ""
    assert "Protocol" in words
    assert all(f"``{table}``" in words for table in ANALYSES[name].columns)


@pytest.mark.parametrize("name", ANALYSES)
def test_a_wrong_setting_is_refused_before_anything_is_computed(name: str) -> None:
    one = subjects()[0]
    one.cell.unroll = one.cell.step = None  # type: ignore[assignment, method-assign]
    with pytest.raises(SettingsError, match=r"task_args must be among .* for parity, got 'bits'"):
        ANALYSES[name].measure(one, SETTINGS[name](task_args={"bits": 2}))


@pytest.fixture
def checked() -> Iterator[list[int]]:
    Weights.checked.clear()
    yield Weights.checked
    Weights.checked.clear()


def test_all_subjects_are_checked_once_and_before_the_first_is_computed(checked: list[int]) -> None:
    good = subjects()
    bad = replace(good[0], task=Parity(N=4))
    with pytest.raises(SettingsError, match="least must be left out for N = 4"):
        analyse(Weights(), [*good, bad], WeightSettings())
    assert checked == [2, 3, 4]
    *parts, last = analyse(Weights(), good, WeightSettings())
    assert checked == [2, 3, 4, 2, 3]
    assert last["all"]["networks"].tolist() == [2]
    assert list(parts[0]) == ["counts"]
    with pytest.raises(SettingsError, match="least must be a number from 0 to 1, got 2"):
        Weights().measure(good[0], WeightSettings(least=2))


def test_settings_cost_no_torch() -> None:
    heavy = ("torch", "matplotlib", "scipy", "rich", "tensorboard")
    code = f"import sys, baselines.analysis.settings; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_an_unknown_analysis_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"what must be one of \['timescales', .*\], got 'foo'"):
        AnalysisRun([Path("nowhere")], "foo", AnalysisSettings())
