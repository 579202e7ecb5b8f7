"""Law 5 for every cell of ours: ``unroll`` is looping ``step``. Each cell follows its equation, or equals torch's."""

import copy
import io
import math
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from baselines.cells import CELLS, GRU, LSTM, PLRNN, Cell, LeakyTauRNN, RateRNN
from tests.baselines.small import CELL_CASES, make_cell

cells = pytest.mark.parametrize(("name", "options"), CELL_CASES, ids=str)
T, B, K = 12, 4, 2  # K input channels
autograd: Any = torch.autograd  # parts of it have no types


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


def last_state(method: str, cell: Cell, inputs: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """The state after the sequence, by ``unroll`` or ``run`` of the cell, or by the loop over its steps."""
    if method == "loop":
        return Cell.unroll(cell, inputs, state)[1][-1]
    after = getattr(cell, method)(inputs, state)[1]
    return after[-1] if method == "unroll" else after


@cells
@pytest.mark.parametrize("method", ["unroll", "run"])
def test_a_penalty_on_the_jacobian_has_the_gradients_of_the_loop(
    name: str, options: dict[str, Any], method: str
) -> None:
    cell = make_cell(name, options, units=3).double()
    inputs, state = (tensor[:4] for tensor in given(cell))
    found = []
    for way in (method, "loop"):
        reach = partial(last_state, way, cell, inputs)
        jacobian: torch.Tensor = autograd.functional.jacobian(reach, state, create_graph=True)
        found.append(
            torch.autograd.grad(
                jacobian.square().sum(), list(cell.parameters()), allow_unused=True, materialize_grads=True
            )
        )
    assert sum(gradient.square().sum() for gradient in found[0]) > 0
    torch.testing.assert_close(found[0], found[1])


Transform = Callable[[Callable[[torch.Tensor], torch.Tensor], torch.Tensor], torch.Tensor]
TRANSFORMS: dict[str, Transform] = {
    "jacrev": lambda f, x: torch.func.jacrev(f)(x),
    "jacfwd": lambda f, x: torch.func.jacfwd(f)(x),
    "hessian": lambda f, x: torch.func.hessian(lambda y: f(y).square().sum())(x),
    "jvp": lambda f, x: torch.func.jvp(f, (x,), (torch.ones_like(x),))[1],
    "vmap": lambda f, x: torch.vmap(f)(torch.stack([x, 2 * x, -x])),
    "vmap of grad": lambda f, x: torch.vmap(torch.func.grad(lambda y: f(y).square().sum()))(torch.stack([x, -x])),
    "vectorized": lambda f, x: autograd.functional.jacobian(f, x, vectorize=True),
    "dual": lambda f, x: dual(f, x),
    "third": lambda f, x: third(f, x),
}


def dual(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    with autograd.forward_ad.dual_level():
        made = autograd.forward_ad.make_dual(x, torch.linspace(-1, 1, x.numel()).to(x).view_as(x))
        tangent = autograd.forward_ad.unpack_dual(f(made)).tangent
        assert tangent is not None
        return tangent.clone()


def third(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_()
    (once,) = torch.autograd.grad(f(x).pow(3).sum(), x, create_graph=True)
    (twice,) = torch.autograd.grad(once.sum(), x, create_graph=True)
    return torch.autograd.grad(twice.square().sum(), x)[0]


@pytest.mark.filterwarnings("ignore:`torch.jit")  # torch's forward mode compiles parts of itself by it
@cells
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_torchs_transforms_go_through_every_cell(name: str, options: dict[str, Any], transform: str) -> None:
    """``unroll`` and ``run`` agree with the loop over steps, whose own derivatives the next test checks."""
    cell = make_cell(name, options, units=3).double()
    inputs, state = (tensor.detach() for tensor in given(cell))
    found = [
        TRANSFORMS[transform](partial(last_state, way, cell, inputs[:4, :2]), state[:2])
        for way in ("unroll", "run", "loop")
    ]
    assert found[0].any()
    torch.testing.assert_close(found[0], found[2])
    torch.testing.assert_close(found[1], found[2])


@pytest.mark.filterwarnings("ignore:`torch.jit")  # see above
@cells
def test_the_jacobian_of_a_step_is_that_of_finite_differences(name: str, options: dict[str, Any]) -> None:
    cell = make_cell(name, options, units=3).double()
    inputs, state = (tensor.detach()[:1] for tensor in (given(cell)[0][0], given(cell)[1]))

    def step(before: torch.Tensor) -> torch.Tensor:
        return cell.step(inputs, before)[1]

    moves = 1e-6 * torch.eye(cell.state_size, dtype=torch.float64)
    expected = torch.stack([(step(state + move) - step(state - move))[0] / 2e-6 for move in moves], -1)
    for jacobian in (torch.func.jacrev(step)(state), torch.func.jacfwd(step)(state)):
        torch.testing.assert_close(jacobian[0, :, 0], expected, rtol=1e-6, atol=1e-8)


@cells
@pytest.mark.parametrize("method", ["unroll", "run"])
def test_autocast_and_inputs_of_lower_precision_follow_the_loop(
    name: str, options: dict[str, Any], method: str
) -> None:
    cell = make_cell(name, options)
    inputs, state = (tensor.detach().float() for tensor in given(cell))
    for shown in (inputs, inputs.bfloat16()):
        with torch.autocast("cpu", torch.bfloat16):
            got, expected = (last_state(way, cell, shown, state) for way in (method, "loop"))
        assert got.dtype == expected.dtype
        scale = expected.abs().max().item()
        torch.testing.assert_close(got, expected, rtol=0, atol=0.1 * scale)


@cells
def test_a_cell_is_pickled_copied_and_saved_whole(name: str, options: dict[str, Any]) -> None:
    cell = make_cell(name, options).double()
    expected = cell.unroll(*given(cell))
    file = io.BytesIO()
    torch.save(cell, file)
    file.seek(0)
    for same in (pickle.loads(pickle.dumps(cell)), copy.deepcopy(cell), torch.load(file, weights_only=False)):
        torch.testing.assert_close(same.unroll(*given(cell)), expected, rtol=0, atol=0)


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


PHI: dict[str, Callable[[float], float]] = {
    "leaky_relu": lambda a: a if a > 0 else 0.01 * a,
    "relu": lambda a: max(a, 0.0),
    "tanh": math.tanh,
    "sigmoid": lambda a: 1 / (1 + math.exp(-a)),
}
X, STATE = [0.7, -1.3], [0.5, -0.2, 0.1]


def one_step(cell: Cell) -> tuple[list[float], list[float]]:
    """Output and state of 3 units after one step from STATE with the inputs X."""
    output, state = cell.step(*(torch.tensor([row], dtype=torch.float64) for row in (X, STATE)))
    return output[0].tolist(), state[0].tolist()


@pytest.mark.parametrize("form", ["default", "mod"])
@pytest.mark.parametrize("tau", ["trained", "smooth", 3])
@pytest.mark.parametrize("activation", PHI)
def test_leaky_tau_rnn_follows_its_equation(form: str, tau: Any, activation: str) -> None:
    """Computed unit by unit in plain floats, as the published equation has it."""
    cell = make_cell("leaky", {"form": form, "tau": tau, "activation": activation}, units=3).double()
    assert isinstance(cell, LeakyTauRNN)
    tc = [3.0] * 3
    if cell.tau is not None:
        with torch.no_grad():
            cell.tau[0] = 0.4  # clamped to 1
        tc = [max(value, 1.0) for value in cell.tau.tolist()]
    elif cell.theta is not None:
        tc = [1 + math.log1p(math.exp(value)) for value in cell.theta.tolist()]
    w, b, w_in, b_in = (p.tolist() for p in (cell.weight, cell.bias, cell.input_weight, cell.input_bias))
    phi, x, h = PHI[activation], X, STATE
    expected = []
    for i in range(3):
        drive = sum(w[i][j] * h[j] for j in range(3) if j != i) + b[i]
        drive += sum(w_in[i][k] * x[k] for k in range(2)) + b_in[i]
        if form == "default":
            expected.append(phi((1 - 1 / tc[i]) * h[i] + drive / tc[i]))
        else:
            expected.append((1 - 1 / tc[i]) * h[i] + phi(drive) / tc[i])
    np.testing.assert_allclose(one_step(cell), (expected, expected), rtol=1e-6)


@pytest.mark.parametrize("rank", [None, 2])
def test_rate_rnn_follows_its_equation(rank: int | None) -> None:
    cell = make_cell("rate", {"a": 0.3, "rank": rank}, units=3).double()
    assert isinstance(cell, RateRNN)
    if rank is None:
        w = cell.weight.tolist()
    else:
        m, n = cell.m.tolist(), cell.n.tolist()
        w = [[sum(m[i][r] * n[j][r] for r in range(rank)) / 3 for j in range(3)] for i in range(3)]
    b, w_in = cell.bias.tolist(), cell.input_weight.tolist()
    expected = []
    for i in range(3):
        drive = sum(w[i][j] * STATE[j] for j in range(3)) + sum(w_in[i][k] * X[k] for k in range(2)) + b[i]
        expected.append(0.7 * STATE[i] + 0.3 * math.tanh(drive))
    np.testing.assert_allclose(one_step(cell), (expected, expected), rtol=1e-6)


def test_plrnn_follows_its_equation() -> None:
    cell = make_cell("plrnn", {}, units=3).double()
    assert isinstance(cell, PLRNN)
    a, w, c, h = (p.tolist() for p in (cell.diagonal, cell.weight, cell.input_weight, cell.bias))
    expected = []
    for i in range(3):
        recurrent = sum(w[i][j] * max(STATE[j], 0) for j in range(3) if j != i)
        expected.append(a[i] * STATE[i] + recurrent + sum(c[i][k] * X[k] for k in range(2)) + h[i])
    np.testing.assert_allclose(one_step(cell), ([max(z, 0) for z in expected], expected), rtol=1e-6)


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_gated_cells_equal_torch_in_values_and_gradients(kind: type[GRU] | type[LSTM]) -> None:
    cell = kind(K, 5, generator=torch.Generator().manual_seed(3)).double()
    module = cell.to_torch()
    inputs, state = given(cell)
    outputs, states = cell.unroll(inputs, state)
    other = [tensor.detach().clone().requires_grad_() for tensor in (inputs, state)]
    first = other[1][None] if kind is GRU else tuple(part.contiguous()[None] for part in other[1].chunk(2, -1))
    expected, last = module(other[0], first)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(states[-1], last[0] if kind is GRU else torch.cat(last, -1)[0])
    toward = torch.linspace(-1, 1, outputs.numel(), dtype=torch.float64).view_as(outputs)
    for got in (outputs, expected):
        torch.autograd.backward((got * toward).sum())
    torch.testing.assert_close([inputs.grad, state.grad], [tensor.grad for tensor in other])
    for name, parameter in cell.named_parameters():
        torch.testing.assert_close(parameter.grad, getattr(module, f"{name}_l0").grad)


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_gated_weights_are_torchs_and_go_both_ways(kind: type[GRU] | type[LSTM]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        module = kind.TORCH(K, 6)
    cell = kind(K, 6, generator=torch.Generator().manual_seed(5))
    before = torch.random.get_rng_state()
    for same in (kind.from_torch(module), kind.from_torch(cell.to_torch())):
        for name, parameter in same.named_parameters():
            assert torch.equal(parameter, getattr(cell, name))
            assert parameter.data_ptr() != getattr(module, f"{name}_l0").data_ptr()
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.RNN(2, 3),
        torch.nn.GRU(2, 3, num_layers=2),
        torch.nn.GRU(2, 3, bias=False),
        torch.nn.GRU(2, 3, bidirectional=True),
        torch.nn.LSTM(2, 3, proj_size=1),
    ],
    ids=str,
)
def test_networks_that_no_gated_cell_equals_are_refused(module: Any) -> None:
    for kind in (GRU, LSTM):
        with pytest.raises(ValueError, match=rf"module must be a torch.nn.{kind.__name__} of one layer"):
            kind.from_torch(module)


@pytest.mark.parametrize("rank", [None, 1, 4])
@pytest.mark.parametrize("g", [0.5, 2.0])
def test_g_is_the_strength_of_the_connections(rank: int | None, g: float) -> None:
    drawn = [make_cell("rate", {"g": g, "rank": rank}, units=150, seed=seed) for seed in range(10)]
    weights = torch.stack([cell.recurrent_weight for cell in drawn if isinstance(cell, RateRNN)]).detach()
    assert weights.std().item() == pytest.approx(g / math.sqrt(150), rel=0.15)


def test_plrnn_starts_as_documented() -> None:
    cell = make_cell("plrnn", {}, units=400)
    assert isinstance(cell, PLRNN)
    assert 0 <= cell.diagonal.min() < 0.05 < 0.95 < cell.diagonal.max() < 1
    assert cell.weight.abs().max() <= 0.05
    assert not cell.initial_state(3).any()


def test_smooth_time_constants_start_like_the_published_ones_and_none_is_stuck() -> None:
    cell = make_cell("leaky", {"tau": "smooth"}, units=2000)
    tc = cell.readings()
    assert tc["tau_mean"].item() == pytest.approx(1.5, abs=0.03)
    assert tc["tau_sd"].item() == pytest.approx(12**-0.5, abs=0.02)
    assert isinstance(cell, LeakyTauRNN)
    assert cell.time_constants.min() > 1
    outputs, _ = cell.unroll(torch.ones(3, 2, 2), cell.initial_state(2))
    torch.autograd.backward(outputs.sum())
    assert cell.theta is not None
    assert cell.theta.grad is not None
    assert cell.theta.grad.count_nonzero() == 2000


def test_a_fixed_tau_is_no_parameter() -> None:
    cell = make_cell("leaky", {"tau": 2.5})
    assert {name for name, _ in cell.named_parameters()} == {"weight", "bias", "input_weight", "input_bias"}
    assert cell.state_dict().keys() == {"weight", "bias", "input_weight", "input_bias"}
    assert isinstance(cell, LeakyTauRNN)
    assert cell.time_constants.tolist() == [2.5] * 7
    assert cell.readings() == {}


def test_leaky_tau_rnn_starts_as_published() -> None:
    units = 400
    cell = make_cell("leaky", {}, inputs=1, units=units)
    assert isinstance(cell, LeakyTauRNN)
    assert cell.tau is not None
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
    assert cell.tau is not None
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


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("leaky", {"form": "fast"}, "form must be 'default' or 'mod', got 'fast'"),
        ("leaky", {"tau": "fixed"}, "tau must be 'trained', 'smooth' or a number of at least 1, got 'fixed'"),
        ("leaky", {"tau": 0.5}, "tau must be .*, got 0.5"),
        ("leaky", {"tau": math.nan}, "tau must be .*, got nan"),
        ("leaky", {"tau": True}, "tau must be .*, got True"),
        ("leaky", {"activation": "gelu"}, r"activation must be one of \['leaky_relu', .*\], got 'gelu'"),
        ("rate", {"a": 0}, "a must be above 0, got 0"),
        ("rate", {"a": 1.5}, "a must be a number from 0 to 1, got 1.5"),
        ("rate", {"g": -1}, "g must be a number from 0 to 100, got -1"),
        ("rate", {"rank": 0}, "rank must be an integer from 1 to 7, got 0"),
        ("rate", {"rank": 8}, "rank must be an integer from 1 to 7, got 8"),
        ("plrnn", {"tau": 2}, r"cell_args must be among \[\] for plrnn, got 'tau'"),
    ],
)
def test_bad_options_are_refused(name: str, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make_cell(name, options)
