"""What a checkpoint holds: the declaration of its data, its checksum, and the check of its tensors against a run.

A checkpoint is one safetensors file. Its header has ``format``, ``run`` (the identity of the run), ``state`` (data
other than tensors, as JSON) and ``checksum``; checkpoints of earlier versions have no checksum.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Literal, NamedTuple, TypedDict

import safetensors.torch
import torch
from torch import Tensor, nn

from baselines.core.files import parse_json

LONGEST_HEADER = 100_000_000
"""Bytes of the longest header that safetensors writes or reads."""


class StreamsState(TypedDict):
    """Where each stream of a ``Learner`` is."""

    begun: int
    numbers: list[int]
    at: list[int]
    ends: list[int]


class _Optional(TypedDict, total=False):
    """What only some recipes have."""

    streams: StreamsState
    units: int
    ahead: list[int]
    check_due: int


class LearnerState(_Optional):
    """The data of a ``Learner``, beside its tensors."""

    update: int
    steps: int
    drawn: int
    stage_began: int
    tested: int
    task: dict[str, Any]
    readouts: list[str]


class ProgressState(TypedDict):
    """How far a run of ``train`` has come."""

    status: Literal["running", "solved", "updates"]
    tested: dict[str, Any] | None
    scores: dict[int, float]
    solved_at: dict[int, int]
    seconds: float
    cpu_seconds: float


class TrainState(LearnerState):
    """The data of a checkpoint of ``train``."""

    run: ProgressState


class _TrainingOn(TypedDict, total=False):
    trains_on: bool
    """Missing in checkpoints of earlier versions."""


class CurriculumState(_TrainingOn):
    """The data of the curriculum of ``train-rl``."""

    stage: dict[str, Any]
    solved: list[list[int]]
    scores: dict[int, float]
    finished: bool
    correct: list[int]
    counted: int


class RLState(TypedDict):
    """The data of a checkpoint of ``train-rl``."""

    steps: int
    updates: int
    part: int
    curriculum: CurriculumState
    status: Literal["running", "solved", "steps"]
    seconds: float
    cpu_seconds: float


STATES: dict[str, type[Any]] = {"train": TrainState, "train-rl": RLState}
"""The method of a run -> the declaration of the data of its checkpoints."""


def to_bytes(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> bytes:
    """A checkpoint as bytes, with its checksum.

    Args:
        tensors: the tensors, by name, on any device.
        header: name -> text.
    """
    # Copies, because safetensors refuses tensors that share memory: weights used twice, or parts of one buffer.
    own = {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    return safetensors.torch.save(own, {**header, "checksum": checksum(own, header)})


def from_bytes(data: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a checkpoint, on the CPU, and its header without the checksum; the inverse of ``to_bytes``.

    Raises:
        ValueError: the bytes are no checkpoint, or one whose content has changed since it was written.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not length <= min(len(data) - 8, LONGEST_HEADER):
        raise ValueError("it is not a whole safetensors file")
    parsed = parse_json(data[8 : 8 + length])
    header = parsed.get("__metadata__", {}) if isinstance(parsed, dict) else None
    if not isinstance(header, dict) or not all(isinstance(value, str) for value in header.values()):
        raise ValueError("its header is not that of a checkpoint")
    try:
        tensors = safetensors.torch.load(data)
    except Exception as error:  # whatever the library raises for a file that is damaged
        raise ValueError(f"{type(error).__name__}: {error}") from None
    written = header.pop("checksum", None)
    if written is not None and written != checksum(tensors, header):
        raise ValueError("its checksum is not that of its content, which has changed since it was written")
    return tensors, header


def checksum(tensors: Mapping[str, Tensor], header: Mapping[str, str]) -> str:
    """A hash of a checkpoint's header, and of name, dtype, shape and numbers of each tensor (on the CPU)."""
    found = sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        found.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return f"sha256:{found.hexdigest()}"


FLOATS = (torch.float32, torch.float64)


class Like(NamedTuple):
    """What a tensor must be.

    Attributes:
        shape: its shape.
        dtypes: the types that its numbers may have.
    """

    shape: tuple[int, ...]
    dtypes: tuple[torch.dtype, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> Like:
        """The same shape and dtype as this tensor."""
        return cls(tuple(tensor.shape), (tensor.dtype,))


def weights_of(module: nn.Module, prefix: str) -> dict[str, Like]:
    """The weights and buffers of a module, by their names after ``prefix``; those without numbers are left out."""
    return {prefix + name: Like.of(value) for name, value in module.state_dict().items() if value.numel()}


def moments_of(module: nn.Module, optimizer: torch.optim.Optimizer, prefix: str) -> list[dict[str, Like]]:
    """The moments that an optimizer keeps of each parameter of a module, by their names after ``prefix``.

    A parameter has all of its moments, or none before it has had a gradient.

    Args:
        module: the module.
        optimizer: Adam, or SGD with or without momentum.
        prefix: the beginning of the names.
    """
    adam = isinstance(optimizer, torch.optim.Adam)
    kept = ("exp_avg", "exp_avg_sq") if adam else ("momentum_buffer",)
    groups = []
    for name, parameter in module.named_parameters():
        group = {f"{prefix}{name}.{key}": Like.of(parameter) for key in kept}
        groups.append(group | ({f"{prefix}{name}.step": Like((), (torch.float32,))} if adam else {}))
    return groups


def check_tensors(
    tensors: Mapping[str, Tensor], needed: Mapping[str, Like], groups: Iterable[Mapping[str, Like]] = ()
) -> None:
    """Check name, shape and dtype of every tensor before it is used.

    Args:
        tensors: the tensors, by name.
        needed: what must be there.
        groups: what may be there: of each group all tensors or none.

    Raises:
        ValueError: a tensor is missing, unknown or of another kind; the message names it.
    """
    expected = dict(needed)
    for group in groups:
        if any(name in tensors for name in group):
            expected |= group
    if missing := [name for name in expected if name not in tensors]:
        raise ValueError(f"the tensor {missing[0]} is missing")
    for name, tensor in tensors.items():
        if name not in expected:
            raise ValueError(f"the run has no tensor {name!a}")
        shape, dtypes = expected[name]
        if tuple(tensor.shape) != shape or tensor.dtype not in dtypes:
            words = " or ".join(_plain(dtype) for dtype in dtypes)
            got = f"{_plain(tensor.dtype)} {tuple(tensor.shape)}"
            raise ValueError(f"the tensor {name} must be {words} of shape {shape}, got {got}")


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with the prefix, by their whole names."""
    return {name: value for name, value in tensors.items() if name.startswith(prefix)}


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
