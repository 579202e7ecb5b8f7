"""The fused recurrence: gradients by finite differences, and equality with autograd's plain loop."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from baselines import kernels

T, B, K, U = 5, 3, 2, 4  # K input channels
SLOPE = 0.01
PHI = kernels.leaky_relu(SLOPE)
Shapes = tuple[tuple[int, ...], ...]
Way = Callable[..., Tensor]

fused_folded: Way = partial(kernels.folded, activation=PHI)
fused_leaky: Way = partial(kernels.leaky, activation=PHI)


def tensors(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


FOLDED = ((T, B, K), (B, U), (U, U), (K, U), (U,))
LEAKY = (*FOLDED, (U,), (U,))


def plain_folded(inputs: Tensor, state: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    states = []
    for x in inputs:
        state = torch.nn.functional.leaky_relu(state @ matrix + x @ weight + bias, SLOPE)
        states.append(state)
    return torch.stack(states)


def plain_leaky(
    inputs: Tensor, state: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor, keep: Tensor, gain: Tensor
) -> Tensor:
    states = []
    for x in inputs:
        state = keep * state + gain * torch.nn.functional.leaky_relu(state @ matrix + x @ weight + bias, SLOPE)
        states.append(state)
    return torch.stack(states)


CASES = [
    pytest.param(FOLDED, fused_folded, plain_folded, id="folded"),
    pytest.param(LEAKY, fused_leaky, plain_leaky, id="leaky"),
]


@pytest.mark.parametrize(("shapes", "fused", "plain"), CASES)
def test_gradients_by_finite_differences(shapes: Shapes, fused: Way, plain: Way) -> None:
    assert torch.autograd.gradcheck(fused, tensors(*shapes))


@pytest.mark.parametrize(("shapes", "fused", "plain"), CASES)
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_values_and_gradients_are_those_of_the_plain_loop(shapes: Shapes, fused: Way, plain: Way, steps: int) -> None:
    arguments = tensors((steps, B, K), *shapes[1:], seed=steps)
    copies = [a.detach().clone().requires_grad_() for a in arguments]
    (toward,) = tensors((steps, B, U), seed=99)
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
    (toward,) = tensors((T, B, U), seed=1)
    kept = toward.detach().clone()
    torch.autograd.backward(fused(*arguments), toward.detach())
    torch.testing.assert_close([a.detach() for a in arguments], before, rtol=0, atol=0)
    torch.testing.assert_close(toward.detach(), kept, rtol=0, atol=0)


def test_non_contiguous_inputs_and_gradients() -> None:
    inputs, *others = tensors((B, T, K), *FOLDED[1:])
    turned = inputs.transpose(0, 1)
    got = fused_folded(turned, *others)
    torch.testing.assert_close(got, plain_folded(turned, *others))
    (grad,) = torch.autograd.grad(got.sum(), others[1])  # an expanded gradient, of stride 0
    (expected,) = torch.autograd.grad(plain_folded(turned, *others).sum(), others[1])
    torch.testing.assert_close(grad, expected)
