"""Generalisation and forgetting: on memories whose reach is known."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from baselines.analysis import generalisation
from baselines.analysis.forgetting import Forgetting, refitted
from baselines.analysis.generalisation import INPUTS, Generalisation, retrained
from baselines.analysis.probe import Probe, Score
from baselines.analysis.settings import ForgettingSettings, GeneralisationSettings, ProbeSettings
from baselines.analysis.subject import Subject
from baselines.cells import LeakyTauRNN
from baselines.core.settings import SettingsError
from memory_envs import TASKS, DelayedAddition, DelayedMatch, EvidenceAccumulation, FlipFlop, Parity, Task
from tests.baselines.analysis.known_systems import Linear, subject
from tests.baselines.small import make_network

QUICK: dict[str, Any] = {"steps": 100, "warm_up": 10, "trials": 4}


def register(steps: int, channels: int = 1) -> Linear:
    """Remembers the first channel's last ``steps`` inputs, the current one included, and nothing else."""
    b = torch.zeros(steps, channels)
    b[0, 0] = 1
    return Linear(torch.diag(torch.ones(steps - 1), -1), b)


@pytest.mark.parametrize("p", [0.5, 0.1, "uniform"])
@pytest.mark.parametrize("kind", [Parity, DelayedMatch])
def test_chance_is_the_best_constant_answer_to_what_is_played(kind: type[Task], p: Any) -> None:
    one = Subject(make_network(kind(N=3), 4).requires_grad_(False), kind(N=3))
    probe = Probe(one, ProbeSettings(steps=2000, trials=100, task_args={"p": p}))
    ones = probe.targets[probe.mask].to(torch.float64).mean().item()
    if p == "uniform":  # at one p the share of odd windows is (1 - (1 - 2 p)^3) / 2, 0.5 over all p
        assert probe.chance == pytest.approx((0.5 if kind is Parity else 2 / 3), abs=1e-6)
    assert probe.chance == pytest.approx(max(ones, 1 - ones), abs=0.05 if p == "uniform" else 0.01)


def test_what_is_no_better_than_chance_has_nothing_to_lose() -> None:
    right, half, none = (Score(np.full((1, 4), share), np.ones(4), 0.5) for share in (0.9, 0.5, 0.4))
    assert half.columns(right)["relative"][0] == pytest.approx(0)
    assert right.columns(right)["relative"][0] == pytest.approx(1)
    for base in (half, none):
        assert np.isnan(right.columns(base)["relative"]).all()


def test_refitted_readouts_find_all_that_is_remembered_and_no_more() -> None:
    one = subject(register(3, 2), EvidenceAccumulation(heads=(1, 3)))
    settings = ForgettingSettings(fit_trials=10, ns=(1, 3), **QUICK)
    refit = Forgetting().measure(one, settings)["forgetting"].where(readout="refitted")
    assert refit["accuracy"].tolist() == [1, 1]
    short = subject(register(3, 2), EvidenceAccumulation(heads=(1, 3, 5)))
    found = Forgetting().measure(short, dataclasses.replace(settings, ns=(5,), steps=2000))["forgetting"]
    task = EvidenceAccumulation(heads=(5,))
    ideal = (task.reference_score(3) + 1) / 2
    assert found.where(readout="refitted")["accuracy"][0] == pytest.approx(ideal, abs=0.02)


def test_refitted_readouts_of_real_values_are_exact() -> None:
    one = subject(register(1, 3), DelayedAddition(N=8))
    with torch.no_grad():
        one.cell.get_parameter("a")[:] = 1  # a sum of the values, which are zero between the cues
    probe, other = (Probe(one, ProbeSettings(**QUICK), index=index) for index in range(2))
    assert refitted(one.network, probe).readouts["0"].weight.shape == (1, 1)
    assert refitted(one.network, probe) is not one.network
    assert Probe(one, ProbeSettings(**QUICK)).play(refitted(one.network, other)).accuracy[0] == 1


def test_what_the_readouts_say_without_refitting_is_told_apart() -> None:
    task = Parity(heads=(2, 4))
    one = Subject(make_network(task, 8).requires_grad_(False), task)
    table = Forgetting().measure(one, ForgettingSettings(ns=(2, 3, 4), fit_trials=2, **QUICK))["forgetting"]
    missing = np.isnan(table["accuracy"].astype(float))
    assert list(zip(table["asked"][missing], table["readout"][missing], strict=True)) == [(3, "as trained")]
    single = Subject(make_network(Parity(N=4), 8).requires_grad_(False), Parity(N=4))
    table = Forgetting().measure(single, ForgettingSettings(fit_trials=2, **QUICK))["forgetting"]
    assert not np.isnan(table["accuracy"].astype(float)).any()
    assert sorted(set(table["asked"])) == [2, 3, 4]


@pytest.mark.parametrize("task", [Parity(N=3), Parity(heads=(2, 3))], ids=["single-head", "multi-head"])
def test_retraining_changes_what_it_is_asked_to(task: Task) -> None:
    one = Subject(make_network(task, 8).requires_grad_(False), task)
    before = {name: value.clone() for name, value in one.network.state_dict().items()}
    other = one.task_for(5, known=False)
    for scope in ("readout", "network"):
        after = retrained(one, other, updates=3, scope=scope, seed=0).network
        cell = {
            name
            for name, value in after.state_dict().items()
            if name.startswith("cell") and not torch.equal(value, before[name])
        }
        assert bool(cell) == (scope == "network")
        key = "0" if task.heads is None else "5"
        assert key in after.readouts
        if key == "0":
            assert not torch.equal(after.readouts["0"].get_parameter("weight"), before["readouts.0.weight"])
        again = retrained(one, other, updates=3, scope=scope, seed=0).network
        assert all(torch.equal(value, again.state_dict()[name]) for name, value in after.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in one.network.state_dict().items())


def test_a_network_retrained_on_another_n_learns_it() -> None:
    cell = LeakyTauRNN(1, 32, generator=torch.Generator().manual_seed(0))
    one = subject(cell, Parity(N=2))
    settings = GeneralisationSettings(kinds=("n",), ns=(2,), updates=150, learning_rate=5e-3, **QUICK)
    table = Generalisation().measure(one, settings)["generalisation"]
    assert table["retrained"].tolist() == ["none", "network", "readout"]
    assert table["updates"].tolist() == [0, 150, 150]
    assert table["accuracy"][0] < 0.7
    assert table["accuracy"][1] > 0.95


def test_a_perfect_register_does_as_well_on_longer_trials_and_other_inputs() -> None:
    one = subject(register(3, 2), EvidenceAccumulation(heads=(1, 3)))
    fit = Probe(one, ProbeSettings(**(QUICK | {"trials": 20})), index=5)
    one = dataclasses.replace(one, network=refitted(one.network, fit))
    settings = GeneralisationSettings(kinds=("length", "input"), lengths=(2, 50), **QUICK)
    table = Generalisation().measure(one, settings)["generalisation"]
    assert table["accuracy"].tolist() == [1.0] * len(table)
    assert table["case"].tolist()[:3] == ["2 N", "50 N", "bias=0.0"]


def test_only_the_last_n_steps_of_a_long_trial_are_asked() -> None:
    one = Subject(make_network(Parity(N=4), 8).requires_grad_(False), Parity(N=4))
    settings = GeneralisationSettings(kinds=("length",), lengths=(3,), **QUICK)
    (_, _, _, _, probe), *_ = generalisation._cases("length", one, settings)
    assert probe.mask.shape == (12, 100)
    assert probe.mask.sum(1).tolist() == [0] * 8 + [100] * 4


@pytest.mark.parametrize("name", TASKS)
def test_inputs_to_try_are_the_tasks_own(name: str) -> None:
    argument, values = INPUTS[name]
    for value in values:
        assert getattr(TASKS[name](**{argument: value}), argument) == value


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (ForgettingSettings(ns=(5,)), "ns must be at most the N of the checkpoint, 3, got 5"),
        (ForgettingSettings(ns=(0,)), "ns must be an integer from 1 to 1000000, got 0"),
        (ForgettingSettings(fit_trials=1), "fit_trials must be an integer from 2 to 100000, got 1"),
        (GeneralisationSettings(kinds=("time",)), r"kinds must be one of \['length', 'input', 'n'\], got 'time'"),
        (GeneralisationSettings(lengths=(1.0,)), "lengths must be a number from 2 to 100000, got 1.0"),
        (GeneralisationSettings(ns=(0,)), "ns must be an integer from 1 to 1000000, got 0"),
        (GeneralisationSettings(updates=-1), "updates must be an integer from 0 to 1000000000, got -1"),
        (GeneralisationSettings(learning_rate=0.0), "learning_rate must be a number from 1e-09 to 10, got 0.0"),
    ],
)
def test_what_cannot_be_is_refused_before_any_computing(settings: Any, complaint: str) -> None:
    one = Subject(make_network(Parity(heads=(2, 3)), 8), Parity(heads=(2, 3)))
    one.cell.unroll = None  # type: ignore[assignment, method-assign]
    analysis: Any = Forgetting() if isinstance(settings, ForgettingSettings) else Generalisation()
    with pytest.raises(SettingsError, match=complaint):
        analysis.measure(one, settings)


def test_an_n_beyond_the_trained_heads_and_lengths_that_n_sets_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"readouts for, \[2, 3\], got 4"):
        Subject(make_network(Parity(heads=(2, 3)), 8), Parity(heads=(2, 3)), "run").task_for(4)
    one = subject(register(1, 3), DelayedAddition(N=8))
    with pytest.raises(SettingsError, match="kinds must leave out 'length' for delayed-addition"):
        Generalisation().check(one, GeneralisationSettings(kinds=("length",)))
    assert FlipFlop(N=4).free_length
