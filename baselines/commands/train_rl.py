"""What a person sees of a run of reinforcement learning: a progress bar, a line a report, and a table at the end."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from baselines.commands.display.scores import score_table
from baselines.commands.display.training import PLAIN_SECONDS
from baselines.commands.options import merged, note_versions, read_options
from baselines.core.files import RunError
from baselines.core.process import interruptible
from baselines.ppo.run import RLRun, more_steps
from baselines.training import ppo_recipes
from baselines.training.ppo_settings import RLSettings
from baselines.training.run_folder import read_versions


def show(run: RLRun) -> int:
    """Train a run to its end before the user's eyes; the exit code."""
    console, limit = Console(), run.plan.settings.steps
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    due = time.monotonic()
    try:
        with interruptible() as interrupt, Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            row = bar.add_task("starting", total=limit, completed=run.steps)
            for _ in run.train(lambda: interrupt.requested):
                bar.update(row, completed=run.steps, description=line(run))
                if not console.is_terminal and (time.monotonic() >= due or run.status != "running"):
                    due = time.monotonic() + PLAIN_SECONDS
                    console.print(line(run), soft_wrap=True, highlight=False)
        if run.played is not None:
            console.print(score_table(run.played))
        summary = run.finish()
    finally:
        run.folder.close()
    path = run.folder.path
    why = {
        "steps": "stopped, for the steps are used up,",
        "diverged": "stopped, for a weight or an answer is not finite,",
    }
    solved = "none" if summary["largest_n"] is None else summary["largest_n"]
    said = f"{why.get(run.status, run.status)} after {run.steps} environment steps, {run.cpu_seconds:.1f} CPU s; "
    said += f"largest N solved: {solved}. Saved in {path}"
    if run.status in ("interrupted", "steps"):
        more = f" --steps {more_steps(limit, run.steps)}" if run.status == "steps" else ""
        said += f"\nGo on with: python -m baselines train-rl --resume {shlex.quote(str(path))}{more}"
    console.print(said, soft_wrap=True, highlight=False)
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


def train_rl(resume: Path | None, given: dict[str, Any]) -> int:
    """Train by reinforcement learning, play and sum up; the exit code."""
    settings = read_options(given, RLSettings, ppo_recipes.options()) if resume is None else None
    if settings is not None:
        settings.plan()  # a wrong option is found before a missing package
    try:
        from baselines.commands.train_rl import show
        from baselines.ppo.run import RLRun
    except ModuleNotFoundError as error:
        if error.name not in ("stable_baselines3", "sb3_contrib"):
            raise
        raise RunError('train-rl needs stable-baselines3 and sb3-contrib: pip install ".[rl]"') from None
    if settings is not None:
        return show(RLRun(settings))
    assert resume is not None
    run = RLRun.resume(resume, merged(given))
    note_versions(resume, read_versions(resume))
    return show(run)
