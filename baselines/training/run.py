"""A training run from its settings to its run folder: trains, measures, saves, plays, sums up. It prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.core import seeds
from baselines.core.files import RunError
from baselines.core.settings import SettingsError
from baselines.evaluation import Evaluation, evaluate
from baselines.network import NetworkAgent, head_keys
from baselines.training import learner, loading, run_files
from baselines.training.bptt_settings import Settings
from baselines.training.learner import Learner, Report
from baselines.training.resume import ResumableRun
from baselines.training.run_folder import RunFolder
from memory_envs import Task, task_from_dict


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a report.

    Attributes:
        report: the latest one.
        seconds: of training so far.
        cpu_seconds: of training so far.
        largest_n: N of the largest stage solved; None before the first.
    """

    report: Report
    seconds: float
    cpu_seconds: float
    largest_n: int | None


class TrainingRun(ResumableRun[Settings]):
    """One run. Call ``train`` to its end, then ``play`` if there is something to play, then ``finish``.

    The numbers of a run depend on the number of torch's threads; the command line takes one.

    A checkpoint is written at the start, whenever a stage is solved, at the end, and in between as soon as the last one
    is ``SAVE_SECONDS`` old, between two reports too, which may be minutes apart: so much work a killed run loses at
    most, and writing takes a share that nobody notices (a checkpoint of 500 units is 3 MB; one with every report would
    cost more than training small networks does). Where a checkpoint takes long to write, that share is at most
    ``SAVE_SHARE``.

    Attributes:
        plan: what is run.
        folder: where it is written.
        status: ``"running"``; then ``"solved"`` (the last stage is), ``"updates"`` (all of them are done), ``"budget"``
            (time ran out), ``"steps"`` (the next update would take more than are allowed), ``"interrupted"`` or
            ``"diverged"`` (the loss or its gradient is NaN or infinite; the checkpoint is the one before).
        tested: the stage that was last tested; None before the first report.
        seconds, cpu_seconds: of training so far. What a killed process did after its last checkpoint is not counted.
        saved_update: of the latest checkpoint.
        diverged_at: the first update whose loss or gradient was not finite.

    Args:
        settings: what is asked for, of a new run.

    Raises:
        SettingsError, RunError: it cannot be; nothing has been written.
    """

    SAVE_SECONDS = 5.0
    SAVE_SHARE = 0.02

    KIND = Settings

    def __init__(self, settings: Settings) -> None:
        self._prepare(settings)
        self.folder = RunFolder.new(settings.folder, self.plan, self._columns())
        self._save(keep=settings.keep_every is not None)

    def _prepare(self, settings: Settings) -> None:
        """Everything as it is before the first update."""
        self.plan = plan = settings.plan()
        self.seed = settings.seed
        first = plan.curriculum.first(plan.task)
        network = plan.new_network()
        terms, weights = plan.terms(network.cell)
        self.learner = Learner(network, first, plan.recipe, seed=settings.seed, terms=terms, weights=weights)
        self.status = "running"
        self.progress: Progress | None = None
        self.played: Evaluation | None = None
        self.tested: Task | None = None
        self.seconds = self.cpu_seconds = 0.0
        self.scores: dict[str, float] = {}
        self.solved_at: dict[str, int] = {}
        self.diverged_at: int | None = None
        self.saved_update = 0
        self._save_due = 0.0

    def _restore(self, path: Path) -> None:
        """Go back to the latest checkpoint, once it is sure that the run can go on from it."""
        run_files.check_goes_on(self.plan.settings, path)
        if not run_files.is_begun(path):  # killed before it was
            self.folder.go_back(0, 0)
            self._save(keep=self.plan.settings.keep_every is not None)
            return
        tensors, plain = loading.read_checkpoint(path)
        try:
            own = plain["run"]
            self.learner.restore(tensors, plain)
            self.seconds, self.cpu_seconds = own["seconds"], own["cpu_seconds"]
            self.scores, self.solved_at = own["scores"], own["solved_at"]
            self.tested = None if own["tested"] is None else task_from_dict(own["tested"])
            self.status = own["status"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            what = " ".join(str(error).split())
            raise RunError(f"{run_files.checkpoint_file(path)} does not fit this run: {what}") from None
        self.saved_update = self.learner.update
        self.folder.go_back(self.learner.update, self.learner.update // self.plan.recipe.test_every)

    @property
    def steps(self) -> int:
        """Environment steps so far: time steps of the trials trained on, without padding."""
        return self.learner.steps

    def train(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Train until the last stage is solved, the updates, the budget or the steps are used up, or ``interrupted()``
        says so.

        Yields:
            Where the run stands, after every report.

        Raises:
            RunError: the folder cannot be written. What is there can be gone on with.
        """
        began, cpu_began = time.monotonic() - self.seconds, time.process_time() - self.cpu_seconds
        asked = self.plan.settings
        self._save_due = time.monotonic() + self.SAVE_SECONDS

        def reason() -> str:
            """Why to stop now, as a status, or "running"."""
            if self.status != "running":  # a run that was killed when all was trained
                return self.status
            if interrupted():
                return "interrupted"
            if self.learner.update == asked.max_updates:
                return "updates"
            if time.monotonic() - began > asked.budget:
                return "budget"
            if asked.steps is not None and self.steps + self.learner.next_steps > asked.steps:
                return "steps"
            return "running"

        def save_when_due() -> None:
            if time.monotonic() >= self._save_due and self.learner.diverged_at() is None:
                clock()
                self._save()

        def clock() -> None:
            self.seconds, self.cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began

        def stop() -> bool:
            return reason() != "running"

        for report in learner.train(self.learner, self.plan.curriculum, stop, save_when_due):
            clock()
            if report.diverged_at is not None:
                self.status, self.diverged_at = "diverged", report.diverged_at
                return
            self._note(report)
            largest = max(map(int, self.solved_at), default=None)
            self.progress = Progress(report, self.seconds, self.cpu_seconds, largest)
            self.folder.add_metrics(self._row(self.progress))
            if report.finished:
                self.status = "solved"
            keep = self._is_to_be_kept(report.update)
            if report.solved or keep:
                self._save(report.task.N if report.solved else None, keep)
            yield self.progress
        self.status = reason()
        clock()
        if (diverged := self.learner.diverged_at()) is not None:  # since the last report
            self.status, self.diverged_at = "diverged", diverged
        else:
            self._save()

    def play(self) -> Evaluation:
        """Play the trained network in the vector environment, on fresh trials of the last stage that was tested."""
        task = self.tested or self.learner.task
        settings = self.plan.settings
        agent = NetworkAgent(self.learner.network, task)
        self.played = evaluate(agent, task, episodes=settings.episodes, seed=seeds.evaluation_seed(settings.seed))
        return self.played

    def _results(self) -> dict[str, Any]:
        return {
            "largest_n": max(map(int, self.solved_at), default=None),
            "scores": self.scores,
            "solved_at": self.solved_at,
            "updates": self.learner.update,
            "steps": self.steps,
            "diverged_at": self.diverged_at,
        }

    def _is_to_be_kept(self, update: int) -> bool:
        """Whether a multiple of ``keep_every`` lies between this report and the one before."""
        every, before = self.plan.settings.keep_every, update - self.plan.recipe.test_every
        return every is not None and update // every > before // every

    def _save(self, solved: int | None = None, keep: bool = False) -> None:
        began = time.monotonic()
        tensors, plain = self.learner.state()
        own = {
            # Why training stopped does not matter to one who goes on, unless there is nothing left to train.
            "status": self.status if self.status in ("solved", "updates") else "running",
            "tested": self.tested and self.tested.to_dict(),
            "scores": self.scores,
            "solved_at": self.solved_at,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }
        self.folder.save_checkpoint(tensors, plain | {"run": own}, solved, self.learner.update if keep else None)
        self.saved_update = self.learner.update
        ended = time.monotonic()
        self._save_due = ended + max(self.SAVE_SECONDS, (ended - began) / self.SAVE_SHARE)

    def _note(self, report: Report) -> None:
        """Keep the latest accuracy of every N, and when its stage was solved."""
        self.tested = report.task
        heads = report.task.heads
        values = list(report.scores.values())
        if heads is None:
            self.scores[str(report.task.N)] = sum(values) / len(values)
        else:
            self.scores.update(zip(map(str, heads), values, strict=True))
        if report.solved:
            self.solved_at[str(report.task.N)] = report.update

    @property
    def moving_weights(self) -> list[str]:
        """The loss terms whose weight a schedule changes: the metrics say what it was in the update before."""
        return list(self.learner.weights) if self.plan.settings.tcr_schedule != "constant" else []

    def _columns(self) -> list[str]:
        plan, keys = self.plan, dict[str, None]()
        for n in plan.curriculum.stages():
            keys |= dict.fromkeys(head_keys(plan.curriculum.stage(plan.task, n)))
        readings = list(self.learner.network.cell.readings())
        columns = [
            *("update", "steps", "N", "solved", "loss", *(f"loss_{name}" for name in self.learner.terms)),
            *(f"weight_{name}" for name in self.moving_weights),
            "gradient_norm",
            *readings,
            *(f"accuracy_{key}" for key in keys),
            *("seconds", "cpu_seconds"),
        ]
        if taken := [name for name in readings if columns.count(name) > 1]:
            raise SettingsError(
                "cell",
                f"cell {plan.settings.cell}: readings() must leave alone the names of other metrics, has {taken}",
            )
        return columns

    def _row(self, progress: Progress) -> dict[str, float]:
        report = progress.report
        return {
            "update": report.update,
            "steps": report.steps,
            "N": report.task.N,
            "solved": int(report.solved),
            "loss": report.loss,
            **{f"loss_{name}": value for name, value in report.losses.items()},
            **{f"weight_{name}": self.learner.weights[name](report.update - 1) for name in self.moving_weights},
            "gradient_norm": report.gradient_norm,
            **report.readings,
            **{f"accuracy_{key}": value for key, value in report.scores.items()},
            "seconds": round(progress.seconds, 3),
            "cpu_seconds": round(progress.cpu_seconds, 3),
        }
