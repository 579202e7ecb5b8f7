"""The weights and optimizer moments of a model as named tensors, for checkpoints that need no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from baselines.training.checkpoint import below, check_tensors, moments_of, weights_of


def model_tensors(model: Any) -> dict[str, Tensor]:
    """The tensors that a checkpoint stores: name -> tensor.

    The names are ``policy.NAME`` for the weights and buffers, and ``optimizer.NAME.KEY`` for the optimizer's moments of
    the parameter NAME. Empty buffers are left out, because safetensors cannot store them.

    Args:
        model: a model of Stable-Baselines3.
    """
    policy = model.policy
    tensors = {f"policy.{name}": value for name, value in policy.state_dict().items() if value.numel()}
    names: dict[Any, str] = {parameter: name for name, parameter in policy.named_parameters()}
    for parameter, moments in policy.optimizer.state.items():
        tensors |= {f"optimizer.{names[parameter]}.{key}": value for key, value in moments.items()}
    return tensors


def load_model(model: Any, tensors: Mapping[str, Tensor]) -> None:
    """Set a model's weights and optimizer moments to what ``model_tensors`` returned for a model of the same kind.

    Raises:
        ValueError: a tensor is missing, unknown, or has another shape or dtype than in the model.
    """
    optimizer = model.policy.optimizer
    check_tensors(tensors, weights_of(model.policy, "policy."), moments_of(model.policy, optimizer, "optimizer."))
    load_policy(model.policy, tensors)
    for name, parameter in model.policy.named_parameters():
        if moments := _below(f"optimizer.{name}.", tensors):
            optimizer.state[parameter] = {key: value.to(model.device) for key, value in moments.items()}


def load_policy(policy: Any, tensors: Mapping[str, Tensor]) -> None:
    """Set the weights and buffers of a policy to those in a checkpoint's tensors.

    Raises:
        ValueError: a tensor is missing, unknown, or has another shape or dtype than in the policy.
    """
    check_tensors(below("policy.", tensors), weights_of(policy, "policy."))
    empty = {name: value for name, value in policy.state_dict().items() if not value.numel()}
    policy.load_state_dict(_below("policy.", tensors) | empty)


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
