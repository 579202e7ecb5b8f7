"""Trains one condition with some seeds: python -m baselines.reproduction.tcr.worker FILE CONDITION-AS-JSON SEED ...

A row is appended to FILE for each seed, as soon as its run has ended; seeds that it holds already are left out.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path

import torch

from baselines.cells import Cell, make_cell
from baselines.core import seeds
from baselines.network import RecurrentNetwork, answer_width
from baselines.reproduction.tcr.conditions import Condition
from baselines.reproduction.tcr.results import Run, append, read
from baselines.training import losses, schedules
from baselines.training.learner import Learner, Report
from baselines.training.losses import LossTerm
from baselines.training.recipes import Recipe
from baselines.training.schedules import Weight
from memory_envs import Task
from memory_envs.tasks import TASKS

TEST_EVERY = 25
SQUARED_ERROR = 0.01
"""A run on a real-valued task is solved when its mean squared error over ``TEST_EVERY`` batches is less."""
ACCURACY = 0.95
"""A run on a task of labels is solved when its accuracy over ``TEST_EVERY`` batches, averaged over heads, is this."""


def terms_of(condition: Condition, task: Task, cell: Cell) -> tuple[dict[str, LossTerm], dict[str, Weight]]:
    """Loss terms and their weights. The change of activity is measured in every run, with weight 0 in those without."""
    weight, others = schedules.schedule(condition.schedule, condition.tcr, condition.schedule_updates)
    terms: dict[str, LossTerm] = {
        "task": losses.task_loss(task),
        "tcr": losses.temporal_consistency(losses.activity_reader(cell, condition.tcr_on)),
    }
    weights: dict[str, Weight] = {"task": others, "tcr": weight}
    if condition.manifold:
        terms["manifold"] = losses.manifold_attractor(cell)
        weights["manifold"] = lambda update: condition.manifold * others(update)
    if condition.activity_l2:
        terms["activity_l2"] = losses.activity_size
        weights["activity_l2"] = lambda update: condition.activity_l2 * others(update)
    return terms, weights


def learner_of(condition: Condition, seed: int) -> Learner:
    """What trains: the same weights and trials for all conditions of one task and cell that share the seed."""
    task = TASKS[condition.task](**condition.task_args)
    generator = seeds.generator(seed, "cell")
    options = dict(condition.cell_args)
    cell = make_cell(condition.cell, task.num_inputs, condition.units, generator=generator, options=options)
    terms, weights = terms_of(condition, task, cell)
    recipe = Recipe(
        units=condition.units,
        batch_size=condition.batch_size,
        optimizer=condition.optimizer,
        momentum=condition.momentum,
        learning_rate=condition.learning_rate,
        clip_norm=condition.clip_norm,
        trial_length=4,
        test_every=TEST_EVERY,
    )
    network = RecurrentNetwork(cell, answer_width(task))
    return Learner(network, task, recipe, seed=seed, terms=terms, weights=weights)


def solved(task: Task, report: Report) -> bool:
    """Whether a test meets the criterion."""
    if task.real_valued:
        return report.losses["task"] < SQUARED_ERROR
    return sum(report.scores.values()) / len(report.scores) >= ACCURACY


def run(condition: Condition, seed: int) -> Run:
    """Train until the criterion is met, the limit is reached or the loss is no longer finite."""
    start = time.process_time()
    learner = learner_of(condition, seed)
    half = (learner.task.target_variance if learner.task.real_valued else math.log(2)) / 2
    status, plateau = "limit", condition.limit
    while status == "limit" and learner.update < condition.limit:
        for _ in range(TEST_EVERY):
            learner.learn()
        report = learner.test()
        loss = report.losses["task"]
        if loss < half:
            plateau = min(plateau, learner.update)
        if report.diverged_at is not None:
            status = "diverged"
        elif solved(learner.task, report):
            status = "solved"
    updates = learner.update if status == "solved" else condition.limit
    return Run(status, updates, plateau, loss, report.losses["tcr"], time.process_time() - start)


def main() -> None:
    """Every seed in turn."""
    torch.set_num_threads(1)
    path, condition = Path(sys.argv[1]), Condition(**json.loads(sys.argv[2]))
    for seed in map(int, sys.argv[3:]):
        if (condition, seed) not in read(path):
            result = run(condition, seed)
            append(path, condition, seed, result)
            print(f"seed {seed}: {result.status} at update {result.updates}, loss {result.loss:.3g}", flush=True)


if __name__ == "__main__":
    main()
