"""A name that a folder stores is a path out of it, or no name at all: nothing outside is written, removed or replaced.

In the settings of a run, a sweep and a benchmark, each string and each key in turn becomes such a name. Then a command
goes on with the folder. It holds where nothing outside has changed and the command succeeded or ended with one line.
"""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.attack._forked import ended_well, run_command
from tests.attack.links import COMMANDS, prepared, tree

NAMES = (
    *("..", "../../outside", "../../../outside/run", "ppo/../../../../outside", "/tmp", "", ".", "a/b", "x\0y", "x\ny"),
    *("\x1b[2J", "[/]", "bad\udcff", "x" * 300, "ä" * 200, "~", "$HOME", "-rf", "%s%n", "{}", "CON", " "),
)

FILES = {"train": "config.json", "sweep": "sweep.json", "benchmark": "settings.json"}
"""Command -> the file of its folder in which names are stored."""


def places(content: Any, *way: Any) -> Iterator[tuple[Any, ...]]:
    """The way to each string, number and key in JSON content; a key's ends with ``"KEY"``."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield (*way, key, "KEY")
            yield from places(value, *way, key)
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from places(value, *way, number)
    else:
        yield way


def changed(content: Any, way: tuple[Any, ...], name: str) -> Any:
    """The content with the name in one place."""
    content = copy.deepcopy(content)
    is_key = way[-1] == "KEY"
    *inner, last = way[:-1] if is_key else way
    at = content
    for step in inner:
        at = at[step]
    if is_key:
        at[name] = at.pop(last)
    else:
        at[last] = name
    return content


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Change a stored name, run the command, look at what is outside."""
    import torch

    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        start = Path(place, "start")
        start.mkdir()
        folders = prepared(start)
        outside, folder = Path(place, "outside"), Path(place, "inner", "deep", "work")
        (outside / "run").mkdir(parents=True)
        (outside / "run" / "precious").write_text("precious")
        folder.parent.mkdir(parents=True)
        for _ in range(count):
            command, name = chance.choice(list(FILES)), chance.choice(NAMES)
            file = FILES[command]
            content = json.loads((folders[command] / file).read_text())
            way = chance.choice([way for way in places(content) if "versions" not in way])
            shutil.copytree(folders[command], folder)
            (folder / file).write_text(json.dumps(changed(content, way, name)))
            before = {path: one for path, one in tree(Path(place)).items() if not path.startswith("inner/deep/work")}
            code, said = run_command([word.format(folder) for word in COMMANDS[command]])
            after = {path: one for path, one in tree(Path(place)).items() if not path.startswith("inner/deep/work")}
            yield f"{command}: {'.'.join(map(str, way))} is {name[:40]!r}", before == after and ended_well(code, said)
            shutil.rmtree(folder)
