"""Generalisation: longer trials, other inputs, and another N after some more training."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from baselines.analysis import comparison, stimuli
from baselines.analysis.base import Analysis, Tables
from baselines.analysis.probe import ACCURACY, Probe, probed_task
from baselines.analysis.settings import KINDS, SCOPES, GeneralisationSettings
from baselines.analysis.subject import KEYS, Subject
from baselines.core import style
from baselines.core.settings import SettingsError
from baselines.core.statistics import over_networks
from baselines.core.tables import Column, Table
from baselines.training import recipes
from baselines.training.learner import Learner
from baselines.training.recipes import Recipe
from memory_envs import Task

INPUTS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "parity": ("p", (0.1, 0.3, 0.5, 0.7, 0.9, "uniform")),
    "dms": ("p", (0.1, 0.3, 0.5, 0.7, 0.9, "uniform")),
    "evidence-accumulation": ("bias", (0.0, 0.05, 0.1, 0.2, 0.4)),
    "flip-flop": ("pulse_probability", (0.02, 0.05, 0.1, 0.2, 0.5)),
    "delayed-addition": ("distractors", (False, True)),
}
"""Task -> the argument that says what its input is like, and the values of it that are tried."""

GENERALISATION = (
    *KEYS,
    Column("kind", "what is new: length (of trials), input (its statistics) or n (another N)"),
    Column("case", "length of trials in multiples of N; argument of the task and its value; or N"),
    Column("value", "the same as a number, empty where it is none"),
    Column("retrained", "none, readout or network"),
    Column("updates", "updates of retraining"),
    *ACCURACY,
)


class Generalisation(Analysis[GeneralisationSettings]):
    """Accuracy on what the network was not trained on.

    Protocol: ``trials`` trials of ``steps`` steps after ``warm_up`` steps, p = 0.5, in which the largest N of the
    checkpoint is asked, unless said otherwise. ``length`` [ours], for tasks on a stream: trials of ``lengths`` times N
    steps, of which the last N are asked; as many trials as give the same number of answers. ``input`` [ours]: other
    values of the argument of the task that ``INPUTS`` names. ``n`` (after Khajehabdollahi et al., ICLR 2024, who
    retrain for 20 epochs): ``updates`` updates on one other N alone, with the recipe of the run and a fresh optimizer,
    of the whole network or of the readout, always from the same checkpoint; a readout that is missing is made.
    ``none``: no retraining, where the network has a readout for that N.

    Table ``generalisation``: one row a case. Its baseline is the accuracy under the protocol's first sentence.
    """

    name = "generalisation"
    settings = GeneralisationSettings
    columns: ClassVar = {"generalisation": GENERALISATION}

    def check(self, subject: Subject, settings: GeneralisationSettings) -> None:
        probed_task(subject, subject.task.N, settings)
        if "length" in settings.kinds and not subject.task.free_length:
            raise SettingsError(
                "kinds", f"kinds must leave out 'length' for {subject.task.name}: its N sets the length of its trials"
            )
        for n in settings.ns:
            subject.task_for(n, known=False)

    def compute(self, subject: Subject, settings: GeneralisationSettings) -> Tables:
        baseline = Probe(subject, settings).play(subject.network)
        table = Table(GENERALISATION)
        for kind in settings.kinds or KINDS:
            for case, value, scope, one, probe in _cases(kind, subject, settings):
                table.add(
                    **subject.keys,
                    kind=kind,
                    case=case,
                    value=value,
                    retrained=scope,
                    updates=0 if scope == "none" else settings.updates,
                    **probe.play(one.network).columns(baseline),
                )
        return {"generalisation": table}

    @style.styled
    def draw(self, tables: Tables) -> Figure:
        """Accuracy against the length of trials, the input's statistics and N."""
        table = comparison.largest(tables["generalisation"])
        names = comparison.groups(table)
        words = {
            "length": ("longer trials", "length of the trial (multiples of N)"),
            "input": ("other inputs", "argument of the task"),
            "n": ("another N", "N asked"),
        }
        kinds = [kind for (kind,) in table.distinct("kind")]
        title = f"trained up to {comparison.demands(table)}"
        figure, panels = style.panels([words[kind][0] for kind in kinds], title, height=3.7)
        for axes, kind in zip(panels, kinds, strict=True):
            chosen = table.where(kind=kind)
            axes.set_xlabel(words[kind][1])
            for index, group in enumerate(names):
                rows = chosen.where(group=group)
                if kind == "input" and len(rows):
                    aside = (index - (len(names) - 1) / 2) * 0.2
                    looks = comparison.look(index, 0, len(names) > 1)
                    summary = over_networks(rows, ["case"], "accuracy")
                    style.categories(axes, summary, "case", comparison.named(group, "not retrained"), looks, aside)
                elif len(rows):
                    _lines(axes, rows, group, index, len(names) > 1)
            if kind == "input":
                cases = [case for (case,) in chosen.distinct("case")]
                axes.set_xticks(range(len(cases)), [case.partition("=")[2] for case in cases])
                axes.set_xlabel(cases[0].partition("=")[0] + " of the task")
            if kind == "length":
                axes.set_xscale("log", base=2)
                axes.set_xticks(np.unique(chosen["value"]).tolist(), [f"{v:g}" for v in np.unique(chosen["value"])])
                axes.minorticks_off()
            if kind == "n":
                for n in np.unique(table["N"]):
                    axes.axvline(float(n), color="grey", ls="--", lw=0.8)
                axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.axhline(0.5, color="grey", ls=":", lw=0.8)
            axes.set(ylabel="accuracy (dotted: 0.5)", ylim=(0.4, 1.02))
        style.legend_of_all(figure, 3)
        return figure


def _lines(axes: Axes, table: Table, group: str, index: int, several: bool) -> None:
    """A line for each thing that was retrained in the networks of group number ``index``."""
    for kind, scope in enumerate(("none", *SCOPES)):
        rows = table.where(retrained=scope)
        if len(rows):
            words = "not retrained" if scope == "none" else f"{scope} retrained, {rows['updates'][0]} updates"
            looks = comparison.look(index, kind, several)
            style.line(
                axes,
                over_networks(rows, ["value"], "accuracy"),
                comparison.named(group, words),
                looks,
                "value",
                style.SHARE,
            )


Case = tuple[str, float, str, Subject, Probe]
"""The case in words, its number, what was retrained, the subject after that, the probe that it plays."""


def _cases(kind: str, subject: Subject, settings: GeneralisationSettings) -> Iterator[Case]:
    return {"length": _lengths, "input": _inputs, "n": _demands}[kind](subject, settings)


def _lengths(subject: Subject, settings: GeneralisationSettings) -> Iterator[Case]:
    if not subject.task.free_length:
        return
    n = subject.task.N
    for length in settings.lengths:
        total = round(length * n)
        one = dataclasses.replace(
            settings, steps=n, warm_up=total - n, trials=max(2, -(-settings.trials * settings.steps // n))
        )
        yield f"{length:g} N", length, "none", subject, Probe(subject, one)


def _inputs(subject: Subject, settings: GeneralisationSettings) -> Iterator[Case]:
    name, values = INPUTS.get(subject.task.name, ("", ()))
    for value in values:
        one = dataclasses.replace(settings, task_args=settings.task_args | {name: value})
        number = float(value) if isinstance(value, (int, float)) else math.nan
        yield f"{name}={value}", number, "none", subject, Probe(subject, one)


def _demands(subject: Subject, settings: GeneralisationSettings) -> Iterator[Case]:
    n = subject.task.N
    others = settings.ns or sorted({n, n + 1, *(round(n * factor) for factor in (1.25, 1.5, 2.0))})
    for other in others:
        try:
            task = subject.task_for(other, known=False)
        except SettingsError:  # an N that the task cannot have, such as an even window of evidence; nobody asked for it
            continue
        probe = Probe(subject, settings, other, known=False)
        if all(key in subject.network.readouts for key in probe.heads):
            yield str(other), other, "none", subject, probe
        for scope in settings.scopes:
            arguments = {name: settings.task_args[name] for name in settings.task_args}
            practice = stimuli.changed(task, arguments, subject.task.num_inputs)
            after = retrained(
                subject,
                practice,
                updates=settings.updates,
                scope=scope,
                seed=settings.seed,
                learning_rate=settings.learning_rate,
            )
            yield str(other), other, scope, after, probe


def recipe_of(subject: Subject) -> Recipe:
    """The recipe of the subject's run; for a network from elsewhere recipe ``trials`` for any cell."""
    return recipes.find("trials", recipes.ANY, recipes.ANY) if subject.recipe is None else subject.recipe


def retrained(
    subject: Subject, task: Task, *, updates: int, scope: str, seed: int, learning_rate: float | None = None
) -> Subject:
    """A copy of a subject after some more training, on whole trials. A readout that is missing is made.

    Args:
        subject: the subject that training starts from. Its optimizer's moments are not kept: they start at zero.
        task: the task, with one N alone.
        updates: how many updates.
        scope: what is trained: ``"network"`` (all weights) or ``"readout"``.
        seed: the seed of the trials, the initial states and the new readouts.
        learning_rate: the learning rate; None: the recipe's.
    """
    # One head alone does not learn a longer memory from windows of a few steps (docs/decisions/0014-streams.md).
    recipe = dataclasses.replace(recipe_of(subject), stream_steps=0, averaged=0)
    if learning_rate is not None:
        recipe = dataclasses.replace(recipe, learning_rate=learning_rate)
    network = copy.deepcopy(subject.network).requires_grad_(True)
    network.cell.requires_grad_(scope == "network")
    learner = Learner(network, task, recipe, seed=seed)
    for _ in range(updates):
        learner.learn()
    return dataclasses.replace(subject, network=network.requires_grad_(False))
