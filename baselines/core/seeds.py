"""Random numbers of a training run: a seed and a name -> a generator of its own.

Nothing here draws from torch's global generator, and nothing keeps a generator's state: the initial states of update
5,000 come from a generator named after update 5,000. So a run can be taken up again at any update from its counter
alone, and drawing more of one thing never moves another.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

LARGEST = 2**32 - 1
"""The largest seed of a run."""


def generator(seed: int, *name: str | int) -> torch.Generator:
    """A new generator on the CPU for what is called ``name`` in the run with this seed."""
    import torch

    return torch.Generator().manual_seed(_hash(seed, *name))


def numpy_generator(seed: int, *name: str | int) -> np.random.Generator:
    """A new NumPy generator for what is called ``name`` in the run with this seed."""
    return np.random.Generator(np.random.PCG64(_hash(seed, *name)))


def _hash(seed: int, *name: str | int) -> int:
    """63 bits."""
    digest = blake2b(repr((seed, *name)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def environment_seed(seed: int, part: int, columns: int) -> int:
    """The seed of the vector environment in part ``part`` of a run of reinforcement learning.

    Its columns use this seed and the ``columns`` - 1 that follow. They lie in the upper quarter of what is the run's
    own (see ``evaluation_seed``), so that no trial of training is one of an evaluation or of a test.
    """
    return evaluation_seed(seed) + (3 << 30) + part * columns


def evaluation_seed(seed: int) -> int:
    """A seed for fresh trials, never one that a run trains with.

    A run trains on the trials of its own seed, at most ``LARGEST``. A vector environment uses the seeds from the one it
    is reset with upwards, one a column: those of two runs lie 2**32 apart.
    """
    return (seed + 1) << 32


def test_seed(seed: int) -> int:
    """A seed for the fresh batches of a test in training: neither trained with nor played in an evaluation."""
    return evaluation_seed(seed) + (1 << 31)  # far beyond the columns of any evaluation
