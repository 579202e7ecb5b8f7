"""Recipes: how a cell is trained on a task. ``Recipe`` declares the settings; the recipes are data, not code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from baselines.core.settings import Declared, declared

OPTIMIZERS = ("adam", "sgd", "nesterov")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of the optimisation. The command line shows a field's ``help``; its ``range`` includes both ends."""

    units: int = field(metadata={"help": "units of the cell", "range": (1, 20_000)})
    batch_size: int = field(metadata={"help": "trials per update", "range": (1, 1_000_000)})
    learning_rate: float = field(metadata={"help": "step size of the optimizer", "range": (1e-9, 10)})
    decay_from: int = field(
        default=0,
        metadata={
            "help": "in stages with a larger N than this, the step size is multiplied by decay_from / N; 0: never",
            "range": (0, 1_000_000),
        },
    )
    clip_norm: float = field(metadata={"help": "largest norm of the gradient", "range": (1e-9, 1e9)})
    test_every: int = field(metadata={"help": "updates between tests", "range": (1, 1_000_000)})
    epochs: int = field(
        default=1,
        metadata={"help": "updates on each batch; more of them save environment steps", "range": (1, 1_000)},
    )
    trial_length: float = field(
        default=2.0,
        metadata={
            "help": "steps in a training trial, in multiples of N, where the task lets one choose",
            "range": (1, 1_000),
        },
    )
    optimizer: str = field(
        default="adam",
        metadata={
            "help": "Adam, SGD (with heavy-ball momentum where --momentum is given) or SGD with Nesterov momentum, "
            "as in torch. One of",
            "choices": OPTIMIZERS,
        },
    )
    momentum: float = field(default=0.0, metadata={"help": "momentum of sgd and nesterov", "range": (0, 0.9999)})
    supervision: str = field(
        default="counted",
        metadata={
            "help": "steps with a loss. counted: those that the task counts; last-step: only the last step, as in the "
            "paper. The trials of a batch then have one length, drawn from [N + 2, 4 N + 1] where the task lets one "
            "choose. One of",
            "choices": ("counted", "last-step"),
        },
    )
    head_loss: str = field(
        default="mean",
        metadata={
            "help": "how the losses of the heads are combined (over steps and trials it is the mean)",
            "choices": ("mean", "sum"),
        },
    )
    last_head: float = field(
        default=0.0,
        metadata={
            "help": "weight of the last of H heads (the largest N), where it exceeds 1 / H; each other head has 1 / H",
            "range": (0, 1e9),
        },
    )
    heads_ahead: int = field(
        default=0,
        metadata={
            "help": "heads that are learned ahead of their stage, where the curriculum adds heads",
            "range": (0, 100),
        },
    )
    ahead_weight: float = field(
        default=0.05,
        metadata={"help": "weight of each head that is learned ahead, added to the mean over heads", "range": (0, 1e9)},
    )
    smoothing: float = field(
        default=0.0,
        metadata={
            "help": "label smoothing E: the right one of two labels has the probability 1 - E / 2",
            "range": (0, 0.9),
        },
    )
    stream_steps: int = field(
        default=0,
        metadata={
            "help": "steps of a long stream that an update goes back through; the state is carried over to the next "
            "update. 0: whole trials",
            "range": (0, 1_000_000),
        },
    )
    stream_length: float = field(
        default=8.0,
        metadata={
            "help": "steps of a stream, in multiples of N, after which another one begins (at least 8 updates)",
            "range": (2, 1_000_000),
        },
    )
    averaged: int = field(
        default=0,
        metadata={
            "help": "most updates over which a moving average of the weights reaches; the averaged network is the one "
            "that is tested on fresh trials, played and analysed. 0: no average",
            "range": (0, 1_000_000),
        },
    )
    grow_to: int = field(
        default=0, metadata={"help": "units that the cell grows to; 0: it does not grow", "range": (0, 20_000)}
    )
    grow_at: int = field(
        default=50, metadata={"help": "N of the stage at whose start the cell grows", "range": (1, 1_000)}
    )
    decay_power: float = field(
        default=1.0,
        metadata={
            "help": "power p of the step size's decay: (decay_from / N)^p",
            "range": (0, 10),
        },
    )
    test_batches: int = field(
        default=0,
        metadata={
            "help": "fresh batches in each test; 0: test on the training batches since the last test",
            "range": (0, 1_000_000),
        },
    )
    sequential_test: int = field(
        default=0,
        metadata={
            "help": "most fresh batches, from their start, of a sequential test that decides if a stage is solved: "
            "is the accuracy nearer to the threshold plus a quarter of what is missing to 1, or to the threshold less "
            "half of it? 0: no such test",
            "range": (0, 1_000),
        },
    )
    input_code: str = field(
        default="shown",
        metadata={
            "help": "what the network gets for an input of 0 or 1. shown: 0 or 1; signed: -1 or 1. One of",
            "choices": ("shown", "signed"),
        },
    )
    task_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the task that the user does not set."""
    cell_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the cell that the user does not set."""

    def learning_rate_at(self, n: int) -> float:
        """The step size in the stage with this N."""
        if not self.decay_from:
            return self.learning_rate
        return self.learning_rate * min(1.0, (self.decay_from / n) ** self.decay_power)


ANY = "*"

# The published training of Khajehabdollahi et al., ICLR 2024, followed update for update. Sources: the authors' public
# code, and sections 5 and 6 of SCIENCE.md in the project's notes. The cells are initialised as published by default.
_PAPER_LEAKY = Recipe(
    units=500,
    batch_size=256,
    learning_rate=0.05,
    clip_norm=2.0,
    optimizer="nesterov",
    momentum=0.1,
    supervision="last-step",
    head_loss="sum",
    test_every=600,
    test_batches=50,
    task_defaults={"p": "uniform"},
)
# The published LSTM. We do not know whether its gradients were clipped; here they are not. The settings of the paper's
# GRUs were not published; here they are those of the LSTM.
_PAPER_GATED = Recipe(
    units=500,
    batch_size=64,
    learning_rate=1e-3,
    clip_norm=1e9,
    supervision="last-step",
    head_loss="sum",
    test_every=300,
    test_batches=50,
    input_code="signed",
)


def _trials(**own: Any) -> Recipe:
    usual = {"units": 128, "batch_size": 64, "learning_rate": 5e-3, "decay_from": 15, "clip_norm": 0.03}
    return Recipe(**{"trial_length": 2.0, "test_every": 5, "last_head": 0.3, **usual, **own})


def _lean(**own: Any) -> Recipe:
    return _trials(**{"batch_size": 16, "epochs": 8, "test_every": 16, **own})


# Our own recipe on whole trials: few seconds, and simple. It stays as it is: the stored runs of the reproduction are of
# it. docs/decisions/0006-fast-recipes.md says which settings matter, and where each was tried.
_TRIALS: dict[tuple[str, str], Recipe] = {
    ("parity", "leaky"): _trials(units=256, decay_from=20),
    # The squared error of real-valued answers has larger gradients; a small clip would slow training.
    ("delayed-addition", ANY): _trials(
        learning_rate=1e-3, decay_from=0, clip_norm=1.0, trial_length=4.0, test_every=10, last_head=0.0
    ),
    # Its heads are channels; none of them belongs to the newest N, so none weighs more.
    ("flip-flop", ANY): _trials(last_head=0.0),
    (ANY, ANY): _trials(),
}


def _streams(**own: Any) -> Recipe:
    usual = {"learning_rate": 3e-3, "decay_from": 20, "last_head": 0.1, "heads_ahead": 2, "ahead_weight": 0.05}
    streams = {"stream_steps": 8, "smoothing": 0.2, "averaged": 50, "sequential_test": 20}
    return _trials(**{**usual, **streams, **own})


# The default: our own recipe for a large N in the fewest seconds. docs/decisions/0014-streams.md has the numbers. What
# has no entry of its own here is as in "trials".
_FAST: dict[tuple[str, str], Recipe] = {
    **_TRIALS,
    ("parity", "leaky"): _streams(units=512, decay_power=1.1, grow_to=768, grow_at=80),
    ("parity", ANY): _streams(),
    ("dms", "leaky"): _streams(units=512, decay_power=1.1),
    ("dms", ANY): _streams(),
}

RECIPES: dict[str, dict[tuple[str, str], Recipe]] = {
    "fast": _FAST,
    "trials": _TRIALS,
    # Like "trials", but made for few environment steps instead of few seconds: small batches, and several updates on
    # each batch. docs/decisions/0010-few-environment-steps.md has the numbers.
    "lean": {
        ("delayed-addition", ANY): _lean(batch_size=32, learning_rate=1e-3, decay_from=0, clip_norm=1.0, last_head=0.0),
        # The answers of one trial are correlated, so a test needs more trials.
        ("evidence-accumulation", ANY): _lean(test_every=32),
        ("flip-flop", ANY): _lean(test_every=32, last_head=0.0),
        (ANY, ANY): _lean(),
    },
    # The published settings, for the cells and tasks that have some.
    "paper": {
        (task, cell): recipe
        for task in ("parity", "dms")
        for cell, recipe in {"leaky": _PAPER_LEAKY, "lstm": _PAPER_GATED, "gru": _PAPER_GATED}.items()
    },
}
"""Name of the recipe -> (task, cell) -> settings; ``ANY`` stands for all tasks or cells without an own entry."""

WITHOUT_STREAMS = {"fast": "trials"}
"""Name of a recipe -> what it is where streams are of no use, and what it was before there were streams."""


def options() -> list[Declared]:
    """The values of a recipe that a user can replace, as declared."""
    return [setting for setting in declared(Recipe) if "help" in setting.metadata]


def find(name: str, task: str, cell: str) -> Recipe:
    """The settings of the recipe ``name`` for a task and a cell.

    Raises:
        ValueError: the recipe has no settings for this task and cell.
    """
    table = RECIPES[name]
    for key in ((task, cell), (task, ANY), (ANY, cell), (ANY, ANY)):
        if key in table:
            return table[key]
    known = ", ".join(f"{cell} on {task}" for task, cell in table)
    raise ValueError(f"recipe {name!r} has settings for {known}, not for {cell} on {task}")
