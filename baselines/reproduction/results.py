"""The result of an experiment as plain data, and as text: ours beside what was published."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from baselines.reproduction.claims import overall
from baselines.reproduction.experiment import Experiment
from baselines.reproduction.measurements import Observed, number

MOST_COLUMNS = 8
"""Columns of a table, where more x were measured."""


def conclude(experiment: Experiment, scale: str, observed: Observed) -> dict[str, Any]:
    """What follows from the observations: tables and verdicts, as JSON data."""
    verdicts = [one.judge(observed, experiment.published) for one in experiment.scales[scale].statements]
    return {
        "name": experiment.name,
        "scale": scale,
        "definitions": experiment.definitions,
        "title": experiment.title,
        "claim": experiment.claim,
        "source": experiment.source,
        "note": " ".join(filter(None, [experiment.note, experiment.scales[scale].note])),
        "verdict": overall(verdicts),
        "statements": [vars(one) for one in verdicts],
        "tables": [
            _table(experiment, quantity, observed) for quantity in dict.fromkeys(row.quantity for row in observed.rows)
        ],
    }


def _table(experiment: Experiment, quantity: str, observed: Observed) -> dict[str, Any]:
    """One quantity: a row for each case, a column for each x that is shown."""
    published = experiment.published.get(quantity, {})
    cases = observed.cases(quantity)
    measured = sorted({row.x for row in observed.rows if row.quantity == quantity and row.x is not None})
    known = {x for case in cases for x in published.get(case, {}) if x is not None}
    xs: list[float | None] = [None]
    if measured:
        # Statements about the last x look here.
        last = {found[-1] for case in cases if (found := observed.xs((quantity, case), networks=2))}
        xs = list(_shown_xs(measured, known, last))
    rows = []
    for case in cases:
        cells = []
        for x in xs:
            cell: dict[str, Any] = {"x": x, "published": list(published.get(case, {}).get(x, ()))}
            if observed.at((quantity, case), x):
                mean, low, high, networks, bound = observed.mean((quantity, case), x)
                cell |= {"mean": mean, "networks": networks, "bound": bound}
                cell |= {"low": low, "high": high} if math.isfinite(low) else {}
            cells.append(cell)
        rows.append({"case": case, "cells": cells})
    label = next((one.x for one in experiment.quantities if one.name == quantity), experiment.quantities[0].x)
    return {"quantity": quantity, "x": label or "x", "rows": rows}


def _shown_xs(xs: Sequence[float], known: set[float], last: set[float]) -> Sequence[float]:
    """About ``MOST_COLUMNS`` of ``xs``, with the first, the last, those in ``last``, and those that were published."""
    if len(xs) <= MOST_COLUMNS:
        return xs
    chosen = {xs[0], xs[-1], *last}
    chosen |= set(sorted(known & set(xs) - chosen)[: max(0, MOST_COLUMNS - len(chosen))])
    for share in range(1, MOST_COLUMNS):
        if len(chosen) < MOST_COLUMNS:
            chosen.add(xs[round(share * (len(xs) - 1) / MOST_COLUMNS)])
    return sorted(chosen)


def tally(result: Mapping[str, Any]) -> str:
    """How many statements of a result have each verdict."""
    words = [one["verdict"] for one in result["statements"]]
    return ", ".join(f"{word}: {words.count(word)}" for word in dict.fromkeys(words)) or "none"


def text(result: Mapping[str, Any]) -> str:
    """The tables and verdicts of a result, in Markdown."""
    parts = [_markdown(table) for table in result["tables"]]
    lines = [f"- **{one['verdict']}**: {one['words']}. ({one['reason']})" for one in result["statements"]]
    return "\n\n".join([*parts, "\n".join([f"Verdict: **{result['verdict']}**.", *([""] if lines else []), *lines])])


def _markdown(table: Mapping[str, Any]) -> str:
    single = all(cell["x"] is None for row in table["rows"] for cell in row["cells"])
    heads = [table["quantity"]]
    if single:
        heads += ["ours", "networks", "published"]
    else:
        xs = [cell["x"] for cell in table["rows"][0]["cells"]]
        heads += [f"{table['x']} = {xs[0]:g}", *(f"{x:g}" for x in xs[1:])]
    lines = [_row(heads), "|---" * len(heads) + "|"]
    for row in table["rows"]:
        if single:
            (cell,) = row["cells"]
            published = ", ".join(f"{value:g}" for value in cell["published"]) or "-"
            lines.append(_row([row["case"], _ours(cell), str(cell.get("networks", 0)), published]))
            continue
        counts = sorted({cell["networks"] for cell in row["cells"] if "networks" in cell})
        networks = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        lines.append(_row([f"{row['case']}, ours ({networks} networks)", *(_ours(cell) for cell in row["cells"])]))
        if any(cell["published"] for cell in row["cells"]):
            shown = [", ".join(f"{value:g}" for value in cell["published"]) or "-" for cell in row["cells"]]
            lines.append(_row([f"{row['case']}, published", *shown]))
    return "\n".join(lines)


def _ours(cell: Mapping[str, Any]) -> str:
    if "mean" not in cell:
        return "-"
    words = f"{'at least ' if cell['bound'] else ''}{number(cell['mean'])}"
    return f"{words} [{number(cell['low'])}, {number(cell['high'])}]" if "low" in cell else words


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
