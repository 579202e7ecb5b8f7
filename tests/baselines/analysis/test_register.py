"""The analysis ``register``: an exact shift register shows one, a random network does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from baselines.analysis import Subject, Tables
from baselines.analysis.register import Register, RegisterSettings
from baselines.analysis.register.errors import error_columns, passed_on
from baselines.analysis.register.measurement import places_of
from baselines.analysis.register.variables import decoded, place_shares, shares, threshold, variables
from baselines.cells import LeakyTauRNN
from baselines.core.settings import SettingsError
from baselines.network import RecurrentNetwork
from memory_envs import DelayedMatch, FlipFlop, Parity, Task
from tests.baselines.small import make_network

N = 8
HEADS = tuple(range(2, N + 1))
QUICK: dict[str, Any] = {"steps": 200, "warm_up": 20, "trials": 40, "permutations": 5}


def place(k: int) -> list[int]:
    """The units of place k: one of place 1, two of each other."""
    return [0] if k == 1 else [2 * k - 3, 2 * k - 2]


def register_of_parities(faulty: bool = False) -> Subject:
    """Two units a place: relu(P(k-1) - x) and relu(x - P(k-1)), whose sum is P(k).

    Args:
        faulty: place 5 misses a 1 where x(t) = x(t - 1) = 1 and the parities of 2 and of 3 were odd before.
    """
    cell = LeakyTauRNN(1, 2 * N, tau=1, activation="relu", generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.input_weight[0] = 1  # place 1: the bit itself
        for k in range(2, N + 1):
            for unit, sign in zip(place(k), (1, -1), strict=True):
                cell.input_weight[unit] = -sign
                cell.weight[unit, place(k - 1)] = float(sign)
        if faulty:
            watch = 2 * N - 1
            cell.weight[watch, place(2)] = cell.weight[watch, place(3)] = 1.0
            cell.input_weight[watch], cell.bias[watch] = 1, -2
            cell.weight[place(5)[1], watch] = -1
    network = RecurrentNetwork(cell, width=2)
    for k in HEADS:
        readout = network.add_readout(str(k), torch.Generator().manual_seed(k))
        with torch.no_grad():
            readout.weight.zero_()[1, place(k)] = 1
            readout.bias.copy_(torch.tensor([0.5, 0.0]))
    return Subject(network.requires_grad_(False), Parity(heads=HEADS))


def random_network(seed: int = 0) -> Subject:
    task = Parity(heads=HEADS)
    return Subject(make_network(task, 64, seed=seed).requires_grad_(False), task, seed=seed)


def measured(subject: Subject, **changed: Any) -> Tables:
    return Register().measure(subject, RegisterSettings(**QUICK | changed))


def numbers(tables: Tables) -> dict[str, Any]:
    table = tables["register"]
    return {column.name: table[column.name][0] for column in table.columns}


def test_an_exact_register_is_found_and_is_one_of_parities() -> None:
    tables = measured(register_of_parities())
    found = numbers(tables)
    assert found["error"] == 0
    assert (found["units"], found["silent"]) == (2 * N, 1)
    # Each unit is a product of the bit and of what the place before held: a third of its variance is the bit's, a third
    # the answer's and a third what the place before held. The unit of place 1 is the bit.
    assert found["answers"] == pytest.approx(14 / 3 / 15, abs=0.01)
    assert found["earlier"] == pytest.approx(14 / 3 / 15, abs=0.01)
    assert found["older_bits"] < 0.01
    assert found["units_diagonal"] == pytest.approx(1)
    assert found["patterns_diagonal"] == pytest.approx(1, abs=0.01)
    assert found["units_permuted"] < 0.3
    assert found["patterns_permuted"] < 0.4
    assert found["flip_on"] == 1
    assert found["flip_off"] == 0
    assert found["flip_permuted"] < 0.5
    assert found["flip_bits"] < 0.01
    assert tables["places"]["units"].tolist() == [1, *[2] * (N - 1)]
    assert tables["places"]["units_effective"][1:] == pytest.approx(2, rel=0.05)
    assert tables["places"]["units_read"][1:] == pytest.approx(2, rel=0.05)
    decoding = tables["decoding"]
    assert (decoding.where(kind="answer")["accuracy"] == 1).all()
    assert (decoding.where(kind="previous")["accuracy"] == 1).all()
    # Active in one case of four, each unit tells the answer in the other three at best in two.
    assert decoding.where(kind="answer")["by_unit"] == pytest.approx(0.75, abs=0.03)
    assert decoding.where(kind="bit")["accuracy"][:2].tolist() == [1, 1]
    assert decoding.where(kind="bit")["accuracy"][2:] == pytest.approx(0.5, abs=0.05)
    passed = tables["passed"]
    assert (passed["on"][np.isfinite(passed["on"])] == 1).all()
    assert (passed["off"] == 0).all()


def test_matrix_names_target_and_source() -> None:
    matrix = measured(register_of_parities())["matrix"]
    for target in range(2, N + 1):
        rows = matrix.where(target=target)
        assert rows["source"][rows["by_units"].argmax()] == target - 1
        for column in ("by_patterns", "flipped"):
            assert rows["source"][np.nanargmax(rows[column])] == target - 1
    first = matrix.where(target=1)
    assert np.isnan(first["by_patterns"]).all()
    assert np.isnan(first["flipped"]).all()


def test_an_injected_error_passes_along_the_register() -> None:
    tables = measured(register_of_parities(faulty=True))
    errors = tables["errors"]
    rates = dict(zip(errors["head"].tolist(), errors["error"].tolist(), strict=True))
    assert rates[2] == rates[3] == rates[4] == 0
    assert rates[5] > 0.02
    for k in range(6, N + 1):
        row = errors.where(head=k)
        assert row["after_wrong"][0] == 1
        assert row["after_right"][0] == 0
        assert row["before_wrong"][0] > 50
    found = numbers(tables)
    assert found["after_wrong"] > 0.9  # those of the last head pass on to none that is asked
    assert found["after_right"] < 0.02


def test_a_random_network_has_no_register() -> None:
    results = [measured(random_network(seed)) for seed in range(6)]
    found = {name: [numbers(one)[name] for one in results] for name in numbers(results[0])}
    assert np.mean(found["error"]) == pytest.approx(0.5, abs=0.02)
    assert max(found["answers"]) < 0.1
    assert not any(share > 0.3 for share in found["units_diagonal"])  # most: empty, no unit holds a place beyond 2
    assert np.mean(found["patterns_diagonal"]) < 0.3
    assert max(found["flip_on"]) < 0.1
    assert np.mean(found["after_wrong"]) == pytest.approx(np.mean(found["after_right"]), abs=0.1)
    for one in results:  # the latest bits are mixed, older ones fade
        assert one["decoding"].where(kind="answer")["accuracy"][-1] == pytest.approx(0.5, abs=0.05)


def test_a_register_of_bits_is_one_for_delayed_match_and_none_for_parity() -> None:
    shift = LeakyTauRNN(1, N, tau=1, activation="relu", generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in shift.parameters():
            parameter.zero_()
        shift.input_weight[0] = 1
        for k in range(1, N):
            shift.weight[k, k - 1] = 1

    def subject(task: Task) -> Subject:
        network = RecurrentNetwork(shift, width=2)
        for k in HEADS:
            network.add_readout(str(k), torch.Generator().manual_seed(k))
        return Subject(network.requires_grad_(False), task)

    match = measured(subject(DelayedMatch(heads=HEADS)))
    found = numbers(match)
    assert found["units_diagonal"] == pytest.approx(1)
    assert found["patterns_diagonal"] == pytest.approx(1, abs=0.01)
    assert np.isnan(found["flip_bits"])
    assert set(match["decoding"]["kind"].tolist()) == {"bit", "answer"}
    assert (match["decoding"].where(kind="bit")["accuracy"] == 1).all()
    parity = measured(subject(Parity(heads=HEADS)))
    found = numbers(parity)
    assert found["older_bits"] == pytest.approx((N - 2) / N, abs=0.01)
    assert found["answers"] < 0.01
    assert parity["decoding"].where(kind="answer")["accuracy"] == pytest.approx(0.5, abs=0.05)


def test_errors_of_both_kinds_of_weights_are_played() -> None:
    good, bad = register_of_parities(), register_of_parities(faulty=True)
    errors = measured(replace(good, last=bad.network))["errors"]
    assert errors.where(weights="averaged")["error"].max() == 0
    assert errors.where(weights="last")["error"].max() > 0.02
    alone = measured(good)["errors"]
    assert set(alone["weights"].tolist()) == {"last"}


@pytest.mark.parametrize("cell", ["gru", "lstm", "plrnn", "rate"])
def test_it_takes_any_cell(cell: str) -> None:
    task = Parity(heads=(2, 3))
    found = numbers(measured(Subject(make_network(task, 12, cell=cell).requires_grad_(False), task), trials=4))
    assert 0 <= found["patterns_diagonal"] <= 1
    assert found["radius"] > 0
    assert np.isnan(found["tau_mean"]) == (cell != "rate")


def test_a_single_head_is_followed_too() -> None:
    task = Parity(N=4)
    tables = measured(Subject(make_network(task, 12).requires_grad_(False), task), trials=4)
    assert tables["errors"]["head"].tolist() == [4]
    assert np.isnan(tables["errors"]["after_wrong"]).all()
    on = tables["passed"].where(place=3)["on"]
    assert np.isfinite(on[0])
    assert np.isnan(on[1:]).all()


def test_what_cannot_be_analysed_is_refused() -> None:
    one = register_of_parities()
    with pytest.raises(SettingsError, match=r"task_args must leave p at 0\.5, got 0\.3"):
        measured(one, task_args={"p": 0.3})
    with pytest.raises(SettingsError, match="warm_up must be at least N = 8, got 7"):
        measured(one, warm_up=7)
    task = FlipFlop()
    with pytest.raises(SettingsError, match="what must be another analysis for flip-flop: 'register' is for parity"):
        measured(Subject(make_network(task, 8), task))


def test_variables_are_those_of_the_task() -> None:
    task = Parity(heads=(1, 2, 3, 4, 5), num_steps=60)
    trials = task.batch(0, 0, 3)
    known = variables(task, torch.from_numpy(trials.inputs), 10, 5)
    targets = torch.from_numpy(trials.targets[10:]).flatten(0, 1)
    assert torch.equal(known.answers > 0, targets == 1)
    earlier = torch.from_numpy(trials.targets[9:-1]).flatten(0, 1)
    for k in range(2, 6):  # what place k - 1 held, with the other sign
        assert torch.equal(known.previous[:, k - 1] < 0, earlier[:, k - 2] == 1)
    match = DelayedMatch(heads=(2, 3, 4, 5), num_steps=60)
    trials = match.batch(0, 0, 3)
    known = variables(match, torch.from_numpy(trials.inputs), 10, 5)
    assert torch.equal(known.answers[:, 1:] > 0, torch.from_numpy(trials.targets[10:]).flatten(0, 1) == 1)


def test_shares_and_places() -> None:
    task = Parity(N=4, num_steps=4000)
    known = variables(task, torch.from_numpy(task.batch(0, 0, 4).inputs), 10, 4)
    activity = torch.stack([2 * known.answers[:, 2] + known.bits[:, 3], known.bits[:, 0], 0 * known.bits[:, 0]], 1)
    assert shares(activity, known.answers)[2, 0] == pytest.approx(0.8, abs=0.02)
    assert shares(activity, known.bits)[3, 0] == pytest.approx(0.2, abs=0.02)
    found = place_shares(activity, known)
    assert (found[:, 2] == 0).all()
    assert places_of(found, 0.5).tolist() == [3, 1, 0]
    assert places_of(found, 0.9).tolist() == [0, 1, 0]


def test_threshold_splits_where_most_is_right() -> None:
    signs = torch.tensor([-1.0, -1, 1, -1, 1, 1])
    assert threshold(torch.tensor([0.0, 1, 2, 3, 4, 5]), signs) == 1.5
    assert threshold(torch.tensor([5.0, 4, 3, 2, 1, 0]), torch.ones(6)) == -1  # always 1: below all
    assert threshold(torch.zeros(6), -torch.ones(6)) == 1  # never: above all
    assert threshold(torch.tensor([0.0, 0, 0, 0, 1, 1]), signs) == 0.5  # no split within equal values


def test_decoding_is_of_other_trials() -> None:
    generator = torch.Generator().manual_seed(0)
    noise, label = torch.randn(60, 50, generator=generator), torch.randn(60, 1, generator=generator).sign()
    assert decoded((noise, label), (noise, label))[0] > 0.9
    other = torch.randn(2000, 50, generator=generator), torch.randn(2000, 1, generator=generator).sign()
    assert decoded((noise, label), other)[0] == pytest.approx(0.5, abs=0.05)


def test_error_columns() -> None:
    wrong = torch.zeros(5, 1, 3, dtype=torch.bool)
    wrong[1, 0, 0] = wrong[2, 0, 1] = wrong[4, 0, 1] = True
    columns = error_columns(wrong, (2, 3, 5))
    assert columns["error"].tolist() == pytest.approx([0.2, 0.4, 0])
    assert columns["before_wrong"].tolist() == [0, 1, 0]  # 4, the one before 5, is not asked
    assert columns["after_wrong"][1] == 1
    assert columns["after_right"][1] == pytest.approx(1 / 3)
    assert np.isnan(columns["after_right"][[0, 2]]).all()
    after_wrong, after_right = passed_on(columns, 4)
    assert (after_wrong, after_right) == pytest.approx((1, 1 / 3))


def test_the_least_n_has_no_older_bits() -> None:
    task = Parity(heads=(1,))
    subject = Subject(make_network(task, 8, seed=0).requires_grad_(False), task)
    assert len(measured(subject)["register"]) == 1
