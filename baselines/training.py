"""A training run from its settings to its run folder: trains, measures, saves, plays, sums up. It prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from baselines import bptt, seeds
from baselines.agents import Evaluation, NetworkAgent, evaluate
from baselines.bptt import Learner, Report
from baselines.network import head_keys
from baselines.runs import RunFolder
from baselines.settings import Settings


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a report.

    Attributes:
        report: the latest one.
        seconds: since training began.
        cpu_seconds: of this process, since training began.
        largest_n: N of the largest stage solved; None before the first.
    """

    report: Report
    seconds: float
    cpu_seconds: float
    largest_n: int | None


class TrainingRun:
    """One run. Call ``train`` to its end, then ``play`` if there is something to play, then ``finish``.

    The numbers of a run depend on the number of torch's threads; the command line takes one.

    Attributes:
        plan: what is run.
        folder: where it is written.
        status: ``"running"``; then ``"solved"`` (the last stage is), ``"budget"`` (time ran out), ``"interrupted"`` or
            ``"diverged"`` (the loss is no longer a number; the checkpoint is the one before).

    Args:
        settings: what is asked for.

    Raises:
        SettingsError, RunError: it cannot be; nothing has been written.
    """

    def __init__(self, settings: Settings) -> None:
        self.plan = plan = settings.plan()
        first = plan.curriculum.first(plan.task)
        self.learner = Learner(plan.new_network(), first, plan.recipe, seed=settings.seed)
        self.status = "running"
        self.progress: Progress | None = None
        self.played: Evaluation | None = None
        self.seconds = self.cpu_seconds = 0.0
        self.scores: dict[str, float] = {}
        self.solved_at: dict[str, int] = {}
        self.folder = RunFolder(settings.folder, plan, self._columns())
        self._save()

    def train(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Train until the last stage is solved, the budget is used up or ``interrupted()`` says so.

        Yields:
            Where the run stands, after every report.
        """
        began, cpu_began = time.monotonic(), time.process_time()
        budget = self.plan.settings.budget

        def stop() -> bool:
            if interrupted():
                self.status = "interrupted"
            elif time.monotonic() - began > budget:
                self.status = "budget"
            return self.status != "running"

        for report in bptt.train(self.learner, self.plan.curriculum, stop):
            if not math.isfinite(report.loss + report.gradient_norm):
                self.status = "diverged"
                break
            self._note(report)
            largest = max(map(int, self.solved_at), default=None)
            self.progress = Progress(report, time.monotonic() - began, time.process_time() - cpu_began, largest)
            self.folder.add_metrics(self._row(self.progress))
            if report.solved:
                self._save()
            if report.finished:
                self.status = "solved"
            yield self.progress
        self.seconds, self.cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
        if self.status != "diverged":
            self._save()

    def play(self) -> Evaluation:
        """Play the trained network in the vector environment, on fresh trials of the last stage that was tested."""
        task = self.progress.report.task if self.progress else self.learner.task
        settings = self.plan.settings
        agent = NetworkAgent(self.learner.network, task)
        self.played = evaluate(agent, task, episodes=settings.episodes, seed=seeds.evaluation_seed(settings.seed))
        return self.played

    def finish(self) -> dict[str, Any]:
        """Write ``summary.json`` and return what it says."""
        progress, played = self.progress, self.played
        summary: dict[str, Any] = {
            "status": self.status,
            "largest_n": progress.largest_n if progress else None,
            "scores": self.scores,
            "solved_at": self.solved_at,
            "updates": self.learner.update,
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "played": None,
        }
        if played:
            summary["played"] = {
                "task": played.task.to_dict(),
                "episodes": played.episodes,
                "seed": seeds.evaluation_seed(self.plan.settings.seed),
                "score": played.score,
                "standard_error": played.standard_error,
                "accuracy": played.accuracy,
            }
        self.folder.write_summary(summary)
        return summary

    def _save(self) -> None:
        self.folder.save_checkpoint(*self.learner.state())

    def _note(self, report: Report) -> None:
        """Keep the latest accuracy of every N, and when its stage was solved."""
        heads: tuple[int, ...] | None = getattr(report.task, "heads", None)
        values = list(report.scores.values())
        if heads is None:
            self.scores[str(report.task.N)] = sum(values) / len(values)
        else:
            self.scores.update(zip(map(str, heads), values, strict=True))
        if report.solved:
            self.solved_at[str(report.task.N)] = report.update

    def _columns(self) -> list[str]:
        plan, keys = self.plan, dict[str, None]()
        for n in plan.curriculum.stages():
            keys |= dict.fromkeys(head_keys(plan.curriculum.stage(plan.task, n)))
        return [
            *("update", "N", "solved", "loss", *(f"loss_{name}" for name in self.learner.terms), "gradient_norm"),
            *self.learner.network.cell.readings(),
            *(f"accuracy_{key}" for key in keys),
            *("seconds", "cpu_seconds"),
        ]

    def _row(self, progress: Progress) -> dict[str, object]:
        report = progress.report
        return {
            "update": report.update,
            "N": report.task.N,
            "solved": int(report.solved),
            "loss": report.loss,
            **{f"loss_{name}": value for name, value in report.losses.items()},
            "gradient_norm": report.gradient_norm,
            **report.readings,
            **{f"accuracy_{key}": value for key, value in report.scores.items()},
            "seconds": round(progress.seconds, 3),
            "cpu_seconds": round(progress.cpu_seconds, 3),
        }
