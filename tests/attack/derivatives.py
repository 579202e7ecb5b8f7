"""Derivatives and transforms of cells: random cells, sizes, devices and torch transforms equal the loop, or raise.

The loop over steps in double precision is the truth. A wrong number is a failure; so is an error in what is promised
to work, which is everything here but the forms that torch itself does not have.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.cells import Cell

    Function = Callable[[Tensor], Tensor]

CELLS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in ("leaky", "rate", "gru", "lstm", "plrnn")),
    *(("leaky", {"form": form, "tau": tau}) for form in ("default", "mod") for tau in ("smooth", 2.5)),
    *(("leaky", {"form": "mod", "activation": phi}) for phi in ("tanh", "sigmoid")),
    ("rate", {"rank": 1}),
)


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Random attempts: what was tried, and whether it held."""
    import torch

    from baselines.cells import Cell, make_cell

    warnings.filterwarnings("ignore", "`torch.jit")  # torch's forward mode compiles parts of itself
    drawn = random.Random(seed)
    ways = _ways()
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for _ in range(count):
        (name, options), way, method = drawn.choice(CELLS), drawn.choice(list(ways)), drawn.choice(["unroll", "run"])
        steps, trials, units, inputs = (drawn.randint(1, most) for most in (6, 4, 5, 3))
        device, index = drawn.choice(devices), drawn.randrange(2**32)
        generator = torch.Generator().manual_seed(index)
        cell: Cell = make_cell(name, inputs, units, generator=generator, options=options).double().to(device)
        shown = torch.randn(steps, trials, inputs, generator=generator, dtype=torch.float64).to(device)
        state = torch.randn(trials, cell.state_size, generator=generator, dtype=torch.float64).to(device)

        def fused(state: Tensor, cell: Cell = cell, method: str = method, shown: Tensor = shown) -> Tensor:
            outputs, states = getattr(cell, method)(shown, state)
            return torch.cat([outputs[-1], states[-1] if method == "unroll" else states], -1)

        def loop(state: Tensor, cell: Cell = cell, shown: Tensor = shown) -> Tensor:
            outputs, states = Cell.unroll(cell, shown, state)
            return torch.cat([outputs[-1], states[-1]], -1)

        what = f"{way} of {method}, {name} {options}, T={steps} B={trials} U={units}, {device}, draw {index}"
        expected = ways[way](loop, state, list(cell.parameters()))
        try:
            got = ways[way](fused, state, list(cell.parameters()))
        except NotImplementedError as error:  # cuDNN has no second derivative, and says so
            held = "CuDNN" in str(error) and name == "lstm" and method == "run"
        except RuntimeError as error:
            held = "_cudnn_rnn" in str(error) and name == "lstm" and method == "run"
            what += "" if held else f": {error}"
        else:
            held = all(map(_close, got, expected))
        yield what, held


def _close(one: Tensor, other: Tensor) -> bool:
    import torch

    scale = max(float(other.detach().abs().max()), 1.0) if other.numel() else 1.0
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-7, atol=1e-9 * scale)


def _ways() -> dict[str, Callable[[Function, Tensor, list[Tensor]], list[Tensor]]]:
    """Name -> a derivative or transform of a function of the state, as tensors; the weights are given too."""
    import torch

    autograd: Any = torch.autograd
    forward_ad, functional = autograd.forward_ad, autograd.functional

    def gradients(f: Function, x: Tensor, weights: list[Tensor]) -> list[Tensor]:
        x = x.clone().requires_grad_()
        return list(torch.autograd.grad(f(x).square().sum(), [x, *weights], allow_unused=True, materialize_grads=True))

    def penalty(f: Function, x: Tensor, weights: list[Tensor]) -> list[Tensor]:
        jacobian: Any = functional.jacobian(f, x, create_graph=True)
        loss = jacobian.square().sum()
        return list(torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True))

    def gradient_penalty(f: Function, x: Tensor, weights: list[Tensor]) -> list[Tensor]:
        x = x.clone().requires_grad_()
        (once,) = torch.autograd.grad(f(x).square().sum(), x, create_graph=True)
        loss = once.square().sum()
        return list(torch.autograd.grad(loss, [x, *weights], allow_unused=True, materialize_grads=True))

    def dual(f: Function, x: Tensor, weights: list[Tensor]) -> list[Tensor]:
        with forward_ad.dual_level():
            tangent = forward_ad.unpack_dual(f(forward_ad.make_dual(x, torch.cos(x)))).tangent
            assert tangent is not None
            return [tangent.clone().detach()]

    def batched(f: Function, x: Tensor, weights: list[Tensor]) -> list[Tensor]:
        x = x.clone().requires_grad_()
        value = f(x)
        toward = torch.stack([torch.ones_like(value), torch.sin(value.detach())])
        found = torch.autograd.grad(
            value, [x, *weights], toward, is_grads_batched=True, allow_unused=True, materialize_grads=True
        )
        return list(found)

    def squared(f: Function) -> Function:
        return lambda x: f(x).square().sum()

    return {
        "gradients": gradients,
        "penalty on the Jacobian": penalty,
        "penalty on the gradient": gradient_penalty,
        "forward mode": dual,
        "batched gradients": batched,
        "hessian": lambda f, x, w: [functional.hessian(squared(f), x)],
        "torch.func.hessian": lambda f, x, w: [torch.func.hessian(squared(f))(x)],
        "torch.func.jacrev": lambda f, x, w: [torch.func.jacrev(f)(x)],
        "torch.func.jacfwd": lambda f, x, w: [torch.func.jacfwd(f)(x)],
        "torch.func.jvp": lambda f, x, w: [torch.func.jvp(f, (x,), (torch.cos(x),))[1]],
        "torch.vmap": lambda f, x, w: [torch.vmap(f)(torch.stack([x, -x, 2 * x]))],
        "vmap of grad": lambda f, x, w: [torch.vmap(torch.func.grad(squared(f)))(torch.stack([x, -x]))],
        "vmap of jacrev": lambda f, x, w: [torch.vmap(torch.func.jacrev(f))(torch.stack([x, -x]))],
        "vectorized jacobian": lambda f, x, w: [functional.jacobian(f, x, vectorize=True)],
    }
