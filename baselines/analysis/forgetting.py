"""Catastrophic forgetting: what is left of the smaller N."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from baselines.analysis.probe import ACCURACY, Probe, ProbeSettings, check_probe, probed_task
from baselines.analysis.subject import KEYS, Subject
from baselines.core import style
from baselines.core.settings import SettingsError, blame
from baselines.core.statistics import over_networks
from baselines.core.tables import Column, Table
from baselines.network import RecurrentNetwork, head_keys
from memory_envs import checks

READOUTS = ("as trained", "refitted")

FORGETTING = (
    *KEYS,
    Column("asked", "N that is asked", "steps"),
    Column("readout", "as trained (empty where the network has none for that N), or refitted to that N"),
    Column("chance", "accuracy of the best constant answer"),
    *ACCURACY[:3],
)


@dataclass(frozen=True, kw_only=True)
class ForgettingSettings(ProbeSettings):
    """What is asked."""

    ns: tuple[int, ...] = field(default=(), metadata={"help": "each N to ask (default: all up to the checkpoint's)"})
    fit_trials: int = field(default=20, metadata={"help": "trials that the readouts are fitted to, of --steps steps"})


def check(subject: Subject, settings: ForgettingSettings) -> None:
    """Refuse what cannot be done.

    Raises:
        SettingsError: it names the setting.
    """
    check_probe(subject, settings)
    blame("fit_trials", checks.integer, "fit_trials", settings.fit_trials, 2, 10**5)
    for n in _asked(subject, settings):
        if n > subject.task.N:
            raise SettingsError("ns", f"ns must be at most the N of the checkpoint, {subject.task.N}, got {n}")


def measure(subject: Subject, settings: ForgettingSettings) -> dict[str, Table]:
    """Accuracy on every smaller N, with the readouts as they are and with readouts fitted anew.

    Protocol [ours]: ``trials`` trials of ``steps`` steps after ``warm_up`` steps, p = 0.5, each N asked alone. ``as
    trained``: read by the network's own readout, for a single-head network the one there is. ``refitted``: the network
    stays, and a linear readout is fitted to that N on ``fit_trials`` other trials (``readouts.refitted``). Where the
    first fails and the second does not, the memory is there and only its use was forgotten.

    Returns:
        ``forgetting`` with the columns ``FORGETTING``.

    Raises:
        SettingsError: it cannot be done.
    """
    check(subject, settings)
    subject = subject.on(settings.device)
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
def draw(tables: dict[str, Table]) -> Figure:
    """Accuracy against the N asked, of one checkpoint; of several, a map for either readout."""
    table = tables["forgetting"]
    demands = np.unique(table["N"])
    if len(demands) > 1:
        titles = [f"readout {readout}\n(grey: there is none, or not asked)" for readout in READOUTS]
        figure, panels = style.panels(titles, width=3.6)
        for axes, readout in zip(panels, READOUTS, strict=True):
            _map(axes, table.where(readout=readout))
        scale = style.scale(0.5, 1)
        figure.colorbar(scale, ax=panels, label="accuracy (0.5: chance of labels)")
        return figure
    figure, (axes,) = style.panels([f"trained up to N = {demands[0]}"], width=4.2)
    for index, readout in enumerate(READOUTS):
        known = table.where(readout=readout)
        known = known.keep(~np.isnan(known["accuracy"].astype(float)))
        if len(known):
            style.line(axes, over_networks(known, ["asked"], "accuracy"), f"readout {readout}", index, "asked")
    axes.axhline(float(table["chance"].mean()), color="grey", ls=":", lw=0.8)
    axes.set(xlabel="N asked", ylabel="accuracy (dotted: chance)", ylim=(None, 1.02))
    axes.legend()
    return figure


def _map(axes: Axes, table: Table) -> None:
    """Accuracy by N of the checkpoint and N asked; grey where there is none."""
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
    """Every N to ask, each of which the task allows."""
    if settings.ns:
        for n in settings.ns:
            probed_task(subject, blame("ns", checks.integer, "ns", n, 1, 10**6), settings, known=False)
        return list(settings.ns)
    least = max(2, subject.task.least_N)
    heads = getattr(subject.task, "heads", None)
    known = (
        {int(key) for key in subject.network.readouts} if heads is not None else set(range(least, subject.task.N + 1))
    )
    return sorted(n for n in known | {subject.task.N} if n <= subject.task.N and _possible(subject, n, settings))


def _possible(subject: Subject, n: int, settings: ForgettingSettings) -> bool:
    try:
        return bool(head_keys(probed_task(subject, n, settings, known=False)))
    except SettingsError:
        return False


PENALTY = 1e-4
"""Weight of the squared readout weights, for activity scaled to a standard deviation of 1."""


def refitted(network: RecurrentNetwork, probe: Probe) -> RecurrentNetwork:
    """A network with the same cell and the best linear readouts of a probe's answers.

    Labels: logistic regression, each head alone; real values: ridge regression. Both are convex, so that nothing
    depends on a start or on a number of updates. The cell is shared, not copied.

    Args:
        network: whose cell it is.
        probe: the trials and the steps that the readouts are fitted to; take another one to test them.
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
            # Of two logits the first one stays at 0.
            readout.weight.zero_()[-1] = w
            readout.bias.zero_()[-1] = b
    return fitted


def _labels(samples: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logistic regression: samples (M, U), labels (M, H) -> weights (H, U), biases (H,)."""
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
    """Ridge regression: samples (M, U), values (M, H) -> weights (H, U), biases (H,)."""
    bias = targets.mean(0)
    gram = samples.t() @ samples + PENALTY * len(samples) * torch.eye(samples.shape[1], device=samples.device)
    return torch.linalg.solve(gram, samples.t() @ (targets - bias)).t(), bias
