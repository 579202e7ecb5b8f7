"""The command ``evaluate``: it plays a checkpoint in the environments, also with other N, lengths or arguments."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baselines.commands.options import add_options_of, merged
from baselines.core import seeds
from baselines.core.files import read_text, replace_file, special
from baselines.core.process import prepare_to_compute
from baselines.core.settings import SettingsError, blame, check, check_device, check_fields, device_name
from baselines.evaluation import Evaluation
from baselines.evaluation import evaluate as evaluate_agent
from baselines.training import run_files
from baselines.training.bptt_settings import Settings
from baselines.training.ppo_settings import RLSettings
from memory_envs import TASKS, Task, checks

MOST_STEPS = 100_000
"""The largest number of steps in a trial."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """The options of the command, besides the run and the output."""

    checkpoint: int | None = field(
        default=None,
        metadata={"help": "play the checkpoint from when this N was solved (default: the latest)", "range": (0, 10**9)},
    )
    n: tuple[int, ...] = field(
        default=(),
        metadata={
            "help": "each N to play: any N for a network with one readout, otherwise N that have a readout (default: "
            "the N of the stage)",
            "range": (1, 10**6),
        },
    )
    num_steps: int | None = field(
        default=None,
        metadata={
            "help": "steps in a trial, where the task lets one choose (default: the task's)",
            "range": (1, MOST_STEPS),
        },
    )
    trial_length: float | None = field(
        default=None,
        metadata={
            "help": "steps in a trial, in multiples of the largest N that is played",
            "range": (0.0, float(MOST_STEPS)),
        },
    )
    task_args: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "arguments of the task that replace the run's, such as p=0.3"}
    )
    episodes: int = field(default=1000, metadata={"help": "fresh trials to play", "range": (2, 100_000)})
    seed: int | None = field(
        default=None,
        metadata={"help": "seed of the environment (default: a seed that no run trains with)", "range": (0, 2**63)},
    )
    device: str = field(default="cpu", metadata={"help": "where to play: cpu, cuda, cuda:1", "check": device_name})


def add_options(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Add the options of the command."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    add_options_of(parser, EvaluationSettings)
    lags_help = "also print accuracy by lag, the age in steps of the oldest input that an answer needs"
    parser.add_argument("--lags", action="store_true", help=lags_help)
    scores_help = "write all numbers, also those by lag, into this CSV file"
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help=scores_help)


def run(given: dict[str, Any]) -> int:
    """Play the checkpoint and print its scores; the exit code."""
    path, lags, out = (given.pop(name) for name in ("run", "lags", "out"))
    settings = EvaluationSettings(**merged(given))
    if out is not None:
        check_out(out)
    run_settings(path, settings)
    prepare_to_compute("baselines.training.loading", "baselines.commands.display.scores")
    from baselines.commands.display.console import PlainConsole
    from baselines.commands.display.scores import print_scores

    console, all_played = PlainConsole(), []
    for played in evaluate_run(path, settings):
        print_scores(console, played, memory=True, lags=lags)
        all_played.append(played)
    if out is not None:
        save_scores(all_played, out)
    return 0


def check_out(out: Path) -> None:
    """Refuse a file of scores that would take the place of something else (``SettingsError``)."""
    kind = special(out) if out.parent.is_dir() else "in no folder"
    if kind is not None:
        raise SettingsError("out", f"out must be a file in a folder that exists, got {out}, {kind}")
    try:
        held = read_text(out).partition("\n")[0] if out.exists() else ""
    except (OSError, ValueError) as error:
        raise SettingsError("out", f"out must be a new file or one of scores, got {out}: {error}") from None
    if held not in ("", ",".join(COLUMNS)):
        raise SettingsError("out", f"out must be a new file or one of scores, got {out}, which holds something else")


def run_settings(path: Path, asked: EvaluationSettings) -> Settings | RLSettings:
    """The settings of the run at ``path``, once it is sure that ``asked`` fits them as far as is known without torch.

    Raises:
        SettingsError: a setting is out of range, names no kept checkpoint, or does not go with another.
        RunError: there is no run, or it names a cell that is not trusted.
    """
    check_fields(asked)
    trained: Settings | RLSettings
    if run_files.read_method(path) == RLSettings.METHOD:
        trained = run_files.read_settings_as(RLSettings, path)
    else:
        trained = run_files.read_settings(path)
    trained.check_cell()
    if asked.checkpoint is not None and asked.checkpoint not in (kept := run_files.kept_checkpoints(path)):
        raise SettingsError("checkpoint", f"checkpoint must be one of the kept ones, {kept}, got {asked.checkpoint}")
    if asked.trial_length is not None and asked.num_steps is not None:
        raise SettingsError("trial_length", "trial_length must be left out where num_steps is given")
    _check_task_args(TASKS[trained.task], asked)
    return trained


def _check_task_args(kind: type[Task], asked: EvaluationSettings) -> None:
    allowed = [name for name in kind.parameters() if name not in ("N", "heads", "active_heads", "num_steps")]
    if unknown := [name for name in asked.task_args if name not in allowed]:
        raise SettingsError("task_args", f"task_args must be among {allowed} for {kind.name}, got {unknown[0]!r}")


def evaluate_run(path: Path, settings: EvaluationSettings) -> Iterator[Evaluation]:
    """Play a checkpoint in the vector environment. The run folder is only read.

    A network with a readout for each head plays all N at once, on the same inputs. A network with a single readout
    plays one N after the other.

    Args:
        path: the run folder.
        settings: the checkpoint, the tasks and the number of trials.

    Yields:
        The evaluation of each task.

    Raises:
        SettingsError: a setting is unknown or out of range, or the network cannot play the task.
        RunError: the run cannot be read.
    """
    asked = settings
    trained = run_settings(path, asked)
    by_ppo = isinstance(trained, RLSettings)
    seed = seeds.evaluation_seed(trained.seed) if asked.seed is None else asked.seed
    check("device", check_device, asked.device)
    if by_ppo:
        yield from _evaluate_policy(path, asked, seed)
        return
    from baselines.network import NetworkAgent
    from baselines.training import loading

    network, stage = loading.load_network(path, asked.checkpoint)
    network.to(asked.device)
    if stage.heads is not None:
        _check_readouts(asked, [int(key) for key in network.readouts])
    agents = []
    for task in _tasks(stage, asked):
        if task.num_inputs != stage.num_inputs:
            raise SettingsError(
                "task_args",
                f"task_args must leave the {stage.num_inputs} inputs of the network, got {task} with {task.num_inputs}",
            )
        try:
            agents.append(NetworkAgent(network, task))
        except ValueError as error:
            raise SettingsError("n" if asked.n else "task_args", str(error)) from None
    for agent in agents:  # the first one plays only after all have been checked
        yield evaluate_agent(agent, agent.task, episodes=asked.episodes, seed=seed)


def _check_readouts(asked: EvaluationSettings, ns: Sequence[int]) -> None:
    if unread := [n for n in asked.n if n not in ns]:
        words = f"n must be among {sorted(ns)}, the N that the network has a readout for, got {unread[0]}"
        raise SettingsError("n", words)


def _evaluate_policy(path: Path, asked: EvaluationSettings, seed: int) -> Iterator[Evaluation]:
    """``evaluate_run`` for a run of ``train-rl``, whose heads share one action space; ``n`` chooses among them."""
    from baselines.ppo.run import load_agent

    policy, stage = load_agent(path, asked.checkpoint)
    policy.to(asked.device)
    if stage.heads is not None:
        _check_readouts(asked, stage.heads)
    tasks = _tasks(stage, asked)
    for task in tasks:
        for name in ("observation_space", "action_space"):
            if getattr(task, name) != getattr(policy, name):
                raise SettingsError(
                    "task_args", f"task_args must keep the {name} {getattr(policy, name)} of the run, got {task}"
                )
    for task in tasks:
        yield evaluate_agent(policy, task, episodes=asked.episodes, seed=seed)


def _tasks(stage: Task, asked: EvaluationSettings) -> list[Task]:
    """The tasks to play: the task of the stage, changed as the settings say."""
    task = blame("task_args", stage.replace, **asked.task_args)
    changes: list[dict[str, Any]] = [{"N": n} for n in asked.n]
    if stage.heads is not None:
        # Where all N share one action space, the chosen N become the active heads.
        fixed = stage.active_heads is not None
        changes = [{"active_heads" if fixed else "heads": asked.n}] if asked.n else []
    tasks = [_with_length(blame("n", task.replace, **change), asked) for change in changes or [{}]]
    for task in tasks:
        if task.num_steps > MOST_STEPS:
            raise SettingsError(
                "n", f"n must ask for trials of at most {MOST_STEPS} steps, got N = {task.N}: {task.num_steps} steps"
            )
    return tasks


def _with_length(task: Task, asked: EvaluationSettings) -> Task:
    steps, name = asked.num_steps, "num_steps"
    if asked.trial_length is not None:
        name = "trial_length"
        steps = round(asked.trial_length * task.N)
    if steps is None:
        return task
    if not task.free_length:
        raise SettingsError(name, f"{name} must be left out for {task.name}: its N sets the length of its trials")
    return blame(name, task.replace, num_steps=blame(name, checks.integer, "num_steps", steps, 1, MOST_STEPS))


COLUMNS = ("task", "arguments", "episodes", "seed", "measure", "of", "value", "low", "high", "answers")
"""The columns of the file, which has a row for each number.

``arguments`` are those of the task, as JSON; ``of`` is the head, or the lag in steps.
"""


def save_scores(played: Iterable[Evaluation], path: Path) -> None:
    """Write all numbers of evaluations to the CSV file ``path``, with the columns ``COLUMNS``.

    Raises:
        RunError: the file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for one in played:
        arguments = one.task.to_dict()
        case = {"task": arguments.pop("task"), "episodes": one.episodes, "seed": one.seed}
        case["arguments"] = json.dumps({"N": one.task.N} | arguments)
        for row in _rows(one):
            writer.writerow(case | {k: f"{v:.7g}" if isinstance(v, float) else v for k, v in row.items()})
    replace_file(path, text.getvalue().encode())


def _rows(played: Evaluation) -> Iterator[dict[str, Any]]:
    for measure in ("score", "normalised", "equivalent_memory"):
        low, high = getattr(played, f"{measure}_interval")
        yield {"measure": measure, "value": getattr(played, measure), "low": low, "high": high}
    for label, accuracy in played.accuracy.items():
        low, high = played.intervals[label]
        yield {"measure": "accuracy", "of": label, "value": accuracy, "low": low, "high": high}
    for lag in played.by_lag:
        low, high = lag.interval
        own = {"value": lag.accuracy, "low": low, "high": high, "answers": lag.answers}
        yield {"measure": "accuracy_by_lag", "of": lag.lag, **own}
