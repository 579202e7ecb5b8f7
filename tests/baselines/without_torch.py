"""What the command line answers where the packages that take long to import cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.baselines.processes import DEADLINE, ROOT

HEAVY = ("torch", "safetensors", "matplotlib", "scipy", "rich", "tensorboard", "stable_baselines3", "sb3_contrib")

Answer = tuple[int, str, str]
"""Exit code, output and errors of a command line."""

CODE = f"""
import contextlib, io, json, sys
sys.modules.update(dict.fromkeys({HEAVY!r}))  # None: cannot be imported
from baselines.commands.main import main
answers = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as left:
            code = left.code
    answers.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(answers))
"""


def answers(commands: Sequence[Sequence[str]], folder: Path) -> list[Answer]:
    """The answers to command lines, given one after the other by one process that works in ``folder``."""
    command = [sys.executable, "-c", CODE, json.dumps(commands)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return [(code, out, err) for code, out, err in json.loads(done.stdout)]
