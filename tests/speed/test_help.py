"""Each command explains itself at once: before torch is imported."""

import os
import re
import sys
from pathlib import Path

import pytest

import speed
from tests.limits import run_limited

ROOT = Path(__file__).parents[2]
COMMANDS = re.findall(r"python -m speed\.(\w+)", speed.__doc__ or "")


def test_the_package_names_every_command() -> None:
    modules = (ROOT / "speed").glob("*.py")
    assert sorted(COMMANDS) == sorted(path.stem for path in modules if "def main(" in path.read_text())


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", f"speed.{name}", "--help"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = run_limited(command, cpu_seconds=30, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(f"usage: {name}.py") or done.stdout.startswith(f"usage: python -m speed.{name}")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert not imported & {"torch", "matplotlib", "stable_baselines3"}
