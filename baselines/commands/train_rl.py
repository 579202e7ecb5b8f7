"""The command ``train-rl``: reinforcement learning by RecurrentPPO, with evaluations during training."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.commands.options import add_run_options, new_or_changed, note_versions
from baselines.core.process import interruptible, prepare_to_compute
from baselines.core.trust import trust_options
from baselines.training import ppo_recipes, run_files
from baselines.training.ppo_settings import RLSettings

if TYPE_CHECKING:
    from baselines.ppo.run import RLRun


def add_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the options of the command."""
    add_run_options(parser, RLSettings, ppo_recipes.options())


def run(given: dict[str, Any]) -> int:
    """Start or resume the run and train it, with a display; the exit code."""
    resume: Path | None = given.pop("resume", None)
    settings, changes = new_or_changed(given, RLSettings, ppo_recipes.options(), resume)
    prepare_to_compute("baselines.training.losses")
    if settings is not None:
        settings.plan()  # report a wrong option before a missing package
    prepare_to_compute("baselines.ppo.run", "baselines.commands.display.training")
    from baselines.ppo.run import RLRun

    if settings is not None:
        return show(RLRun(settings))
    assert resume is not None
    taken_up = RLRun.resume(resume, changes)
    note_versions(resume, run_files.read_versions(resume))
    return show(taken_up)


def show(run: RLRun) -> int:
    """Train a run to its end, with a display; the exit code."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from baselines.commands.display.console import PlainConsole
    from baselines.commands.display.scores import score_table
    from baselines.commands.display.training import PLAIN_SECONDS

    console, limit = PlainConsole(), run.plan.settings.steps
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    due = time.monotonic()
    try:
        with interruptible() as interrupt, Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            row = bar.add_task("starting", total=limit, completed=run.steps)
            for _ in run.train(lambda: interrupt.requested):
                bar.update(row, completed=run.steps, description=line(run))
                if not console.is_terminal and (time.monotonic() >= due or run.status != "running"):
                    due = time.monotonic() + PLAIN_SECONDS
                    console.print(line(run), soft_wrap=True)
        if run.played is not None:
            console.print(score_table(run.played))
        summary = run.finish()
    finally:
        run.folder.close()
    path = run.folder.path
    why = {
        "steps": "stopped (the steps are used up)",
        "diverged": "stopped (a weight or an answer is NaN or infinite)",
    }
    solved = "none" if summary["largest_n"] is None else summary["largest_n"]
    said = f"{why.get(run.status, run.status)} after {run.steps} environment steps, {run.cpu_seconds:.1f} CPU s; "
    said += f"largest N solved: {solved}. Saved in {path}"
    if run.status in ("interrupted", "steps"):
        more = trust_options([run.plan.settings.cell])
        more += f" --steps {run_files.more_steps(limit, run.steps)}" if run.status == "steps" else ""
        said += f"\nGo on with: python -m baselines train-rl --resume {shlex.quote(str(path))}{more}"
    console.print(said, soft_wrap=True)
    return {"interrupted": 130, "diverged": 1}.get(run.status, 0)


def line(run: RLRun) -> str:
    """Where a run stands, in one line."""
    row, words = run.row, []
    if "training_return" in row:
        words.append(f"return in training {row['training_return']:.3f}")
    accuracies = [value for name, value in row.items() if name.startswith("accuracy_")]
    words += [f"score {row['score']:.3f}", f"accuracy {sum(accuracies) / len(accuracies):.3f}"]
    rate = run.steps / max(run.cpu_seconds, 1e-9)
    return f"{run.steps} steps: N = {row['N']:.0f}, {', '.join(words)}, {rate:.0f} steps/CPU s"
