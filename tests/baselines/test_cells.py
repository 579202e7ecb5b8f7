"""Law 5 for every listed cell, and the leaky-tau RNN against its equation."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from baselines.cells import CELLS, Cell, LeakyTauRNN
from tests.baselines.small import CELL_CASES, make_cell

cells = pytest.mark.parametrize(("name", "options"), CELL_CASES)
T, B, K = 12, 4, 2  # K input channels


def given(cell: Cell, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    state = torch.randn(B, cell.state_size, generator=generator, dtype=torch.float64).requires_grad_()
    return torch.randn(T, B, K, generator=generator, dtype=torch.float64).requires_grad_(), state


@cells
def test_unroll_is_looping_step(name: str, options: dict[str, Any]) -> None:
    cell = make_cell(name, options).double()
    grads, values = [], []
    for way in (cell.unroll, lambda *a: Cell.unroll(cell, *a)):
        inputs, state = given(cell)
        outputs, states = way(inputs, state)
        weights = torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).view_as(outputs)
        loss = (outputs * weights).sum() + states.square().mean()
        grads.append(torch.autograd.grad(loss, [inputs, state, *cell.parameters()]))
        values.append((outputs, states))
    assert values[0][0].shape == (T, B, cell.output_size)
    assert values[0][1].shape == (T, B, cell.state_size)
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(grads[0], grads[1])


@cells
def test_step_changes_no_argument(name: str, options: dict[str, Any]) -> None:
    cell = make_cell(name, options).double()
    inputs, state = (tensor.detach() for tensor in given(cell))
    before = inputs.clone(), state.clone()
    cell.step(inputs[0], state)
    cell.unroll(inputs, state)
    torch.testing.assert_close((inputs, state), before, rtol=0, atol=0)


@cells
def test_initial_states(name: str, options: dict[str, Any]) -> None:
    cell = make_cell(name, options)
    assert cell.initial_state(3).shape == (3, cell.state_size)
    assert torch.equal(cell.initial_state(3), cell.initial_state(3))
    drawn = [cell.training_state(3, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert drawn[0].shape == (3, cell.state_size)
    assert torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize("name", CELLS)
def test_weights_come_from_the_generator_alone(name: str) -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    one, same, other = make_cell(name, {}), make_cell(name, {}), make_cell(name, {}, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


@pytest.mark.parametrize("form", ["default", "mod"])
def test_leaky_tau_rnn_follows_its_equation(form: str) -> None:
    """Unit by unit, in plain floats, as SCIENCE.md section 5 writes it."""
    cell = make_cell("leaky", {"form": form}, units=3).double()
    assert isinstance(cell, LeakyTauRNN)
    with torch.no_grad():
        cell.tau[0] = 0.4  # clamped to 1
    w, b, w_in, b_in, tau = (p.tolist() for p in (cell.weight, cell.bias, cell.input_weight, cell.input_bias, cell.tau))

    def phi(a: float) -> float:
        return a if a > 0 else 0.01 * a

    x, h = [0.7, -1.3], [0.5, -0.2, 0.1]
    expected = []
    for i in range(3):
        tc = max(tau[i], 1.0)
        drive = sum(w[i][j] * h[j] for j in range(3) if j != i) + b[i]
        drive += sum(w_in[i][k] * x[k] for k in range(2)) + b_in[i]
        if form == "default":
            expected.append(phi((1 - 1 / tc) * h[i] + drive / tc))
        else:
            expected.append((1 - 1 / tc) * h[i] + phi(drive) / tc)
    got, _ = cell.step(torch.tensor([x], dtype=torch.float64), torch.tensor([h], dtype=torch.float64))
    np.testing.assert_allclose(got[0].detach().numpy(), expected, rtol=1e-6)


def test_leaky_tau_rnn_starts_as_published() -> None:
    units = 400
    cell = make_cell("leaky", {}, inputs=1, units=units)
    assert isinstance(cell, LeakyTauRNN)
    bound = 1 / math.sqrt(units)
    ranges = {"weight": (-bound, bound), "bias": (-bound, bound), "input_weight": (-1, 1), "input_bias": (-1, 1)}
    for name, (low, high) in (ranges | {"tau": (1.0, 2.0)}).items():
        values = getattr(cell, name).detach()
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    state = cell.training_state(8, torch.Generator().manual_seed(0))
    assert 0 <= state.min() < 0.001
    assert 0.099 < state.max() < 0.1
    assert torch.equal(cell.initial_state(2), torch.full((2, units), 0.05))


def test_tau_below_one_is_clamped_and_stuck() -> None:
    cell = make_cell("leaky", {}, units=4).double()
    assert isinstance(cell, LeakyTauRNN)
    with torch.no_grad():
        cell.tau[:] = torch.tensor([0.5, 1.5, 0.9, 2.0])
    outputs, _ = cell.unroll(*given(cell))
    torch.autograd.backward(outputs.sum())
    assert cell.time_constants.tolist() == [1.0, 1.5, 1.0, 2.0]
    assert cell.tau.grad is not None
    assert [bool(g) for g in cell.tau.grad] == [False, True, False, True]
    assert cell.weight.grad is not None
    assert not cell.weight.grad.diagonal().any()
    assert {name: round(value.item(), 6) for name, value in cell.readings().items()} == {
        "tau_mean": 1.375,
        "tau_sd": round(float(np.std([1, 1.5, 1, 2])), 6),
    }


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="form must be 'default' or 'mod', got 'fast'"):
        LeakyTauRNN(1, 4, form="fast")
