"""Training: the settings of a run, one run, and sweeps of many. Nothing in it needs Stable-Baselines3."""
