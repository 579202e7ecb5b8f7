"""Checkpoints with changed bytes, tensors or data: refused in one line, or the content is the one that was saved."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Each attempt changes the checkpoint of a tiny run of ``train`` or of ``train-rl``, then loads and resumes it.

    Changes of bytes leave the checksum as it was. Changes of tensors and data come with the right checksum, or with
    none, as in an earlier version; a run that takes such a checkpoint up must be able to train on.
    """
    from tests.attack import _folders

    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        made = [_folders.train(Path(folder, "train")), _folders.train_rl(Path(folder, "rl"))]
        for number in range(count):
            origin = chance.choice(made)
            path = Path(folder, str(number))
            shutil.copytree(origin, path)
            file = path / "checkpoint.safetensors"
            change = chance.choice([_bytes, _tensors, _data])
            data, what = change(file.read_bytes(), chance)
            file.write_bytes(data)
            yield f"{origin.name}: {what}", _holds(path, origin, must_equal=change is _bytes)
            shutil.rmtree(path)


def _bytes(data: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Flipped bits, a cut, or bytes that are overwritten, repeated or added."""
    changed, place = bytearray(data), chance.randrange(len(data))
    header = 8 + int.from_bytes(data[:8], "little")
    if chance.random() < 0.4:
        place = chance.randrange(header)
    kind = chance.choice(["bit", "bit", "bit", "cut", "noise", "twice", "length"])
    if kind == "bit":
        changed[place] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del changed[place:]
    elif kind == "noise":
        changed[place : place + 8] = chance.randbytes(8)
    elif kind == "twice":
        changed[place:place] = data[place : place + chance.randrange(1, 400)]
    else:
        changed[:8] = chance.choice([0, 1, header, 2**31, 2**63, len(data)]).to_bytes(8, "little")
    return bytes(changed), f"{kind} at byte {place} of {len(data)}, where the header ends at {header}"


def _tensors(data: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Another shape, dtype or name of one tensor; one is missing, or one is added."""
    import torch

    from baselines.training import checkpoint

    tensors, header = checkpoint.from_bytes(data)
    name = chance.choice(sorted(tensors))
    old, kind = tensors[name], chance.choice(["shape", "shape", "dtype", "name", "missing", "added", "flat"])
    if kind == "shape":
        shape = tuple(chance.choice([0, 1, 2, 3, 50]) for _ in range(chance.randrange(4)))
        tensors[name] = torch.zeros(shape, dtype=old.dtype)
        kind = f"shape {tuple(old.shape)} becomes {shape}"
        if shape == tuple(old.shape):
            tensors[name] = old.clone()
    elif kind == "dtype":
        dtype = chance.choice([torch.float16, torch.float64, torch.int64, torch.int8, torch.bool, torch.bfloat16])
        tensors[name] = old.to(dtype)
        kind = f"dtype {old.dtype} becomes {dtype}"
    elif kind == "flat":
        tensors[name] = old.reshape(-1, 1)
    else:
        if kind != "added":
            del tensors[name]
        if kind != "missing":
            other = chance.choice([f"{name}x", "", "network.readouts.9.weight", "optimizer.cell.exp_avg"])
            tensors[other] = old.clone()
    return _written(tensors, header, chance), f"{name}: {kind}"


def _data(data: bytes, chance: random.Random) -> tuple[bytes, str]:
    """One change to the data beside the tensors."""
    import json

    from baselines.training import checkpoint
    from tests.attack import _folders

    tensors, header = checkpoint.from_bytes(data)
    state, what = _folders.mutated(json.loads(header["state"]), chance)
    if chance.random() < 0.05:
        header["state"], what = "[" * 100_000, "100,000 brackets"
    else:
        header["state"] = json.dumps(state)
    return _written(tensors, header, chance), what


def _written(tensors: dict[str, Any], header: dict[str, str], chance: random.Random) -> bytes:
    import safetensors.torch

    from baselines.training import checkpoint

    write: Any = chance.choice([checkpoint.to_bytes, safetensors.torch.save])
    written: bytes = write(tensors, header)
    return written


def _holds(path: Path, origin: Path, must_equal: bool) -> bool:
    """Whether loading and resuming are refused in one line, or give what was saved (or something to train on with)."""
    import torch

    from baselines.core.files import RunError
    from baselines.ppo.run import RLRun, load_agent
    from baselines.training import loading
    from baselines.training.run import TrainingRun

    saved = loading.read_checkpoint(origin)
    kind, load = (TrainingRun, loading.load_network) if origin.name == "train" else (RLRun, load_agent)
    for use in (loading.read_checkpoint, load, kind.resume):
        try:
            got: Any = use(path)
        except RunError as error:
            if "\n" in str(error):
                return False
            continue
        if use is loading.read_checkpoint and must_equal:
            tensors, plain = got
            same = tensors.keys() == saved[0].keys() and plain == saved[1]
            if not same or not all(torch.equal(tensors[name], saved[0][name]) for name in tensors):
                return False
        if use == kind.resume:
            at = got.learner.update if kind is TrainingRun else got.part
            for _ in got.train(lambda: (got.learner.update if kind is TrainingRun else got.part) > at):  # noqa: B023
                pass
            got.folder.close()
    return True
