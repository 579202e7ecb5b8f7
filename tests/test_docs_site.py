"""What the documentation site promises: every task, every public name and every page has its place."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs import _pages
from docs._pages import api, results, tasks
from memory_envs import TASKS, Task

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages of tasks and of public names."""
    folder = tmp_path_factory.mktemp("docs")
    assert all(path.is_file() for path in [*tasks.write(folder), *api.write(folder)])
    return folder


@pytest.mark.parametrize("kind", TASKS.values(), ids=list(TASKS))
def test_every_task_has_a_page_with_its_docstring_and_its_pictures(kind: type[Task], written: Path) -> None:
    page = (written / "tasks" / f"{kind.name}.md").read_text()
    for line in (kind.__doc__ or "").splitlines():
        assert line.strip() in page
    assert kind.env_id in page
    assert f"\n{kind.name}\n" in (written / "_generated" / "tasks.md").read_text()
    pictures = re.findall(r"\.\./(_generated/[\w.-]+)", page)
    assert len(pictures) == 2
    assert all((written / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("kind", TASKS.values(), ids=list(TASKS))
def test_the_picture_of_a_task_and_its_text_show_the_same_trial(kind: type[Task]) -> None:
    task = tasks.shown_task(kind)
    picture, words = tasks.play(task)
    again, same = tasks.play(task)
    assert (picture, words) == (again, same)
    assert f"{task.env_id}" in words
    assert "right?" in words
    assert re.search(r"right\? .* X ", words)  # a slip shows what a wrong answer looks like


@pytest.mark.parametrize("kind", TASKS.values(), ids=list(TASKS))
def test_reference_curves_are_the_tasks_own_scores(kind: type[Task]) -> None:
    (axes,) = tasks.reference_figure(kind).axes
    curves = {str(line.get_label()): line for line in axes.lines}
    demands = [n for n in tasks.DEMANDS if n >= kind.least_N]
    assert set(curves) == {*(f"N = {n}" for n in demands), "guessing"}
    for n in demands:
        memory, scores = (np.asarray(values) for values in curves[f"N = {n}"].get_data())
        assert scores.tolist() == [kind(N=n).reference_score(int(k)) for k in memory]
        assert scores[-1] == kind.perfect_score


def test_every_public_name_has_an_entry_on_a_page(written: Path) -> None:
    entries = set()
    for page in (written / "api").glob("*.rst"):
        entries.update(
            re.findall(
                r"^\.\. (?:auto(?:class|exception|function)|py:data):: ([\w.]+)$", page.read_text(), re.MULTILINE
            )
        )
    where = {api.defined(importlib.import_module(one.rpartition(".")[0]), one.rpartition(".")[2]) for one in entries}
    for door in api.DOORS:
        module = importlib.import_module(door)
        names = getattr(module, "__all__", api.public_names(module))
        assert {api.defined(module, name) for name in names} <= where, door


def test_a_public_name_without_a_docstring_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("memory_envs")
    monkeypatch.setattr(module, "NEW", ("undocumented",), raising=False)
    with pytest.raises(LookupError, match=r"memory_envs\.NEW is public and needs a docstring"):
        api.entry(module, "NEW")


def test_bars_and_lone_stars_of_a_docstring_are_no_markup() -> None:
    assert api.escape("|a| of ``|b|``, *, *so* and x**2") == "\\|a\\| of ``|b|``, \\*, *so* and x**2"


def test_a_column_of_the_speed_of_environments_is_that_of_its_row() -> None:
    rows = [
        {"subject": "a", "form": "scalar", "copies": "1", "steps_per_cpu_s": "2e5", "x_cartpole": "", "x_dense": ""},
        {
            "subject": "a",
            "form": "vector",
            "copies": "1024",
            "steps_per_cpu_s": "3e6",
            "x_cartpole": "4",
            "x_dense": "",
        },
        {
            "subject": "a (final)",
            "form": "vector",
            "copies": "1024",
            "steps_per_cpu_s": "",
            "x_cartpole": "",
            "x_dense": "0.5",
        },
    ]
    assert results.environments_table(rows).splitlines()[-1] == "| a | 0.2 |  | 3 | 4 | 0.5 |"


@pytest.mark.slow
def test_pages_include_pieces_that_are_written(tmp_path: Path) -> None:
    names = {path.name for path in _pages.write_all(tmp_path)}
    pages = [path for path in DOCS.rglob("*.md") if "_generated" not in path.parts]
    used = {name for page in pages for name in re.findall(r"_generated/([\w.-]+)", page.read_text())}
    assert used
    assert used <= names


def test_pictures_have_a_text_in_their_place() -> None:
    for page in DOCS.rglob("*.md"):
        text = page.read_text()
        assert not re.search(r"!\[\s*\]\(", text), page
        blocks = re.findall(
            r"^(?:```|:::)\{(?:image|figure)\}[^\n]*\n(.*?)^(?:```|:::)", text, re.MULTILINE | re.DOTALL
        )
        assert all(":alt:" in block for block in blocks), page


def test_what_stands_there_is_not_written_again(written: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (written / "tasks").iterdir()}
    tasks.write(written)
    assert {path: path.stat().st_mtime_ns for path in (written / "tasks").iterdir()} == before


def test_the_drawn_trial_is_a_picture_wide_enough_to_read(written: Path) -> None:
    for name in TASKS:
        with Image.open(written / "_generated" / f"trial-{name}.png") as picture:
            assert picture.width >= 720
