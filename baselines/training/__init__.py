"""Training: the settings of a run, single runs, and sweeps of many runs. Nothing here needs Stable-Baselines3."""
