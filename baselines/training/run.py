"""A training run, from its settings to its run folder: training, checkpoints, evaluation, summary. Prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.core import seeds
from baselines.core.settings import SettingsError
from baselines.evaluation import Evaluation, evaluate
from baselines.network import NetworkAgent, head_keys
from baselines.training import learner, loading, run_files
from baselines.training.bptt_settings import Settings
from baselines.training.learner import Learner, Report
from baselines.training.resume import ResumableRun
from baselines.training.run_folder import RunFolder
from memory_envs import Task


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a report.

    Attributes:
        report: the latest report.
        seconds: the wall time of training so far, in seconds.
        cpu_seconds: the CPU time of training so far, in seconds.
        largest_n: the largest N whose stage is solved; None before the first.
    """

    report: Report
    seconds: float
    cpu_seconds: float
    largest_n: int | None


class TrainingRun(ResumableRun[Settings]):
    """One run. Iterate over ``train`` to its end, then call ``play`` if a stage was tested, then ``finish``.

    The numbers of a run depend on the number of torch's threads; the command line uses one thread.

    A checkpoint is written at the start, whenever a stage is solved, and at the end. In between, also between two
    reports, it is written as soon as the last one is ``SAVE_SECONDS`` old: reports may be minutes apart, and a killed
    run should lose little work. (A checkpoint of 500 units is 3 MB. With every report, writing would take longer than
    the training of small networks.) Where writing is slow, it takes at most the share ``SAVE_SHARE`` of the time.

    Attributes:
        plan: the plan of the run.
        folder: the run folder, open for writing.
        status: ``"running"``; then ``"solved"`` (the last stage is solved), ``"updates"`` (all updates are done),
            ``"budget"`` (the time is used up), ``"steps"`` (the next update would exceed the allowed steps),
            ``"interrupted"`` or ``"diverged"`` (the loss or its gradient is NaN or infinite; the checkpoint is an
            earlier one).
        tested: the task of the stage that was last tested; None before the first report.
        seconds, cpu_seconds: the wall time and the CPU time of training so far, in seconds. What a killed process did
            after its last checkpoint is not counted.
        saved_update: the update of the latest checkpoint.
        diverged_at: the first update whose loss or gradient was not finite; None if all were.

    Args:
        settings: the settings of a new run.

    Raises:
        SettingsError: a setting is not possible; nothing has been written.
        RunError: the run folder cannot be written, or another process holds it.
    """

    SAVE_SECONDS = 5.0
    SAVE_SHARE = 0.02

    KIND = Settings

    def __init__(self, settings: Settings) -> None:
        self._prepare(settings)
        self.folder = RunFolder.new(settings.folder, self.plan, self._columns())
        self._save(keep=settings.keep_every is not None)

    def _prepare(self, settings: Settings) -> None:
        """Set everything to its state before the first update."""
        self.plan = plan = settings.plan()
        self.seed = settings.seed
        first = plan.curriculum.first(plan.task)
        network = plan.new_network()
        terms, weights = plan.terms(network.cell)
        self.learner = Learner(
            network,
            first,
            plan.recipe,
            seed=settings.seed,
            terms=terms,
            weights=weights,
            growth=plan.growth(),
            new_terms=lambda cell: plan.terms(cell)[0],
            ahead=plan.curriculum.ahead(first, plan.recipe.heads_ahead),
        )
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

    def _restore(self, path: Path, changes: Mapping[str, Any]) -> None:
        """Check that the run can continue from its latest checkpoint, then go back to it."""
        run_files.check_goes_on(self.plan.settings, path)
        if not run_files.is_begun(path):  # killed before its first checkpoint
            self.folder.go_back(0, 0)
            self._save(keep=self.plan.settings.keep_every is not None)
            return
        tensors, plain = loading.read_checkpoint(path)
        own, curriculum, task = plain["run"], self.plan.curriculum, self.plan.task
        with loading.fitting(run_files.checkpoint_file(path), self.plan.settings):
            loading.stage_of(curriculum, task, plain["task"])
            loading.check_readouts(curriculum, task, plain["readouts"])
            self.tested = None if own["tested"] is None else loading.stage_of(curriculum, task, own["tested"])
            self.learner.restore(tensors, plain)
        self.seconds, self.cpu_seconds = own["seconds"], own["cpu_seconds"]
        self.scores, self.solved_at, self.status = own["scores"], own["solved_at"], own["status"]
        self.saved_update = self.learner.update
        reports, every = self.learner.update // self.plan.recipe.test_every, self.plan.recipe.test_every
        self.folder.go_back(self.learner.update, reports, reports * every, plain.get("metrics"))

    @property
    def steps(self) -> int:
        """Environment steps so far: time steps of the trials trained on, without padding."""
        return self.learner.steps

    def train(self, interrupted: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Train until the last stage is solved, a limit is reached, training diverges, or ``interrupted()`` is true.

        Args:
            interrupted: called before every update; training ends once it returns True.

        Yields:
            Where the run stands, after every report.

        Raises:
            RunError: the folder cannot be written. The run can be resumed from its latest checkpoint.
        """
        began, cpu_began = time.monotonic() - self.seconds, time.process_time() - self.cpu_seconds
        asked = self.plan.settings
        self._save_due = time.monotonic() + self.SAVE_SECONDS

        def reason() -> str:
            """The status with which to stop now, or "running"."""
            if self.status != "running":  # resumed after a kill that came between the end of training and the summary
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
        if (diverged := self.learner.diverged_at()) is not None:  # after the last report
            self.status, self.diverged_at = "diverged", diverged
        else:
            self._save()

    def play(self) -> Evaluation:
        """Play the trained network in the vector environment, on fresh trials of the last stage that was tested."""
        task = self.tested or self.learner.task
        settings = self.plan.settings
        agent = NetworkAgent(self.learner.network, task)
        averaged = self.learner.averaged
        with nullcontext() if averaged is None else averaged.in_use():
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
            # A resumed run trains on, whatever stopped it, unless there is nothing left to train.
            "status": self.status if self.status in ("solved", "updates") else "running",
            "tested": self.tested and self.tested.to_dict(),
            "scores": self.scores,
            "solved_at": self.solved_at,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }
        # What is kept is for analyses. Without the moments of the optimiser a run to N = 101 takes half the space.
        kept = {name: value for name, value in tensors.items() if name.startswith(("network.", "averaged."))}
        self.folder.save_checkpoint(tensors, plain | {"run": own}, solved, self.learner.update if keep else None, kept)
        self.saved_update = self.learner.update
        ended = time.monotonic()
        self._save_due = ended + max(self.SAVE_SECONDS, (ended - began) / self.SAVE_SHARE)

    def _note(self, report: Report) -> None:
        """Remember the latest accuracy of every N, and the update at which its stage was solved."""
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
        """The loss terms whose weight a schedule changes; the metrics hold the weight in the latest update."""
        return list(self.learner.weights) if self.plan.settings.tcr_schedule != "constant" else []

    def _columns(self) -> list[str]:
        plan, keys = self.plan, dict[str, None]()
        for n in plan.curriculum.stages():
            keys |= dict.fromkeys(head_keys(plan.curriculum.stage(plan.task, n)))
        readings = list(self.learner.network.cell.readings())
        columns = [
            *("update", "steps", "N", "solved", *(("tested",) if plan.recipe.sequential_test else ())),
            *("loss", *(f"loss_{name}" for name in self.learner.terms)),
            *(f"weight_{name}" for name in self.moving_weights),
            "gradient_norm",
            *readings,
            *(f"accuracy_{key}" for key in keys),
            *("seconds", "cpu_seconds"),
        ]
        if taken := [name for name in readings if columns.count(name) > 1]:
            raise SettingsError(
                "cell",
                f"cell {plan.settings.cell}: readings() must not use the names of other metrics, got {taken}",
            )
        return columns

    def _row(self, progress: Progress) -> dict[str, float]:
        report = progress.report
        return {
            "update": report.update,
            "steps": report.steps,
            "N": report.task.N,
            "solved": int(report.solved),
            **({"tested": int(report.tested)} if self.plan.recipe.sequential_test else {}),
            "loss": report.loss,
            **{f"loss_{name}": value for name, value in report.losses.items()},
            **{f"weight_{name}": self.learner.weights[name](report.update - 1) for name in self.moving_weights},
            "gradient_norm": report.gradient_norm,
            **report.readings,
            **{f"accuracy_{key}": value for key, value in report.scores.items()},
            "seconds": round(progress.seconds, 3),
            "cpu_seconds": round(progress.cpu_seconds, 3),
        }
