"""Measurements of speed. Each module is a command with ``--help``; run it from the folder that contains ``speed/``.

    python -m speed.environments     # steps per second of the environments, compared with other suites
    python -m speed.training         # recurrences, training updates, and the time to a given N
    python -m speed.ppo              # our RecurrentPPO compared with sb3-contrib's: speed and learning curves
    python -m speed.ppo_learning     # environment steps until our PPO has learned each task
    python -m speed.recipe_search    # search for better settings of the recipe "trials"
    python -m speed.timescales       # CPU time and memory of the timescale analysis

``environments`` and ``training`` have ``--quick``. Stored results are in ``speed/results``.
"""
