"""No file may grow past some size, as on a full disk: one line names the file, the old files stay, and work goes on.

The kernel refuses what is written past a size that is drawn for each attempt. It holds where the command succeeded or
ended with one line that names a file of its folder, where nothing that was being written is left over, and where the
same command succeeds once there is room.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.attack._forked import ended_well, run_command
from tests.attack.links import COMMANDS, SMALL, must

LEAST, MOST = 1_000, 120_000
"""Bytes. What a command says goes into a file, too."""


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Set the limit, run the command; then the same without it."""
    import torch

    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        start, folder = Path(place, "start"), Path(place, "work")
        must(["train", "--out", str(start), *SMALL, "--keep-every", "10", "--steps", "6000"])
        for _ in range(count):
            command = chance.choice(["train", "analyze", "evaluate"])
            most = int(LEAST * (MOST / LEAST) ** chance.random())
            shutil.copytree(start, folder)
            words = [word.format(folder) for word in COMMANDS[command]]
            limits = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (most, most))
            code, said = run_command(words, first=limits)
            left = list(folder.rglob(".part-*"))
            held = ended_well(code, said) and not left and (code == 0 or f"{folder}/" in said)
            if code:
                held = held and run_command(words)[0] == 0
            yield f"{command}: no file past {most} bytes", held
            shutil.rmtree(folder)
