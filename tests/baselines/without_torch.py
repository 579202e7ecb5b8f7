"""What commands answer where nothing heavy can be imported: ``python -m tests.baselines.without_torch``.

It reads a JSON list of command lines, each a list of words, and writes a JSON list of what each of them answered: the
exit code, the standard output, the standard error.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

HEAVY = ("torch", "matplotlib", "rich", "scipy", "tensorboard", "safetensors", "stable_baselines3", "sb3_contrib")

Answer = tuple[int, str, str]


def answers(commands: Sequence[Sequence[str]], folder: Path) -> list[Answer]:
    """The answers to these command lines, given one after the other by a process that works in ``folder``."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root), "COLUMNS": "150"},
        timeout=300,
    )
    return [(code, said, error) for code, said, error in json.loads(done.stdout)]


def main() -> None:
    for name in HEAVY:
        sys.modules[name] = None  # type: ignore[assignment]  # an import of it raises ModuleNotFoundError
    from baselines.commands.main import main as command

    found = []
    for words in json.load(sys.stdin):
        said, error = io.StringIO(), io.StringIO()
        with redirect_stdout(said), redirect_stderr(error):
            try:
                code = command(words)
            except SystemExit as left:
                code = int(left.code or 0)
        found.append((code, said.getvalue(), error.getvalue()))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
