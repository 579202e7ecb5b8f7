"""Ablation of units: on which units does the memory depend?

Axes: B trials, U units, S state size, V variants of a network, one for each ablation.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from baselines.analysis import stimuli
from baselines.analysis.base import Analysis, Tables
from baselines.analysis.probe import ACCURACY, RELATIVE, Probe, Score, probed_task
from baselines.analysis.settings import AblationSettings
from baselines.analysis.subject import KEYS, Subject
from baselines.analysis.timescales.time_constants import Floats, GateMean, time_constants
from baselines.cells import GRU, LSTM, Cell, LeakyTauRNN
from baselines.core import style
from baselines.core.settings import SettingsError, blame
from baselines.core.statistics import over_networks
from baselines.core.tables import Column, Table
from baselines.network import Intervention, RecurrentNetwork
from memory_envs import checks

_MOST_TRIALS = 2_000  # trials that are played side by side, V B: more would need more memory

ABLATIONS = (
    *KEYS,
    Column("way", "how a unit is ablated: clean or published"),
    Column("selection", "slowest or fastest by tau, or random"),
    Column("count", "units ablated at once"),
    Column("repetition", "number of the unit in its selection (count 1), or of the random group"),
    Column("unit", "the unit, where it is one; else -1"),
    Column("tau", "mean tau of the ablated units; empty where they have none", "steps"),
    *ACCURACY,
)


class Ablation(Analysis[AblationSettings]):
    """Accuracy with units ablated, by the rank of their tau and at random, one at a time and in groups.

    Protocol: ``trials`` trials of ``steps`` steps after ``warm_up`` steps, p = 0.5, read out at every step, the same
    ones for each ablation (Khajehabdollahi et al., ICLR 2024). The ``singles`` slowest and fastest units and as many
    random ones are ablated one at a time; then the slowest, the fastest and ``repetitions`` random groups of each size
    at once. tau is the cell's, or for GRU and LSTM that of the gate, measured over 1,000 steps; units with equal tau
    are ordered at random.

    ``clean`` [ours]: the unit is silent. Its state is set to 0 before each step, so that no unit hears it, itself
    included; and no readout hears it (what its state becomes in the step starts from 0 and is not read).
    ``published``: the unit's recurrent weights, in and out, and its input weights are set to 0, and so is its weight in
    the first readout, whichever is read. Its biases and its weights in the other readouts stay: with several heads the
    readout hears a constant instead of the unit.

    Table ``ablation``: one row an ablation.
    """

    name = "ablation"
    settings = AblationSettings
    columns: ClassVar = {"ablation": ABLATIONS}

    def check(self, subject: Subject, settings: AblationSettings) -> None:
        probed_task(subject, subject.task.N, settings)
        units = subject.cell.output_size
        if settings.singles is not None:
            blame("singles", checks.integer, "singles", settings.singles, 0, units)
        for size in settings.groups or ():
            blame("groups", checks.integer, "groups", size, 1, units - 1)
        if settings.way == "published" and not isinstance(subject.cell, LeakyTauRNN):
            raise SettingsError("way", f"way must be 'clean' for a {type(subject.cell).__name__}, got 'published'")
        if settings.way == "clean":
            unit_states(subject.cell)
        if settings.by == "tau":
            own = time_constants(subject.cell)
            if own is None and not isinstance(subject.cell, (GRU, LSTM)):
                raise SettingsError(
                    "by", f"by must be 'random' for a cell without taus, a {type(subject.cell).__name__}, got 'tau'"
                )
            if own is not None and np.ptp(own) == 0:
                raise SettingsError(
                    "by", f"by must be 'random' where all units have one tau, here {own[0]:g}, got 'tau'"
                )

    def compute(self, subject: Subject, settings: AblationSettings) -> Tables:
        probe = Probe(subject, settings)
        baseline = probe.play(subject.network)
        table = Table(ABLATIONS)
        generator = np.random.default_rng([settings.seed, 1])
        tau = _taus(subject, settings) if settings.by == "tau" else None
        cases = list(_cases(subject.cell.output_size, tau, settings, generator))
        score = _play(subject.network, probe, [units for *_, units in cases], settings.way)
        table.add(
            **subject.keys,
            way=settings.way,
            selection=[case[0] for case in cases],
            count=[len(case[2]) for case in cases],
            repetition=[case[1] for case in cases],
            unit=[int(case[2][0]) if len(case[2]) == 1 else -1 for case in cases],
            tau=[np.nan if tau is None else float(tau[case[2]].mean()) for case in cases],
            **score.columns(baseline),
        )
        return {"ablation": table}

    @style.styled
    def draw(self, tables: Tables) -> Figure:
        """Relative accuracy with one unit ablated (or its mean over N), and with groups of the largest N."""
        table = tables["ablation"]
        largest = table.where(N=table["N"].max())
        title = f"ablation, {table['way'][0]}"
        several = len(table.distinct("N")) > 1
        figure, (single, groups) = style.panels(
            ["one unit at a time", f"groups, N = {table['N'].max()}"], title, width=3.8
        )
        ones = table.where(count=1)
        for index, (selection,) in enumerate(table.distinct("selection")):
            chosen = ones.where(selection=selection)
            if len(chosen) and several:
                style.line(single, over_networks(chosen, ["N"], "relative"), selection, index, "N")
            elif len(chosen):
                _units(single, chosen, selection, index)
            style.line(
                groups,
                over_networks(largest.where(selection=selection), ["count"], "relative"),
                selection,
                index,
                "count",
            )
        if several:
            single.set_xlabel("N of the checkpoint")
            single.legend(title="units")
        else:
            black = " and 95 % interval over networks" if len(table.distinct("run")) > 1 else ""
            names = [selection for (selection,) in table.distinct("selection")]
            single.set_xticks(range(len(names)), names)
            single.set(xlabel="units", xlim=(-0.5, len(names) - 0.5))
            single.set_title(f"one unit at a time, N = {table['N'].max()}\n(black: mean{black})")
        groups.set(xlabel="units ablated at once", xscale="log")
        groups.set_xticks(np.unique(largest["count"]).tolist(), [str(n) for n in np.unique(largest["count"])])
        groups.minorticks_off()
        groups.legend(title="units")
        for axes in (single, groups):
            axes.set_ylabel(RELATIVE)
            axes.axhline(1, color="grey", ls=":", lw=0.8)
            axes.axhline(0, color="grey", ls=":", lw=0.8)
        return figure


def unit_states(cell: Cell) -> npt.NDArray[np.int64]:
    """The entries of the state that belong to each unit: one, or one in each of the state's parts (h and c of an LSTM).

    Returns:
        Indices into the state, (U, entries of a unit).

    Raises:
        SettingsError: the state is not made of units.
    """
    units, parts = cell.output_size, cell.state_parts()
    if cell.state_size == units:
        return np.arange(units)[:, None]
    starts = [part.start for part in parts.values() if part.stop - part.start == units]
    if len(starts) * units != cell.state_size:
        raise SettingsError(
            "way", f"way 'clean' needs a state made of the {units} units, got one of {cell.state_size} numbers"
        )
    return np.arange(units)[:, None] + np.array(starts)


def silencing(cell: Cell, groups: Sequence[npt.NDArray[np.int64]], trials: int) -> tuple[Intervention, Tensor]:
    """Ablate V groups of units in the clean way, side by side.

    Args:
        cell: the cell whose units they are.
        groups: the units of each group.
        trials: trials of each group, B.

    Returns:
        An intervention on the states of all V B trials that sets those of the units to 0, and what each unit's output
        is multiplied by before it is read, (V, U).

    Raises:
        SettingsError: the state is not made of units.
    """
    like, own = next(cell.parameters()), unit_states(cell)
    heard, kept = torch.ones(len(groups), cell.output_size), torch.ones(len(groups), cell.state_size)
    for row, units in enumerate(groups):
        heard[row, units] = 0
        kept[row, own[units].ravel()] = 0
    mask = kept.repeat_interleave(trials, 0).to(like)
    return (lambda t, state: state * mask), heard.to(like)


@torch.no_grad()
def cut(network: RecurrentNetwork, units: npt.NDArray[np.int64]) -> RecurrentNetwork:
    """Ablate units in the published way: a copy of a network of leaky units, in which their weights are 0.

    See ``Ablation`` for which weights these are.
    """
    network = copy.deepcopy(network)
    cell = network.cell
    assert isinstance(cell, LeakyTauRNN)
    cell.weight[units], cell.weight[:, units], cell.input_weight[units] = 0, 0, 0
    first = network.readouts[min(network.readouts, key=int)]
    first.get_parameter("weight")[:, units] = 0
    return network


def _taus(subject: Subject, settings: AblationSettings) -> Floats:
    """The tau of each unit, (U,): the cell's own, or that of the gate over 1,000 steps."""
    own = time_constants(subject.cell)
    if own is not None:
        return own
    gate = GateMean(subject.network)
    with torch.no_grad():
        shown = stimuli.stream(Probe(subject, settings).task, settings.trials, 1000, settings.seed).to(settings.device)
        state = subject.cell.initial_state(settings.trials)
        _, states = subject.network.unroll(shown, state)
        gate.add(shown, torch.cat((state[None], states[:-1])))
    taus = gate.time_constants()
    assert taus is not None
    return taus


def _cases(
    units: int, tau: Floats | None, settings: AblationSettings, generator: np.random.Generator
) -> Iterator[tuple[str, int, npt.NDArray[np.int64]]]:
    """Every ablation: its selection, its number in the selection, its units."""
    orders = {"random": generator.permutation(units)}
    if tau is not None:
        shuffled = generator.permutation(units)  # breaks ties, in another order than that of the random units
        fastest = shuffled[np.argsort(tau[shuffled], kind="stable")]
        orders = {"slowest": fastest[::-1].copy(), "fastest": fastest, **orders}
    singles = min(20, units) if settings.singles is None else settings.singles
    for selection, order in orders.items():
        for number in range(singles):
            yield selection, number, order[number : number + 1]
    for size in [size for size in (2, 5, 10, 20) if size < units] if settings.groups is None else settings.groups:
        for selection, order in orders.items():
            for number in range(settings.repetitions if selection == "random" else 1):
                yield selection, number, generator.permutation(units)[:size] if selection == "random" else order[:size]


def _play(network: RecurrentNetwork, probe: Probe, groups: list[npt.NDArray[np.int64]], way: str) -> Score:
    """The score with each group ablated."""
    trials, scores = len(probe.counted), []
    if way == "published":
        scores = [probe.play(cut(network, units)) for units in groups]
    else:
        many = max(1, _MOST_TRIALS // trials)
        for start in range(0, len(groups), many):
            now = groups[start : start + many]
            intervention, heard = silencing(network.cell, now, trials)
            scores.append(probe.play(network, variants=len(now), intervention=intervention, heard=heard))
    return Score(np.concatenate([score.correct for score in scores]), probe.counted, probe.chance)


def _units(axes: Axes, chosen: Table, selection: str, index: int) -> None:
    """A dot for each unit; the mean, and its interval where there are several networks."""
    spread = np.linspace(-0.25, 0.25, len(chosen))
    axes.scatter(index + spread, chosen["relative"], s=12, alpha=0.6, lw=0, color=style.look(index)["color"])
    (mean, low, high) = (over_networks(chosen, ["selection"], "relative")[name][0] for name in ("mean", "low", "high"))
    axes.plot([index - 0.3, index + 0.3], [mean, mean], color="black", lw=1.5)
    if np.isfinite(low):
        axes.errorbar([index], [mean], [[mean - low], [high - mean]], color="black", capsize=3)
