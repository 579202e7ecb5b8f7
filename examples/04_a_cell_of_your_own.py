"""A recurrent cell of your own, trained like ours (about 10 seconds).

To train it from the command line, run in the folder that contains examples/:
python -m baselines train --cell examples.04_a_cell_of_your_own:MinimalGatedUnit --cell-args bias=2 --n-max 5

To benchmark it, trained by reinforcement learning and by backpropagation through time:
python -m baselines benchmark --agent examples.04_a_cell_of_your_own:MinimalGatedUnit --method ppo bptt --budget quick
"""

import torch
from torch import Tensor

from baselines.cells import Cell
from baselines.core.seeds import evaluation_seed
from baselines.evaluation import evaluate
from baselines.network import NetworkAgent, RecurrentNetwork, answer_width
from baselines.training import recipes
from baselines.training.curriculum import MultiHead
from baselines.training.learner import Learner, train
from memory_envs import Parity


class MinimalGatedUnit(Cell):
    """h(t) = (1 - f) h(t-1) + f tanh(W [f h(t-1), x(t)]), f = sigmoid(V [h(t-1), x(t)]) (Zhou et al. 2016)."""

    def __init__(self, input_size: int, units: int, *, bias: float = 0.0) -> None:
        super().__init__()
        self.state_size = self.output_size = units
        self.gate, self.new = (torch.nn.Linear(units + input_size, units) for _ in range(2))
        torch.nn.init.constant_(self.gate.bias, bias)

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (B, I), state (B, S) -> output (B, U), new state (B, S)."""
        f = torch.sigmoid(self.gate(torch.cat([state, inputs], -1)))
        state = (1 - f) * state + f * torch.tanh(self.new(torch.cat([f * state, inputs], -1)))
        return state, state


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    task, curriculum, recipe = Parity(), MultiHead(n_max=4), recipes.find("trials", "parity", "leaky")
    network = RecurrentNetwork(MinimalGatedUnit(task.num_inputs, 64, bias=2), answer_width(task))
    learner = Learner(network, curriculum.first(task), recipe, seed=0)
    for report in train(learner, curriculum):
        if report.solved:
            print(f"N = {report.task.N} solved after {report.update} updates")
    played = evaluate(NetworkAgent(network, learner.task), learner.task, episodes=200, seed=evaluation_seed(0))
    print(f"score in the environment: {played.score:.3f} +- {1.96 * played.standard_error:.3f} (perfect: 1)")
