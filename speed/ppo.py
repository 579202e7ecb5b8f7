"""Reinforcement learning beside sb3-contrib's RecurrentPPO: speed of whole training, and learning curves.

    python -m speed.ppo speed --rounds 5
    python -m speed.ppo curves --seeds 5 --out curves.csv
    python -m speed.ppo gamma --seeds 5

``speed``: environment steps per CPU second of whole training (rollouts, environment, learning). The models take turns,
a rollout each, in one process: read the ratios, each taken within one turn. The first turn is left out.
``curves``: environment steps until the likeliest answers are right in more than 95 %, seed by seed.
``gamma``: the same for discounts 0 and 0.99.
With ``--out FILE.csv`` the rows go there, too; those of ``curves`` and ``gamma``, one an evaluation, are also drawn,
into FILE.png. ``--to-limit`` goes on past the criterion, for whole curves.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sb3_contrib
import torch
from matplotlib.figure import Figure
from stable_baselines3.common.env_util import make_vec_env

from baselines.evaluation import evaluate
from baselines.ppo import CellPolicy, RecurrentPPO, make_sb3_vec_env
from memory_envs import Task, make_task

Make = Callable[[Task, int, int], Any]
"""(task, environments, seed) -> a model."""

LEARNING: dict[str, Any] = {"n_steps": 64, "batch_size": 512, "learning_rate": 3e-3, "gamma": 0.0, "gae_lambda": 0.0}
"""Hyperparameters with which sb3-contrib's learns; the same in ``same``. The others are its defaults."""

HYPERPARAMETERS: dict[str, dict[str, Any]] = {"defaults": {}, "learning": LEARNING}

TUNED: dict[str, Any] = {
    "n_steps": 32,
    "batch_size": 512,
    "learning_rate": 5e-3,
    "max_grad_norm": 0.1,
    "whole_episodes": True,
}
LABELS = {
    "stock": "sb3-contrib",
    "stock-defaults": "sb3-contrib, its defaults",
    "same": "ours, the same hyperparameters",
    "tuned": "ours, tuned",
}
LIKE_STOCK = {"units": 64, "net_arch": {"pi": [64, 64], "vf": [64, 64]}}
EPISODES, CRITERION = 500, 0.95


def stock(task: Task, n_envs: int, seed: int, **settings: Any) -> Any:
    """sb3-contrib's model on scalar environments."""
    parameters = task.to_dict()
    del parameters["task"]
    envs = make_vec_env(task.env_id, n_envs, env_kwargs=parameters)
    kwargs = {"lstm_hidden_size": 64}
    return sb3_contrib.RecurrentPPO("MlpLstmPolicy", envs, policy_kwargs=kwargs, seed=seed, device="cpu", **settings)


def same(task: Task, n_envs: int, seed: int, **settings: Any) -> Any:
    """Ours with the same network and the same hyperparameters."""
    settings = {"gamma": 0.99, "gae_lambda": 0.95} | settings  # sb3-contrib's defaults
    kwargs = {"cell": "lstm"} | LIKE_STOCK
    envs = make_sb3_vec_env(task, n_envs)
    return RecurrentPPO(CellPolicy, envs, policy_kwargs=kwargs, seed=seed, device="cpu", **settings)


def tuned(task: Task, n_envs: int, seed: int, **settings: Any) -> Any:
    """Ours as ``train-rl`` sets it: 64 environments, minibatches of whole sequences, a critic on the actor's cell."""
    kwargs = {"cell": "lstm", "units": 64, "critic": "shared"}
    envs = make_sb3_vec_env(task, 64)
    return RecurrentPPO(CellPolicy, envs, policy_kwargs=kwargs, seed=seed, device="cpu", **TUNED | settings)


def speed(task: Task, rounds: int, columns: list[int], names: list[str]) -> list[dict[str, Any]]:
    """Steps per CPU second of whole training, and ratios to sb3-contrib's."""
    rows = []
    for n_envs in columns:
        for name in names:
            settings = HYPERPARAMETERS[name]
            models = {
                "stock": stock(task, n_envs, 0, **settings),
                "same": same(task, n_envs, 0, **settings),
                "tuned": tuned(task, n_envs, 0),
            }
            rates: dict[str, list[float]] = {model: [] for model in models}
            for turn in range(rounds + 1):
                for kind, model in models.items():
                    before, began = model.num_timesteps, time.process_time()
                    model.learn(model.n_steps * model.n_envs, reset_num_timesteps=turn == 0)
                    rates[kind].append((model.num_timesteps - before * (turn > 0)) / (time.process_time() - began))
            for kind, values in rates.items():
                ratios = [one / other for one, other in zip(values[1:], rates["stock"][1:], strict=True)]
                row = {"environments": n_envs, "hyperparameters": name, "model": kind}
                row |= {"steps/CPU s": round(statistics.median(values[1:]))}
                row |= {"ratio": round(statistics.median(ratios), 2)}
                row |= {"least": round(min(ratios), 2), "most": round(max(ratios), 2), "turns": rounds}
                print(json.dumps(row), flush=True)
                rows.append(row)
    return rows


def learn(model: Any, task: Task, every: int, limit: int, to_limit: bool) -> list[tuple[int, float]]:
    """Environment steps and accuracy of the likeliest answers, until it passes the criterion or at ``limit``."""
    shown: list[tuple[int, float]] = []
    while model.num_timesteps < limit and (to_limit or not shown or shown[-1][1] <= CRITERION):
        model.learn(every, reset_num_timesteps=not shown)
        played = evaluate(model, task, episodes=EPISODES, seed=1 << 40)
        shown.append((model.num_timesteps, round(min(played.accuracy.values()), 3)))
    return shown


def curves(
    models: dict[str, Make], task: Task, n_envs: int, seeds: int, every: int, limit: int, to_limit: bool
) -> list[dict[str, Any]]:
    """Each model and seed: steps to the criterion and the curve; then the median and the range."""
    reached: dict[str, list[float]] = {name: [] for name in models}
    rows = []
    for seed in range(seeds):
        for name, make in models.items():
            began = time.process_time()
            curve = learn(make(task, n_envs, seed), task, every, limit, to_limit)
            seconds = round(time.process_time() - began, 1)
            steps = next((steps for steps, accuracy in curve if accuracy > CRITERION), float("inf"))
            row = {"model": name, "seed": seed, "CPU s": seconds}
            print(json.dumps(row | {"passed at": steps, "curve": curve}), flush=True)
            rows += [row | {"steps": steps, "accuracy": accuracy} for steps, accuracy in curve]
            reached[name].append(steps)
    for name, values in reached.items():
        print(json.dumps({"model": name, "median": statistics.median(values), "from to": [min(values), max(values)]}))
    return rows


def draw(rows: list[dict[str, Any]], title: str, path: Path) -> None:
    """Accuracy against environment steps: a line for each seed, a colour for each model."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for index, model in enumerate(dict.fromkeys(row["model"] for row in rows)):
        for seed in sorted({row["seed"] for row in rows}):
            points = [row for row in rows if (row["model"], row["seed"]) == (model, seed)]
            label = LABELS.get(model, model) if seed == 0 else None
            place = [point["steps"] for point in points], [point["accuracy"] for point in points]
            axes.plot(*place, color=f"C{index}", marker="osD^"[index % 4], markersize=4, alpha=0.7, label=label)
    axes.axhline(CRITERION, color="0.6", linewidth=0.8, linestyle=":")
    axes.set(xlabel="environment steps", ylabel="accuracy of the likeliest answers", title=title)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def write(rows: list[dict[str, Any]], path: Path | None) -> None:
    """The rows as a table."""
    if path is not None:
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows(rows)


def main() -> None:
    """Read the options and run a part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["speed", "curves", "gamma"])
    parser.add_argument("--task", default="dms")
    parser.add_argument("--N", type=int, default=4)
    parser.add_argument("--models", nargs="+", help="of curves and gamma: only these")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--envs", type=int, nargs="+", default=[16, 64], help="curves and gamma: the first one")
    parser.add_argument("--hyperparameters", nargs="+", default=list(HYPERPARAMETERS), choices=list(HYPERPARAMETERS))
    parser.add_argument("--every", type=int, default=4096, help="environment steps between evaluations")
    parser.add_argument("--limit", type=int, default=150_000, help="environment steps after which a run has failed")
    parser.add_argument("--to-limit", action="store_true", help="curves and gamma: go on past the criterion")
    parser.add_argument("--out", type=Path, help="a .csv file for the rows")
    asked = parser.parse_args()
    if asked.out is not None and (asked.out.suffix != ".csv" or not asked.out.parent.is_dir()):
        parser.error(f"--out {asked.out}: must end in .csv and lie in a folder that exists")
    torch.set_num_threads(1)
    task = make_task(asked.task, N=asked.N)
    if asked.part == "speed":
        write(speed(task, asked.rounds, asked.envs, asked.hyperparameters), asked.out)
        return
    models: dict[str, Make] = {
        "stock": lambda *a: stock(*a, **LEARNING),
        "stock-defaults": stock,
        "same": lambda *a: same(*a, **LEARNING),
        "tuned": tuned,
    }
    if asked.part == "gamma":
        models = {
            "gamma 0, lambda 0": tuned,
            "gamma 0.99, lambda 0.95": lambda *a: tuned(*a, gamma=0.99, gae_lambda=0.95),
        }
    # sb3-contrib's defaults learn so slowly here that they run only where they are asked for.
    wanted = asked.models or [name for name in models if name != "stock-defaults"]
    if unknown := [name for name in wanted if name not in models]:
        parser.error(f"argument --models: models must be among {', '.join(models)}, got {unknown[0]}")
    models = {name: models[name] for name in wanted}
    rows = curves(models, task, asked.envs[0], asked.seeds, asked.every, asked.limit, asked.to_limit)
    write(rows, asked.out)
    if asked.out is not None:
        draw(rows, f"{asked.task}, N = {asked.N}, {asked.envs[0]} environments", asked.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
