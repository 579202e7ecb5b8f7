"""The random numbers of a training run: each seed and name give a separate generator.

Nothing here uses torch's global generator, and no generator's state is saved: the initial states of update 5,000 come
from a generator named after update 5,000. So a run can be resumed at any update from its counter alone, and drawing
more numbers for one purpose never changes those for another.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

LARGEST = 2**32 - 1
"""The largest seed that a run may have."""


def generator(seed: int, *name: str | int) -> torch.Generator:
    """A new torch generator on the CPU, for the purpose ``name`` in the run with this seed."""
    import torch

    return torch.Generator().manual_seed(_hash(seed, *name))


def numpy_generator(seed: int, *name: str | int) -> np.random.Generator:
    """A new NumPy generator, for the purpose ``name`` in the run with this seed."""
    return np.random.Generator(np.random.PCG64(_hash(seed, *name)))


def _hash(seed: int, *name: str | int) -> int:
    """A hash of 63 bits of the seed and the name."""
    digest = blake2b(repr((seed, *name)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def environment_seed(seed: int, part: int, columns: int) -> int:
    """The seed of the training environments in part number ``part`` of a run of reinforcement learning.

    The ``columns`` environments use this seed and the ``columns`` - 1 that follow. All of these lie in the upper
    quarter of the run's own range of 2**32 seeds (see ``evaluation_seed``). So no training trial is also one of an
    evaluation or a test.
    """
    return evaluation_seed(seed) + (3 << 30) + part * columns


def evaluation_seed(seed: int) -> int:
    """A seed for fresh trials, with which no run trains.

    Runs train with seeds up to ``LARGEST``. A vector environment uses the seed that it is reset with for its first
    environment and counts up by one for each further environment, so the evaluation seeds of two runs lie 2**32 apart.
    """
    return (seed + 1) << 32


def test_seed(seed: int) -> int:
    """A seed for the fresh test batches during training. They occur neither in training nor in an evaluation."""
    return evaluation_seed(seed) + (1 << 31)  # far above the seeds of the environments in any evaluation
