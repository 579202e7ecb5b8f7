"""Catastrophic forgetting: what is left of the smaller N that were trained before."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from baselines.analysis import comparison
from baselines.analysis.base import Analysis, Tables
from baselines.analysis.probe import ACCURACY, Probe, probed_task
from baselines.analysis.settings import ForgettingSettings, ProbeSettings
from baselines.analysis.subject import KEYS, Subject
from baselines.core import style
from baselines.core.settings import SettingsError
from baselines.core.statistics import over_networks
from baselines.core.tables import Column, Table
from baselines.network import RecurrentNetwork, head_keys

READOUTS = ("as trained", "refitted")

FORGETTING = (
    *KEYS,
    Column("asked", "N that is asked", "steps"),
    Column("readout", "as trained (empty where the network has none for that N), or refitted to that N"),
    Column("chance", "accuracy of the best constant answer"),
    *ACCURACY[:3],
)


class Forgetting(Analysis[ForgettingSettings]):
    """Accuracy on every smaller N, with the readouts as they are and with readouts fitted anew.

    Protocol [ours]: ``trials`` trials of ``steps`` steps after ``warm_up`` steps, p = 0.5, each N asked alone. ``as
    trained``: the answer is read by the network's own readout for that N, or by the only one of a single-head network.
    ``refitted``: the cell stays as it is, and a linear readout is fitted to that N on ``fit_trials`` other trials
    (``forgetting.refitted``). Where the first fails and the second does not, the cell still remembers, and only the use
    of its memory was forgotten.

    Table ``forgetting``: one row for each N asked and each readout.
    """

    name = "forgetting"
    settings = ForgettingSettings
    columns: ClassVar = {"forgetting": FORGETTING}
    checkpoints = "all"

    def check(self, subject: Subject, settings: ForgettingSettings) -> None:
        probed_task(subject, subject.task.N, settings)
        for n in settings.ns:
            probed_task(subject, n, settings, known=False)
            if n > subject.task.N:
                raise SettingsError("ns", f"ns must be at most the N of the checkpoint, {subject.task.N}, got {n}")

    def compute(self, subject: Subject, settings: ForgettingSettings) -> Tables:
        table = Table(FORGETTING)
        fit_settings = ProbeSettings(
            steps=settings.steps,
            warm_up=settings.warm_up,
            trials=settings.fit_trials,
            task_args=settings.task_args,
            seed=settings.seed,
            device=settings.device,
        )
        for n in _asked(subject, settings):
            probe = Probe(subject, settings, n, known=False)
            # The same stream further on: trials are told apart by their number.
            fit = Probe(subject, fit_settings, n, index=1 + settings.trials // settings.fit_trials, known=False)
            has = all(key in subject.network.readouts for key in probe.heads)
            networks = (subject.network if has else None, refitted(subject.network, fit))
            for readout, network in zip(READOUTS, networks, strict=True):
                values = dict.fromkeys(("accuracy", "low", "high"), math.nan)
                if network is not None:
                    score = probe.play(network)
                    columns = score.columns(score)
                    values = {name: columns[name] for name in values}
                table.add(**subject.keys, asked=n, readout=readout, chance=probe.chance, **values)
        return {"forgetting": table}

    @style.styled
    def draw(self, tables: Tables) -> Figure:
        """Accuracy against the N asked, of one checkpoint; of several, a map for each group and either readout."""
        table = tables["forgetting"]
        names = comparison.groups(table)
        if len(table.distinct("N")) > len(names):
            return _maps(table, names)
        figure, (axes,) = style.panels([f"trained up to {comparison.demands(table)}"], width=4.6, height=3.8)
        for i, group in enumerate(names):
            for j, readout in enumerate(READOUTS):
                known = table.where(group=group, readout=readout)
                known = known.keep(~np.isnan(known["accuracy"].astype(float)))
                if len(known):
                    words = comparison.named(group, f"readout {readout}")
                    looks = comparison.look(i, j, len(names) > 1)
                    style.line(axes, over_networks(known, ["asked"], "accuracy"), words, looks, "asked", style.SHARE)
        axes.axhline(float(table["chance"].mean()), color="grey", ls=":", lw=0.8)
        axes.set(xlabel="N asked", ylabel="accuracy (dotted: chance)", ylim=(None, 1.02))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        style.legend_of_all(figure, 2)
        return figure


def _maps(table: Table, names: list[str]) -> Figure:
    """A row of maps for each group, one for each readout."""
    figure = Figure(figsize=(7.5, 0.3 + 3.0 * len(names)), layout="constrained")
    for group, row in zip(names, figure.subplots(len(names), len(READOUTS), squeeze=False), strict=True):
        for axes, readout in zip(row, READOUTS, strict=True):
            axes.set_title(comparison.named(group, f"readout {readout}"))
            _map(axes, table.where(group=group, readout=readout))
    scale = style.scale(0.5, 1)
    figure.colorbar(scale, ax=figure.axes, label="accuracy (0.5: chance of labels; grey: there is none, or not asked)")
    return figure


def _map(axes: Axes, table: Table) -> None:
    """Draw accuracy by N of the checkpoint and N asked; grey where there is none."""
    trained, asked = np.unique(table["N"]), np.unique(table["asked"])
    values = np.full((len(trained), len(asked)), np.nan)
    for i, n in enumerate(trained):
        for j, m in enumerate(asked):
            chosen = table.where(N=n, asked=m)["accuracy"].astype(float)
            values[i, j] = np.nanmean(chosen) if len(chosen) and not np.isnan(chosen).all() else np.nan
    axes.imshow(values, origin="lower", aspect="auto", cmap="viridis", vmin=0.5, vmax=1, interpolation="nearest")
    for set_ticks, numbers in ((axes.set_xticks, asked), (axes.set_yticks, trained)):
        every = 1 + (len(numbers) - 1) // 10
        set_ticks(np.arange(len(numbers))[::every], [str(n) for n in numbers[::every]])
    axes.set_facecolor("lightgrey")
    axes.set(xlabel="N asked", ylabel="N of the checkpoint")


def _asked(subject: Subject, settings: ForgettingSettings) -> list[int]:
    """Every N to ask: those of the settings, else all that the task can have up to the checkpoint's."""
    if settings.ns:
        return list(settings.ns)
    least = max(2, subject.task.least_N)
    several = subject.task.heads is not None
    known = {int(key) for key in subject.network.readouts} if several else set(range(least, subject.task.N + 1))
    return sorted(n for n in known | {subject.task.N} if n <= subject.task.N and _possible(subject, n, settings))


def _possible(subject: Subject, n: int, settings: ForgettingSettings) -> bool:
    """Whether the task can have this N."""
    try:
        return bool(head_keys(probed_task(subject, n, settings, known=False)))
    except SettingsError:
        return False


PENALTY = 1e-4
"""Penalty on the squares of the readout's weights, for activity scaled to a standard deviation of 1."""


def refitted(network: RecurrentNetwork, probe: Probe) -> RecurrentNetwork:
    """A network with the same cell and the best linear readouts for what a probe asks.

    Labels are fitted by logistic regression, each head alone, real values by ridge regression. Both problems are
    convex: the result depends neither on a start nor on a number of updates. The cell is shared, not copied.

    Args:
        network: the network whose cell is taken.
        probe: the trials and steps that the readouts are fitted to. Test them with another probe.
    """
    with torch.no_grad():
        outputs, _ = network.unroll(probe.inputs, network.cell.initial_state(probe.inputs.shape[1]))
    samples, targets = outputs[probe.mask], probe.targets[probe.mask].to(outputs)
    mean, sd = samples.mean(0), samples.std(0).clamp(min=1e-6)
    scaled = (samples - mean) / sd
    weight, bias = (_values if network.width == 1 else _labels)(scaled, targets)
    weight = weight / sd
    bias = bias - weight @ mean
    fitted = RecurrentNetwork(network.cell, network.width, network.signed)
    for key, w, b in zip(probe.heads, weight, bias, strict=True):
        readout = fitted.add_readout(key, torch.Generator())
        with torch.no_grad():
            # Of two logits the first stays at 0, so that the second decides.
            readout.weight.zero_()[-1] = w
            readout.bias.zero_()[-1] = b
    return fitted


def _labels(samples: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logistic regression: M samples (M, U) and their labels (M, H) -> weights (H, U), biases (H,)."""
    weight = samples.new_zeros(targets.shape[1], samples.shape[1], requires_grad=True)
    bias = samples.new_zeros(targets.shape[1], requires_grad=True)
    search = torch.optim.LBFGS(
        [weight, bias], max_iter=200, tolerance_grad=1e-6, tolerance_change=1e-9, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        search.zero_grad()
        logits = samples @ weight.t() + bias
        value = binary_cross_entropy_with_logits(logits, targets) + PENALTY * weight.square().sum()
        torch.autograd.backward(value)
        return value

    with torch.enable_grad():
        search.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def _values(samples: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression: M samples (M, U) and their values (M, H) -> weights (H, U), biases (H,)."""
    bias = targets.mean(0)
    gram = samples.t() @ samples + PENALTY * len(samples) * torch.eye(samples.shape[1], device=samples.device)
    return torch.linalg.solve(gram, samples.t() @ (targets - bias)).t(), bias
