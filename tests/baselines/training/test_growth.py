"""Growing: the network answers as before, and the optimiser's moments stay with their weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.cells import Cell, RateRNN, make_cell
from baselines.core.settings import SettingsError
from baselines.network import RecurrentNetwork
from baselines.training.bptt_settings import Settings
from baselines.training.growth import Enlargement

CELLS = ["leaky", "gru", "lstm", "rate", "plrnn"]


def network_and_larger(name: str) -> tuple[RecurrentNetwork, Cell]:
    cells = [make_cell(name, 1, units, generator=torch.Generator().manual_seed(units), options={}) for units in (6, 10)]
    network = RecurrentNetwork(cells[0], 2)
    for key in ("2", "3"):
        network.add_readout(key, torch.Generator().manual_seed(int(key)))
    return network, cells[1]


@pytest.mark.parametrize("name", CELLS)
def test_a_larger_network_answers_as_the_smaller_one_did(name: str) -> None:
    network, cell = network_and_larger(name)
    inputs = torch.randint(0, 2, (30, 4, 1), generator=torch.Generator().manual_seed(0)).float()
    state = network.cell.training_state(4, torch.Generator().manual_seed(1))
    before = network(inputs, ("2", "3"), state)
    larger = Enlargement(network, cell)
    drawn = torch.rand(4, network.cell.state_size, generator=torch.Generator().manual_seed(2))
    after = network(inputs, ("2", "3"), larger.state(state, drawn))
    torch.testing.assert_close(before.answers, after.answers, rtol=1e-5, atol=1e-6)
    assert after.outputs.shape[-1] == 10
    # The new units are alive, and each can come to act on what is old.
    assert float(after.outputs[..., 6:].detach().std()) > 0
    loss = after.answers.square().mean()
    grads = torch.autograd.grad(loss, [network.get_parameter("readouts.2.weight")])
    assert grads[0][:, 6:].abs().sum() > 0


@pytest.mark.parametrize("name", CELLS)
def test_what_is_old_keeps_its_moments(name: str) -> None:
    network, cell = network_and_larger(name)
    old = {name: value.detach().clone() for name, value in network.named_parameters()}
    larger = Enlargement(network, cell)
    for name, value in network.named_parameters():
        moments = larger.moments(name, old[name])
        assert moments.shape == value.shape
        # The old weights stand where the moments stand.
        kept = moments != 0
        assert int(kept.sum()) == int((old[name] != 0).sum())
        torch.testing.assert_close(moments[kept], value.detach()[kept])
        assert torch.equal(larger.moments(name, torch.tensor(7.0)), torch.tensor(7.0))  # the step count


def test_a_cell_that_does_not_say_how_it_grows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network, cell = network_and_larger("gru")
    monkeypatch.setattr(cell, "unit_axes", dict)
    with pytest.raises(ValueError, match="cell must say how it grows"):
        Enlargement(network, cell)


class NoAxes(RateRNN):
    def unit_axes(self) -> dict[str, tuple[int, ...]]:
        return {}


class WrongAxes(RateRNN):
    def unit_axes(self) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(super().unit_axes(), (1, 0)) | {"bias": (1,)}


class Frozen(RateRNN):
    """Part of what it computes with is drawn, but is no parameter."""

    drawn: Tensor

    def __init__(self, input_size: int, units: int, *, generator: torch.Generator) -> None:
        super().__init__(input_size, units, generator=generator)
        self.register_buffer("drawn", torch.rand(units, generator=generator))

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        output, state = super().step(inputs + self.drawn.mean(), state)
        return output, state

    def unroll(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return super().unroll(inputs + self.drawn.mean(), state)


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("rate", "must say how it grows"),
        (f"{__name__}:NoAxes", "must say how it grows"),
        (f"{__name__}:WrongAxes", r"unit_axes\(\) has \(1, 0\) for "),
        (f"{__name__}:Frozen", "must keep its answers when it grows"),
    ],
)
def test_a_cell_that_cannot_grow_is_refused_before_training(cell: str, complaint: str) -> None:
    asked: dict[str, Any] = {"cell": cell, "cell_args": {"rank": 2} if cell == "rate" else {}, "n_max": 9}
    growing = {"units": 8, "grow_to": 12, "grow_at": 9}
    with pytest.raises(SettingsError, match=complaint) as caught:
        Settings(**asked, overrides=growing).plan()
    assert caught.value.name == "grow_to"
    Settings(**asked, overrides=growing | {"grow_at": 10}).plan()  # it never comes to that


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_of_ours_can_grow(name: str) -> None:
    Settings(cell=name, n_max=9, overrides={"units": 8, "grow_to": 12, "grow_at": 9}).plan()
