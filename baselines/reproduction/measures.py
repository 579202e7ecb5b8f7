"""What is read of a run's course: how far it came, how soon, and its time constants on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from baselines.reproduction.observations import Observation
from baselines.reproduction.sources import Trained, TrainedCondition

PUBLISHED_EPOCH = 600
"""Updates in an epoch of Khajehabdollahi et al. (2024)."""


def largest_n(run: Trained, case: str, *, within: int) -> Iterator[Observation]:
    """The largest N that was solved within so many updates; one less than the first N where none was."""
    first = run.settings.plan().curriculum.stages()[0]
    found = [n for n, update in run.solved_at.items() if update <= within]
    yield Observation(
        quantity="largest N",
        case=case,
        seed=run.settings.seed,
        value=max(found, default=first - 1),
        bound="at least" if run.summary["status"] == "solved" and len(found) == len(run.solved_at) else "",
        run=run.name,
    )


def epochs(run: Trained, case: str) -> Iterator[Observation]:
    """Epochs of 600 updates until each N was solved."""
    for n, update in run.solved_at.items():
        yield Observation(
            quantity="epochs", case=case, x=n, seed=run.settings.seed, value=update / PUBLISHED_EPOCH, run=run.name
        )


def time_constants(run: Trained, case: str) -> Iterator[Observation]:
    """Mean and standard deviation of tau over units, when each N was solved."""
    for row in run.reports():
        if row["solved"]:
            for quantity, column in (("mean tau", "tau_mean"), ("SD of tau", "tau_sd")):
                yield Observation(
                    quantity=quantity,
                    case=case,
                    x=int(row["N"]),
                    seed=run.settings.seed,
                    value=row[column],
                    run=run.name,
                )


def without_curriculum(run: Trained, case: str) -> Iterator[Observation]:
    """Whether N was solved from scratch alone (1 or 0); of all heads at once, the update at which each first was."""
    settings = run.settings
    if settings.curriculum == "none-single":
        solved = float(run.summary["status"] == "solved")
        yield Observation(
            quantity="share solved", case=case, x=settings.n_max, seed=settings.seed, value=solved, run=run.name
        )
        return
    rows = run.reports()
    for n in range(settings.first_n or 2, settings.n_max + 1):
        passed = [row["update"] for row in rows if row[f"accuracy_{n}"] > settings.threshold]
        if passed:
            yield Observation(
                quantity="update solved", case=case, x=n, seed=settings.seed, value=passed[0], run=run.name
            )


def task_loss(run: Trained, case: str, *, updates: Sequence[int]) -> Iterator[Observation]:
    """The task's loss in training, without regularisers, in the test at each of these updates."""
    for row in run.reports():
        if row["update"] in updates:
            yield Observation(
                quantity="loss of the task",
                case=case,
                x=row["update"],
                seed=run.settings.seed,
                value=row["loss_task"],
                run=run.name,
            )


def updates_to_criterion(run: TrainedCondition, case: str, *, over_g: bool) -> Iterator[Observation]:
    """Updates to the criterion (see ``benchmarks/tcr.py``), by setting; of unsolved runs their limit, a lower bound."""
    how = f", {run.condition.updating()}" if run.condition.updating() else ""
    yield Observation(
        quantity=f"updates, N = {run.condition.task_args['N']}{how}",
        case=case,
        x=run.condition.cell_args["g"] if over_g else None,
        seed=run.seed,
        value=run.run.updates,
        bound="" if run.run.solved else "at least",
        run=run.name,
    )
