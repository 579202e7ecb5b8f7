"""Ablation and perturbation: against weights set by hand, and with nothing done."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from baselines.analysis import perturbation
from baselines.analysis.ablation import Ablation, cut, silencing, unit_states
from baselines.analysis.perturbation import Perturbation, with_perturbed_taus, with_perturbed_weights
from baselines.analysis.probe import Probe
from baselines.analysis.settings import AblationSettings, PerturbationSettings, ProbeSettings
from baselines.analysis.subject import Subject
from baselines.core.settings import SettingsError
from baselines.network import RecurrentNetwork
from memory_envs import DelayedAddition, FlipFlop, Parity, Task
from tests.baselines.analysis.known_systems import Linear, subject
from tests.baselines.small import CELL_CASES, make_network

QUICK: dict[str, Any] = {"steps": 30, "warm_up": 5, "trials": 4}
PARITY = Parity(heads=(2, 3))


def network(name: str = "leaky", options: dict[str, Any] | None = None, task: Task = PARITY) -> Subject:
    return Subject(make_network(task, 6, cell=name, options=options).requires_grad_(False), task)


@pytest.mark.parametrize(
    ("name", "options"), [case for case in CELL_CASES if case[0] != "rate" or "rank" not in case[1]]
)
def test_a_silenced_unit_is_one_whose_outgoing_weights_are_zero(name: str, options: dict[str, Any]) -> None:
    one = network(name, options)
    probe = Probe(one, ProbeSettings(**QUICK))
    groups = [np.array([2]), np.array([0, 5])]
    intervention, heard = silencing(one.cell, groups, 4)
    played = probe.play(one.network, variants=2, intervention=intervention, heard=heard)
    for units, correct in zip(groups, played.correct, strict=True):
        by_hand = copy.deepcopy(one.network)
        for parameter in (getattr(by_hand.cell, key, None) for key in ("weight", "weight_hh")):
            if parameter is not None:
                parameter[:, units] = 0
        for readout in by_hand.readouts.values():
            readout.get_parameter("weight")[:, units] = 0
        np.testing.assert_array_equal(probe.play(by_hand).correct[0], correct)


def test_the_published_way_cuts_the_first_readout_only_and_leaves_biases() -> None:
    one = network()
    after = cut(one.network, np.array([3]))
    cell: Any = after.cell
    assert not cell.weight[3].any()
    assert not cell.weight[:, 3].any()
    assert not cell.input_weight[3].any()
    assert cell.bias[3] == one.network.cell.get_parameter("bias")[3] != 0
    assert cell.input_bias[3] != 0
    assert not after.readouts["2"].get_parameter("weight")[:, 3].any()
    assert torch.equal(after.readouts["3"].get_parameter("weight"), one.network.readouts["3"].get_parameter("weight"))
    assert one.network.cell.get_parameter("weight")[3].any()  # the subject's own


def test_states_are_found_by_unit() -> None:
    assert unit_states(network("lstm").cell).tolist() == [[i, i + 6] for i in range(6)]
    assert unit_states(network("gru").cell).tolist() == [[i] for i in range(6)]
    with pytest.raises(SettingsError, match="needs a state made of the 2 units, got one of 3 numbers"):
        unit_states(Linear(torch.eye(3), torch.ones(3, 1), torch.ones(2, 3)))


def test_the_unit_that_matters_is_found() -> None:
    """Of three units one holds the flip-flop's bit, with the largest tau; one only looks at the input."""
    cell = Latch()
    one = subject(cell, FlipFlop(N=6, bits=1))
    readout = one.network.readouts["0"]
    with torch.no_grad():
        readout.get_parameter("weight")[:] = torch.tensor([[-1.0, 0, 0], [1, 0, 0]])
        readout.get_parameter("bias")[:] = 0
    settings = AblationSettings(singles=3, groups=(2,), repetitions=3, **QUICK)
    table = Ablation().measure(one, settings)["ablation"]
    ones = table.where(count=1)
    assert ones["baseline"].tolist() == [1.0] * 9
    assert (ones["relative"][ones["unit"] != 0] == 1).all()
    assert (abs(ones["relative"][ones["unit"] == 0]) < 0.5).all()
    assert ones.where(selection="slowest")["unit"].tolist() == [0, 1, 2]
    assert ones.where(selection="fastest")["tau"].tolist() == [1, 2, 3]
    assert table.where(count=2, selection="fastest")["relative"].tolist() == [1]
    assert sorted(table.where(count=2)["selection"]) == ["fastest", "random", "random", "random", "slowest"]


def test_a_choice_among_units_with_one_tau_is_averaged_over() -> None:
    """Of five units one is faster than the rest, and three are tied for the second place among the fastest."""
    cell = Latch(5)
    cell.time_constants = torch.tensor([2.0, 1.0, 2.0, 2.0, 5.0])
    one = subject(cell, FlipFlop(N=6, bits=1))
    readout = one.network.readouts["0"]
    with torch.no_grad():
        readout.get_parameter("weight")[:] = torch.tensor([[-1.0, 0, 0, 0, 0], [1, 0, 0, 0, 0]])
        readout.get_parameter("bias")[:] = 0
    settings = AblationSettings(singles=2, groups=(1, 2, 3, 4), repetitions=200, **QUICK)
    table = Ablation().measure(one, settings)["ablation"]
    ones = table.where(selection="fastest", count=1)
    ones = ones.keep(ones["weight"] != 1)  # without the group of one
    assert sorted(ones["unit"].tolist()) == [0, 2, 3]
    assert ones["tied"].tolist() == [3] * 3
    assert ones["weight"] == pytest.approx([1 / 3] * 3)
    two = table.where(selection="fastest", count=2)
    assert len(two) == 200
    assert set(two["tied"]) == {3}
    lost = two["relative"] < 0.5  # the bit is lost with unit 0, in one of three choices
    assert lost.mean() == pytest.approx(1 / 3, abs=0.1)  # three standard errors
    assert two["tau"].tolist() == [1.5] * 200
    for selection, count, tied in (("fastest", 3, 3), ("fastest", 4, 0), ("slowest", 1, 0), ("slowest", 4, 0)):
        assert set(
            table.where(selection=selection, count=count).keep(
                table.where(selection=selection, count=count)["weight"] == 1
            )["tied"]
        ) == {tied}, (selection, count)
    figure = Ablation().draw({"ablation": table})
    assert "fastest\n(3 tied\nat $\\tau$ = 2)" in [label.get_text() for label in figure.axes[0].get_xticklabels()]
    for line in figure.axes[1].lines[:3]:  # no line joins single units to groups
        assert np.min(np.asarray(line.get_xdata(), float)) == 2


def test_few_of_many_tied_units_are_drawn() -> None:
    cell = Latch(40)
    cell.time_constants = torch.cat([torch.ones(30), torch.arange(2.0, 12.0)])
    one = subject(cell, FlipFlop(N=6, bits=1))
    settings = AblationSettings(singles=3, groups=(), repetitions=2, **QUICK)
    rows = Ablation().measure(one, settings)["ablation"].where(selection="fastest")
    assert len(rows) == 6
    assert rows["weight"] == pytest.approx([0.5] * 6)
    assert rows["tied"].tolist() == [30] * 6
    assert rows["weight"].sum() == pytest.approx(3)


class Latch(Linear):
    """Unit 0 keeps the sign of its last pulse; 1 and 2 forget."""

    def __init__(self, units: int = 3) -> None:
        super().__init__(torch.eye(units), torch.ones(units, 1))
        self.time_constants = torch.arange(units, 0.0, -1)

    def step(self, inputs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        kept = torch.where(inputs == 0, state[:, :1], inputs)
        state = torch.cat((kept, 0.5 * state[:, 1:] + inputs), 1)
        return state, state


def test_nothing_done_is_the_baseline() -> None:
    for name in ("leaky", "gru"):
        settings = PerturbationSettings(sizes=(0.0,), repetitions=2, **QUICK)
        table = Perturbation().measure(network(name), settings)["perturbation"]
        assert (table["accuracy"] == table["baseline"]).all()
        assert [kind for (kind,) in table.distinct("of")] == (
            ["weights", "tau", "noise"] if name == "leaky" else ["weights", "noise"]
        )


@pytest.mark.parametrize("tau", ["trained", "smooth", 2.0])
def test_perturbations_have_the_published_size(tau: Any) -> None:
    one = network("leaky", {"tau": tau}).network
    before: Any = one.cell
    generator = torch.Generator().manual_seed(0)
    after: Any = with_perturbed_weights(one, 0.3, generator).cell
    change = after.recurrent_weight - before.recurrent_weight
    assert float(change.norm() / before.recurrent_weight.norm()) == pytest.approx(0.3, rel=1e-5)
    assert not change.diagonal().any()
    after = with_perturbed_taus(one, 0.3, generator).cell
    change = after.time_constants - before.time_constants
    assert float(change.norm() / before.time_constants.norm()) == pytest.approx(0.3, rel=1e-4)
    assert (change > 0).all()
    assert torch.equal(after.recurrent_weight, before.recurrent_weight)


def test_noise_has_the_asked_size_and_is_drawn_by_the_seed() -> None:
    drawn = perturbation.noise(torch.tensor([0.0, 2.0]), torch.Generator().manual_seed(0))
    change = drawn(0, torch.ones(20_000, 2)) - 1
    assert not change[:, 0].any()
    assert float(change[:, 1].std()) == pytest.approx(2, rel=0.03)
    again = perturbation.noise(torch.tensor([0.0, 2.0]), torch.Generator().manual_seed(0))
    assert torch.equal(again(0, torch.ones(20_000, 2)) - 1, change)


def test_an_intervention_that_does_nothing_changes_nothing() -> None:
    for name, options in CELL_CASES:
        one = network(name, options)
        inputs = torch.randn(7, 3, 1, generator=torch.Generator().manual_seed(0))
        steps: list[int] = []

        def look(t: int, state: torch.Tensor, steps: list[int] = steps) -> torch.Tensor:
            steps.append(t)
            return state

        plain, looked = one.network(inputs, ("2",)), one.network(inputs, ("2",), intervention=look)
        assert steps == list(range(7))
        torch.testing.assert_close(looked.states, plain.states)
        torch.testing.assert_close(looked.answers, plain.answers)


def test_the_probe_plays_the_same_trials_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    one = network()
    settings = ProbeSettings(**QUICK)
    whole = Probe(one, settings).play(one.network, variants=2)
    monkeypatch.setattr("baselines.analysis.probe._BLOCK", 200)
    parts = Probe(one, settings).play(one.network, variants=2)
    np.testing.assert_array_equal(whole.correct, parts.correct)
    np.testing.assert_array_equal(whole.correct[0], whole.correct[1])
    assert whole.counted.tolist() == [30.0] * 4


def test_a_small_network_has_as_many_ablations_as_it_has_units() -> None:
    table = Ablation().measure(network("leaky", {}, Parity(N=3)), AblationSettings(**QUICK))["ablation"]
    units = network("leaky", {}, Parity(N=3)).cell.output_size
    assert len(table.where(selection="slowest", count=1)) == units < 20
    assert max(table["count"]) < units


def test_real_values_are_compared_with_answering_nothing() -> None:
    task = DelayedAddition(N=8)
    one = network("rate", {}, task)
    probe = Probe(one, ProbeSettings(**QUICK))
    assert len(probe.counted) == 15  # as many trials of 8 steps as have 4 x 30 steps
    silent = RecurrentNetwork(one.cell, 1)
    silent.readouts["0"] = copy.deepcopy(one.network.readouts["0"])
    for parameter in silent.readouts["0"].parameters():
        torch.nn.init.zeros_(parameter)
    assert probe.play(silent).accuracy[0] == pytest.approx(probe.chance)


BAD: list[tuple[str, dict[str, Any], Any, str]] = [
    (
        "gru",
        {},
        AblationSettings(way="published", singles=1, groups=()),
        "way must be 'clean' for a GRU, got 'published'",
    ),
    (
        "plrnn",
        {},
        AblationSettings(singles=1, groups=()),
        "by must be 'random' for a cell without taus, a PLRNN, got 'tau'",
    ),
    (
        "leaky",
        {"tau": 2},
        AblationSettings(singles=1, groups=()),
        "by must be 'random' where all units have one tau, here 2, got 'tau'",
    ),
    ("leaky", {}, AblationSettings(singles=7), "singles must be an integer from 0 to 6, got 7"),
    ("leaky", {}, AblationSettings(singles=1, groups=(6,)), "groups must be an integer from 1 to 5, got 6"),
    ("gru", {}, PerturbationSettings(of=("tau",)), "of must leave out 'tau' for a cell without taus, a GRU"),
    ("gru", {}, PerturbationSettings(of=("bias",)), r"of must be one of \['weights', 'tau', 'noise'\], got 'bias'"),
    (
        "gru",
        {},
        PerturbationSettings(parameter="w"),
        r"parameter must be among \['weight_ih', .*\] for this cell, got 'w'",
    ),
    ("rate", {"rank": 2}, PerturbationSettings(of=("weights",)), r"parameter must be among \['m', 'n', "),
    ("gru", {}, PerturbationSettings(sizes=(-1.0,)), "sizes must be a number from 0 to 1e"),
    ("gru", {}, PerturbationSettings(steps=0), "steps must be an integer from 1 to 1000000, got 0"),
    ("gru", {}, PerturbationSettings(trials=1), "trials must be an integer from 2 to 100000, got 1"),
]


@pytest.mark.parametrize(("name", "options", "settings", "complaint"), BAD, ids=[case[-1][:40] for case in BAD])
def test_what_cannot_be_is_refused_before_any_computing(
    name: str, options: dict[str, Any], settings: Any, complaint: str
) -> None:
    one = network(name, options)
    one.cell.unroll = one.cell.step = None  # type: ignore[assignment, method-assign]
    analysis: Any = Ablation() if isinstance(settings, AblationSettings) else Perturbation()
    with pytest.raises(SettingsError, match=complaint):
        analysis.measure(one, settings)
