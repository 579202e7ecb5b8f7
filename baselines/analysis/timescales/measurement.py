"""The analysis ``timescales``: those that units have by themselves, and those of activity.

Axes: T steps, B trials, I inputs, U units, L lags.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from baselines.analysis import stimuli
from baselines.analysis.base import Analysis, Tables
from baselines.analysis.settings import TimescaleSettings
from baselines.analysis.subject import KEYS, Subject
from baselines.analysis.timescales import figure
from baselines.analysis.timescales.autocorrelation import Autocorrelation
from baselines.analysis.timescales.decay_fits import Floats, fit_double, fit_single
from baselines.analysis.timescales.time_constants import GateMean, time_constants
from baselines.core.settings import blame
from baselines.core.tables import Column, Table
from baselines.network import Rollout
from baselines.training import losses
from memory_envs import Task

Flags = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]

_BLOCK = 5_000_000  # numbers of activity that are kept at once: 20 MB

UNITS = (
    *KEYS,
    Column("unit", "unit, from 0"),
    Column("tau", "time constant of the unit by itself (cell), or 1 / (1 - mean retention gate) (gate)", "steps"),
    Column("tau_source", "where tau comes from: cell, gate or none"),
    Column("way", "how one or two decays were chosen: aic (published) or cross-validated"),
    Column("tau_net", "timescale of the activity: the decay's, or the slower one of two", "steps"),
    Column("model", "single, double, or why there is none: failed (the fit did not converge), silent, diverged"),
    Column("share", "share of the decay with tau_net in the autocorrelation at lag 0"),
    Column("at_lower", "tau_net lies at the lower bound of the fit: nothing is left at lag 1"),
    Column("at_upper", "tau_net lies at the upper bound of the fit"),
)
"""Columns of the table ``units``: a row for each unit and each way of choosing the number of decays."""

SUMMARY = (
    *KEYS,
    Column("way", "how one or two decays were chosen"),
    Column("units", "units"),
    Column("silent", "units whose activity does not vary, in any trial"),
    Column("diverged", "units whose activity grows beyond all bounds, in every trial"),
    Column("failed", "units whose fit did not converge"),
    Column("at_lower", "units whose tau_net lies at the lower bound of the fit: nothing is left at lag 1"),
    Column("at_upper", "units whose tau_net lies at the upper bound of the fit"),
    Column("double", "units with two decays"),
    Column("kept", "units with tau_net above 1 (the published filter); those at the upper bound are among them"),
    Column("left_out", "kept units whose tau_net lies at the upper bound: the next three leave them out"),
    Column("tau_net_mean", "mean of tau_net over kept units that are not left out", "steps"),
    Column("tau_net_sd", "standard deviation of tau_net over them", "steps"),
    Column("tau_net_median", "median of tau_net over them", "steps"),
    Column("tau_net_mean_published", "mean of tau_net over all kept units", "steps"),
    Column("tau_net_sd_published", "standard deviation of tau_net over all kept units", "steps"),
    Column("tau_net_median_published", "median of tau_net over all kept units", "steps"),
    Column("tau_mean", "mean of tau over all units", "steps"),
    Column("tau_sd", "standard deviation of tau over all units", "steps"),
    Column("tau_population", "tau_net of the activity averaged over units; empty at the upper bound", "steps"),
    Column("population_model", "model of tau_population, as ``model`` of a unit; bound: it lies at the upper bound"),
)
"""Columns of the table ``summary``: a row for each network and each way of choosing the number of decays."""


class Timescales(Analysis[TimescaleSettings]):
    """Timescales of a network's units and of its activity.

    Protocol (Khajehabdollahi et al., ICLR 2024): ``trials`` trials of ``steps`` steps after ``burn_in`` steps, with
    random bits (other tasks: their own stimulus, short trials end to end), drawn from the seed and that of the
    network's run. In trial i of B they are 1 with probability (i + 0.5) / B; with ``probabilities`` ``drawn``, the
    published way, with one drawn uniformly for each trial: over ten trials such means vary more with what was drawn
    than with the network. For each unit the autocorrelation of its activity, the trial's mean taken out, is averaged
    over trials; trials in which it does not vary are left out. Lags 0 to ``lags`` are fitted, by least squares, with
    a exp(-k/tau) and with a [c exp(-k/tau1) + (1-c) exp(-k/tau2)], 0 <= a, c <= 1, tau at most 100 (``decay_fits``).

    Whether a unit has one decay or two is decided in two ways. ``aic``, the published one: the smaller of
    2 P + n ln(RSS / n), with P = 2 or 4 parameters and n lags. It takes the n residuals for independent, which those of
    one autocorrelation are not: so noise is fitted with a second, slow decay of hardly any weight (of six
    Ornstein-Uhlenbeck processes with tau = 5, one came out at 100). ``cross-validated`` [ours]: two decays only if,
    fitted to all trials but one, they predict the trial left out better than a single decay does, by more than two
    standard errors over trials; with fewer than three trials, always one.

    Means are over the units with tau_net above 1, as published, but leave out those whose fit ends at its bound, 100:
    such a number says that hardly any decay was found, not how long it takes.

    tau is the cell's ``time_constants``. For GRU and LSTM it is 1 / (1 - g), where g is the mean over the same steps of
    the update or forget gate: a leaky unit keeps 1 - 1/tau of its state in a step.

    Table ``units``: one row a unit and way. Table ``summary``: one row a way.
    """

    name = "timescales"
    settings = TimescaleSettings
    columns: ClassVar = {"units": UNITS, "summary": SUMMARY}
    checkpoints = "all"

    def check(self, subject: Subject, settings: TimescaleSettings) -> None:
        blame("on", losses.activity_reader, subject.cell, settings.on, setting="on")
        _stimulus(subject, settings)

    def compute(self, subject: Subject, settings: TimescaleSettings) -> Tables:
        curves, why, gate = _curves(subject, settings)
        count = len(why) - 1
        constants = time_constants(subject.cell)
        tau, source = (constants, "cell") if constants is not None else (gate, "none" if gate is None else "gate")
        tau = np.full(count, np.nan) if tau is None else tau
        units, summary = Table(UNITS), Table(SUMMARY)
        for way, found in _decays(curves, why).items():
            own = {name: values[:count] for name, values in found.items()}
            units.add(**subject.keys, unit=np.arange(count), tau=tau, tau_source=source, way=way, **own)
            kept = own["tau_net"] > 1
            averaged = kept & ~own["at_upper"]
            bound = bool(found["at_upper"][count])
            summary.add(
                **subject.keys,
                way=way,
                units=count,
                **{word: int((own["model"] == word).sum()) for word in ("silent", "diverged", "failed", "double")},
                **{name: int(own[name].sum()) for name in ("at_lower", "at_upper")},
                kept=int(kept.sum()),
                left_out=int((kept & own["at_upper"]).sum()),
                **_moments(own["tau_net"][averaged]),
                **_moments(own["tau_net"][kept], "_published"),
                tau_mean=float(tau.mean()),
                tau_sd=float(tau.std()),
                tau_population=np.nan if bound else float(found["tau_net"][count]),
                population_model="bound" if bound else str(found["model"][count]),
            )
        return {"units": units, "summary": summary}

    def draw(self, tables: Tables) -> Figure:
        return figure.draw(tables["units"], tables["summary"])


def _stimulus(subject: Subject, settings: TimescaleSettings) -> tuple[Task, bool]:
    """The task whose stimulus is shown, and whether the probabilities of its bits are to be spaced evenly."""
    usual = {"p": "uniform"} if "p" in subject.task.parameters() else {}
    spaced = bool(usual) and "p" not in settings.task_args and settings.probabilities == "spaced"
    return stimuli.changed(subject.task, usual | settings.task_args, subject.task.num_inputs), spaced


@torch.no_grad()
def _curves(subject: Subject, settings: TimescaleSettings) -> tuple[Floats, Names, Floats | None]:
    """Play the trials.

    Returns:
        The autocorrelation of each trial and unit and, last, of the mean over units, (B, U + 1, L); NaN where there is
        none. Why a unit has none in any trial, ``"silent"`` or ``"diverged"``, else ``""``, (U + 1,). The tau that the
        gate gives, (U,).
    """
    network = subject.network
    cell = network.cell
    read = losses.activity_reader(cell, settings.on)
    total = settings.burn_in + settings.steps
    task, spaced = _stimulus(subject, settings)
    inputs = stimuli.stream(task, settings.trials, total, settings.seed, subject.seed, spaced=spaced)
    state = cell.initial_state(settings.trials)
    running, gate = Autocorrelation(settings.lags), GateMean(network)
    block = max(2 * settings.lags, _BLOCK // (settings.trials * cell.state_size))
    parts = [settings.burn_in, *[block] * (settings.steps // block), settings.steps % block]
    for number, shown in enumerate(torch.split(inputs.to(state), parts)):
        if len(shown):
            outputs, states = network.unroll(shown, state)
            if number:
                activity = read(Rollout(outputs, states, outputs))
                together = torch.cat((activity, activity.mean(-1, keepdim=True)), -1)
                running.add(together.flatten(1))
                gate.add(shown, torch.cat((state[None], states[:-1])))
            state = states[-1]
    found = running.result(settings.divisor)
    silent, diverged = (flags.reshape(settings.trials, -1) for flags in (found.silent, found.diverged))
    none = (silent | diverged).all(0)
    why = np.where(none, np.where(diverged.any(0), "diverged", "silent"), "")
    return found.values.reshape(settings.trials, -1, settings.lags + 1), why, gate.time_constants()


def _decays(curves: Floats, why: Names) -> dict[str, dict[str, Any]]:
    """The columns of ``UNITS`` that a fit gives, (U,) each, for either way to decide between one decay and two.

    Args:
        curves: the autocorrelation of each trial and unit, (B, U, L); NaN where there is none.
        why: why a unit has none in any trial, else "", (U,).
    """
    average = _average(curves)
    single, double = fit_single(average), fit_double(average)
    doubled = {"aic": double.aic < single.aic, "cross-validated": _predicts_better(curves)}
    found = {}
    for way, two in doubled.items():
        failed = np.where(two, double.failed, single.failed)
        model = np.select([why != "", failed, two], [why, "failed", "double"], "single")
        known = (model == "single") | (model == "double")
        found[way] = {
            "tau_net": np.where(known, np.where(two, double.slow, single.slow), np.nan),
            "model": model,
            "share": np.where(known, np.where(two, double.share, 1), np.nan),
            "at_lower": known & np.where(two, double.at_lower, single.at_lower),
            "at_upper": known & np.where(two, double.at_upper, single.at_upper),
        }
    return found


def _predicts_better(curves: Floats) -> Flags:
    """Whether two decays predict a trial left out better than one does, by two standard errors over trials, (U,)."""
    if len(curves) < 3:
        return np.zeros(curves.shape[1], np.bool_)
    gains = []
    for held in range(len(curves)):
        rest = _average(np.delete(curves, held, 0))
        errors = [
            ((curves[held] - fit.values(rest.shape[1])) ** 2).sum(1) for fit in (fit_single(rest), fit_double(rest))
        ]
        gains.append(errors[0] - errors[1])
    gain = np.array(gains)  # NaN where there is no curve in a trial
    counts = np.maximum((~np.isnan(gain)).sum(0), 2)
    mean = np.nansum(gain, 0) / counts
    error = np.sqrt(np.nansum((gain - mean) ** 2, 0) / (counts - 1) / counts)
    return np.asarray(mean > 2 * error)


def _average(curves: Floats) -> Floats:
    """The mean curve over the trials that have one, (U, L); zeros where none has."""
    there = ~np.isnan(curves[..., :1])
    return np.asarray(np.where(there, curves, 0).sum(0) / np.maximum(there.sum(0), 1))


def _moments(taus: Floats, suffix: str = "") -> dict[str, float]:
    """Mean, standard deviation and median, as columns of ``SUMMARY``; NaN of no values."""
    functions: dict[str, Any] = {"mean": np.mean, "sd": np.std, "median": np.median}
    values = {name: float(function(taus)) if len(taus) else float("nan") for name, function in functions.items()}
    return {f"tau_net_{name}{suffix}": value for name, value in values.items()}
