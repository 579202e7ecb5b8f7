"""The analysis ``geometry``: dimensions, memory states, fixed and slow points, chaos.

Axes: T steps, B trials, I inputs, S state size, M states, P points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from baselines.analysis import stimuli
from baselines.analysis.base import Analysis, Tables
from baselines.analysis.geometry import course, figure, restructuring
from baselines.analysis.geometry.components import Components, components
from baselines.analysis.geometry.fixed_points import Points, find_points, starting_states
from baselines.analysis.geometry.lyapunov import largest_exponent
from baselines.analysis.geometry.memory_states import Distances, distances, memory_states
from baselines.analysis.geometry.memory_states import held as held_words
from baselines.analysis.geometry.restructuring import CHANGES, Shape, differences
from baselines.analysis.geometry.training_loss import training_loss
from baselines.analysis.settings import GeometrySettings
from baselines.analysis.subject import KEYS, Subject
from baselines.core.files import RunError
from baselines.core.settings import SettingsError, blame
from baselines.core.tables import Column, Table
from baselines.network import RecurrentNetwork, head_keys
from memory_envs import Task, Trials, checks

HELD: dict[str, tuple[float, ...]] = {"evidence-accumulation": (0.0, 1.0)}
"""Task -> the constant input under which points are sought, with dense scoring; else zeros. (0, 1): no evidence, and
go, which is on at every step."""
SETS = 2
"""Sets of trials: what a quantity differs by between them is its noise."""
_KEPT_COMPONENTS = 5
_SHOWN_TRIALS = 8
_EXPONENT_TRIALS = 8

GEOMETRY = (
    *KEYS,
    Column("loss", "loss of the task as in training (metrics.csv: loss_task), on fresh trials like those of training"),
    Column("participation_ratio", "(sum of variances)^2 / sum of their squares, over principal components"),
    Column("dimension_90", "principal components that hold 90 % of the variance (published values are one less)"),
    Column("memory_states", "memory states that occur"),
    Column("distance", "mean distance between the mean states of two memory states", "activity"),
    Column("within", "root mean squared distance of a state from the mean of its memory state", "activity"),
    Column("separation", "distance / within"),
    Column("lyapunov_driven", "largest Lyapunov exponent under the task's input, mean over trials", "1 / step"),
    Column("lyapunov_held", "largest Lyapunov exponent under the held input, mean over trials", "1 / step"),
    Column("stable", "stable fixed points that either of the two searches found"),
    Column("stable_both", "those of them that both searches found"),
    Column("unstable", "unstable fixed points that either search found"),
    Column("unstable_both", "those of them that both searches found"),
    Column("unstable_expected", "how many there are, by capture and recapture: too few if some are hard to reach"),
    Column("starts", "starts of both searches together"),
    Column("arrived", "starts from which a search ended at a fixed point"),
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
    Column("starts", "starts from which a search ended here"),
    Column("searches", "how many of the two searches ended here at least once"),
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
NOISE = (
    *KEYS,
    Column("measure", "subspace, dimension, distances, points, chaos or loss"),
    Column("difference", "what it differs by between the two sets of trials: units of ``change``; loss: |ln ratio|"),
)

TABLES = {
    "geometry": GEOMETRY,
    "components": COMPONENTS,
    "trajectories": TRAJECTORIES,
    "points": POINTS,
    "distances": DISTANCES,
    "noise": NOISE,
}
"""Name of each table of one subject -> its columns."""


class Geometry(Analysis[GeometrySettings]):
    """The geometry of one checkpoint.

    Protocol [ours; after Haputhanthri et al. 2025, whose text was not available to us]: ``trials`` trials of the stage
    are played, with the stimulus of training (the channel ``go`` as there), on a stream of ``steps`` steps where the
    task has one. States (an LSTM's h and c) are taken at every step from the first one at which an answer is defined,
    whether or not it is scored in training. Their principal components, participation ratio and number of components
    for 90 % of the variance. Memory states: what should be held at a step (all channels of the flip-flop together; for
    other tasks the answer for the largest N; real values in four intervals), and the distances between their mean
    states. All this of the first set of trials; on a second set, independent of it, the same is measured for the noise.

    Loss: that of training, on other trials, which have the scoring and the length of training
    (``training_loss.training_loss``). Fixed and slow points under a constant input, sought twice, from ``points``
    starts on, near and between the states of either set (``fixed_points.starting_states``, ``find_points``). Largest
    Lyapunov exponents (``lyapunov.largest_exponent``) under the task's stimulus and under the constant input, from the
    last states of 8 trials, over ``exponent_steps`` steps, which come after as many others, but not more than 100, that
    are not measured.

    Over the checkpoints of a run, the final network included: ``restructuring.conclude``. Over several runs:
    ``course.conclude``.

    Tables of each checkpoint: ``geometry``, ``components``, ``trajectories``, ``points``, ``distances`` and ``noise``.
    Table ``changes``: what changed between neighbouring checkpoints of a run. Table ``course``: all runs on common
    updates.
    """

    name = "geometry"
    settings = GeometrySettings
    columns: ClassVar = TABLES | {"changes": CHANGES, "course": course.columns(GEOMETRY)}
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
        keys = subject.keys
        task = stimuli.changed(subject.task, settings.task_args, subject.task.num_inputs)
        held = _held(subject, task, settings)
        sets = [_play(subject, task, settings, number) for number in range(SETS)]
        lost = [training_loss(subject, task, settings.trials, settings.seed, number) for number in range(SETS)]
        driven = _exponent(subject, _shown(subject, task, settings), sets[0], settings, 0)
        exponents = [_exponent(subject, held, one, settings, number) for number, one in enumerate(sets)]
        points = _points(subject, held, sets, settings)
        tables = {name: Table(columns) for name, columns in TABLES.items()}
        found, apart = sets[0].found, sets[0].apart
        pairs = apart.pairs
        counts = _counts(points)
        tables["geometry"].add(
            **keys,
            loss=lost[0],
            participation_ratio=found.participation_ratio,
            dimension_90=found.dimension(),
            memory_states=len(apart.labels),
            distance=float(apart.between[pairs].mean()) if len(pairs[0]) else float("nan"),
            within=apart.within,
            separation=apart.separation,
            lyapunov_driven=driven,
            lyapunov_held=exponents[0],
            **counts,
        )
        _add_components(tables["components"], keys, found)
        _add_trajectories(tables["trajectories"], keys, sets[0], task)
        _add_points(tables["points"], keys, points, found, _answers(subject.network, task, held, points))
        if len(pairs[0]):
            tables["distances"].add(
                **keys, memory=apart.labels[pairs[0]], other=apart.labels[pairs[1]], distance=apart.between[pairs]
            )
        between = differences(*(one.shape(exponent) for one, exponent in zip(sets, exponents, strict=True)))
        between["points"] = counts["stable"] - counts["stable_both"]
        between["loss"] = abs(float(np.log(max(lost[1], 1e-30) / max(lost[0], 1e-30))))
        tables["noise"].add(**keys, measure=list(between), difference=[float(value) for value in between.values()])
        return tables

    def conclude(self, tables: Tables) -> Tables:
        return restructuring.conclude(tables) | course.conclude(tables)

    def draw(self, tables: Tables) -> Figure:
        return figure.draw(tables)


@dataclass(frozen=True, eq=False)
class _Played:
    """What a network did on one set of trials, from the first step T0 at which an answer is defined.

    Attributes:
        first: T0.
        states: the states, (T - T0, B, S).
        labels: the memory states, (T - T0, B); -1 where no answer is defined.
        found: the principal components of the states.
        apart: the distances between memory states.
    """

    first: int
    states: Tensor
    labels: npt.NDArray[np.int64]
    found: Components
    apart: Distances

    def shape(self, exponent: float) -> Shape:
        """What is compared with other checkpoints and other trials."""
        i, j = self.apart.pairs
        names = tuple(zip(self.apart.labels[i].tolist(), self.apart.labels[j].tolist(), strict=True))
        ratio = self.found.participation_ratio
        return Shape(self.found.axes[:_KEPT_COMPONENTS], ratio, names, self.apart.between[i, j], exponent)


def _play(subject: Subject, task: Task, settings: GeometrySettings, number: int) -> _Played:
    """Play one set of trials.

    Raises:
        RunError: a state is not finite.
    """
    played = stimuli.dense(task, settings.steps)
    trials = stimuli.fresh(played, settings.trials, settings.seed, number)
    inputs = np.require(stimuli.as_shown(task, trials.inputs), requirements=["C", "W"])
    cell = subject.cell
    with torch.no_grad():
        state = cell.initial_state(settings.trials)
        _, states = subject.network.unroll(torch.from_numpy(inputs).to(settings.device), state)
    if not bool(states.isfinite().all()):
        raise RunError(f"{subject.words}: the states that the network visits must be finite, some are not")
    first = int(trials.mask.any(1).argmax())
    labels, states = memory_states(played, trials)[first:], states[first:]
    flat = states.flatten(0, 1).double().cpu().numpy()
    return _Played(first, states, labels, components(flat), distances(flat, labels.ravel()))


def _held(subject: Subject, task: Task, settings: GeometrySettings) -> Tensor:
    """The constant input in the code that the cell gets, (I,)."""
    zeros = (0.0,) * task.num_inputs
    usual = HELD.get(task.name, zeros) if task.scoring == "dense" else zeros
    given = torch.tensor(settings.held or usual, dtype=torch.float32, device=settings.device)
    return subject.network.encode(given)


def _shown(subject: Subject, task: Task, settings: GeometrySettings) -> Tensor:
    """The stimulus under which the exponent is measured, in the code that the cell gets, (T, B, I)."""
    trials = min(_EXPONENT_TRIALS, settings.trials)
    shown = stimuli.stream(task, trials, settings.exponent_steps + _transient(settings), settings.seed + 1)
    return subject.network.encode(shown.to(settings.device))


def _points(subject: Subject, held: Tensor, sets: list[_Played], settings: GeometrySettings) -> Points:
    """Fixed and slow points, sought from as many starts on and near the states of each set."""
    visited = [one.states.flatten(0, 1) for one in sets]
    generator = torch.Generator().manual_seed(settings.seed)
    starts = [starting_states(states, settings.points, generator) for states in visited]
    return find_points(subject.cell, held, torch.cat(visited), torch.cat(starts))


def _counts(points: Points) -> dict[str, float]:
    """How many points of each kind were found, by either search and by both; and the starts, (see ``GEOMETRY``)."""
    reached = points.arrivals(SETS) > 0
    counts: dict[str, float] = {}
    for kind in ("stable", "unstable"):
        first, second = reached[:, points.kinds == kind]
        both = int((first & second).sum())
        counts |= {kind: len(first), f"{kind}_both": both}
        if kind == "unstable":  # Chapman (1951)
            counts["unstable_expected"] = float((first.sum() + 1) * (second.sum() + 1) / (both + 1) - 1)
    fixed = np.flatnonzero(points.kinds != "slow")
    arrived = int(np.isin(points.ends, fixed).sum())
    return counts | {"starts": len(points.ends), "arrived": arrived, "slow": int((points.kinds == "slow").sum())}


def _transient(settings: GeometrySettings) -> int:
    return min(100, settings.exponent_steps)


def _exponent(subject: Subject, inputs: Tensor, one: _Played, settings: GeometrySettings, number: int) -> float:
    """The largest Lyapunov exponent from the last states of one set of trials, the mean over trials.

    Args:
        subject: the network.
        inputs: what the cell gets, (T, B, I), or a constant input, (I,).
        one: the set of trials.
        settings: the settings.
        number: the number of the set, which decides the direction of the small difference.
    """
    states = one.states[-1, :_EXPONENT_TRIALS]
    if inputs.ndim == 1:
        inputs = inputs.expand(settings.exponent_steps + _transient(settings), len(states), -1)
    found = largest_exponent(subject.cell, inputs, states, transient=_transient(settings), seed=settings.seed + number)
    return float(found.mean())


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


def _add_trajectories(table: Table, keys: dict[str, Any], one: _Played, task: Task) -> None:
    steps = np.arange(one.first, one.first + len(one.states))
    for trial in range(min(_SHOWN_TRIALS, one.states.shape[1])):
        along = one.found.project(one.states[:, trial].double().cpu().numpy())
        memory = one.labels[:, trial]
        words = [held_words(task, label) if label >= 0 else "" for label in memory.tolist()]
        table.add(**keys, trial=trial, step=steps, memory=memory, holds=words, **_coordinates(along))


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
    sizes, arrivals = np.abs(points.eigenvalues), points.arrivals(SETS)
    below = np.where(sizes < 0.999, sizes, 0).max(1)
    three = np.pad(points.eigenvalues, ((0, 0), (0, 3)), constant_values=np.nan)[:, :3]
    table.add(
        **keys,
        kind=points.kinds,
        starts=arrivals.sum(0),
        searches=(arrivals > 0).sum(0),
        speed=points.speeds,
        radius=sizes[:, 0],
        unstable_directions=points.unstable,
        timescale=np.where(below > 0, -1 / np.log(np.maximum(below, 1e-300)), 0.0),
        answer=answers,
        **_coordinates(found.project(points.states)),
        **{f"eigenvalue{i + 1}_real": three[:, i].real for i in range(3)},
        **{f"eigenvalue{i + 1}_imaginary": three[:, i].imag for i in range(3)},
    )
