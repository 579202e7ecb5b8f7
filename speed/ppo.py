"""Our RecurrentPPO compared with sb3-contrib's: speed of training, and learning curves.

    python -m speed.ppo speed --rounds 5
    python -m speed.ppo curves --seeds 5 --out curves.csv
    python -m speed.ppo gamma --seeds 5

speed: environment steps per CPU second of training (environment, rollouts and learning). All models run in one process
and take turns of one rollout each. Compare the ratios, each of which is taken within one turn. The first turn does not
count.

curves: environment steps until more than 95 % of the likeliest answers are right, for each seed.

gamma: the same for our model with gamma = lambda = 0 and with gamma = 0.99 and lambda = 0.95.

``--out FILE.csv`` also writes the rows to FILE.csv. For curves and gamma there is one row per evaluation, and the
curves are drawn into FILE.png. ``--to-limit`` trains on past the criterion, for whole curves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from baselines.core.files import replace_file
from baselines.evaluation import evaluate
from memory_envs import TASKS, Task, make_task
from speed.report import check_out, csv_of, whole

# Whatever needs torch is imported inside the functions, so that --help answers at once.

Make = Callable[[Task, int, int], Any]
"""(task, number of environments, seed) -> a model."""

LEARNING: dict[str, Any] = {"n_steps": 64, "batch_size": 512, "learning_rate": 3e-3, "gamma": 0.0, "gae_lambda": 0.0}
"""Hyperparameters with which sb3-contrib's model learns. All others are its defaults."""

HYPERPARAMETERS: dict[str, dict[str, Any]] = {"defaults": {}, "learning": LEARNING}

TUNED: dict[str, Any] = {
    "n_steps": 32,
    "batch_size": 512,
    "learning_rate": 5e-3,
    "max_grad_norm": 0.1,
    "whole_episodes": True,
}
"""Our model's tuned hyperparameters, as in ``train-rl``."""

LABELS = {
    "stock": "sb3-contrib",
    "stock-defaults": "sb3-contrib, its defaults",
    "same": "ours, the same hyperparameters",
    "tuned": "ours, tuned",
}
LIKE_STOCK = {"units": 64, "net_arch": {"pi": [64, 64], "vf": [64, 64]}}
EPISODES, CRITERION = 500, 0.95


def stock(task: Task, n_envs: int, seed: int, **settings: Any) -> Any:
    """sb3-contrib's model, on scalar environments."""
    import sb3_contrib
    from stable_baselines3.common.env_util import make_vec_env

    parameters = task.to_dict()
    del parameters["task"]
    envs = make_vec_env(task.env_id, n_envs, env_kwargs=parameters)
    kwargs = {"lstm_hidden_size": 64}
    return sb3_contrib.RecurrentPPO("MlpLstmPolicy", envs, policy_kwargs=kwargs, seed=seed, device="cpu", **settings)


def same(task: Task, n_envs: int, seed: int, **settings: Any) -> Any:
    """Our model with sb3-contrib's network and hyperparameters."""
    from baselines.ppo import CellPolicy, RecurrentPPO, make_sb3_vec_env

    settings = {"gamma": 0.99, "gae_lambda": 0.95} | settings  # sb3-contrib's defaults
    kwargs = {"cell": "lstm"} | LIKE_STOCK
    envs = make_sb3_vec_env(task, n_envs)
    return RecurrentPPO(CellPolicy, envs, policy_kwargs=kwargs, seed=seed, device="cpu", **settings)


def tuned(task: Task, n_envs: int, seed: int, **settings: Any) -> Any:
    """Our model as ``train-rl`` sets it: 64 environments, minibatches of whole sequences, a shared critic."""
    from baselines.ppo import CellPolicy, RecurrentPPO, make_sb3_vec_env

    kwargs = {"cell": "lstm", "units": 64, "critic": "shared"}
    envs = make_sb3_vec_env(task, 64)
    return RecurrentPPO(CellPolicy, envs, policy_kwargs=kwargs, seed=seed, device="cpu", **TUNED | settings)


def speed(task: Task, rounds: int, columns: list[int], names: list[str]) -> list[dict[str, Any]]:
    """Steps per CPU second of each model, and the ratios to sb3-contrib's: one row per model."""
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
    """Train a model until its accuracy passes the criterion or ``limit`` is reached: (steps, accuracy) pairs."""
    shown: list[tuple[int, float]] = []
    while model.num_timesteps < limit and (to_limit or not shown or shown[-1][1] <= CRITERION):
        model.learn(every, reset_num_timesteps=not shown)
        played = evaluate(model, task, episodes=EPISODES, seed=1 << 40)
        shown.append((model.num_timesteps, round(min(played.accuracy.values()), 3)))
    return shown


def curves(
    models: dict[str, Make], task: Task, n_envs: int, seeds: int, every: int, limit: int, to_limit: bool
) -> list[dict[str, Any]]:
    """Train each model with each seed. Print the steps to the criterion and the curves, and return all rows."""
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
    """Draw accuracy against environment steps: one line per seed, one colour per model."""
    from matplotlib.figure import Figure

    from baselines.core import style

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
    replace_file(path, style.rendered(figure, "png", dpi=120))


def write(rows: list[dict[str, Any]], path: Path | None) -> None:
    """Write the rows to a CSV file, if a path is given."""
    if path is not None:
        replace_file(path, csv_of(rows).encode())


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["speed", "curves", "gamma"], help="what is measured")
    parser.add_argument("--task", choices=list(TASKS), default="dms", help="the task that is learned (dms)")
    parser.add_argument("--N", type=whole, default=4, help="N of the task (4)")
    parser.add_argument("--models", nargs="+", help="curves and gamma: only these models")
    parser.add_argument("--rounds", type=whole, default=5, help="speed: turns of each model (5)")
    parser.add_argument("--seeds", type=whole, default=5, help="curves and gamma: the number of seeds (5)")
    parser.add_argument(
        "--envs", type=whole, nargs="+", default=[16, 64], help="numbers of environments; curves and gamma: the first"
    )
    parser.add_argument(
        "--hyperparameters",
        nargs="+",
        default=list(HYPERPARAMETERS),
        choices=list(HYPERPARAMETERS),
        help="speed: the hyperparameters of stock and same",
    )
    parser.add_argument("--every", type=whole, default=4096, help="environment steps between evaluations (4096)")
    parser.add_argument("--limit", type=whole, default=150_000, help="environment steps until a run fails (150000)")
    parser.add_argument("--to-limit", action="store_true", help="curves and gamma: train on past the criterion")
    parser.add_argument("--out", type=Path, help="also write the rows to this .csv file")
    asked = parser.parse_args()
    check_out(parser, asked.out, ".csv")
    check_out(parser, asked.out and asked.out.with_suffix(".png"), ".png")
    import torch

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
    # sb3-contrib's defaults learn so slowly here that they run only if they are named.
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
