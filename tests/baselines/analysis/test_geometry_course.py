"""Geometry over the checkpoints of runs: the loss of training, the final network, noise, and several runs together."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.analysis import ANALYSES, Subject, Table, stimuli
from baselines.analysis.geometry import Geometry, course, figure, measurement, restructuring
from baselines.analysis.geometry.training_loss import training_loss
from baselines.analysis.probe import Probe
from baselines.analysis.run import AnalysisRun
from baselines.analysis.settings import SETTINGS, GeometrySettings, ProbeSettings
from baselines.analysis.subject import load
from baselines.core import seeds
from baselines.core.files import RunError
from baselines.core.tables import read_csv
from baselines.network import head_keys
from baselines.training.batches import Practice
from baselines.training.bptt_settings import Settings
from baselines.training.run import TrainingRun
from memory_envs import DelayedAddition, EvidenceAccumulation, Parity, Task
from tests.baselines.analysis.known_systems import Linear, subject

QUICK = GeometrySettings(trials=8, points=4, exponent_steps=4)


def trained(path: Path, **asked: Any) -> Path:
    small = {"units": 12, "batch_size": 16, "test_every": 5} | asked.pop("overrides", {})
    run = TrainingRun(Settings(out=path, episodes=2, overrides=small, **asked))
    list(run.train())
    run.finish()
    return path


# -- the loss ------------------------------------------------------------------------------------------------------


def expected_loss(
    one: Subject, trials: Sequence[Any], states: Sequence[Tensor], last_head: float = 0.0, smoothing: float = 0.0
) -> float:
    """The loss, number by number: cross-entropy or squared error of the answers that count."""
    total = []
    for shown, state in zip(trials, states, strict=True):
        parts = []
        for b in range(shown.inputs.shape[1]):
            now = state[b : b + 1]
            for t in range(len(shown.inputs)):
                answers, now = one.network.step(torch.tensor(shown.inputs[t, b : b + 1]), head_keys(one.task), now)
                if shown.mask[t, b]:
                    target = shown.targets[t, b]
                    if one.network.width == 1:
                        parts.append(float((answers[0, 0, 0] - float(target[0])) ** 2))
                    else:
                        heads = zip(answers[0].log_softmax(-1), target, strict=True)
                        each = [float(-(1 - smoothing) * p[int(y)] - smoothing * p.mean()) for p, y in heads]
                        share = 1 / len(each)
                        weights = [share] * (len(each) - 1) + [max(last_head, share)]
                        parts.append(float(np.dot(weights, each)))
        total.append(np.mean(parts))
    return float(np.mean(total))


@pytest.mark.parametrize(
    ("task", "asked"),
    [
        ("delayed-addition", {"task_args": {"scoring": "final"}, "n_max": 6, "curriculum": "none-single"}),
        ("parity", {"task_args": {"scoring": "final"}, "n_max": 3, "curriculum": "none-single"}),
        ("parity", {"n_max": 3, "curriculum": "none-multi", "overrides": {"last_head": 0.7}}),
        ("parity", {"n_max": 3, "curriculum": "none-multi", "overrides": {"last_head": 0.7, "smoothing": 0.0}}),
    ],
)
def test_the_loss_is_that_of_training(task: str, asked: dict[str, Any], tmp_path: Path) -> None:
    """Same scoring, same lengths, same weights of heads: counted again from the trials that training would draw."""
    trained(tmp_path / "run", task=task, cell="gru", max_updates=5, **asked)
    (one,) = load([tmp_path / "run"], "latest")
    assert one.recipe
    practice = Practice(one.task, dataclasses.replace(one.recipe, batch_size=4), seeds.evaluation_seed(0))
    batches = [practice.batch(i) for i in range(8, 16)]
    assert all((batch.mask.sum(0) == 1).all() for batch in batches) == ("task_args" in asked)
    states = [one.cell.initial_state(4) for _ in batches]
    # Without overrides these have one head, whose recipe smooths nothing.
    several = "overrides" in asked
    wanted = expected_loss(one, batches, states, *((0.7, one.recipe.smoothing) if several else ()))
    assert not several or one.recipe.smoothing == asked["overrides"].get("smoothing", 0.2)
    assert training_loss(one, one.task, 4, 0, 1) == pytest.approx(wanted, rel=1e-4)
    assert training_loss(one, one.task, 4, 0, 0) != pytest.approx(wanted, rel=1e-4)


def test_the_course_of_the_loss_is_that_of_the_metrics(tmp_path: Path) -> None:
    asked = {"task": "delayed-addition", "task_args": {"scoring": "final"}, "n_max": 8, "curriculum": "none-single"}
    path = trained(tmp_path / "run", cell="gru", max_updates=150, keep_every=50, threshold=0.999, **asked)
    reports = {int(row["update"]): float(row["loss_task"]) for row in read_csv(path / "metrics.csv")}
    for one in load([path], "course")[1:]:
        loss = Geometry().measure(one, dataclasses.replace(QUICK, trials=64))["geometry"]["loss"][0]
        assert loss == pytest.approx(reports[one.update], rel=0.35)


def test_a_network_from_elsewhere_is_asked_the_task_as_it_is() -> None:
    one = subject(Linear(torch.eye(2), torch.ones(2, 1)), Parity(N=3, scoring="final"))
    batches = [stimuli.fresh(one.task, 5, 0, i) for i in range(8)]
    wanted = expected_loss(one, batches, [one.cell.initial_state(5) for _ in batches])
    assert training_loss(one, one.task, 5, 0, 0) == pytest.approx(wanted, rel=1e-4)


# -- what is shown -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task", [EvidenceAccumulation(N=7, scoring="final"), DelayedAddition(N=9, scoring="final"), DelayedAddition(N=9)]
)
def test_a_network_is_shown_go_when_it_was_in_training(task: Task) -> None:
    """With final scoring at the last step alone; the labels of the memory are those of every step."""
    go, own = task.channels.index("go"), task.batch(0, 0, 500).inputs
    twin = stimuli.dense(task).batch(0, 0, 500)
    shown = stimuli.as_shown(task, twin.inputs)
    assert (shown[..., go].mean(1) == own[..., go].mean(1)).all()
    assert (np.delete(shown, go, 2) == np.delete(twin.inputs, go, 2)).all()
    stream = stimuli.stream(task, 4, 3 * task.num_steps, 0).numpy()
    assert stream[..., go].sum() == 4 * 3 if task.scoring == "final" else stream[..., go].mean() > 0.4


def test_a_stream_of_evidence_that_is_scored_at_the_end_has_no_go_before() -> None:
    task = EvidenceAccumulation(heads=(3, 5), scoring="final")
    assert stimuli.stream(task, 3, 50, 0)[:-1, :, 1].abs().sum() == 0
    assert stimuli.stream(task.replace(scoring="dense", num_steps=None), 3, 50, 0)[10:, :, 1].min() == 1


def test_accuracy_of_a_trial_task_is_counted_where_training_counts_it() -> None:
    ways: list[tuple[Any, int | None]] = [("final", 1), ("dense", None)]
    for scoring, counted in ways:
        one = subject(Linear(torch.eye(2), torch.ones(2, 3)), DelayedAddition(N=8, scoring=scoring))
        probe = Probe(one, ProbeSettings(steps=16, trials=3))
        assert probe.task.scoring == scoring
        assert probe.counted.max() == counted if counted else probe.counted.max() > 1


# -- which networks ------------------------------------------------------------------------------------------------


def test_the_network_that_solved_the_task_is_analysed(tmp_path: Path) -> None:
    """Solved between two updates that are kept: the final network is there all the same, as what it solved."""
    asked = {"task": "parity", "n_max": 3, "curriculum": "single-head", "cell": "gru"}
    path = trained(tmp_path / "run", keep_every=1000, overrides={"units": 32, "batch_size": 64}, **asked)
    subjects = load([path], "course")
    ended = int(read_csv(path / "metrics.csv")[-1]["update"])
    assert [one.update for one in subjects] == [0, ended]
    assert subjects[-1].task.N == 3


def test_a_stage_just_solved_is_the_task_of_its_network(tmp_path: Path) -> None:
    asked = {"task": "parity", "n_max": 9, "curriculum": "multi-head", "cell": "gru", "recipe": "trials"}
    path = trained(tmp_path / "run", keep_every=5, max_updates=60, overrides={"units": 48, "batch_size": 64}, **asked)
    solved = {int(row["update"]): int(row["N"]) for row in read_csv(path / "metrics.csv") if row["solved"] == "1"}
    assert solved
    stages = {one.update: one.task.N for one in load([path], "course")}
    assert {update: stages[update] for update in solved} == solved


def rows(run: str, updates: Sequence[int], loss: Sequence[float]) -> Table:
    table = Table(measurement.GEOMETRY)
    for update, value in zip(updates, loss, strict=True):
        zeros = dict.fromkeys([column.name for column in measurement.GEOMETRY], 0.0)
        table.add(**zeros | {"run": run, "N": 4, "update": update, "loss": value})
    return table


def test_runs_of_different_length_stand_on_common_updates() -> None:
    table = rows("short", [0, 50, 75], [0.7, 0.5, 0.1])
    table.extend(rows("long", [0, 50, 100, 150, 160], [0.7, 0.6, 0.4, 0.2, 0.3]))
    (found,) = course.conclude({"geometry": table}).values()
    columns = ("run", "update", "measured", "held", "loss")
    assert list(zip(*(found[name].tolist() for name in columns), strict=True)) == [
        ("short", 0, 0, False, 0.7),
        ("short", 50, 50, False, 0.5),
        ("short", 100, 75, True, 0.1),
        ("short", 150, 75, True, 0.1),
        ("short", 160, 75, True, 0.1),
        ("long", 0, 0, False, 0.7),
        ("long", 50, 50, False, 0.6),
        ("long", 100, 100, False, 0.4),
        ("long", 150, 150, False, 0.2),
        ("long", 160, 160, False, 0.3),
    ]
    (alone,) = course.conclude({"geometry": rows("short", [0, 50], [0.7, 0.5])}).values()
    assert (alone["loss"].tolist(), bool(alone["held"].any())) == ([0.7, 0.5], False)


def test_two_runs_make_one_course_and_one_figure(tmp_path: Path) -> None:
    asked = {"task": "parity", "n_max": 4, "curriculum": "none-single", "cell": "gru", "keep_every": 10}
    paths = [
        trained(tmp_path / f"{seed}", seed=seed, max_updates=updates, **asked) for seed, updates in ((0, 25), (1, 40))
    ]
    run = AnalysisRun(paths, "geometry", QUICK, out=tmp_path / "out")
    list(run.parts())
    run.draw()
    table = read_csv(tmp_path / "out" / "course.csv")
    assert {row["update"] for row in table if row["held"] == "True"} == {"30", "40"}
    assert {row["measured"] for row in table if row["held"] == "True"} == {"25"}
    assert "means over 2 runs" in (tmp_path / "out" / "geometry.svg").read_text()


# -- events --------------------------------------------------------------------------------------------------------


def series(
    ratio: Sequence[float],
    noise: Any = 0.01,
    loss: Sequence[float] | None = None,
    stable: Sequence[int] | None = None,
) -> Table:
    """The table ``changes`` of a run of which these are given: participation ratio, loss, number of stable points.

    ``noise`` is what each measure differs by between the two sets of trials, at all checkpoints or at each.
    """
    tables = {name: Table(columns) for name, columns in measurement.TABLES.items()}
    for c, value in enumerate(ratio):
        keys: dict[str, Any] = {"run": "a", "group": "", "N": 5, "update": 10 * c}
        zeros: dict[str, Any] = dict.fromkeys([column.name for column in measurement.GEOMETRY], 0.0)
        zeros |= {"loss": 0.5 if loss is None else loss[c], "stable": 2 if stable is None else stable[c]}
        tables["geometry"].add(**zeros | keys | {"participation_ratio": value})
        tables["components"].add(**keys, component=1, variance=1.0, entry=np.arange(2), weight=[1.0, 0.0])
        tables["distances"].add(**keys, memory=[0, 0, 1], other=[1, 2, 2], distance=[1.0, 1.0, 1.0])
        measures = (*restructuring.MEASURES, "loss")
        tables["noise"].add(**keys, measure=list(measures), difference=float(np.broadcast_to(noise, len(ratio))[c]))
    return restructuring.conclude(tables)["changes"]


def events(changes: Table) -> list[tuple[str, int]]:
    found = changes.where(event=True)
    return list(zip(found["measure"].tolist(), found["since"].tolist(), strict=True))


@pytest.mark.parametrize("sd", [0.0, 0.003, 0.02])
def test_a_flat_series_has_no_event_and_a_jump_is_one(sd: float) -> None:
    """Also where one checkpoint is off by six standard deviations of the noise."""
    for seed in range(10):
        draw, again = np.random.default_rng(seed).standard_normal((2, 16)) * sd
        noise = np.abs(draw - again)
        draw[9] += 6 * sd
        assert events(series(1.48 * np.exp(draw), noise=noise)) == []
        jump = np.where(np.arange(16) > 6, math.log(2.5), 0) + draw
        assert events(series(1.48 * np.exp(jump), noise=noise)) == [("dimension", 60)]


@pytest.mark.parametrize("sd", [0.05, 0.1, 0.5])
def test_noise_that_is_larger_than_what_matters_makes_hardly_ever_an_event(sd: float) -> None:
    """In fewer than 1 % of runs of 16 checkpoints, with noise of its own at each (real ones share their trials)."""
    wrong = 0
    for seed in range(1000):
        draw, again = np.random.default_rng(seed).standard_normal((2, 16)) * sd
        change, noise = np.abs(np.diff(draw)), restructuring.noise_of_pairs(np.abs(draw - again))
        least = restructuring.LEAST["dimension"]
        wrong += bool(((change > restructuring.usual_change(change)) & (change > noise) & (change >= least)).any())
    assert wrong < 10


def test_the_series_of_the_report_has_no_event() -> None:
    """1.490 -> 1.464 in an otherwise quiet run was a jump by the rule of deviations alone."""
    ratio = [1.490 + 0.001 * (c % 3) for c in range(8)] + [1.464 - 0.001 * (c % 3) for c in range(8)]
    changes = series(ratio, noise=0.001)
    (row,) = np.flatnonzero((changes["measure"] == "dimension") & (changes["since"] == 70))
    assert changes["change"][row] > changes["usual"][row]
    assert changes["change"][row] > changes["noise"][row]
    assert events(changes) == []


def test_a_jump_within_what_two_sets_of_trials_differ_by_is_none() -> None:
    ratio = [2.0] * 8 + [3.0] * 8
    assert events(series(ratio, noise=0.1)) == [("dimension", 70)]
    assert events(series(ratio, noise=0.2)) == []


def test_a_stable_point_more_is_an_event_and_an_unstable_one_is_not() -> None:
    stable = [2] * 8 + [3] * 8
    assert events(series([2.0] * 16, stable=stable)) == [("points", 70)]
    assert events(series([2.0] * 16, noise=1.0, stable=stable)) == []  # one search found as many more alone


@pytest.mark.parametrize(
    ("loss", "fall"),
    [
        ([0.7, 0.69, 0.68, 0.1, 0.09, 0.08, 0.08], 20),
        ([0.7, 0.69, 0.68, 0.60, 0.55, 0.5, 0.45], None),  # never to half between two checkpoints
        ([0.7, 0.3, 0.29, 2.0, 0.28, 0.27, 0.27], 0),  # on the way down from a bump it reaches nothing new
        ([0.7] * 7, None),
    ],
)
def test_the_fall_of_the_loss_is_to_half_and_to_what_was_never_reached(loss: list[float], fall: int | None) -> None:
    changes = series([2.0] * 7, loss=loss)
    assert set(changes.where(fall=True)["since"].tolist()) == (set() if fall is None else {fall})
    assert not changes["fall"][0] or fall == 0
    big = series([2.0] * 7, loss=loss, noise=5.0)
    assert not big["fall"].any()


# -- NaN -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", list(SETTINGS))
def test_nan_in_a_network_is_an_error_that_names_the_checkpoint(what: str, tmp_path: Path) -> None:
    weights = torch.eye(2)
    weights[0, 1] = math.nan
    one = dataclasses.replace(subject(Linear(weights, torch.ones(2, 1)), Parity(N=3), "mine"), update=7)
    with pytest.raises(RunError, match=r"^mine, N = 3, update 7: the weights .* finite, those of cell\.a are not$"):
        ANALYSES[what].measure(one, SETTINGS[what]())


def test_states_that_grow_beyond_all_bounds_are_an_error_that_names_the_checkpoint() -> None:
    one = subject(Linear(torch.tensor([[1e30]]), torch.ones(1, 1)), Parity(N=3), "mine")
    with pytest.raises(RunError, match=r"^mine, N = 3, update 0: the states that the network visits must be finite"):
        Geometry().measure(one, QUICK)


def test_the_figure_of_a_course_draws_no_unstable_points_over_updates() -> None:
    assert not [columns for _, columns, *_ in figure._COURSES if "unstable" in columns]


def test_a_run_whose_cell_grew_has_no_angle_between_the_two_spaces(tmp_path: Path) -> None:
    asked = {"task": "parity", "cell": "leaky", "n_max": 3, "threshold": 0.6, "keep_every": 20, "recipe": "trials"}
    trained(tmp_path / "run", overrides={"units": 12, "grow_to": 16, "grow_at": 3}, **asked)
    subjects = load([tmp_path / "run"], "course")
    sizes = [one.network.cell.output_size for one in subjects]
    assert {12, 16} == set(sizes)
    at = sizes.index(16)
    shapes = [
        restructuring.Shape(space=np.eye(3, size), ratio=1.0, pairs=(), distances=np.zeros(0), exponent=0.0)
        for size in sizes[at - 1 : at + 1]
    ]
    changed, same = restructuring.differences(*shapes), restructuring.differences(shapes[0], shapes[0])
    assert np.isnan(changed["subspace"])
    assert (same["subspace"], changed["dimension"], changed["chaos"]) == (0, 0, 0)
