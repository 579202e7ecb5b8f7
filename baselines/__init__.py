"""Training, evaluation and analysis of recurrent networks on the memory tasks.

``python -m baselines train`` is the command line; everything that it does is one import away.
"""

from __future__ import annotations
