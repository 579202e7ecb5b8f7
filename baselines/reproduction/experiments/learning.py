"""Experiments on the course of training: how far, and how soon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from baselines.reproduction.claims import Changes, Close, Published, Statement
from baselines.reproduction.experiment import (
    MULTI,
    P1,
    SINGLE,
    Experiment,
    Quantity,
    Scale,
    above,
    against,
    over_n,
    parts,
    without_x,
)
from baselines.reproduction.experiments.run_sets import BOTH, FULL_TRIALS, SMALL_TRIALS
from baselines.reproduction.measurements import Observation
from baselines.reproduction.runs import RunSet, Trained, observation_of

# -- published -----------------------------------------------------------------------------------------------------

LARGEST_N: Published = {
    "largest N": {
        "parity single-head, tau trained": without_x(37, 33, 35, 35),
        "parity multi-head, tau trained": without_x(100, 101, 100, 101),
        "parity single-head, tau 1": without_x(24, 25, 24, 26),
        "parity multi-head, tau 1": without_x(101, 101, 101, 101),
        "parity single-head, tau 2": without_x(26, 25, 26, 26),
        "parity multi-head, tau 2": without_x(87, 88, 87, 87),
        "parity single-head, tau 3": without_x(25, 24, 24, 24),
        "parity multi-head, tau 3": without_x(66, 70, 70, 72),
        "parity single-head, tau 4": without_x(24, 23, 23, 23),
        "dms single-head, tau trained": without_x(93),
        "dms multi-head, tau trained": without_x(99),
    }
}
"""DMS: every network solved this N or more. N = 101 is the ceiling: there were 100 heads."""

EPOCHS: Published = {
    "epochs": {
        "single-head": against([11, 20, 28], [20, 99, 242]),
        "multi-head": against([12], [12]),
    }
}
"""Multi-head: one new N an epoch."""

PUBLISHED_EPOCH = 600
"""Updates in an epoch of Khajehabdollahi et al. (2024)."""


# -- runs ----------------------------------------------------------------------------------------------------------

RUN_SETS: dict[str, dict[str, RunSet]] = {
    "small": {
        "fixed-tau-trials": RunSet(
            settings={
                **SMALL_TRIALS,
                "curriculum": BOTH,
                "n_max": 40,
                "max_updates": 800,
                "cell_args": [{"tau": 1}, {"tau": 3}],
            },
            cpu_minutes=4,
        ),
        "none-single-trials": RunSet(
            settings={**SMALL_TRIALS, "curriculum": "none-single", "n_max": [4, 6, 8, 10, 12], "max_updates": 800},
            cpu_minutes=5,
        ),
        "none-multi-trials": RunSet(
            settings={**SMALL_TRIALS, "curriculum": ["none-multi"], "n_max": 12, "max_updates": 800}, cpu_minutes=1
        ),
        "window-trials": RunSet(
            settings={
                **SMALL_TRIALS,
                "curriculum": ["sliding-window"],
                "window": 5,
                "shift": 2,
                "n_max": 40,
                "max_updates": 800,
            },
            cpu_minutes=1.5,
        ),
        "gated-trials": RunSet(
            settings={**SMALL_TRIALS, "cell": ["gru", "lstm"], "curriculum": BOTH, "n_max": 40, "max_updates": 800},
            cpu_minutes=6,
        ),
    },
    "full": {
        "fixed-tau-trials": RunSet(
            settings={**FULL_TRIALS, "curriculum": BOTH, "cell_args": [{"tau": tau} for tau in (1, 2, 3, 4)]},
            cpu_minutes=800,
        ),
        "none-single-trials": RunSet(
            settings={**FULL_TRIALS, "curriculum": "none-single", "n_max": [4, 6, 8, 10, 12, 14]}, cpu_minutes=90
        ),
        "none-multi-trials": RunSet(
            settings={**FULL_TRIALS, "curriculum": ["none-multi"], "n_max": 30}, cpu_minutes=40
        ),
        "window-trials": RunSet(
            settings={**FULL_TRIALS, "curriculum": ["sliding-window"], "window": 10, "shift": 5}, cpu_minutes=100
        ),
        "gated-trials": RunSet(settings={**FULL_TRIALS, "cell": ["gru", "lstm"], "curriculum": BOTH}, cpu_minutes=800),
    },
}
"""Scale -> name -> runs."""


# -- measures ------------------------------------------------------------------------------------------------------


def largest_n(run: Trained, case: str, *, within: int) -> Iterator[Observation]:
    """The largest N that was solved within so many updates; one less than the first N where no N was solved."""
    first = run.settings.parts()[1].stages()[0]
    found = [n for n, update in run.solved_at.items() if update <= within]
    solved_all = run.summary["status"] == "solved" and len(found) == len(run.solved_at)
    yield observation_of(run, case, "largest N", None, max(found, default=first - 1), "at least" if solved_all else "")


def epochs(run: Trained, case: str) -> Iterator[Observation]:
    """Epochs of 600 updates until each N was solved."""
    for n, update in run.solved_at.items():
        yield observation_of(run, case, "epochs", n, update / PUBLISHED_EPOCH)


def without_curriculum(run: Trained, case: str) -> Iterator[Observation]:
    """Whether N was solved from scratch, alone (1 or 0); where all heads train at once, when each N first was."""
    settings = run.settings
    if settings.curriculum == "none-single":
        yield observation_of(run, case, "share solved", settings.n_max, float(run.summary["status"] == "solved"))
        return
    rows = run.reports()
    for n in range(settings.first_n or 2, settings.n_max + 1):
        passed = [row["update"] for row in rows if row[f"accuracy_{n}"] > settings.threshold]
        if passed:
            yield observation_of(run, case, "update solved", n, passed[0])


# -- claims --------------------------------------------------------------------------------------------------------

_UPDATES = {"small": 800, "full": 20_000}
"""Updates within which the largest N counts: as many as all these runs have, unless they are solved before."""

_PARITY_TRIALS = ["parity-single-trials", "parity-multi-trials"]
_LARGEST_N_SETS = [*_PARITY_TRIALS, "fixed-tau-trials", "dms-trials"]
_TAU_CASE = "{task} {curriculum}, tau {tau}"


def _largest_n_claims(taus: Sequence[int]) -> list[Statement]:
    found: list[Statement] = []
    for task in ("parity", "dms"):
        multi, single = (f"{task} {curriculum}, tau trained" for curriculum in (MULTI, SINGLE))
        found.append(above(f"{task}: multi-head reaches a larger N than single-head", "largest N", multi, single))
    for tau in taus:
        words = f"single-head: trained tau reaches a larger N than tau {tau}"
        found.append(above(words, "largest N", "parity single-head, tau trained", f"parity single-head, tau {tau}"))
    words = "multi-head: tau 1 reaches a larger N than tau 3"
    return [*found, above(words, "largest N", "parity multi-head, tau 1", "parity multi-head, tau 3")]


_EPOCH_CLAIMS: list[Statement] = [
    above("single-head needs more epochs for the last N that both solve", "epochs", SINGLE, MULTI, "last"),
]


# -- experiments ---------------------------------------------------------------------------------------------------

LEARNING = [
    Experiment(
        name="largest-n",
        title="Which N is reached, by curriculum and by tau?",
        claim="Multi-head networks reach a larger N than single-head ones. Single-head networks need trained tau; "
        "multi-head ones do best with tau 1 or trained.",
        source=f"{P1}: largest N solved within 1,000 epochs, four networks each",
        scales={
            "small": Scale(
                parts=parts(_LARGEST_N_SETS, largest_n, _TAU_CASE, within=_UPDATES["small"]),
                statements=_largest_n_claims((1, 3)),
                note=f"Ours: the largest N solved within {_UPDATES['small']} updates of recipe trials. Published "
                "single-head networks with trained and with fixed tau part between N = 24 and 37, which so few "
                "updates do not reach.",
            ),
            "full": Scale(
                parts=parts(_LARGEST_N_SETS, largest_n, _TAU_CASE, within=_UPDATES["full"]),
                note=f"Ours: the largest N solved within {_UPDATES['full']} updates of recipe trials.",
                statements=[
                    *_largest_n_claims((1, 2, 3, 4)),
                    Close(words="the published numbers are met", quantity="largest N"),
                ],
            ),
        },
        quantities=[Quantity(name="largest N", label="largest N solved")],
        published=LARGEST_N,
        note="Published for DMS: every network solved this N or more; 101 is the published ceiling.",
    ),
    Experiment(
        name="epochs",
        title="How many epochs does N take?",
        claim="With several heads a new N is solved about every epoch; with one head each takes longer.",
        source=f"{P1}: epochs of 600 updates, seed 0",
        scales={
            "small": Scale(parts=parts(["parity-paper"], epochs), statements=_EPOCH_CLAIMS),
            "full": Scale(
                parts=parts(["parity-paper"], epochs),
                statements=[
                    *_EPOCH_CLAIMS,
                    Close(words="the published numbers are met", quantity="epochs", share=0.25),
                ],
            ),
        },
        quantities=[Quantity(name="epochs", label="epochs of 600 updates until solved", x="N")],
        published=EPOCHS,
        note="Published for several heads, besides the number: one new N an epoch.",
    ),
    Experiment(
        name="no-curriculum",
        title="What is learned without a curriculum?",
        claim="N alone from the start fails beyond N = 10; all heads from the start solve N after N, in order.",
        source=f"{P1}: controls of the paper and its reviews",
        scales={
            scale: Scale(
                parts=parts(["none-single-trials", "none-multi-trials"], without_curriculum),
                statements=[
                    Changes(
                        words="N alone: fewer networks solve the larger N",
                        of=("share solved", "none-single"),
                        rises=False,
                        until=11,
                    ),
                    Changes(
                        words="all heads at once: larger N are solved later",
                        of=("update solved", "none-multi"),
                        rises=True,
                    ),
                ],
            )
            for scale in ("small", "full")
        },
        quantities=over_n(
            ("share solved", "share of networks that solve N in time"), ("update solved", "updates until solved")
        ),
        note="The paper gives no numbers. Recipe trials. Solved is what is solved within the updates of the runs "
        "(max_updates below): larger N may need more of them.",
    ),
    Experiment(
        name="sliding-window",
        title="How far does a sliding window of heads come?",
        claim="With a window of 10 heads moved by 5, the first ten heads are solved at epoch 5.",
        source=P1,
        scales={
            scale: Scale(
                parts=[
                    *parts(
                        ["window-trials"],
                        largest_n,
                        "window of {window}, shift {shift}",
                        within=_UPDATES[scale],
                    ),
                    *parts(_PARITY_TRIALS, largest_n, within=_UPDATES[scale]),
                ],
                statements=[above("it reaches a larger N than single-head", "largest N", window, SINGLE)],
            )
            for scale, window in (("small", "window of 5, shift 2"), ("full", "window of 10, shift 5"))
        },
        quantities=[Quantity(name="largest N", label="largest N solved")],
        note="The published number is of another recipe and not compared; the statement is ours.",
    ),
    Experiment(
        name="gated",
        title="Do GRU and LSTM profit from several heads?",
        claim="The multi-head curriculum helps GRU and LSTM too.",
        source=f"{P1}: claimed in the abstract, without numbers",
        scales={
            scale: Scale(
                parts=parts(["gated-trials"], largest_n, "{cell}, {curriculum}", within=_UPDATES[scale]),
                statements=[
                    above(
                        f"{cell}: multi-head reaches a larger N than single-head",
                        "largest N",
                        f"{cell}, multi-head",
                        f"{cell}, single-head",
                    )
                    for cell in ("gru", "lstm")
                ],
            )
            for scale in ("small", "full")
        },
        quantities=[Quantity(name="largest N", label="largest N solved")],
        note="The settings of the published GRUs are not known. Recipe trials.",
    ),
]
"""The experiments on how far and how soon networks learn."""
