"""The benchmark of agents: a ladder of growing N, climbed with a budget of environment steps for each rung."""
