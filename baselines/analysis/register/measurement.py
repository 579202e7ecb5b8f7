"""The analysis ``register``.

Axes: T steps, B trials, M = T B samples, H heads, N places, U units, S state size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from baselines.analysis import stimuli
from baselines.analysis.base import Analysis, Tables
from baselines.analysis.register import figure, weights
from baselines.analysis.register.errors import error_columns, passed_on
from baselines.analysis.register.flips import flipped, on_and_off
from baselines.analysis.register.variables import (
    Variables,
    decoded,
    participation,
    patterns,
    place_shares,
    shares,
    threshold,
    variables,
)
from baselines.analysis.settings import RegisterSettings
from baselines.analysis.subject import KEYS, Subject
from baselines.analysis.timescales.time_constants import time_constants
from baselines.core import seeds
from baselines.core.settings import SettingsError
from baselines.core.tables import Column, Table
from baselines.network import RecurrentNetwork, head_keys
from memory_envs import DelayedMatch, Parity, Task
from memory_envs.trials import Trials

FOLLOWED = 10
"""Steps for which the answers are followed after a flip, at most."""

REGISTER = (
    *KEYS,
    Column("units", "units"),
    Column("silent", "units that do not vary"),
    Column("now", "share of the variance of the units that the bit shown explains, mean over units"),
    Column("answers", "the same, by the answers for k = 2 .. N together"),
    Column("earlier", "the same, by what places 1 .. N - 1 held a step before, together"),
    Column("older_bits", "the same, by bits of two and more steps ago together"),
    Column("places_per_unit", "places that share in a unit's variance: median over units of the participation ratio"),
    Column(
        "units_diagonal", "share of squared weights into place k that is from place k - 1, by units, mean over k >= 3"
    ),
    Column("units_permuted", "the same with the places of the units permuted, mean"),
    Column("patterns_diagonal", "share of the squared cosines that is of the place before, by patterns"),
    Column("patterns_permuted", "the same with the outgoing weights of the units permuted, mean"),
    Column("flip_on", "share of answers for j + 1 that change one step after place j was flipped, mean over j >= 2"),
    Column("flip_off", "share of all other answers that change then, mean over j >= 2"),
    Column("flip_permuted", "as flip_on, with the entries of each pattern permuted"),
    Column(
        "flip_bits",
        "share of answers for k > d + 2 that change one step after the pattern of x(t - d) was turned around, d >= 2; "
        "empty for delayed match, whose places are bits",
    ),
    Column("error", "share of wrong answers, mean over heads"),
    Column("after_wrong", "share of wrong answers one step after the head before was wrong, over all heads"),
    Column("after_right", "share of wrong answers one step after the head before was right, over all heads"),
    Column("tau_mean", "mean time constant of the units; empty where they have none", "steps"),
    Column("radius", "spectral radius of the recurrent weights; empty where there are none that are known"),
)

DECODING = (
    *KEYS,
    Column("kind", "bit: x(t - d); answer: that for k; previous: of parity, the answer for k - 1 a step before"),
    Column("number", "d of a bit, k of the others", "steps"),
    Column("correlation", "largest |correlation| of a single unit with it"),
    Column("unit", "that unit, from 0, as found in the first half of the trials"),
    Column("by_unit", "share of samples at which the best threshold on that unit tells it, in the other half"),
    Column("units", "units whose variance it explains better than any other variable does"),
    Column("accuracy", "share of samples at which a linear readout of all units tells it, in trials not fitted to"),
)

PLACES = (
    *KEYS,
    Column("place", "k"),
    Column("units", "units that hold this place: above the level, and no other place more"),
    Column("units_effective", "units that share in this place: participation ratio of their shares of variance"),
    Column("units_read", "units that the readout for k rests on: participation ratio of weight^2 x variance"),
)

UNITS = (
    *KEYS,
    Column("unit", "unit, from 0"),
    Column("place", "k"),
    Column("share", "share of the unit's variance that has to do with place k"),
)

MATRIX = (
    *KEYS,
    Column("target", "place that is led to, or k of the head"),
    Column("source", "place that is led from, 0: no place"),
    Column("by_units", "share of the squared weights into the target's units; empty where it has none"),
    Column("by_patterns", "share of what the weights turn into the target's pattern that is of the source"),
    Column("flipped", "share of answers for k = target that change one step after the source was flipped"),
)

PASSED = (
    *KEYS,
    Column("place", "place that is flipped"),
    Column("after", "steps after the flip", "steps"),
    Column("on", "share of answers for k = place + after that changed; empty where it is no head"),
    Column("off", "share of all other answers that changed"),
)

ERRORS = (
    *KEYS,
    Column("weights", "averaged: over updates; last: those of the last update"),
    Column("head", "k"),
    Column("error", "share of wrong answers"),
    Column("low", "lower end of its 95 % interval"),
    Column("high", "upper end of it"),
    Column("before_wrong", "answers one step after a wrong one for k - 1"),
    Column("after_wrong", "share of wrong ones among these"),
    Column("after_right", "share of wrong answers one step after a right one for k - 1"),
)


class Register(Analysis[RegisterSettings]):
    """Whether a network holds a shift register of parities (of delayed match: of past bits), and errors along it.

    Protocol [ours]: ``trials`` fresh trials of ``steps`` steps after ``warm_up`` steps, p = 0.5: then the bits, the
    parities of the last k bits, and their products with the bit shown are uncorrelated, and shares of variance add.
    Place k = 1 .. N holds what the answer for k + 1 needs a step later. A unit has to do with place k as far as the
    answer for k, and what place k - 1 held a step before, explain its variance; with place 1 as far as the bit does.

    Weights: by units, each unit is given to the place that explains most of its variance, if that is above ``level``,
    and squared weights (times the variance of the unit they come from) are added up from place to place; the control
    permutes the places of the units. By patterns, the weights are applied to the pattern over units of what a place
    holds; compared is the squared length of the result along the patterns of all places a step later. The control
    permutes the outgoing weights of the units.

    Flips: in the state after the first half of the steps, the pattern of one place is turned around, and answers are
    compared with those without. In a register place j changes the answer for j + s after s steps, and no other. One
    control permutes the entries of the pattern. Another turns around the patterns of older bits: of them, a network
    that computes parities from stored bits would have all answers change that need the bit.

    Errors: of each head, with averaged weights and with those of the last update, and one step after a wrong and
    after a right answer of the head before. In a register errors pass on.

    Table ``register``: one row for each network. Tables ``decoding`` (a row a variable), ``places`` (a place),
    ``units`` (a unit and place), ``matrix`` (a pair of places), ``passed`` (a place and step), ``errors`` (a head and
    kind of weights).
    """

    name = "register"
    settings = RegisterSettings
    columns: ClassVar = {
        "register": REGISTER,
        "decoding": DECODING,
        "places": PLACES,
        "units": UNITS,
        "matrix": MATRIX,
        "passed": PASSED,
        "errors": ERRORS,
    }

    def check(self, subject: Subject, settings: RegisterSettings) -> None:
        if not isinstance(subject.task, (Parity, DelayedMatch)):
            raise SettingsError(
                "what", f"what must be another analysis for {subject.task.name}: 'register' is for parity and dms"
            )
        task = _played(subject, settings)
        assert isinstance(task, (Parity, DelayedMatch))
        if task.p != 0.5:
            raise SettingsError("task_args", f"task_args must leave p at 0.5, got {task.p!r}")
        if settings.warm_up < task.N:
            raise SettingsError("warm_up", f"warm_up must be at least N = {task.N}, got {settings.warm_up}")

    def compute(self, subject: Subject, settings: RegisterSettings) -> Tables:
        play = _play(subject, settings)
        tables = {name: Table(columns) for name, columns in self.columns.items()}
        summary: dict[str, Any] = {}
        for part in (_decoding, _places, _weights_and_flips, _errors):
            summary |= part(subject, settings, play, tables)
        tau, matrix = time_constants(subject.cell), weights.recurrent_matrix(subject.cell)
        tables["register"].add(
            **subject.keys,
            **summary,
            tau_mean=np.nan if tau is None else float(tau.mean()),
            radius=np.nan if matrix is None else float(torch.linalg.eigvals(matrix.double()).abs().max()),
        )
        return tables

    def draw(self, tables: Tables) -> Figure:
        return figure.draw(tables)


@dataclass(frozen=True, eq=False)
class _Played:
    """A network's activity in the measured steps.

    Attributes:
        task: the task that was played.
        inputs: the inputs of all steps, (warm_up + T, B, I).
        targets: the right answers in the measured steps, (T, B, H).
        start: the state before the measured steps, (B, S).
        activity: the outputs in them, (M, U).
        states: the states in them, (M, S).
        known: what could be held.
        keys: the readout of each head.
        heads: the k of each head.
    """

    task: Task
    inputs: Tensor
    targets: Tensor
    start: Tensor
    activity: Tensor
    states: Tensor
    known: Variables
    keys: tuple[str, ...]
    heads: tuple[int, ...]


def _played(subject: Subject, settings: RegisterSettings) -> Task:
    """The task with its heads as it is played: for long, p = 0.5, an answer at every step."""
    task = stimuli.changed(subject.task, {"p": 0.5} | settings.task_args, subject.task.num_inputs)
    return stimuli.dense(task.replace(active_heads=None), settings.warm_up + settings.steps)


@torch.no_grad()
def _play(subject: Subject, settings: RegisterSettings) -> _Played:
    task, network, warm_up = _played(subject, settings), subject.network, settings.warm_up
    shown: Trials = stimuli.fresh(task, settings.trials, settings.seed, 0, subject.seed)
    start = network.cell.initial_state(settings.trials)
    inputs = torch.from_numpy(np.array(shown.inputs)).to(start)
    for block in torch.split(inputs[:warm_up], 100):
        _, states = network.unroll(block, start)
        start = states[-1]
    outputs, states = network.unroll(inputs[warm_up:], start)
    return _Played(
        task,
        inputs,
        torch.from_numpy(np.array(shown.targets[warm_up:])).to(start.device),
        start,
        outputs.flatten(0, 1),
        states.flatten(0, 1),
        variables(task, inputs, warm_up, task.N),
        head_keys(task),
        (task.N,) if task.heads is None else tuple(task.heads),
    )


def _by_trial(values: Tensor, trials: int) -> Tensor:
    """Samples (M, ...) as (T, B, ...)."""
    return values.reshape(-1, trials, *values.shape[1:])


def _halves(values: Tensor, trials: int) -> tuple[Tensor, Tensor]:
    """Samples (M, ...) of the first half of the trials, and those of the other half."""
    by_trial = _by_trial(values, trials)
    return by_trial[:, : trials // 2].flatten(0, 1), by_trial[:, trials // 2 :].flatten(0, 1)


def _decoding(subject: Subject, settings: RegisterSettings, play: _Played, tables: dict[str, Table]) -> dict[str, Any]:
    """Fill ``decoding``: how well single units and all of them together tell each variable."""
    kinds = play.known.kinds()
    every = torch.cat([values for _, values in kinds.values()], 1)
    explained = shares(play.activity, every)
    best = explained.max(0)
    counts = torch.bincount(best.indices[best.values > 0], minlength=every.shape[1])
    fit, test = (
        (one, other)
        for one, other in zip(_halves(play.activity, settings.trials), _halves(every, settings.trials), strict=True)
    )
    units = shares(*fit).argmax(1)
    signs = patterns(*fit)[torch.arange(len(units)), units].sign()
    by_unit = []
    for i, (unit, sign) in enumerate(zip(units, signs, strict=True)):
        least = threshold(sign * fit[0][:, unit], fit[1][:, i])
        by_unit.append(float(((sign * test[0][:, unit] > least) == (test[1][:, i] > 0)).double().mean()))
    tables["decoding"].add(
        **subject.keys,
        kind=[kind for kind, (numbers, _) in kinds.items() for _ in numbers],
        number=[number for numbers, _ in kinds.values() for number in numbers],
        correlation=explained.max(1).values.sqrt().cpu().numpy(),
        unit=units.cpu().numpy(),
        by_unit=by_unit,
        units=counts.cpu().numpy(),
        accuracy=decoded(fit, test).cpu().numpy(),
    )
    known, heard = play.known, play.activity.var(0, correction=0) > 0

    def mean(values: Tensor) -> float:
        return float(shares(play.activity[:, heard], values).sum(0).mean()) if values.shape[1] else 0.0

    return {
        "units": play.activity.shape[1],
        "silent": int((~heard).sum()),
        "now": mean(known.bits[:, :1]),
        "answers": mean(known.answers[:, 1:]),
        "earlier": mean(known.previous[:, 1:]),
        "older_bits": mean(known.bits[:, 2:]),
    }


def _places(subject: Subject, settings: RegisterSettings, play: _Played, tables: dict[str, Table]) -> dict[str, Any]:
    """Fill ``places`` and ``units``: which units hold which place."""
    found = place_shares(play.activity, play.known)
    n, count = found.shape
    held = places_of(found, settings.level)
    variance = play.activity.var(0, correction=0)
    read = torch.full((n,), torch.nan).to(found)
    for key, k in zip(play.keys, play.heads, strict=True):
        weight = subject.network.readouts[key].weight
        assert isinstance(weight, Tensor)
        read[k - 1] = participation((weight[-1] - weight[0]).square() * variance)
    tables["places"].add(
        **subject.keys,
        place=np.arange(1, n + 1),
        units=torch.bincount(held, minlength=n + 1)[1:].cpu().numpy(),
        units_effective=participation(found).cpu().numpy(),
        units_read=read.cpu().numpy(),
    )
    tables["units"].add(
        **subject.keys,
        unit=np.repeat(np.arange(count), n),
        place=np.tile(np.arange(1, n + 1), count),
        share=found.t().flatten().cpu().numpy(),
    )
    return {"places_per_unit": float(participation(found.t()).nanmedian())}


def places_of(found: Tensor, level: float) -> Tensor:
    """The place that each unit holds, (U,), 1 .. N: the one with the largest share, if above the level, else 0."""
    best = found.max(0)
    return torch.where(best.values > level, best.indices + 1, 0)


def _weights_and_flips(
    subject: Subject, settings: RegisterSettings, play: _Played, tables: dict[str, Table]
) -> dict[str, Any]:
    """Fill ``matrix`` and ``passed``: from which place to which the weights lead, and what a flip changes."""
    known, n = play.known, play.known.bits.shape[1]
    generator = seeds.generator(settings.seed, "register")
    none = torch.full((n, n + 1), torch.nan)
    units, turned, summary = none, none, dict.fromkeys(WEIGHTS, np.nan)
    if (matrix := weights.recurrent_matrix(subject.cell)) is not None:
        held = places_of(place_shares(play.activity, known), settings.level)
        spread = play.activity.std(0, correction=0)
        e, f = patterns(play.activity, known.held), patterns(play.activity, known.previous)
        units, turned = weights.by_units(matrix, spread, held, n), weights.by_patterns(matrix, e, f)
        orders = [torch.randperm(len(held), generator=generator).to(held) for _ in range(settings.permutations)]
        controls = (
            [weights.diagonal(weights.by_units(matrix, spread, held[order], n)) for order in orders],
            [weights.diagonal(weights.by_patterns(matrix[:, order], e, f)) for order in orders],
        )
        by_chance = [float(np.mean(one)) for one in controls]
        values = (weights.diagonal(units), by_chance[0], weights.diagonal(turned), by_chance[1])
        summary = dict(zip(WEIGHTS, values, strict=True))
    changed, control, bits = _flips(subject, play, generator)
    flips = none.clone()
    for i, k in enumerate(play.heads):
        flips[k - 1, 1:] = changed[:, 0, i]
    tables["matrix"].add(
        **subject.keys,
        target=np.repeat(np.arange(1, n + 1), n + 1),
        source=np.tile(np.arange(n + 1), n),
        by_units=units.flatten().cpu().numpy(),
        by_patterns=turned.flatten().cpu().numpy(),
        flipped=flips.flatten().numpy(),
    )
    on, off = on_and_off(changed, play.heads)
    tables["passed"].add(
        **subject.keys,
        place=np.repeat(np.arange(1, n + 1), on.shape[1]),
        after=np.tile(np.arange(1, on.shape[1] + 1), n),
        on=on.flatten().numpy(),
        off=off.flatten().numpy(),
    )
    permuted, _ = on_and_off(control, play.heads)
    return summary | {
        "flip_on": float(on[1:, 0].nanmean()),
        "flip_off": float(off[1:, 0].nanmean()),
        "flip_permuted": float(permuted[1:, 0].nanmean()),
        "flip_bits": bits,
    }


WEIGHTS = ("units_diagonal", "units_permuted", "patterns_diagonal", "patterns_permuted")
"""The columns of ``REGISTER`` that rest on recurrent weights."""


def _flips(subject: Subject, play: _Played, generator: torch.Generator) -> tuple[Tensor, Tensor, float]:
    """What flips of places change, (N, A, H), and flips of permuted patterns, (N, 1, H), on the CPU; ``flip_bits``."""
    trials = play.targets.shape[1]
    middle = len(play.targets) // 2
    after = len(play.inputs) - len(play.targets) + middle + 1
    inputs, known = play.inputs[after : after + FOLLOWED], play.known
    state = _by_trial(play.states, trials)[middle]

    def change(values: Tensor, steps: int, order: Tensor | None = None) -> Tensor:
        found = patterns(play.states, values)
        found = found if order is None else found[:, order]
        now = _by_trial(values, trials)[middle]
        return flipped(subject.network, inputs[:steps], state, now, found, play.keys).cpu()

    order = torch.randperm(play.states.shape[1], generator=generator).to(state.device)
    changed, control = change(known.held, FOLLOWED), change(known.held, 1, order)
    heads, oldest = torch.tensor(play.heads), torch.arange(2, max(known.bits.shape[1], 2))
    asked = heads > oldest[:, None] + 2
    if known.held is known.bits or not asked.any():
        return changed, control, float("nan")
    return changed, control, float(change(known.bits[:, 2:], 1)[:, 0][asked].mean())


@torch.no_grad()
def _errors(subject: Subject, settings: RegisterSettings, play: _Played, tables: dict[str, Table]) -> dict[str, Any]:
    """Fill ``errors``: those of each head, by the weights that were tested and by those of the last update."""
    named: dict[str, RecurrentNetwork] = {"last": subject.network}
    if subject.last is not None:
        named = {"averaged": subject.network, "last": subject.last}
    summary: dict[str, Any] = {}
    for name, network in named.items():
        outputs = _by_trial(play.activity, play.targets.shape[1])
        if network is not subject.network:
            outputs, _ = network.unroll(play.inputs, network.cell.initial_state(play.inputs.shape[1]))
            outputs = outputs[settings.warm_up :]
        wrong = ~network.correct(network.read(outputs, play.keys), play.targets).cpu()
        columns = error_columns(wrong, play.heads)
        tables["errors"].add(**subject.keys, weights=name, **columns)
        if network is subject.network:
            after_wrong, after_right = passed_on(columns, wrong[1:, :, 0].numel())
            error = float(wrong.double().mean())
            summary = {"error": error, "after_wrong": after_wrong, "after_right": after_right}
    return summary
