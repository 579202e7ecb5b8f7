"""Measurements of speed, as ratios within one run: ``python -m speed.environments`` and so on."""
