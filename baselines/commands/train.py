"""The command ``train``: backpropagation through time, then play in the environment."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from baselines.commands.display.scores import print_scores
from baselines.commands.display.training import Display
from baselines.commands.options import merged, note_versions, read_options
from baselines.core.process import interruptible
from baselines.core.settings import SettingsError
from baselines.training import recipes
from baselines.training.bptt_settings import Settings
from baselines.training.figure import training_figure
from baselines.training.run import TrainingRun
from baselines.training.run_folder import is_run, read_versions


def begin(resume: Path | None, go_on: bool, given: dict[str, Any]) -> TrainingRun:
    """The run that is asked for: a new one, or one that is there."""
    if go_on and (resume or "out" not in given):
        raise SettingsError("go_on", f"go_on needs out, and no resume, got {'resume' if resume else 'no out'}")
    if go_on and is_run(given["out"]):
        resume = given["out"]
    return TrainingRun(read_options(given, Settings, recipes.options())) if resume is None else take_up(resume, given)


def take_up(path: Path, given: dict[str, Any]) -> TrainingRun:
    """The run in a folder, to go on with, and a word where that may not be exact."""
    run = TrainingRun.resume(path, merged(given))
    note_versions(path, read_versions(path))
    return run


def train(run: TrainingRun) -> int:
    """Train, play, draw and sum up; the exit code."""
    console = Console()
    try:
        with interruptible() as interrupt, Display(console, run.plan, run.seconds) as display:
            for progress in run.train(lambda: interrupt.requested):
                display.show(progress)
        if run.tested and run.status in ("solved", "updates", "budget", "steps"):
            print_scores(console, run.play())
        if run.tested:
            training_figure(run.folder.path)
        summary = run.finish()
    except KeyboardInterrupt:  # at the final play, or the second one
        print(f"interrupted; the checkpoint is that of update {run.saved_update}\n{go_on(run)}", file=sys.stderr)
        return 130
    finally:
        run.folder.close()
    console.print(closing_line(summary, run), soft_wrap=True, highlight=False)
    return {"interrupted": 130, "diverged": 1}.get(run.status, 0)


def closing_line(summary: dict[str, Any], run: TrainingRun) -> str:
    """How the run ended, where it is, and how to go on."""
    path = run.folder.path
    why = {
        "solved": "solved",
        "updates": "stopped, for all its updates are done,",
        "budget": "stopped, for the budget is used up,",
        "steps": f"stopped after {run.steps} steps, for the next update would take more than are allowed,",
        "interrupted": "interrupted",
        "diverged": f"stopped, for the loss or its gradient is not finite at update {run.diverged_at} "
        f"(the checkpoint is that of update {run.saved_update}),",
    }[summary["status"]]
    largest = "none" if summary["largest_n"] is None else summary["largest_n"]
    saved = ", ".join(sorted(entry.name for entry in path.iterdir() if entry.name != "lock"))
    line = (
        f"{why} after {summary['updates']} updates, {summary['cpu_seconds']:.1f} CPU s; "
        f"largest N solved: {largest}. Saved in {path}: {saved}"
    )
    return f"{line}\n{go_on(run)}" if run.status in ("interrupted", "budget", "steps") else line


def go_on(run: TrainingRun) -> str:
    """The command that takes a run up again."""
    command = f"python -m baselines train --resume {shlex.quote(str(run.folder.path))}"
    if run.status == "budget":
        command += f" --budget {2 * run.plan.settings.budget:g}"
    elif run.status == "steps":
        command += f" --steps {2 * (run.plan.settings.steps or 1)}"
    return f"Go on with: {command}"
