"""Ablation of units: on which units does the memory depend?

Axes: B trials, U units, S state size, V variants of a network, one for each ablation.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from baselines.analysis import comparison, stimuli
from baselines.analysis.base import Analysis, Tables
from baselines.analysis.probe import ACCURACY, RELATIVE, Probe, Score, probed_task
from baselines.analysis.settings import AblationSettings
from baselines.analysis.subject import KEYS, Subject
from baselines.analysis.timescales.figure import TAU
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
    Column("repetition", "number of the unit in its selection (count 1), or of the draw of the group"),
    Column("unit", "the unit, where it is one; else -1"),
    Column("tau", "mean tau of the ablated units; empty where they have none", "steps"),
    Column("tied", "units with one tau, of which the selection takes only some, drawn at random; 0: it is clear"),
    Column("weight", "weight of the row in the mean over its selection and count: 1, or of tied units less"),
    *ACCURACY,
)


class Ablation(Analysis[AblationSettings]):
    """Accuracy with units ablated, by the rank of their tau and at random, one at a time and in groups.

    Protocol: ``trials`` trials of ``steps`` steps after ``warm_up`` steps, p = 0.5, read out at every step, the same
    ones for each ablation (Khajehabdollahi et al., ICLR 2024). The ``singles`` slowest and fastest units and as many
    random ones are ablated one at a time; then the slowest, the fastest and ``repetitions`` random groups of each size
    at once. tau is the cell's, or for GRU and LSTM that of the gate, measured over 1,000 steps.

    Where the last places of a selection are for some only of units with equal tau (``tied`` of them), the mean is over
    that choice. One at a time: all of the tied units are ablated, but not more than ``repetitions`` times ``singles``
    of them, drawn at random; together they weigh as much as the places. Groups: ``repetitions`` draws.

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
        score = _play(subject.network, probe, [case.units for case in cases], settings.way)
        table.add(
            **subject.keys,
            way=settings.way,
            selection=[case.selection for case in cases],
            count=[len(case.units) for case in cases],
            repetition=[case.repetition for case in cases],
            unit=[int(case.units[0]) if len(case.units) == 1 else -1 for case in cases],
            tau=[np.nan if tau is None else float(tau[case.units].mean()) for case in cases],
            tied=[case.tied for case in cases],
            weight=[case.weight for case in cases],
            **score.columns(baseline),
        )
        return {"ablation": table}

    @style.styled
    def draw(self, tables: Tables) -> Figure:
        """Relative accuracy with one unit ablated (or its mean over N), and with groups at the largest N."""
        table = tables["ablation"]
        largest = comparison.largest(table)
        course = len(table.distinct("N")) > len(comparison.groups(table))  # several checkpoints
        at = comparison.demands(largest)
        titles = ["one unit at a time" + ("" if course else f", {at}"), f"several units at once, {at}"]
        figure, (single, several) = style.panels(titles, f"ablation, {table['way'][0]}", width=3.9, height=3.9)
        if course:
            _lines(single, table.where(count=1), "N")
            single.set_xlabel("N of the checkpoint")
        else:
            _units(single, largest.where(count=1))
        groups = largest.keep(largest["count"] > 1)
        if len(groups):
            _lines(several, groups, "count")
            style.log_axis(several.xaxis)
            counts = np.unique(groups["count"])
            several.minorticks_off()
            several.set_xticks(counts.tolist(), [str(count) for count in counts])
        several.set(xlabel="units ablated at once")
        for axes in (single, several):
            axes.set_ylabel(RELATIVE)
            axes.axhline(1, color="grey", ls=":", lw=0.8)
            axes.axhline(0, color="grey", ls=":", lw=0.8)
        style.legend_of_all(figure, 3, "units")
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
        shown = stimuli.stream(Probe(subject, settings).task, settings.trials, 1000, settings.seed, subject.seed)
        shown = shown.to(settings.device)
        state = subject.cell.initial_state(settings.trials)
        _, states = subject.network.unroll(shown, state)
        gate.add(shown, torch.cat((state[None], states[:-1])))
    taus = gate.time_constants()
    assert taus is not None
    return taus


@dataclass(frozen=True)
class _Case:
    """One ablation.

    Attributes:
        selection: the selection.
        repetition: its number in the selection and count.
        units: the units.
        tied: how many units share the tau of those that the selection takes only in part; 0: it is clear.
        weight: its weight in the mean.
    """

    selection: str
    repetition: int
    units: npt.NDArray[np.int64]
    tied: int = 0
    weight: float = 1.0


def _cases(
    units: int, tau: Floats | None, settings: AblationSettings, generator: np.random.Generator
) -> Iterator[_Case]:
    """Every ablation."""
    singles = min(20, units) if settings.singles is None else settings.singles
    sizes = [size for size in (2, 5, 10, 20) if size < units] if settings.groups is None else settings.groups
    random = generator.permutation(units)
    orders = {}
    if tau is not None:
        shuffled = generator.permutation(units)  # units with one tau are in random order
        fastest = shuffled[np.argsort(tau[shuffled], kind="stable")]
        orders = {"slowest": fastest[::-1].copy(), "fastest": fastest}
    for selection, order in orders.items():
        assert tau is not None
        clear, tied = _parted(order, tau, singles)
        drawn = tied[: settings.repetitions * singles]
        for number, unit in enumerate([*clear, *drawn]):
            among = number >= len(clear)
            weight = (singles - len(clear)) / len(drawn) if among else 1.0
            yield _Case(selection, number, np.array([unit]), len(tied) if among else 0, weight)
    for number in range(singles):
        yield _Case("random", number, random[number : number + 1])
    for size in sizes:
        for selection, order in orders.items():
            assert tau is not None
            clear, tied = _parted(order, tau, size)
            for number in range(settings.repetitions if len(tied) else 1):
                some = generator.permutation(tied)[: size - len(clear)]
                yield _Case(selection, number, np.concatenate([clear, some]), len(tied))
        for number in range(settings.repetitions):
            yield _Case("random", number, generator.permutation(units)[:size])


def _parted(
    order: npt.NDArray[np.int64], tau: Floats, size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first ``size`` units of an order by tau: those that belong to them for sure, and those tied for the rest."""
    if size in (0, len(order)) or tau[order[size - 1]] != tau[order[size]]:
        return order[:size], order[:0]
    tied = tau[order] == tau[order[size]]
    return order[:size][~tied[:size]], order[tied]


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


def _lines(axes: Axes, table: Table, x: str) -> None:
    """A line for each group of runs and each selection."""
    names = comparison.groups(table)
    for i, group in enumerate(names):
        for j, (selection,) in enumerate(table.distinct("selection")):
            rows = table.where(group=group, selection=selection)
            if len(rows):
                looks = comparison.look(i, j, len(names) > 1)
                summary = over_networks(rows, [x], "relative", weight="weight")
                style.line(axes, summary, comparison.named(group, selection), looks, x)


def _units(axes: Axes, table: Table) -> None:
    """A dot for each unit, and the mean of each selection, with its interval where a group has several networks."""
    names, selections = comparison.groups(table), [selection for (selection,) in table.distinct("selection")]
    width = 0.8 / len(names)
    for i, group in enumerate(names):
        for j, selection in enumerate(selections):
            rows = table.where(group=group, selection=selection)
            if not len(rows):
                continue
            at = j + (i - (len(names) - 1) / 2) * width
            spread = np.linspace(-0.35, 0.35, len(rows)) * width
            colour = comparison.look(i, j, len(names) > 1)["color"]
            axes.scatter(at + spread, rows["relative"], s=8, alpha=0.5, lw=0, color=colour)
            summary = over_networks(rows, ["selection"], "relative", weight="weight")
            mean, (low, high) = float(summary["mean"][0]), style.intervals(summary)[:, 0]
            axes.plot([at - 0.4 * width, at + 0.4 * width], [mean, mean], color="black", lw=1.5)
            if np.isfinite(low):
                axes.errorbar([at], [mean], [[mean - low], [high - mean]], color="black", capsize=3)
    axes.set_xticks(range(len(selections)), [_tie(table.where(selection=one), one) for one in selections])
    several = max(len(table.where(group=name).distinct("run")) for name in names) > 2
    axes.set(xlabel=f"units (black: mean{' and 95 % interval over networks' if several else ''})")
    axes.set_xlim(-0.5, len(selections) - 0.5)


def _tie(rows: Table, selection: str) -> str:
    """The name of a selection, and how many units are tied in it."""
    tied = rows.keep(rows["tied"] > 0)
    if not len(tied):
        return selection
    counts, taus = np.unique(tied["tied"]), np.unique(tied["tau"])
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    where = f"\nat {TAU} = {taus[0]:.3g}" if len(taus) == 1 else ""
    return f"{selection}\n({many} tied{where})"
