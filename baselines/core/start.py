"""What a program of this project does before it imports anything else."""

import os
import sys


def leave_out_current_directory() -> None:
    """Take the current directory from the front of the path, where ``python -m`` puts it.

    Otherwise a file there with the name of a package, such as ``rich.py``, would be run in its place. Modules that the
    user names are still found there (``baselines.core.process.import_object``). Where this project itself is run from
    the current directory, as in a checkout, the path stays as it is.
    """
    here = os.getcwd()
    ours = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if sys.path and sys.path[0] == here != ours:
        del sys.path[0]
