"""A file or folder that a command writes is a link to another, or a pipe: nothing else changes, and nothing waits.

In a folder of results, each name in turn becomes a symbolic link, a hard link or a pipe. Then a command goes on with
the folder. It holds where every file outside has its bytes and permissions, no file was made there, and the command
succeeded or ended with one line.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.attack._forked import ended_well, run_command

SMALL = ["--n-max", "3", "--units", "16", "--batch-size", "16", "--episodes", "10", "--recipe", "fast"]
AGENT = "tests.attack.links:guesses"

COMMANDS = {
    "train": ["train", "--resume", "{}", "--steps", "9000"],
    "analyze": ["analyze", "{}", "--what", "timescales", "--steps", "300", "--trials", "2", "--burn-in", "10"],
    "evaluate": ["evaluate", "{}", "--episodes", "10", "--out", "{}/scores.csv"],
    "sweep": ["sweep", "{}"],
    "benchmark": ["benchmark", "--agent", AGENT, "--tasks", "parity", "--seeds", "0", "--out", "{}"],
}
"""What goes on with a folder, ``{}``."""

ABSENT = {"train": ["checkpoints/N003.safetensors"], "benchmark": ["climbs/{}/hang.txt", "climbs/{}/N002.json"]}
"""What a command writes that is not there before; ``{}`` is the name of a climb."""


class Guesses:
    """Learns nothing and answers at random."""

    def __init__(self, observation_space: Any, action_space: Any, seed: int) -> None:
        import numpy as np

        self.generator, self.shape = np.random.default_rng(seed), action_space.shape

    def learn(self, env: Any, total_steps: int) -> None:
        """Takes no step."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        return self.generator.integers(0, 2, (len(observation), *self.shape)), None


def guesses(observation_space: Any, action_space: Any, seed: int) -> Guesses:
    return Guesses(observation_space, action_space, seed)


def prepared(folder: Path) -> dict[str, Path]:
    """A folder for each command that is to go on with it."""
    run, sweep, ladder = folder / "run", folder / "sweep", folder / "ladder"
    must(["train", "--out", str(run), *SMALL, "--keep-every", "10", "--steps", "6000"])
    must([word.format(run) for word in COMMANDS["analyze"]])
    must([word.format(run) for word in COMMANDS["evaluate"]])
    must(["sweep", "--seed", "0..1", "--n-max", "2", *SMALL[2:], "--out", str(sweep), "--workers", "2"])
    must([word.format(ladder) for word in COMMANDS["benchmark"]], 1)
    # The command has something left to do.
    (sweep / "seed=1" / "summary.json").unlink()
    for file in ladder.glob("climbs/*/N*.json"):
        file.unlink()
    return {"train": run, "analyze": run, "evaluate": run, "sweep": sweep, "benchmark": ladder}


def must(words: list[str], *may: int) -> None:
    code, said = run_command(words)
    if code not in (0, *may):
        raise RuntimeError(f"{words} ended with {code}: {said}")


def names(command: str, folder: Path) -> list[str]:
    """What the command may write, relative to its folder."""
    found = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))]
    if command == "evaluate":
        return ["scores.csv"]
    if command == "analyze":
        return [name for name in found if name.startswith("analysis")]
    climbs = [path.name for path in folder.glob("climbs/*")] or [""]
    return [*found, *(name.format(climb) for name in ABSENT.get(command, ()) for climb in climbs)]


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder with its permissions and content."""
    return {
        str(path.relative_to(folder)): (stat.S_IMODE(path.stat().st_mode), path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


def plant(kind: str, path: Path, outside: Path) -> bool:
    """Replace an entry of a folder of results; False where it cannot be such a thing."""
    victim = outside / "victim"
    was_folder = path.is_dir()
    if was_folder:
        shutil.move(path, victim)
        (victim / ".part-0123456789abcdef").touch()
    elif path.exists():
        shutil.move(path, victim)
        victim.chmod(0o600)
    else:
        victim.write_bytes(b"")
        victim.chmod(0o600)
    if kind == "pipe":
        if was_folder:
            return False
        os.mkfifo(path)
    elif kind == "hard link":
        if was_folder:
            return False
        path.hardlink_to(victim)
    elif kind == "link to nothing":
        path.symlink_to(outside / "nothing")
    else:
        path.symlink_to(victim)
    return True


KINDS = ("link", "hard link", "pipe", "link to nothing")


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Plant, run the command, look at what is outside."""
    import torch

    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as place:
        start = Path(place, "start")
        start.mkdir()
        folders = prepared(start)
        everything = [
            (command, name, kind) for command in COMMANDS for name in names(command, folders[command]) for kind in KINDS
        ]
        random.Random(seed).shuffle(everything)
        made = 0
        for command, name, kind in everything:
            if made == count:
                break
            outside, folder = Path(place, "outside"), Path(place, "work")
            outside.mkdir()
            shutil.copytree(folders[command], folder)
            if plant(kind, folder / name, outside):
                made += 1
                before = tree(outside)
                code, said = run_command([word.format(folder) for word in COMMANDS[command]])
                held = tree(outside) == before and ended_well(code, said)
                yield f"{command}: {name} is a {kind}", held
            shutil.rmtree(outside)
            shutil.rmtree(folder)
