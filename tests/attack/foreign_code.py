"""Names of code in stored files, for every command that reads a folder: nothing is imported, the answer is one line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

NAMES = (
    *("sent:C", "sent.payload:C", "sent.payload:C.inner", "sent:C ", "sent", "sent:", ":C", "sent:C\n", "./sent:C"),
    *("..sent:C", "sent;x:C", "os:system", "subprocess:Popen", "builtins:exec", "baselines.cells.sent:C", "\udcff:C"),
    *("baselines.cells.leaky:LeakyTauRNN", "baselines.network:RecurrentNetwork", "leaky:LeakyTauRNN", "sent:C\x1b[2J"),
)
"""Names of the payload, of Python's own modules, of parts of this project that are no cells, and what is no name."""

PAYLOAD = "import pathlib\npathlib.Path(__file__).with_name('RAN').touch()\nC = type('C', (), {'inner': int})\n"


def attempts(seed: int, count: int) -> Iterator[tuple[str, bool]]:
    """Each attempt puts a name into one stored file and gives the folder to one command.

    The payload lies in the current directory and on Python's path, so that any import would find it.
    """
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        sys.path.insert(0, folder)
        try:
            for number in range(count):
                place = chance.choice(list(PLACES))
                name = chance.choice(NAMES)
                path = Path(folder, f"{number}")
                path.mkdir()
                for module in (Path("sent.py"), Path("sent") / "payload.py", path / "sent.py"):
                    if chance.random() < 0.7:
                        module.parent.mkdir(exist_ok=True)
                        module.write_text(PAYLOAD)
                words = PLACES[place](path, name)
                yield f"{place}: {name!r} for {' '.join(words[:1])}", _holds(words, Path(folder))
        finally:
            os.chdir(here)
            sys.path.remove(folder)


def _holds(words: list[str], folder: Path) -> bool:
    """Whether a command is refused in one line, and nothing of the payload has run."""
    from baselines.commands.main import main

    out, err, before = io.StringIO(), io.StringIO(), set(sys.modules)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: Any = main(words)
        except SystemExit as left:
            code = left.code
    loaded = {name for name in set(sys.modules) - before if name.partition(".")[0] == "sent"}
    return code in (1, 2) and err.getvalue().count("\n") == 1 and not loaded and not list(folder.rglob("RAN"))


def _run(*words: str, method: str = "train") -> Callable[[Path, str], list[str]]:
    def make(path: Path, name: str) -> list[str]:
        from tests.attack import _folders

        _folders.config(path / "run", method, name)
        return [*words, str(path / "run")]

    return make


def _sweep(where: str) -> Callable[[Path, str], list[str]]:
    def make(path: Path, name: str) -> list[str]:
        content: dict[str, Any] = {"format": 1, "fixed": {}, "axes": {"seed": [0, 1]}, "exclude": []}
        content |= {"fixed": {"cell": name}} if where == "fixed" else {}
        content["axes"] = {"cell": ["leaky", name]} if where == "axes" else content["axes"]
        (path / "sweep.json").write_text(json.dumps(content))
        return ["sweep", str(path)]

    return make


def _toml(path: Path, name: str) -> list[str]:
    text = json.dumps(name.encode(errors="replace").decode())
    (path / "sweep.toml").write_text(f"cell = {text}\nseed = [0, 1]\n")
    return ["sweep", str(path / "sweep.toml"), "--out", str(path / "out")]


def _benchmark(method: str, *words: str) -> Callable[[Path, str], list[str]]:
    def make(path: Path, name: str) -> list[str]:
        from dataclasses import asdict

        from baselines.benchmark.budgets import BUDGETS

        content = {"format": 1, "budget_name": "quick", "budget": asdict(BUDGETS["quick"]), "tasks": ["parity"]}
        content |= {"contestants": [{"what": name, "method": method}], "seeds": [0], "versions": {}}
        (path / "settings.json").write_text(json.dumps(content))
        return ["benchmark", "--out", str(path), *words]

    return make


PLACES: dict[str, Callable[[Path, str], list[str]]] = {
    "config.json, evaluate": _run("evaluate"),
    "config.json, evaluate a run of train-rl": _run("evaluate", method="train-rl"),
    "config.json, analyze": _run("analyze", "--what", "perturbation"),
    "config.json, train --resume": _run("train", "--resume"),
    "config.json, train --go-on": _run("train", "--go-on", "--out"),
    "config.json, train-rl --resume": _run("train-rl", "--resume", method="train-rl"),
    "sweep.json, fixed": _sweep("fixed"),
    "sweep.json, axes": _sweep("axes"),
    "a TOML file": _toml,
    "settings.json, an agent": _benchmark("agent"),
    "settings.json, a cell": _benchmark("bptt"),
    "settings.json, beside a typed one": _benchmark("agent", "--agent", "gru", "--method", "bptt"),
}
"""Where the name is put, and what reads it -> a function that does it and gives the command line."""
