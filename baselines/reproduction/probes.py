"""What the analyses tell of a run's checkpoints, as observations. The protocols are those of ``baselines.analysis``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines import runs
from baselines.analysis import (
    ablation,
    forgetting,
    generalisation,
    geometry,
    perturbation,
    stimuli,
    subjects,
    timescales,
)
from baselines.analysis.ablation import AblationSettings
from baselines.analysis.forgetting import ForgettingSettings
from baselines.analysis.generalisation import GeneralisationSettings
from baselines.analysis.geometry import GeometrySettings
from baselines.analysis.perturbation import PerturbationSettings
from baselines.analysis.subjects import Subject
from baselines.analysis.timescales import TimescaleSettings
from baselines.analysis.trajectories import components
from baselines.files import RunError
from baselines.reproduction.observations import Observation
from baselines.reproduction.sources import Trained


def _at(run: Trained, ns: Sequence[int]) -> list[Subject]:
    """The checkpoints of these N, as far as the run solved them.

    Raises:
        RunError: one of them is missing: the network would be left out without a word.
    """
    wanted = [n for n in ns if n in run.solved_at]
    for n in wanted:
        _check_kept(runs.checkpoint_file(run.path, n))
    return subjects.load([run.path], wanted) if wanted else []


def _check_kept(file: Path) -> None:
    if not file.exists():
        raise RunError(f"{file} must be there, for the run came so far")


def net_timescales(
    run: Trained, case: str, *, ns: Sequence[int], quantities: Mapping[str, str], **settings: Any
) -> Iterator[Observation]:
    """Timescales of units' activity, over those that the published filter keeps; the published choice of fits (AIC).

    ``quantities``: column of the summary -> what it is called; of ``kept`` the share of all units.
    """
    for subject in _at(run, ns):
        summary = timescales.measure(subject, TimescaleSettings(**settings))["summary"].where(way="aic")
        for column, quantity in quantities.items():
            value = float(summary[column][0]) / (float(summary["units"][0]) if column == "kept" else 1.0)
            if np.isfinite(value):
                yield _seen(run, case, quantity, subject.task.N, value)


def ablations(run: Trained, case: str, *, n: int, singles: int, way: str) -> Iterator[Observation]:
    """Accuracy for N = ``n`` as it is, and with single units ablated: the mean over the fastest, and the slowest."""
    settings = AblationSettings(singles=singles, groups=(), way=way)
    for subject in _at(run, [n]):
        table = ablation.measure(subject, settings)["ablation"]
        yield _seen(run, case, "accuracy", None, float(table["baseline"][0]))
        for selection in ("fastest", "slowest", "random"):
            rows = table.where(selection=selection)
            yield _seen(run, case, f"accuracy, one of the {selection}", None, float(rows["accuracy"].mean()))
            if selection == "slowest":
                yield _seen(run, case, "tau of the slowest", None, float(rows["tau"].mean()))


def perturbations(run: Trained, case: str, *, n: int, **settings: Any) -> Iterator[Observation]:
    """Relative accuracy for N = ``n`` with perturbed weights and time constants, the mean over repetitions."""
    for subject in _at(run, [n]):
        table = perturbation.measure(subject, PerturbationSettings(of=("weights", "tau"), **settings))["perturbation"]
        for kind, size in table.distinct("of", "size"):
            value = float(table.where(of=kind, size=size)["relative"].mean())
            yield _seen(run, case, f"relative accuracy, {kind} perturbed", size, value)


def retraining(run: Trained, case: str, *, n: int, ns: Sequence[int], updates: int) -> Iterator[Observation]:
    """Accuracy on other N after so many updates on each alone, from the checkpoint of N = ``n``."""
    settings = GeneralisationSettings(kinds=("n",), ns=tuple(ns), updates=updates, scopes=("network",))
    for subject in _at(run, [n]):
        table = generalisation.measure(subject, settings)["generalisation"].where(retrained="network")
        for other, accuracy in zip(table["value"], table["accuracy"], strict=True):
            yield _seen(run, case, "accuracy after retraining", float(other), float(accuracy))


def forgotten(run: Trained, case: str, *, n: int) -> Iterator[Observation]:
    """Accuracy on every smaller N of the checkpoint of N = ``n``, as read by its readouts and by refitted ones."""
    for subject in _at(run, [n]):
        table = forgetting.measure(subject, ForgettingSettings())["forgetting"]
        for asked, readout, accuracy in zip(table["asked"], table["readout"], table["accuracy"], strict=True):
            if np.isfinite(accuracy):
                yield _seen(run, case, f"accuracy, readout {readout}", float(asked), float(accuracy))


def geometry_course(
    run: Trained, case: str, *, updates: Sequence[int], quantities: Mapping[str, str], **settings: Any
) -> Iterator[Observation]:
    """Columns of the analysis ``geometry`` after so many updates; ``quantities``: column -> what it is called."""
    asked = GeometrySettings(**settings)
    for update in updates:
        if update <= run.summary["updates"] and run.summary["status"] != "diverged":
            _check_kept(runs.checkpoint_file(run.path, update=update))
    for subject in subjects.load([run.path], "course"):
        if subject.update in updates:
            table = geometry.measure(subject, asked)["geometry"]
            for column, quantity in quantities.items():
                value = float(table[column][0])
                if np.isfinite(value):
                    yield _seen(run, case, quantity, float(subject.update), value)


@torch.no_grad()
def dimensions(run: Trained, case: str, *, ns: Sequence[int], trials: int, steps: int) -> Iterator[Observation]:
    """Principal components for 90 % of the variance of the output, and their participation ratio.

    Protocol: ``trials`` trials of ``steps`` steps after 100 steps of warm-up, p = 0.5.
    """
    for subject in _at(run, ns):
        task = stimuli.changed(subject.task, {"p": 0.5}, subject.task.num_inputs)
        inputs = stimuli.stream(task, trials, 100 + steps, 0)
        outputs, _ = subject.network.unroll(inputs, subject.cell.initial_state(trials))
        found = components(outputs[100:].flatten(0, 1).double().numpy())
        yield _seen(run, case, "dimensions for 90 %", subject.task.N, found.dimension())
        yield _seen(run, case, "participation ratio", subject.task.N, found.participation_ratio)


def _seen(run: Trained, case: str, quantity: str, x: float | None, value: float) -> Observation:
    return Observation(quantity=quantity, case=case, x=x, seed=run.settings.seed, value=value, run=run.name)
