"""The fused recurrences: gradients equal finite differences, and everything equals a plain loop with autograd."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
from torch import Tensor

from baselines.cells import kernels

T, B, K, U = 5, 3, 2, 4  # K input channels
PHI = kernels.ACTIVATIONS["leaky_relu"]
Shapes = tuple[tuple[int, ...], ...]
Way = Callable[..., Tensor]

fused_folded: Way = partial(kernels.folded, activation=PHI)


def tensors(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


FOLDED = ((T, B, K), (B, U), (U, U), (K, U), (U,))
LEAKY = (*FOLDED, (U,), (U,))


def plain_folded(
    inputs: Tensor, state: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor, phi: Way = PHI.value
) -> Tensor:
    states = []
    for x in inputs:
        state = phi(state @ matrix + x @ weight + bias)
        states.append(state)
    return torch.stack(states)


def plain_leaky(
    inputs: Tensor,
    state: Tensor,
    matrix: Tensor,
    weight: Tensor,
    bias: Tensor,
    keep: Tensor,
    gain: Tensor,
    phi: Way = PHI.value,
) -> Tensor:
    states = []
    for x in inputs:
        state = keep * state + gain * phi(state @ matrix + x @ weight + bias)
        states.append(state)
    return torch.stack(states)


def plain_piecewise_linear(
    inputs: Tensor, state: Tensor, keep: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor
) -> Tensor:
    states = []
    for x in inputs:
        state = keep * state + torch.relu(state) @ matrix + x @ weight + bias
        states.append(state)
    return torch.cat([torch.relu(torch.stack(states)), torch.stack(states)], -1)


def plain_gru(inputs: Tensor, state: Tensor, *weights: Tensor) -> Tensor:
    states = []
    for x in inputs:
        state = torch.gru_cell(x, state, *weights)
        states.append(state)
    return torch.stack(states)


def plain_lstm(inputs: Tensor, state: Tensor, input_weight: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    outputs, states = [], []
    for x in inputs:
        h, c = torch.lstm_cell(x, state.chunk(2, -1), input_weight, weight, bias, torch.zeros_like(bias))
        outputs.append(h)
        state = torch.cat([h, c], -1)
        states.append(state)
    return torch.cat([torch.stack(outputs), torch.stack(states)], -1)


def joined(kernel: Callable[..., tuple[Tensor, Tensor]]) -> Way:
    return lambda *arguments: torch.cat(kernel(*arguments), -1)


def only(kernel: Callable[..., tuple[Tensor, Tensor]], part: int) -> Way:
    return lambda *arguments: kernel(*arguments)[part]


def cut(plain: Way, *, start: int = 0, stop: int | None = None) -> Way:
    return lambda *arguments: plain(*arguments)[..., start:stop]


PIECEWISE = ((T, B, K), (B, U), (U,), (U, U), (K, U), (U,))
GRU = ((T, B, K), (B, U), (3 * U, K), (3 * U, U), (3 * U,), (3 * U,))
LSTM = ((T, B, K), (B, 2 * U), (4 * U, K), (4 * U, U), (4 * U,))
CASES = [
    *(
        pytest.param(
            shapes, partial(kernel, activation=phi), partial(plain, phi=phi.value), id=f"{plain.__name__}-{name}"
        )
        for name, phi in kernels.ACTIVATIONS.items()
        for shapes, kernel, plain in ((FOLDED, kernels.folded, plain_folded), (LEAKY, kernels.leaky, plain_leaky))
    ),
    pytest.param(PIECEWISE, joined(kernels.piecewise_linear), plain_piecewise_linear, id="piecewise"),
    pytest.param(
        PIECEWISE, only(kernels.piecewise_linear, 0), cut(plain_piecewise_linear, stop=U), id="piecewise-outputs"
    ),
    pytest.param(
        PIECEWISE, only(kernels.piecewise_linear, 1), cut(plain_piecewise_linear, start=U), id="piecewise-states"
    ),
    pytest.param(GRU, kernels.gru, plain_gru, id="gru"),
    pytest.param(LSTM, joined(kernels.lstm), plain_lstm, id="lstm"),
    pytest.param(LSTM, only(kernels.lstm, 0), cut(plain_lstm, stop=U), id="lstm-outputs"),
    pytest.param(LSTM, only(kernels.lstm, 1), cut(plain_lstm, start=U), id="lstm-states"),
]


@pytest.mark.parametrize(("shapes", "fused", "plain"), CASES)
def test_gradients_by_finite_differences(shapes: Shapes, fused: Way, plain: Way) -> None:
    """For three steps: a first, a middle and a last one. The cost grows with the square of their number."""
    assert torch.autograd.gradcheck(fused, tensors((3, B, K), *shapes[1:]))


@pytest.mark.parametrize(("shapes", "fused", "plain"), CASES)
def test_second_derivatives_by_finite_differences(shapes: Shapes, fused: Way, plain: Way) -> None:
    assert torch.autograd.gradgradcheck(fused, tensors((3, B, K), *shapes[1:]), fast_mode=True)


@pytest.mark.parametrize(("shapes", "fused", "plain"), CASES)
def test_gradients_of_many_directions_at_once(shapes: Shapes, fused: Way, plain: Way) -> None:
    arguments = tensors(*shapes)
    (toward,) = tensors((4, *plain(*arguments).shape), seed=5)
    found = [
        torch.autograd.grad(way(*arguments), arguments, toward.detach(), is_grads_batched=True)
        for way in (fused, plain)
    ]
    torch.testing.assert_close(found[0], found[1])


def test_a_tensor_that_is_given_twice_has_the_gradients_of_both() -> None:
    inputs, state, matrix, weight, bias = tensors((T, B, K), (B, U), (3 * U, U), (3 * U, K), (3 * U,))
    for create_graph in (False, True):
        ways = [way(inputs, state, weight, matrix, bias, bias) for way in (kernels.gru, plain_gru)]
        found = [torch.autograd.grad(way.square().sum(), bias, create_graph=create_graph)[0] for way in ways]
        torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("wanted", range(4))
def test_second_derivatives_where_all_other_arguments_are_frozen(wanted: int) -> None:
    """``fold`` has three outputs, and some of them then follow from frozen arguments alone."""
    arguments = [a.detach().requires_grad_(i == wanted) for i, a in enumerate(tensors((U, U), (U, K), (U,), (U,)))]

    def shown(argument: Tensor) -> Tensor:
        given = [*arguments[:wanted], argument, *arguments[wanted + 1 :]]
        outputs = kernels.fold(*given)
        return torch.cat([output.pow(3).flatten() for output in outputs])

    assert torch.autograd.gradcheck(shown, arguments[wanted])
    assert torch.autograd.gradgradcheck(shown, arguments[wanted])


def test_a_sequence_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match=r"inputs must have at least one step, got the shape \(0, 3, 2\)"):
        fused_folded(*tensors((0, B, K), *FOLDED[1:]))


@pytest.mark.parametrize(("shapes", "fused", "plain"), CASES)
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_values_and_gradients_are_those_of_the_plain_loop(shapes: Shapes, fused: Way, plain: Way, steps: int) -> None:
    arguments = tensors((steps, B, K), *shapes[1:], seed=steps)
    copies = [a.detach().clone().requires_grad_() for a in arguments]
    (toward,) = tensors(plain(*copies).shape, seed=99)
    for way, given in ((fused, arguments), (plain, copies)):
        torch.autograd.backward((way(*given) * toward.detach()).sum())
    torch.testing.assert_close(fused(*arguments), plain(*copies))
    for one, other in zip(arguments, copies, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize(("shapes", "fused", "plain"), CASES)
def test_only_what_is_asked_for_gets_a_gradient(shapes: Shapes, fused: Way, plain: Way) -> None:
    for wanted in range(len(shapes)):
        arguments = [a.detach().requires_grad_(i == wanted) for i, a in enumerate(tensors(*shapes))]
        torch.autograd.backward(fused(*arguments).sum())
        assert [a.grad is not None for a in arguments] == [i == wanted for i in range(len(shapes))]


@pytest.mark.parametrize(("shapes", "fused", "plain"), CASES)
def test_arguments_and_incoming_gradient_are_left_alone(shapes: Shapes, fused: Way, plain: Way) -> None:
    arguments = tensors(*shapes)
    before = [a.detach().clone() for a in arguments]
    (toward,) = tensors(plain(*arguments).shape, seed=1)
    kept = toward.detach().clone()
    torch.autograd.backward(fused(*arguments), toward.detach())
    torch.testing.assert_close([a.detach() for a in arguments], before, rtol=0, atol=0)
    torch.testing.assert_close(toward.detach(), kept, rtol=0, atol=0)


def test_non_contiguous_inputs_and_gradients() -> None:
    plain: Way = plain_folded
    inputs, *others = tensors((B, T, K), *FOLDED[1:])
    turned = inputs.transpose(0, 1)
    got = fused_folded(turned, *others)
    torch.testing.assert_close(got, plain(turned, *others))
    (grad,) = torch.autograd.grad(got.sum(), others[1])  # the incoming gradient is expanded: its strides are 0
    (expected,) = torch.autograd.grad(plain(turned, *others).sum(), others[1])
    torch.testing.assert_close(grad, expected)


def test_folding_by_finite_differences_and_by_its_formula() -> None:
    arguments = tensors((U, U), (U, K), (U,), (U,), seed=3)
    assert torch.autograd.gradcheck(kernels.fold, arguments)
    assert torch.autograd.gradgradcheck(kernels.fold, arguments)
    weight, input_weight, bias, rate = arguments
    expected = torch.diag(1 - rate) + (weight - torch.diag(weight.diagonal())) * rate[:, None]
    torch.testing.assert_close(kernels.fold(*arguments), (expected, input_weight * rate[:, None], bias * rate))


@pytest.mark.parametrize(("shapes", "fused", "plain"), CASES)
def test_sequences_that_are_alive_together_share_no_memory(shapes: Shapes, fused: Way, plain: Way) -> None:
    first, second = tensors(*shapes, seed=1), tensors(*shapes, seed=2)
    one = fused(*first)
    values = one.detach().clone()
    (toward,) = tensors(one.shape, seed=3)
    expected = torch.autograd.grad(one, first, toward.detach(), retain_graph=True)
    kept = [g.clone() for g in expected]
    other = fused(*second)
    torch.autograd.grad(other, second, toward.detach())
    torch.testing.assert_close(one.detach(), values, rtol=0, atol=0)
    torch.testing.assert_close(list(expected), kept, rtol=0, atol=0)
    # A second backward pass through the first sequence gives the same gradients again.
    torch.testing.assert_close(list(torch.autograd.grad(one, first, toward.detach())), kept, rtol=0, atol=0)


@pytest.mark.parametrize(("shapes", "fused", "plain"), CASES)
def test_threads_do_not_disturb_each_other(shapes: Shapes, fused: Way, plain: Way) -> None:
    def gradients(seed: int) -> list[Tensor]:
        arguments = tensors(*shapes, seed=seed)
        return list(torch.autograd.grad(fused(*arguments).square().sum(), arguments))

    alone = [gradients(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(gradients, [seed for seed in range(4) for _ in range(8)]))
    for i, found in enumerate(together):
        torch.testing.assert_close(found, alone[i // 8], rtol=0, atol=0)


def test_changing_an_output_in_place_is_refused() -> None:
    states = fused_folded(*tensors(*FOLDED))
    with torch.no_grad():
        states += 1
    with pytest.raises(RuntimeError, match="modified"):  # otherwise it would change what the backward pass reads
        torch.autograd.backward(states.sum())
