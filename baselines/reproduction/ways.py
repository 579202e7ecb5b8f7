"""What the catalogue of experiments is written with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baselines.reproduction.experiment import Measure, Part, Quantity
from baselines.reproduction.statements import Larger

P1 = "Khajehabdollahi et al., ICLR 2024 (arXiv 2309.12927)"
SINGLE, MULTI = "single-head", "multi-head"


def parts(names: Sequence[str], measure: Measure, case: str = "{curriculum}", **settings: Any) -> list[Part]:
    """The same measure of several sets of runs."""
    return [Part(runs=name, measure=measure, case=case, settings=settings) for name in names]


def above(words: str, quantity: str, of: str, than: str, x: float | str | None = None) -> Larger:
    """One case lies above another in a quantity."""
    return Larger(words=words, of=(quantity, of), than=(quantity, than), x=x)


def over_n(*pairs: tuple[str, str]) -> Sequence[Quantity]:
    """Quantities that are drawn over N, and their labels."""
    return [Quantity(name=name, label=label, x="N") for name, label in pairs]
