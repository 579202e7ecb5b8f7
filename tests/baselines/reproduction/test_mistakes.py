"""Mistakes in the command ``reproduce``: one line each, without torch, and before anything is written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from baselines.reproduction import folder
from tests.baselines.without_torch import Answer, answers

BAD = [
    ("nothing", "NAME: NAME must be among largest-n, epochs, .*, got 'nothing'"),
    ("tau --scale huge", r"--scale: scale must be one of \['small', 'full'\], got 'huge'"),
    ("tau --workers 0 --out new", "--workers: workers must be an integer from 1 to 1000, got 0"),
    ("tau --scale full --out small", "--out: out must be a folder of scale 'full', got small, of scale 'small'"),
    ("tau --out strange", "--out: out must be a new folder or one of experiments, got strange, which holds x"),
    ("tau --out strange/x", "--out: out must be a folder to write in, got strange/x .*"),
    ("--report small", "--write: write must be given with report"),
    ("--write new.md", "--report: report must be given with write"),
    ("tau --report small --write new.md", "--report: report must be given without NAME, got 'tau'"),
    ("--report small --write new.txt", "--write: write must be a .md file, got new.txt"),
    ("--report new --write new.md", "--report: report must be a folder with results of experiments, got new"),
    ("--report done --write strange/x/x.md", "--write: write must be a .md file in a folder to write in, got .*"),
    ("--report done --write folder.md", "--write: write must be a .md file, got folder.md"),
    ("--report done --write link.md", "--write: write must be a .md file, got link.md"),
    (
        "--report done --write mine.md",
        "--write: write must be a new .md file or such a page, got mine.md, another page",
    ),
    (
        "--report done --write other.md",
        "--write: write must leave the folder other to its figures, and it holds diary.txt",
    ),
]
STORED: list[dict[str, Any]] = [
    {},
    {"format": 1, "name": "epochs"},
    {"format": 2},
    {"format": 2, "name": ["tau"]},
]
"""Contents of ``result.json`` that are none, or of another version."""

WORSE = [
    *(
        (f"--report result{i} --write new.md", f"result{i}/epochs/result.json must be the result of .* in format 2, .*")
        for i in range(len(STORED))
    ),
    ("--report bare --write new.md", "bare/epochs/result.json is not that of an experiment: it has no scale"),
    ("--report odd --write new.md", "odd/epochs/result.json is not that of an experiment: cores must be an integer .*"),
    (
        "--report empty --write new.md",
        "empty/epochs/result.json is not that of an experiment: its tables .*",
    ),
    ("tau --out damaged", "damaged/reproduction.json cannot be read: .*"),
]
"""What is wrong is not in the command line."""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Answer], set[str], set[str]]:
    """Options -> the answer to them, and the files that were there before, and afterwards."""
    path = tmp_path_factory.mktemp("mistakes")
    folder.Reproduction(path / "small", "small")
    for name in ("strange", "folder.md", "damaged"):
        (path / name).mkdir()
    (path / "strange" / "x").touch()
    (path / "damaged" / "reproduction.json").write_text("{")
    words = dict.fromkeys(("scale", "title", "claim", "source", "note", "verdict"), "")
    lists = {name: list[str]() for name in ("statements", "tables", "sets", "processors", "torch")}
    whole = {"format": folder.RESULT_FORMAT, "name": "epochs", "cores": 1, "measuring_cpu_seconds": 1.5} | words | lists
    odd = {"bare": {"format": 2, "name": "epochs"}, "odd": whole | {"cores": "two"}}
    odd["empty"] = whole | {"tables": [{"quantity": "tau", "x": "N", "rows": [{"case": "a", "cells": []}]}] * 2}
    for name, stored in (("done", whole), *odd.items(), *((f"result{i}", one) for i, one in enumerate(STORED))):
        (path / name / "epochs").mkdir(parents=True)
        (path / name / "epochs" / "result.json").write_text(json.dumps(stored))
    (path / "mine.md").write_text("# Mine\n")
    (path / "link.md").symlink_to("mine.md")
    (path / "other").mkdir()
    (path / "other" / "diary.txt").touch()
    before = _files(path)
    asked = [text for text, _ in (*BAD, *WORSE)]
    found = answers([["reproduce", *text.split()] for text in asked], path)
    return dict(zip(asked, found, strict=True)), before, _files(path)


def _files(path: Path) -> set[str]:
    return {str(one.relative_to(path)) for one in path.rglob("*")}


@pytest.mark.parametrize(("text", "complaint"), BAD, ids=[text for text, _ in BAD])
def test_a_mistake_is_answered_in_a_line(
    text: str, complaint: str, given: tuple[dict[str, Answer], set[str], set[str]]
) -> None:
    code, said, error = given[0][text]
    assert (code, said) == (2, "")
    (line,) = error.splitlines()
    assert re.fullmatch(f"python -m baselines reproduce: error: argument {complaint}", line), line


@pytest.mark.parametrize(("text", "complaint"), WORSE, ids=[text for text, _ in WORSE])
def test_what_is_damaged_or_of_another_version_is_named(
    text: str, complaint: str, given: tuple[dict[str, Answer], set[str], set[str]]
) -> None:
    code, said, error = given[0][text]
    assert (code, said) == (1, "")
    (line,) = error.splitlines()
    assert re.fullmatch(f"python -m baselines: error: {complaint}", line), line


def test_nothing_is_written(given: tuple[dict[str, Answer], set[str], set[str]]) -> None:
    _, before, after = given
    assert after == before
