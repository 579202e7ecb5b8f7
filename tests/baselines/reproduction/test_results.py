"""What follows from observations besides verdicts: rows, tables and figures, without a run."""

import re
from pathlib import Path

import pytest

from baselines.core.files import RunError
from baselines.reproduction import results
from baselines.reproduction.experiments import EXPERIMENTS, RUN_SETS, consistency
from baselines.reproduction.experiments.consistency import ConditionSet, TrainedCondition
from baselines.reproduction.figure import draw
from baselines.reproduction.measurements import Observation, Observed
from baselines.reproduction.tcr.results import Run, append, begin


def test_each_condition_is_a_row_of_its_own() -> None:
    for sets in RUN_SETS.values():
        for name, over_g in (("tcr", True), ("tcr-cells", False)):
            source = sets[name]
            assert isinstance(source, ConditionSet)
            case = EXPERIMENTS["tcr" if over_g else "tcr-lstm"].scales["small"].parts[0]
            rows = [
                (one.quantity, case.case_of(run), one.x)
                for run in (TrainedCondition(each, 0, Run("limit", 1, 1, 0, 0, 0)) for each in source._conditions())
                for one in consistency.updates_to_criterion(run, case.case_of(run), over_g=over_g)
            ]
            assert len(set(rows)) == len(rows)


def test_conditions_that_have_not_ended_are_an_error(tmp_path: Path) -> None:
    source, file = ConditionSet(groups=("cells",), seeds=[0, 1], cpu_minutes=1), tmp_path / "results.csv"
    one, *_ = source._conditions()
    for wrong in (f"results.csv has no row of {one.label()}, seed 0", f"has no row of {one.label()}, seed 1"):
        with pytest.raises(RunError, match=re.escape(wrong)):
            source.ended(tmp_path)
        begin(file)
        append(file, one, 0, Run("limit", 1, 1, 0, 0, 0))
    file.write_text("something else")
    with pytest.raises(RunError, match="must be new or a file of this benchmark"):
        source.ended(tmp_path)


def test_a_table_has_the_place_that_a_verdict_is_about() -> None:
    experiment = EXPERIMENTS["tau-turn"]
    rows = [
        Observation(quantity="mean tau", case="parity single-head, recipe trials", x=n, seed=seed, value=1.0)
        for seed, last in enumerate((17, 13, 12))
        for n in range(2, last + 1)
    ]
    (table,) = results.conclude(experiment, "small", Observed(rows))["tables"]
    xs = [cell["x"] for cell in table["rows"][0]["cells"]]
    assert {2, 13, 17} <= set(xs)
    assert len(xs) <= results.MOST_COLUMNS


def test_what_is_not_drawn_has_its_axis_all_the_same() -> None:
    row = Observation(quantity="updates, N = 50, nesterov 0.03 momentum 0.9", case="without", x=1.0, seed=0, value=9.0)
    (table,) = results.conclude(EXPERIMENTS["tcr"], "small", Observed([row]))["tables"]
    assert table["x"] == "connection strength g"


def test_a_kind_of_network_has_one_look_in_all_panels() -> None:
    rows = [
        Observation(quantity=quantity, case=case, x=n, seed=0, value=1.0)
        for quantity, case in (("share solved", "none-single"), ("update solved", "none-multi"))
        for n in (2, 3)
    ]
    figure = draw(EXPERIMENTS["no-curriculum"], Observed(rows))
    colours = [axes.lines[0].get_color() for axes in figure.axes]
    assert len(set(colours)) == 2
