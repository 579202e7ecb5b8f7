"""Published results, reproduced: named experiments with their runs, measurements, and verdicts by rules."""

from __future__ import annotations
