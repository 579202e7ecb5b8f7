"""Measure one row of ``speed.training`` once. ``speed.training`` calls this in a process of its own."""

from __future__ import annotations

import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.cells import make_cell
from baselines.cells.base import Cell
from baselines.cells.gated import GatedCell
from baselines.core.process import keep_freed_memory
from baselines.training.bptt_settings import Settings
from baselines.training.learner import Learner
from baselines.training.run import TrainingRun
from speed.training_cases import UPDATES, Case

Call = Callable[[], object]
"""What is timed."""


def floor_of(case: Case) -> Call:
    """The matrix products of a recurrence alone (see ``speed.training``)."""
    steps, batch, units = case.steps, case.batch, case.units
    width = {"gru": 3, "lstm": 4}.get(case.cell, 1) * units
    weight = torch.randn(units, width)
    before, gates, gradient = (
        torch.randn(steps, batch, units),
        torch.randn(steps, batch, width),
        torch.empty(width, units),
    )
    h, g, turned = before.unbind(0), gates.unbind(0), weight.t()
    # The products are added to the same buffers again and again; a tiny factor keeps the numbers finite.
    tiny = 1e-9

    def products() -> None:
        for t in range(steps):
            g[t].addmm_(h[t], weight, alpha=tiny)
        for t in range(steps):
            h[t].addmm_(g[t], turned, alpha=tiny)
        torch.mm(gates.view(-1, width).t(), before.view(-1, units), out=gradient)

    return products


def recurrence(case: Case) -> Call:
    """Forward and backward pass through a cell alone."""
    cell = make_cell(case.cell, 1, case.units, generator=torch.Generator().manual_seed(0))
    inputs = torch.randint(0, 2, (case.steps, case.batch, 1)).float()
    state, toward = cell.initial_state(case.batch), 1e-3 * torch.randn(case.steps, case.batch, case.units)
    unroll: Callable[[Tensor, Tensor], tuple[Tensor, Any]]
    module: nn.Module = cell
    if case.subject == "torch.nn":
        peer: Any = cell.to_torch() if isinstance(cell, GatedCell) else nn.RNN(1, case.units)
        module, unroll = peer, lambda inputs, state: peer(inputs)
    elif case.subject == "plain":
        unroll = lambda inputs, state: Cell.unroll(cell, inputs, state)  # noqa: E731
    else:
        unroll = cell.unroll

    def call() -> None:
        module.zero_grad()
        outputs, _states = unroll(inputs, state)
        torch.autograd.backward(outputs, toward)

    return call


def learner(case: Case) -> Learner:
    """Our learner at the stage of the largest N; whole trials all have the length that is measured."""
    recipe, replaced = UPDATES[case.way]
    if replaced:
        replaced = replaced | {"units": case.units, "batch_size": case.batch}
    # The last stage is a later one, so that there are heads to learn ahead.
    plan = Settings(cell=case.cell, n_max=case.n + 9, recipe=recipe, overrides=replaced).plan()
    if (plan.recipe.units, plan.recipe.batch_size) != (case.units, case.batch):
        raise ValueError(f"{case.way!r} has {plan.recipe.units} units and batches of {plan.recipe.batch_size}")
    network = plan.new_network()
    terms, weights = plan.terms(network.cell)
    stage = plan.curriculum.stage(plan.task, case.n)
    ahead = plan.curriculum.ahead(stage, plan.recipe.heads_ahead)
    made = Learner(network, stage, plan.recipe, seed=0, terms=terms, weights=weights, ahead=ahead)
    if made.streams is None:
        practice = made.training_practice
        practice.drawn = False
        practice.task = practice.task.replace(num_steps=case.steps)
    if len(made.draw().inputs) != case.steps:
        raise ValueError(f"{case.way!r} trains on {len(made.draw().inputs)} steps, not on {case.steps}")
    return made


def plain_update(case: Case) -> Call:
    """The published update directly in torch: a loop over steps, a readout per head, torch's loss, clipping, SGD."""
    ours = learner(case)
    cell, recipe = ours.network.cell, ours.recipe
    heads = nn.ModuleList([nn.Linear(case.units, 2) for _ in ours.heads])
    parameters = [*cell.parameters(), *heads.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=True)
    generator = torch.Generator().manual_seed(0)
    count = 0

    def call() -> None:
        nonlocal count
        trials = ours.training_practice.batch(count)
        count += 1
        inputs = torch.from_numpy(np.require(trials.inputs, requirements=["C", "W"]))
        targets = torch.from_numpy(np.require(trials.targets[-1], requirements=["C", "W"]))
        outputs, _states = Cell.unroll(cell, inputs, cell.training_state(case.batch, generator))
        losses = [nn.functional.cross_entropy(head(outputs[-1]), targets[:, i]) for i, head in enumerate(heads)]
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(losses).sum())
        nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        optimizer.step()

    return call


def timed(call: Call, floor: Call, seconds: float) -> dict[str, float]:
    """Time calls in turn with the floor for at least ``seconds`` of CPU time, after an untimed round: the medians."""
    numbers: dict[str, list[float]] = {key: [] for key in ("cpu", "wall", "floor", "faults")}

    def pages() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    floor()
    call()
    call()
    end = time.process_time() + seconds
    while time.process_time() < end or len(numbers["cpu"]) < 3:
        cpu = time.process_time()
        floor()
        numbers["floor"].append(time.process_time() - cpu)
        faults, wall, cpu = pages(), time.perf_counter(), time.process_time()
        call()
        numbers["cpu"].append(time.process_time() - cpu)
        numbers["wall"].append(time.perf_counter() - wall)
        numbers["faults"].append(pages() - faults)
    found = {key: median(values) for key, values in numbers.items()}
    return found | {"share": found["floor"] / found["cpu"]}


def time_to_n(cell: str, n: int, seed: int, budget: float, recipe: str) -> dict[str, Any]:
    """Train once with this recipe in a temporary run folder: CPU seconds, updates, and the largest N solved."""
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(
            Settings(cell=cell, n_max=n, seed=seed, budget=budget, recipe=recipe, out=Path(folder) / "run")
        )
        for _progress in run.train():
            pass
        done = run.finish()
    solved = done["status"] == "solved"
    return {"solved": solved, "cpu_s": done["cpu_seconds"], "updates": done["updates"], "largest_n": done["largest_n"]}


def answer(request: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Measure what ``speed.training`` asks for: name -> number."""
    section = request["section"]
    if section == "versions":
        return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    torch.set_num_threads(1)
    if not request.get("stock"):
        keep_freed_memory()
    if section == "time to N":
        return time_to_n(**{key: value for key, value in request.items() if key != "section"})
    torch.manual_seed(0)
    case = Case(**request)
    if case.way:
        call: Call = learner(case).learn if case.subject == "ours" else plain_update(case)
    else:
        call = recurrence(case)
    return timed(call, floor_of(case), seconds)
