"""A GRU learns delayed match to sample by reinforcement learning: first N = 2, then also N = 3 and N = 4."""

import torch

from baselines.evaluation import evaluate
from baselines.ppo import CellPolicy, CurriculumCallback, RecurrentPPO, make_sb3_vec_env
from baselines.training.curriculum import MultiHead
from memory_envs import DelayedMatch

torch.set_num_threads(1)
curriculum = CurriculumCallback(MultiHead(n_max=4, threshold=0.95), DelayedMatch())
model = RecurrentPPO(
    CellPolicy,
    make_sb3_vec_env(curriculum.task, 64),
    n_steps=32,
    batch_size=512,
    learning_rate=3e-3,
    whole_episodes=True,
    policy_kwargs={"cell": "gru", "critic": "shared"},
    seed=0,
    device="cpu",
)
model.learn(100_000, curriculum)  # ends as soon as N = 4 is solved
for n, steps in curriculum.solved.items():
    print(f"N = {n} solved after {steps} steps")

model.save("dms.zip")
agent = RecurrentPPO.load("dms.zip", device="cpu")  # a loaded model can be evaluated as it is
played = evaluate(agent, curriculum.task, episodes=1000, seed=10**9)
print(", ".join(f"{head}: {accuracy:.1%} right" for head, accuracy in played.accuracy.items()))
