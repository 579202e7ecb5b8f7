"""The command ``train``: backpropagation through time, then an evaluation in the environment."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.commands.options import add_run_options, new_or_changed, note_versions
from baselines.commands.say import complain
from baselines.core.process import interruptible, prepare_to_compute
from baselines.core.settings import SettingsError
from baselines.core.trust import trust_options
from baselines.training import recipes, run_files
from baselines.training.bptt_settings import Settings

if TYPE_CHECKING:
    from baselines.training.run import TrainingRun


def add_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the options of the command."""
    add_run_options(parser, Settings, recipes.options())
    go_on_help = "resume the run in --out if there is one, so that the same command starts and resumes a run"
    parser.add_argument("--go-on", action="store_true", help=go_on_help)


def run(given: dict[str, Any]) -> int:
    """Start or resume the run and train it, with a display; the exit code."""
    resume: Path | None = given.pop("resume", None)
    go_on = given.pop("go_on")
    if go_on and (resume or "out" not in given):
        raise SettingsError("go_on", f"go_on needs out, and no resume, got {'resume' if resume else 'no out'}")
    if go_on and run_files.is_run(given["out"]):
        resume = given["out"]
    settings, changes = new_or_changed(given, Settings, recipes.options(), resume)
    prepare_to_compute("baselines.training.run", "baselines.training.figure", "baselines.commands.display.training")
    from baselines.training.run import TrainingRun

    if settings is not None:
        return train(TrainingRun(settings))
    assert resume is not None
    taken_up = TrainingRun.resume(resume, changes)
    note_versions(resume, run_files.read_versions(resume))
    return train(taken_up)


def train(run: TrainingRun) -> int:
    """Train the run, evaluate it, draw its figure and write its summary.

    Returns:
        The exit code: 0 done, 1 if training diverged, 130 after Ctrl-C.
    """
    from baselines.commands.display.console import PlainConsole
    from baselines.commands.display.scores import print_scores
    from baselines.commands.display.training import Display
    from baselines.training.figure import training_figure

    console = PlainConsole()
    try:
        with interruptible() as interrupt, Display(console, run.plan, run.seconds) as display:
            for progress in run.train(lambda: interrupt.requested):
                display.show(progress)
        if run.tested and run.status in ("solved", "updates", "budget", "steps"):
            print_scores(console, run.play())
        if run.tested:
            training_figure(run.folder.path)
        summary = run.finish()
    except KeyboardInterrupt:  # Ctrl-C during the evaluation, or a second Ctrl-C
        complain(f"interrupted; the checkpoint is that of update {run.saved_update}\n{go_on(run)}")
        return 130
    finally:
        run.folder.close()
    console.print(closing_line(summary, run), soft_wrap=True)
    return {"interrupted": 130, "diverged": 1}.get(run.status, 0)


def closing_line(summary: dict[str, Any], run: TrainingRun) -> str:
    """How the run ended, where its folder is, and how to resume it."""
    path = run.folder.path
    why = {
        "solved": "solved",
        "updates": "stopped (all updates are done)",
        "budget": "stopped (the budget is used up)",
        "steps": f"stopped at {run.steps} steps (the next update would exceed the limit)",
        "interrupted": "interrupted",
        "diverged": f"stopped (the loss or its gradient is NaN or infinite at update {run.diverged_at}; "
        f"the checkpoint is that of update {run.saved_update})",
    }[summary["status"]]
    largest = "none" if summary["largest_n"] is None else summary["largest_n"]
    saved = ", ".join(sorted(entry.name for entry in path.iterdir() if entry.name != "lock"))
    line = (
        f"{why} after {summary['updates']} updates, {summary['cpu_seconds']:.1f} CPU s; "
        f"largest N solved: {largest}. Saved in {path}: {saved}"
    )
    return f"{line}\n{go_on(run)}" if run.status in ("interrupted", "budget", "steps") else line


def go_on(run: TrainingRun) -> str:
    """The command that resumes a run, as a sentence."""
    command = f"python -m baselines train --resume {shlex.quote(str(run.folder.path))}"
    command += trust_options([run.plan.settings.cell])
    if run.status == "budget":
        command += f" --budget {2 * run.plan.settings.budget:g}"
    elif run.status == "steps":
        command += f" --steps {2 * (run.plan.settings.steps or 1)}"
    return f"Go on with: {command}"
