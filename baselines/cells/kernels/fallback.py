"""When torch's own operations run in the place of a fused recurrence, so that its results are right everywhere.

A fused recurrence writes into its buffers, and its backward pass is written by hand. torch can neither transform the
one (``torch.func``, ``torch.vmap``, forward-mode derivatives, autocast, ``torch.compile``) nor differentiate the other.
Each has a plain form, a loop over torch's operations, which takes its place in these cases: slower, and right.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual


def is_transformed() -> bool:
    """Whether a transform of ``torch.func`` or ``torch.vmap`` is at work."""
    # torch has no public name for it; its own Function.apply asks the same.
    return bool(torch._C._are_functorch_transforms_active())


def needs_plain(inputs: Tensor, *others: Tensor) -> bool:
    """Whether a fused form cannot be used for these tensors here, so that the plain form must be.

    This is so under a transform of ``torch.func``, for dual tensors of forward-mode differentiation, under autocast,
    while torch compiles, and for tensors of different types or devices, where torch's operations say what is wrong.
    """
    kind, device = inputs.dtype, inputs.device
    return (
        torch.compiler.is_compiling()
        or is_transformed()
        or (torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type))
        or any(tensor.dtype != kind or tensor.device != device for tensor in others)
        or any(_is_dual(tensor) for tensor in (inputs, *others))
    )


def _is_dual(tensor: Tensor) -> bool:
    return unpack_dual(tensor).tangent is not None  # type: ignore[no-untyped-call]


def check_steps(inputs: Tensor) -> None:
    """Refuse a sequence without steps.

    Raises:
        ValueError: ``inputs`` (T, B, I) has T = 0.
    """
    if not len(inputs):
        raise ValueError(f"inputs must have at least one step, got the shape {tuple(inputs.shape)}")


def differentiable(plain: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a hand-written ``backward`` so that its gradients can be differentiated again, and batched.

    Where torch asks for such gradients (``create_graph=True``, ``is_grads_batched=True``), the plain form runs once
    more and autograd differentiates it. ``forward`` must have saved its tensor arguments first, in their order, and set
    ``ctx.others`` to its other arguments, which come last.

    Args:
        plain: the plain form, with the arguments of ``forward``.
    """

    def decorate(backward: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(backward)
        def either(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
            if torch.is_grad_enabled() or is_transformed() or any(map(_is_batched, gradients)):
                return _by_autograd(plain, ctx, gradients)
            found: tuple[Tensor | None, ...] = backward(ctx, *gradients)
            return found

        return either

    return decorate


def _by_autograd(
    plain: Callable[..., Any], ctx: Any, gradients: tuple[Tensor | None, ...]
) -> tuple[Tensor | None, ...]:
    """The gradients of the plain form, with a graph where torch wants one."""
    wanted, again = ctx.needs_input_grad, torch.is_grad_enabled()
    saved = ctx.saved_tensors[: len(wanted) - len(ctx.others)]
    with torch.enable_grad():
        # Views, because a tensor that was given for two arguments has a gradient for each.
        arguments = [tensor.view_as(tensor) for tensor in saved]
        outputs = plain(*arguments, *ctx.others)
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        # Of several outputs, one may follow from frozen arguments alone: it has a gradient, as the others of its node.
        pairs = zip(outputs, gradients, strict=True)
        given = [(output, toward) for output, toward in pairs if toward is not None and output.requires_grad]
        found = torch.autograd.grad(
            [output for output, _ in given],
            [argument for argument, needs in zip(arguments, wanted, strict=False) if needs],
            [toward for _, toward in given],
            create_graph=again,
            allow_unused=True,
        )
    each = iter(found)
    return tuple(next(each) if needs else None for needs in wanted)


def _is_batched(gradient: Tensor | None) -> bool:
    # By torch's older vmap, of ``is_grads_batched`` and ``jacobian(vectorize=True)``, which is no transform as above.
    return gradient is not None and bool(torch._C._functorch.is_legacy_batchedtensor(gradient))
