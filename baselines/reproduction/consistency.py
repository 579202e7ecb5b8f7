"""Experiments on temporal consistency regularisation (TCR)."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.reproduction import measures
from baselines.reproduction.experiment import Experiment, Quantity, Scale
from baselines.reproduction.statements import Larger, Statement
from baselines.reproduction.ways import parts

P2 = "Haputhanthri et al., arXiv 2502.07256 (2025)"
_CRITERION = (
    "Ours: mean squared error below 0.01 over 25 updates' batches, Adam 1e-3 unless said otherwise, 100 units; an "
    "unsolved run counts with its limit. The paper's own numbers were not available to us."
)
_NESTEROV = "nesterov 0.003 momentum 0.9"


def _sooner(words: str, setting: str, plain: str, regularised: str, g: float | None) -> Larger:
    quantity = "updates to criterion"
    return Larger(words=words, of=(quantity, f"{setting}, {plain}"), than=(quantity, f"{setting}, {regularised}"), x=g)


def _over_g(
    strengths: Sequence[float], weights: Sequence[str], n: int, limit: int, updating: str = ""
) -> list[Statement]:
    setting = f"N = {n}, {updating + ', ' if updating else ''}limit {limit}"
    return [
        _sooner(
            f"{setting}, g = {g:g}: TCR {weight} needs fewer updates than none", setting, "without", f"TCR {weight}", g
        )
        for g in strengths
        for weight in weights
    ]


_TCR: list[Statement] = [
    *_over_g((0.5, 1.0, 2.0, 3.0), ("0.03", "1"), 50, 2000),
    *_over_g((0.5, 1.0), ("0.03", "1"), 100, 2000),
    *_over_g((0.5, 1.0, 3.0), ("0.03",), 50, 1000, _NESTEROV),
]
_CELLS: list[Statement] = [
    _sooner(f"{cell}: TCR 0.03 needs fewer updates than none", cell, "without", "TCR 0.03", None)
    for cell in ("plrnn", "lstm")
]

CONSISTENCY = [
    Experiment(
        name="tcr",
        title="Does TCR shorten training, and over which connection strengths g and delays?",
        claim="TCR speeds up training and makes strongly connected networks (g > 1) trainable.",
        source=f"{P2}: abstract; delayed addition without distractors is the task, the size is ours",
        scales={
            scale: Scale(
                parts=parts(
                    ["tcr"], measures.updates_to_criterion, "N = {N}, {how}limit {limit}, {regulariser}", over_g=True
                ),
                statements=_TCR,
            )
            for scale in ("small", "full")
        },
        quantities=[Quantity(name="updates to criterion", label="updates to criterion (or the limit)", x="g")],
        note=_CRITERION,
    ),
    Experiment(
        name="tcr-lstm",
        title="Does TCR shorten the training of LSTM and PLRNN?",
        claim="TCR speeds up LSTMs in their search phase.",
        source=f"{P2}: abstract",
        scales={
            scale: Scale(
                parts=parts(
                    ["tcr-cells"],
                    measures.updates_to_criterion,
                    "{cell}{rank}, {regulariser}",
                    over_g=False,
                ),
                statements=_CELLS,
            )
            for scale in ("small", "full")
        },
        quantities=[Quantity(name="updates to criterion", label="updates to criterion (or the limit)")],
        note=_CRITERION + " Delayed addition, N = 50, at most 1,000 updates.",
    ),
]
"""The experiments."""
