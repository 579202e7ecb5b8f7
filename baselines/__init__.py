"""Training, evaluation and analysis of recurrent networks on the memory tasks.

``python -m baselines`` is the command line. Everything that it does can also be called from Python.
"""

from __future__ import annotations
