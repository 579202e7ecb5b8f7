"""Systems with known answers, as cells, and short ways to analyse them."""

import torch
from torch import Tensor, nn

from baselines.analysis import Subject
from baselines.cells import Cell
from baselines.network import RecurrentNetwork, answer_width, head_keys
from memory_envs import Parity, Task


class Linear(Cell):
    """s(t) = A s(t-1) + B x(t); the output is C s(t)."""

    def __init__(self, a: Tensor, b: Tensor, c: Tensor | None = None) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(a), nn.Parameter(b)
        self.c = nn.Parameter(torch.eye(len(a)) if c is None else c)
        self.state_size, self.input_size, self.output_size = len(a), b.shape[1], len(self.c)

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = state @ self.a.t() + inputs @ self.b.t()
        return state @ self.c.t(), state


def filters(taus: list[float], outputs: Tensor | None = None) -> Linear:
    """Units that filter white noise with exp(-1/tau): their autocorrelation is exp(-k/tau), exactly."""
    return Linear(torch.exp(-1 / torch.tensor(taus)).diag(), torch.ones(len(taus), 1), outputs)


def subject(cell: Cell, task: Task | None = None, run: str = "network") -> Subject:
    task = Parity(N=2) if task is None else task
    network = RecurrentNetwork(cell, answer_width(task))
    for i, key in enumerate(head_keys(task)):
        network.add_readout(key, torch.Generator().manual_seed(i))
    return Subject(network.requires_grad_(False), task, run)
