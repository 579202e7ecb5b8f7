"""What a program of this project does before it imports anything else."""

import os
import sys

SAFE_PATH = "PYTHONSAFEPATH"
"""The environment variable that keeps Python from searching the current directory first."""


def leave_out_current_directory() -> None:
    """Take the current directory from the front of the path, where ``python -m`` puts it.

    Otherwise a file there with the name of a package, such as ``rich.py``, would be run in its place. Modules that the
    user names are still found there (``baselines.core.process.import_object``). Where this project itself is run from
    the current directory, as in a checkout, the path stays as it is.
    """
    if sys.path and sys.path[0] == os.getcwd() != _ours():
        del sys.path[0]


def worker_environment() -> dict[str, str]:
    """Environment variables for ``python -m`` with a module of this project, with the same effect (Python 3.11)."""
    return {SAFE_PATH: "1"} if os.getcwd() != _ours() else {}


def _ours() -> str:
    """The folder that holds this project's packages."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
