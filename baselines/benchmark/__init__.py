"""The benchmark of agents: a ladder of growing N, climbed with a budget of environment steps for each rung.

``python -m baselines benchmark --agent package.module:make_agent`` runs it.
"""

from __future__ import annotations

from baselines.benchmark.budgets import BUDGETS, SOLVED, Budget
from baselines.benchmark.environment import BudgetSpent, CountedEnv

__all__ = ["BUDGETS", "SOLVED", "Budget", "BudgetSpent", "CountedEnv"]
