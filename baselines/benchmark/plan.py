"""What a benchmark plays: the climbs that are asked for, and ``settings.json``, the file that says so."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypedDict

from baselines.benchmark.budgets import Budget, ladder
from baselines.benchmark.contestants import Contestant
from baselines.core import seeds
from baselines.core.files import RunError, file_word, read_format
from baselines.core.settings import SettingsError, check_fields
from baselines.core.stored import check_stored
from baselines.core.trust import stored_name
from memory_envs import TASKS, checks

FORMAT = 1
"""The format of ``settings.json``."""


@dataclass(frozen=True)
class Climb:
    """A contestant on a task with a seed: one process."""

    contestant: Contestant
    task: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder, and of its job."""
        what, method = self.contestant.what, self.contestant.method
        words = file_word(what)
        # Another contestant may differ only in its case, or in characters that a file's name does not keep.
        mark = "" if words == what and what.islower() else f"-{sha256(what.encode()).hexdigest()[:6]}"
        return f"{words[-100:]}{mark}_{method}_{self.task}_seed{self.seed}"

    def __str__(self) -> str:
        return f"{self.contestant.name}, {self.task}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is asked for: every contestant climbs on every task with every seed.

    Attributes:
        budget_name: what the budget is called.
        budget: the budget of every climb.
        contestants: who climbs.
        tasks: the short names of the tasks.
        seeds: the seeds of the climbs.
    """

    budget_name: str
    budget: Budget
    contestants: tuple[Contestant, ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, ...]

    @cached_property
    def climbs(self) -> dict[str, Climb]:
        """All climbs, by name."""
        found = (Climb(one, task, seed) for one in self.contestants for task in self.tasks for seed in self.seeds)
        return {climb.name: climb for climb in found}

    def rungs(self, climb: Climb) -> tuple[int, ...]:
        """Each N of a climb."""
        return ladder(climb.task, self.budget.n_max)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Benchmark:
        """What ``to_dict`` wrote down.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        budget = Budget(**{**plain["budget"], "seeds": tuple(plain["budget"]["seeds"])})
        check_fields(budget)
        return cls(
            budget_name=_string("budget_name", plain["budget_name"]),
            budget=budget,
            contestants=tuple(
                Contestant(what=_string("what", one["what"]), method=one["method"]) for one in plain["contestants"]
            ),
            tasks=tuple(checks.choice("task", one, tuple(TASKS)) for one in plain["tasks"]),
            seeds=tuple(checks.integer("seed", one, 0, seeds.LARGEST) for one in plain["seeds"]),
        )


class StoredContestant(TypedDict):
    """A contestant in ``settings.json``."""

    what: str
    method: Literal["agent", "ppo", "bptt"]


class StoredBudget(TypedDict):
    """The budget in ``settings.json``."""

    steps: int
    n_max: int
    seeds: list[int]
    episodes: int
    limit: float


class StoredBenchmark(TypedDict):
    """The content of ``settings.json``, beside its format."""

    budget_name: str
    budget: StoredBudget
    contestants: list[StoredContestant]
    tasks: list[str]
    seeds: list[int]
    versions: dict[str, str]


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{name} must be a printable string, got {value!r}")
    return value


def is_benchmark(path: Path) -> bool:
    """Whether a benchmark's folder is at ``path``."""
    return (path / "settings.json").is_file()


def read_benchmark(path: Path) -> Benchmark:
    """What was asked for in the benchmark at ``path``."""
    return _read(path)[0]


def read_versions(path: Path) -> dict[str, str]:
    """The versions with which the benchmark at ``path`` was begun, of all that decides its numbers."""
    return _read(path)[1]


def _read(path: Path) -> tuple[Benchmark, dict[str, str]]:
    file = path / "settings.json"
    plain = check_stored(read_format(file, FORMAT), StoredBenchmark, file, "a benchmark")
    for one in plain["contestants"]:
        one["what"] = stored_name(one["what"], file)
    try:
        return Benchmark.from_dict(dict(plain)), plain["versions"]
    except (TypeError, ValueError) as error:
        raise RunError(f"{file} is not that of a benchmark: {error}") from None


def check_extends(path: Path, old: Benchmark, new: Benchmark) -> None:
    """Refuse a benchmark that is neither the one in its folder nor that one with more of everything.

    Raises:
        SettingsError: the message names the difference.
    """
    if old.budget_name != new.budget_name:
        raise SettingsError(
            "budget",
            f"budget must be that of the benchmark in {path}, {old.budget_name!r}, got {new.budget_name!r}",
        )
    for name, then in asdict(old.budget).items():
        now = getattr(new.budget, name)
        if name != "seeds" and then != now:
            raise SettingsError(
                "budget", f"budget must have the {name} of the benchmark in {path}, {then:g}, and now has {now:g}"
            )
    if missing := [str(climb) for name, climb in old.climbs.items() if name not in new.climbs]:
        raise SettingsError(
            "out", f"out must be another folder: the benchmark in {path} has {missing[0]}, which must not be left out"
        )
