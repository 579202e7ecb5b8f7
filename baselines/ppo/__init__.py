"""Reinforcement learning: sb3-contrib's RecurrentPPO with any cell, on the native vector environments.

Needs stable-baselines3 and sb3-contrib: ``pip install ".[rl]"``. ``baselines.ppo.run`` trains whole runs with them.
"""

from __future__ import annotations

from baselines.ppo.algorithm import RecurrentPPO
from baselines.ppo.callbacks import CurriculumCallback
from baselines.ppo.policy import CellPolicy
from baselines.ppo.vec_env import SB3VecEnv, make_sb3_vec_env

__all__ = ["CellPolicy", "CurriculumCallback", "RecurrentPPO", "SB3VecEnv", "make_sb3_vec_env"]
