"""The analysis ``geometry``: dimensions, memory states, fixed and slow points, chaos.

Axes: T steps, B trials, I inputs, S state size, M states, P points.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from baselines.analysis import stimuli
from baselines.analysis.base import Analysis, Tables
from baselines.analysis.geometry import figure, restructuring
from baselines.analysis.geometry.components import Components, components
from baselines.analysis.geometry.fixed_points import KINDS, Points, find_points
from baselines.analysis.geometry.lyapunov import largest_exponent
from baselines.analysis.geometry.memory_states import distances, memory_states
from baselines.analysis.geometry.memory_states import held as held_words
from baselines.analysis.geometry.restructuring import CHANGES
from baselines.analysis.settings import GeometrySettings
from baselines.analysis.subject import KEYS, Subject
from baselines.core.settings import SettingsError, blame
from baselines.core.tables import Column, Table
from baselines.network import RecurrentNetwork, head_keys
from baselines.training import losses
from memory_envs import Task, Trials, checks

HELD: dict[str, tuple[float, ...]] = {"evidence-accumulation": (0.0, 1.0)}
"""Task -> the constant input under which points are sought; for other tasks zeros. (0, 1): no evidence, and go."""
_KEPT_COMPONENTS = 5
_SHOWN_TRIALS = 8
_EXPONENT_TRIALS = 8

GEOMETRY = (
    *KEYS,
    Column("loss", "loss of the task on the trials that are analysed"),
    Column("participation_ratio", "(sum of variances)^2 / sum of their squares, over principal components"),
    Column("dimension_90", "principal components that hold 90 % of the variance (published values are one less)"),
    Column("memory_states", "memory states that occur"),
    Column("distance", "mean distance between the mean states of two memory states", "activity"),
    Column("within", "root mean squared distance of a state from the mean of its memory state", "activity"),
    Column("separation", "distance / within"),
    Column("lyapunov_driven", "largest Lyapunov exponent under the task's input, mean over trials", "1 / step"),
    Column("lyapunov_held", "largest Lyapunov exponent under the held input, mean over trials", "1 / step"),
    Column("stable", "stable fixed points"),
    Column("unstable", "unstable fixed points"),
    Column("slow", "slow points that are not fixed; how many are found depends on how many are sought"),
)
COMPONENTS = (
    *KEYS,
    Column("component", "principal component, from 1"),
    Column("variance", "share of the variance"),
    Column("entry", "entry of the state, from 0"),
    Column("weight", "value of the component at that entry"),
)
TRAJECTORIES = (
    *KEYS,
    Column("trial", "trial, from 0"),
    Column("step", "step of the trial, from 0", "steps"),
    Column("memory", "memory state, -1 where no answer is defined"),
    Column("holds", "the same in words: bits of the flip-flop from the first channel on, a label, an interval"),
    *(Column(f"pc{i}", f"coordinate along principal component {i}", "activity") for i in (1, 2, 3)),
)
POINTS = (
    *KEYS,
    Column("kind", "stable or unstable (fixed points), or slow"),
    Column("speed", "how far the state moves in a step, over the spread of the visited states"),
    Column("radius", "largest modulus of the Jacobian's eigenvalues"),
    Column("unstable_directions", "eigenvalues of modulus above 1.001"),
    Column("timescale", "-1 / ln of the largest modulus below 0.999", "steps"),
    Column("answer", "memory state that the readouts answer there"),
    *(Column(f"pc{i}", f"coordinate along principal component {i}", "activity") for i in (1, 2, 3)),
    *(
        Column(f"eigenvalue{i}_{part}", f"eigenvalue number {i} by modulus, {part}")
        for i in (1, 2, 3)
        for part in ("real", "imaginary")
    ),
)
DISTANCES = (
    *KEYS,
    Column("memory", "memory state"),
    Column("other", "another memory state"),
    Column("distance", "distance of their mean states", "activity"),
)


TABLES = {
    "geometry": GEOMETRY,
    "components": COMPONENTS,
    "trajectories": TRAJECTORIES,
    "points": POINTS,
    "distances": DISTANCES,
}
"""Name of each table of one subject -> its columns."""


class Geometry(Analysis[GeometrySettings]):
    """The geometry of one checkpoint.

    Protocol [ours; after Haputhanthri et al. 2025, whose text was not available to us]: the states (an LSTM's h and c)
    of ``trials`` trials of the stage, from the first step that counts. Their principal components, participation ratio
    and number of components for 90 % of the variance. Memory states: what should be held at a step (all channels of the
    flip-flop together; for other tasks the answer for the largest N; real values in four intervals), and the distances
    between their mean states. Fixed and slow points under a constant input, sought from ``points`` visited states
    (``fixed_points.find_points``). Largest Lyapunov exponents (``lyapunov.largest_exponent``) under the task's stimulus
    and under the constant input, from the last states of 8 trials, over ``exponent_steps`` steps, which come after as
    many others, but not more than 100, that are not measured. Over the checkpoints of a run:
    ``restructuring.conclude``.

    Tables of each checkpoint: ``geometry``, ``components``, ``trajectories``, ``points`` and ``distances``. Table
    ``changes``: what changed between neighbouring checkpoints of a run.
    """

    name = "geometry"
    settings = GeometrySettings
    columns: ClassVar = TABLES | {"changes": CHANGES}
    checkpoints = "course"

    def check(self, subject: Subject, settings: GeometrySettings) -> None:
        task = stimuli.changed(subject.task, settings.task_args, subject.task.num_inputs)
        if settings.steps is not None:
            if not task.free_length:
                raise SettingsError(
                    "steps", f"steps must be left out for {task.name}: its N sets the length of its trials"
                )
            blame("steps", checks.integer, "steps", settings.steps, task.N, 10**6)
        if settings.held and len(settings.held) != subject.task.num_inputs:
            raise SettingsError("held", f"held must be {subject.task.num_inputs} numbers, got {len(settings.held)}")

    def compute(self, subject: Subject, settings: GeometrySettings) -> Tables:
        network, keys = subject.network, subject.keys
        task = _task(subject, settings)
        trials = stimuli.fresh(task, settings.trials, settings.seed)
        inputs, targets, mask = (
            torch.from_numpy(np.require(values, requirements=["C", "W"])).to(settings.device)
            for values in (trials.inputs, trials.targets, trials.mask)
        )
        with torch.no_grad():
            rollout = network(inputs, head_keys(task), network.cell.initial_state(settings.trials))
            loss = float(losses.task_loss(task)(rollout, targets, mask))
        counted = int(trials.mask.any(1).argmax())
        labels = memory_states(task, trials)[counted:]
        states = rollout.states[counted:]
        flat = states.flatten(0, 1).double().cpu().numpy()
        tables = {name: Table(columns) for name, columns in TABLES.items()}
        if not np.isfinite(flat).all():
            tables["geometry"].add(
                **keys, **dict.fromkeys([c.name for c in GEOMETRY[len(KEYS) :]], float("nan")) | {"loss": loss}
            )
            return tables
        found, apart = components(flat), distances(flat, labels.ravel())
        points = _points(subject, settings, states.flatten(0, 1))
        driven, held = _exponents(subject, settings, task, rollout.states[-1])
        pairs = np.triu_indices(len(apart.labels), 1)
        tables["geometry"].add(
            **keys,
            loss=loss,
            participation_ratio=found.participation_ratio,
            dimension_90=found.dimension(),
            memory_states=len(apart.labels),
            distance=float(apart.between[pairs].mean()) if len(pairs[0]) else float("nan"),
            within=apart.within,
            separation=apart.separation,
            lyapunov_driven=driven,
            lyapunov_held=held,
            **{kind: int((points.kinds == kind).sum()) for kind in KINDS},
        )
        _add_components(tables["components"], keys, found)
        shown = min(_SHOWN_TRIALS, settings.trials)
        steps = np.arange(counted, counted + len(states))
        for trial in range(shown):
            along = found.project(states[:, trial].double().cpu().numpy())
            memory = labels[:, trial]
            words = [held_words(task, label) if label >= 0 else "" for label in memory.tolist()]
            tables["trajectories"].add(
                **keys, trial=trial, step=steps, memory=memory, holds=words, **_coordinates(along)
            )
        _add_points(tables["points"], keys, points, found, _answers(network, task, _held(subject, settings), points))
        if len(pairs[0]):
            tables["distances"].add(
                **keys, memory=apart.labels[pairs[0]], other=apart.labels[pairs[1]], distance=apart.between[pairs]
            )
        return tables

    def conclude(self, tables: Tables) -> Tables:
        return restructuring.conclude(tables)

    def draw(self, tables: Tables) -> Figure:
        return figure.draw(tables)


def _task(subject: Subject, settings: GeometrySettings) -> Task:
    task = stimuli.changed(subject.task, settings.task_args, subject.task.num_inputs)
    if not task.free_length:
        return task.replace(scoring="dense")
    return task.replace(scoring="dense", num_steps=settings.steps)


def _held(subject: Subject, settings: GeometrySettings) -> Tensor:
    """The constant input in the code that the cell gets, (I,)."""
    usual = HELD.get(subject.task.name, (0.0,) * subject.task.num_inputs)
    given = torch.tensor(settings.held or usual, dtype=torch.float32, device=settings.device)
    return subject.network.encode(given)


def _points(subject: Subject, settings: GeometrySettings, visited: Tensor) -> Points:
    generator = torch.Generator().manual_seed(settings.seed)
    starts = torch.randperm(len(visited), generator=generator)[: settings.points].to(visited.device)
    return find_points(subject.cell, _held(subject, settings), visited, visited[starts])


def _exponents(subject: Subject, settings: GeometrySettings, task: Task, states: Tensor) -> tuple[float, float]:
    steps, transient = settings.exponent_steps, min(100, settings.exponent_steps)
    states = states[:_EXPONENT_TRIALS]
    shown = stimuli.stream(task, len(states), steps + transient, settings.seed + 1).to(states.device)
    held = _held(subject, settings).expand(steps + transient, len(states), -1)
    return tuple(  # type: ignore[return-value]
        float(largest_exponent(subject.cell, inputs, states, transient=transient, seed=settings.seed).mean())
        for inputs in (subject.network.encode(shown), held)
    )


@torch.no_grad()
def _answers(network: RecurrentNetwork, task: Task, held: Tensor, points: Points) -> Any:
    """The memory state that the readouts answer at each point, (P,)."""
    if not len(points.states):
        return np.zeros(0, np.int64)
    states = torch.from_numpy(points.states).to(held)
    outputs, _ = network.cell.step(held.expand(len(states), -1), states)
    chosen = network.choose(network.read(outputs, head_keys(task)))[None].cpu().numpy()
    there = np.ones(chosen.shape[:2], np.bool_)
    given = Trials(np.zeros((1, 1, 1), np.float32), chosen, there, np.ones(len(states), np.int64))
    return memory_states(task, given)[0]


def _coordinates(along: Any) -> dict[str, Any]:
    return {f"pc{i + 1}": along[:, i] for i in range(3)}


def _add_components(table: Table, keys: dict[str, Any], found: Components) -> None:
    total = found.variances.sum()
    for i in range(min(_KEPT_COMPONENTS, len(found.axes))):
        share = float(found.variances[i] / total) if total else 0.0
        table.add(**keys, component=i + 1, variance=share, entry=np.arange(len(found.mean)), weight=found.axes[i])


def _add_points(table: Table, keys: dict[str, Any], points: Points, found: Components, answers: Any) -> None:
    if not len(points.states):
        return
    sizes = np.abs(points.eigenvalues)
    below = np.where(sizes < 0.999, sizes, 0).max(1)
    three = np.pad(points.eigenvalues, ((0, 0), (0, 3)), constant_values=np.nan)[:, :3]
    table.add(
        **keys,
        kind=points.kinds,
        speed=points.speeds,
        radius=sizes[:, 0],
        unstable_directions=points.unstable,
        timescale=np.where(below > 0, -1 / np.log(np.maximum(below, 1e-300)), 0.0),
        answer=answers,
        **_coordinates(found.project(points.states)),
        **{f"eigenvalue{i + 1}_real": three[:, i].real for i in range(3)},
        **{f"eigenvalue{i + 1}_imaginary": three[:, i].imag for i in range(3)},
    )
