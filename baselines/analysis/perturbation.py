"""Perturbation of weights and time constants, and noise on the state: how much of it can the memory bear?

Axes: B trials, U units, S state size, V repetitions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from baselines.analysis import comparison
from baselines.analysis.base import Analysis, Tables
from baselines.analysis.probe import ACCURACY, RELATIVE, Probe, Score, probed_task
from baselines.analysis.settings import PERTURBED, PerturbationSettings
from baselines.analysis.subject import KEYS, Subject
from baselines.analysis.timescales.figure import TAU
from baselines.cells import Cell, LeakyTauRNN
from baselines.core import seeds, style
from baselines.core.settings import SettingsError
from baselines.core.statistics import over_networks
from baselines.core.tables import Column, Table
from baselines.network import Intervention, RecurrentNetwork

PERTURBATIONS = (
    *KEYS,
    Column("of", "what is perturbed: weights, tau or noise (on the state)"),
    Column("size", "eps: size of the perturbation, relative to what it is added to"),
    Column("repetition", "number of the draw"),
    *ACCURACY,
)


class Perturbation(Analysis[PerturbationSettings]):
    """Accuracy with perturbed weights, perturbed time constants, or noise on the state.

    Protocol: ``trials`` trials of ``steps`` steps after ``warm_up`` steps, p = 0.5, the same ones throughout
    (Khajehabdollahi et al., ICLR 2024); ``repetitions`` independent draws of each size eps. ``weights``, as published:
    the recurrent weights W become W + eps |W| D / |D|, where D is Gaussian and |.| the Frobenius norm; entries that the
    cell holds at zero stay zero. ``tau``, as published: the time constants tau become tau + eps |tau| abs(d) / |d|,
    where d is Gaussian and |.| the Euclidean norm; so they only grow. ``noise`` [ours]: before each step the state s
    becomes s + eps v n, where n is Gaussian and v the standard deviation of each entry of the state over time and
    trials in the unperturbed network.

    Table ``perturbation``: one row a draw of one size.
    """

    name = "perturbation"
    settings = PerturbationSettings
    columns: ClassVar = {"perturbation": PERTURBATIONS}

    def check(self, subject: Subject, settings: PerturbationSettings) -> None:
        probed_task(subject, subject.task.N, settings)
        if settings.parameter is not None or "weights" in settings.of:
            recurrent_weights(subject.cell, settings.parameter)
        if "tau" in settings.of and not isinstance(subject.cell, LeakyTauRNN):
            raise SettingsError(
                "of", f"of must leave out 'tau' for a cell without taus, a {type(subject.cell).__name__}"
            )

    def compute(self, subject: Subject, settings: PerturbationSettings) -> Tables:
        probe = Probe(subject, settings)
        baseline = probe.play(subject.network)
        table = Table(PERTURBATIONS)
        for kind in settings.of or _kinds(subject.cell, settings.parameter):
            play = {"weights": _play_weights, "tau": _play_tau, "noise": _play_noise}[kind]
            for number, size in enumerate(settings.sizes):
                generator = seeds.generator(settings.seed, kind, number)
                score = play(subject.network, probe, size, settings, generator)
                repetition = np.arange(settings.repetitions)
                table.add(**subject.keys, of=kind, size=size, repetition=repetition, **score.columns(baseline))
        return {"perturbation": table}

    @style.styled
    def draw(self, tables: Tables) -> Figure:
        """Relative accuracy against the size of the perturbation; a panel for each kind, a line for each N."""
        table = tables["perturbation"]
        words = {
            "weights": ("perturbed weights", "size of the perturbation, |dW| / |W|"),
            "tau": (f"perturbed {TAU}", f"size of the perturbation, |d{TAU}| / |{TAU}|"),
            "noise": ("noise on the state", "SD of the noise / SD of the state"),
        }
        kinds = [kind for (kind,) in table.distinct("of")]
        figure, panels = style.panels([words[kind][0] for kind in kinds], height=3.6)
        for axes, kind in zip(panels, kinds, strict=True):
            for index, (group, n) in enumerate(table.distinct("group", "N")):
                rows = table.where(of=kind, group=group, N=n)
                if len(rows):
                    summary = over_networks(rows, ["size"], "relative")
                    style.line(axes, summary, comparison.named(group, f"N = {n}"), style.look(index), "size")
            axes.set(xlabel=words[kind][1], ylabel=RELATIVE, ylim=(-0.1, 1.1))
            style.log_axis(axes.xaxis)
            axes.axhline(0, color="grey", ls=":", lw=0.8)
        style.legend_of_all(figure)
        return figure


def recurrent_weights(cell: Cell, name: str | None = None) -> str:
    """The name of the parameter that holds a cell's recurrent weights.

    Args:
        cell: the cell.
        name: the name, where it is known; None: ``weight`` or ``weight_hh``, which our cells have.

    Raises:
        SettingsError: the cell has no such parameter.
    """
    known = dict(cell.named_parameters())
    for guess in ("weight", "weight_hh") if name is None else (name,):
        if guess in known:
            return guess
    raise SettingsError("parameter", f"parameter must be among {list(known)} for this cell, got {name!r}")


@torch.no_grad()
def with_perturbed_weights(
    network: RecurrentNetwork, size: float, generator: torch.Generator, name: str | None = None
) -> RecurrentNetwork:
    """A copy of a network whose recurrent weights W are W + size |W| D / |D|, D Gaussian, Frobenius norms.

    Args:
        network: the network.
        size: the size of the perturbation, relative to that of the weights.
        generator: draws D.
        name: the name of the weights; see ``recurrent_weights``.

    Raises:
        SettingsError: the cell has no such weights.
    """
    network = copy.deepcopy(network)
    weights = network.cell.get_parameter(recurrent_weights(network.cell, name))
    mask: Tensor | float = getattr(network.cell, "off_diagonal", 1.0)  # such a cell does not use its diagonal
    change = torch.randn(weights.shape, generator=generator).to(weights) * mask
    weights.add_(size * (weights * mask).norm() * change / change.norm())
    return network


@torch.no_grad()
def with_perturbed_taus(network: RecurrentNetwork, size: float, generator: torch.Generator) -> RecurrentNetwork:
    """A copy of a network of leaky units whose time constants tc are tc + size |tc| abs(d) / |d|, d Gaussian.

    Args:
        network: the network.
        size: the size of the perturbation, relative to that of the time constants (Euclidean norms).
        generator: draws d.
    """
    network = copy.deepcopy(network)
    cell = network.cell
    assert isinstance(cell, LeakyTauRNN)
    tc = cell.time_constants
    change = torch.randn(tc.shape, generator=generator).to(tc).abs()
    tc = tc + size * tc.norm() * change / change.norm()
    if cell.tau is not None:
        cell.tau.copy_(tc)
    elif cell.theta is not None:
        cell.theta.copy_((tc - 1).expm1().log())
    else:
        cell.constant = tc
    return network


def noise(sd: Tensor, generator: torch.Generator) -> Intervention:
    """An intervention that adds Gaussian noise of standard deviation ``sd``, (S,) or a number, to every state."""
    return lambda t, state: state + sd * torch.randn(state.shape, generator=generator).to(state, non_blocking=True)


def _kinds(cell: Cell, parameter: str | None) -> list[str]:
    """What can be perturbed in a network with this cell."""
    names = {name for name, _ in cell.named_parameters()}
    has = {
        "weights": parameter is not None or bool(names & {"weight", "weight_hh"}),
        "tau": isinstance(cell, LeakyTauRNN),
        "noise": True,
    }
    return [kind for kind in PERTURBED if has[kind]]


def _play_weights(
    network: RecurrentNetwork, probe: Probe, size: float, settings: PerturbationSettings, generator: torch.Generator
) -> Score:
    return _together(probe, settings, lambda: with_perturbed_weights(network, size, generator, settings.parameter))


def _play_tau(
    network: RecurrentNetwork, probe: Probe, size: float, settings: PerturbationSettings, generator: torch.Generator
) -> Score:
    return _together(probe, settings, lambda: with_perturbed_taus(network, size, generator))


def _together(probe: Probe, settings: PerturbationSettings, make: Callable[[], RecurrentNetwork]) -> Score:
    """The score of as many networks as there are repetitions."""
    scores = [probe.play(make()) for _ in range(settings.repetitions)]
    return Score(np.concatenate([score.correct for score in scores]), probe.counted, probe.chance)


@torch.no_grad()
def _play_noise(
    network: RecurrentNetwork, probe: Probe, size: float, settings: PerturbationSettings, generator: torch.Generator
) -> Score:
    _, states = network.unroll(probe.inputs, network.cell.initial_state(len(probe.counted)))
    sd = states.flatten(0, 1).std(0)
    intervention = noise(size * sd, generator)
    return probe.play(network, variants=settings.repetitions, intervention=intervention)
