"""The record of reliability counts right, and what it says holds: a few attempts of each kind."""

from __future__ import annotations

import csv

import pytest

from tests.attack.__main__ import COLUMNS, RESULTS, described, kinds, make


def test_what_does_not_hold_is_counted_and_so_is_the_end_of_the_process() -> None:
    outcome = make("_broken", seed=4, count=3)
    assert (outcome.tried, len(outcome.broken)) == (3, 2)
    assert outcome.broken[0] == "this does not, seed 4"
    assert outcome.broken[1].endswith("ended its process with 9")
    assert (outcome.row()["held"], outcome.row()["seed"]) == (1, 4)


def test_the_stored_record_has_every_kind_and_says_it_in_the_words_of_its_module() -> None:
    with RESULTS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == kinds()
    for row in rows:
        assert tuple(row) == COLUMNS
        assert int(row["tried"]) > 0
        assert row["what"] == described(row["kind"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds())
def test_attempts_hold(kind: str) -> None:
    outcome = make(kind, seed=1, count=4)
    assert outcome.tried > 0
    assert not outcome.broken
