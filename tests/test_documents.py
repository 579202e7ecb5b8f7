"""What the README and the pages of ``docs/`` print and claim is what happens.

In every page

- ```` ```python ```` blocks are executed, and print what the comments behind their ``print(...)  # value`` say. What a
  last ``print`` without a comment prints is the ```` ```text ```` block that follows. A block whose first line is
  ``# name.py`` is a file of that name, which the page's other blocks and commands import;
- the commands of ```` ```sh ```` blocks are read by the real parser of options. A block behind the comment
  ``<!-- run -->`` is executed as well, in the folder of the page's files;
- links lead to files and headings that are there.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import runpy
import shlex
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import gymnasium as gym
import pytest

from baselines.benchmark.budgets import BUDGETS, ladder
from baselines.benchmark.folder import BenchmarkFolder
from baselines.benchmark.ranking import rank
from baselines.benchmark.summary import stored_results, summary_row
from baselines.training.run_folder import RunFolder
from baselines.training.sweep import SweepFolder
from memory_envs import TASKS
from tests.limits import run_limited

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GENERATED = ("_generated", "_build", "tutorials")
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
    if not set(path.relative_to(ROOT).parts) & set(GENERATED)
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        kind: the word behind its fence, such as ``python``.
        code: what is in it.
        run: it is marked to be executed though it is a block of commands.
        line: where it begins in its page.
        text: the block behind it, where that is one of text.
    """

    kind: str
    code: str
    run: bool
    line: int
    text: str = ""

    @property
    def file(self) -> str | None:
        """The name of the file that it is, if it is one."""
        name = re.match(r"# (\w+\.py)\n", self.code)
        return name[1] if name and self.kind == "python" else None

    @property
    def slow(self) -> bool:
        """It trains something."""
        return self.run or (self.file is None and bool(re.search(r"(learn|train)\(", self.code)))


@lru_cache
def read(page: str) -> str:
    return (ROOT / page).read_text()


@lru_cache
def blocks(page: str) -> tuple[Block, ...]:
    text = read(page)
    found: list[Block] = []
    for m in re.finditer(r"^(<!-- run -->\n)?```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if found and m[2] == "text":
            found[-1] = replace(found[-1], text=m[3])
        found.append(Block(m[2], m[3], bool(m[1]), text[: m.start()].count("\n") + 1))
    return tuple(found)


def executed(page: str, slow: bool) -> list[Block]:
    """The blocks that a test of the page executes: all, or those up to the first that is slow."""
    found = [block for block in blocks(page) if block.kind == "python" or block.run]
    first = next((i for i, block in enumerate(found) if block.slow), len(found))
    return found if slow else found[:first]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to execute a page in; modules and environments that the page brings are forgotten afterwards."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    environments = set(gym.registry)
    yield tmp_path
    for name in set(gym.registry) - environments:
        del gym.registry[name]
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", None)):
            del sys.modules[name]


def execute(block: Block, page: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if block.run:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = run_limited(["bash", "-euc", block.code], cpu_seconds=400, cwd=folder, env=environment)
        assert done.returncode == 0, f"{page}:{block.line}: {done.stderr}"
        return
    capsys.readouterr()
    if block.file:
        importlib.import_module(block.file.removesuffix(".py"))
    else:
        exec(compile(block.code, f"{page}:{block.line}", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(r"^print\(.*\)  # (.*)$", block.code, re.MULTILINE)
    if re.search(r"^print\([^#]*\)\n\Z", block.code, re.MULTILINE):
        assert printed[len(promised) :] == block.text.splitlines()
        del printed[len(promised) :]
    assert len(printed) == len(promised)
    for line, promise in zip(printed, promised, strict=True):
        if numbers := re.match(r"(-?\d+\.\d+)(?=[:;]|$)", promise):
            assert float(line) == pytest.approx(float(numbers[1]), abs=0.005)
        else:
            assert line == re.split(r"[;:] ", promise)[0] or line == promise.split("; ")[0]


def write_files(page: str, folder: Path) -> None:
    for block in blocks(page):
        if block.file:
            (folder / block.file).write_text(block.code)


@pytest.mark.parametrize("page", [page for page in PAGES if executed(page, slow=False)])
def test_code_of_a_page_runs_and_prints_what_its_comments_say(
    page: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files(page, folder)
    for block in executed(page, slow=False):
        execute(block, page, folder, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(block.slow for block in executed(page, slow=True))])
def test_a_page_that_trains_runs_from_its_first_block_to_its_last(
    page: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files(page, folder)
    for block in executed(page, slow=True):
        execute(block, page, folder, capsys)


class Accepted(Exception):  # noqa: N818 (it is no error)
    """The parser has taken the options of a command, which goes no further."""


def commands(page: str) -> list[list[str]]:
    """The commands that a page shows, in words."""
    found = []
    for block in blocks(page):
        if block.kind in ("sh", "console", "bash"):
            for line in block.code.replace("\\\n", " ").splitlines():
                if words := shlex.split(line, comments=True):
                    found.append(words)
    return found


def check_command(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a command that a page shows is one that there is."""
    if words[:2] == ["python", "-m"] and words[2].split(".")[0] in ("baselines", "speed", "tests"):
        check_options(words[2], words[3:], monkeypatch)
    elif words[:2] == ["python", "-m"]:
        assert words[2] in ("pytest", "build", "venv")
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file()
    elif words[0] == "make":
        targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert [word for word in words[1:] if "=" not in word and word not in targets] == []
    elif words[:2] == ["pip", "install"]:
        extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
        assert set(re.findall(r"\w+", words[-1])) <= set(extras)
    else:
        assert words[0] in (".", "tensorboard")


def check_options(module: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the command line of a module takes these arguments: it is run until it has read them.

    What begins something new is run until it has checked every value, and is about to make its folder.
    """
    parse = argparse.ArgumentParser.parse_args

    def stop(*args: object, **kwargs: object) -> None:
        raise Accepted

    def read_options(self: argparse.ArgumentParser, *args: object, **kwargs: object) -> argparse.Namespace:
        given = vars(parse(self, *args, **kwargs))
        begun = given.get("resume") or given.get("go_on") or given.get("file")
        begins = {"train": True, "train-rl": True, "sweep": True, "benchmark": "agent" in given}
        if begun or not begins.get(given.get("command", "")):
            raise Accepted
        return argparse.Namespace(**given)

    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of runpy: some of these modules are imported already
        patch.setattr(sys, "argv", [module, *arguments])
        patch.setattr(argparse.ArgumentParser, "parse_args", read_options)
        patch.setattr(RunFolder, "new", stop)
        patch.setattr(SweepFolder, "__init__", stop)
        patch.setattr(BenchmarkFolder, "__init__", stop)
        try:
            runpy.run_module(module, run_name="__main__")
        except Accepted:
            return
        except SystemExit as error:
            if error.code == 0:  # it was asked for help
                return
    raise AssertionError(f"{module} does not take these options")


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_commands_of_a_page_are_commands_that_there_are(
    page: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_files(page, folder)
    for words in commands(page):
        try:
            check_command(words, monkeypatch)
        except AssertionError as error:
            raise AssertionError(f"{page}: {shlex.join(words)}: {capsys.readouterr().err}{error}") from error


def test_a_mistake_in_a_command_of_a_page_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mistakes = (
        "train --tau 3",
        "train --cell gry",
        "play",
        "sweep --n-max 0..4",
        "benchmark --agent gru --tasks pariti",
    )
    for line in (*(f"python -m baselines {words}" for words in mistakes), "make coffee", "python examples/9.py"):
        with pytest.raises(AssertionError):
            check_command(line.split(), monkeypatch)


def headings(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```$", "", read(page), flags=re.DOTALL | re.MULTILINE)
    titles = [title.lower() for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", read(page), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        if not set(Path(path).parts) & set(GENERATED):  # made when the site is built, which fails where one is missing
            assert file.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in headings(str(file.resolve().relative_to(ROOT))), f"{page} links to {target}"


def test_the_readme_is_short() -> None:
    assert len(README) <= 10_000


def test_the_readme_shows_a_trial_that_the_first_example_draws() -> None:
    draw = runpy.run_path(str(ROOT / "examples" / "01_play.py"))["draw"]
    assert draw("MemoryDMS-v0") in README


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_the_table_of_tasks_gives_the_scores_of_the_default_tasks(task: type) -> None:
    (row,) = [line for line in README.splitlines() if line.startswith(f"| `{task.env_id}`")]  # type: ignore[attr-defined]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    default = task()
    assert float(cells[3]) == pytest.approx(default.chance_score, abs=0.0005)
    assert float(cells[4]) == pytest.approx(default.memoryless_score, abs=0.0005)
    assert str(default.N) in row


def test_the_stored_rows_of_the_readmes_ladder_are_the_stored_results() -> None:
    rungs = {task: ladder(task, BUDGETS["quick"].n_max) for task in TASKS}
    rows = [summary_row(one, rungs) for one in rank(stored_results("quick"), rungs, stored=True)]
    shown = [re.split(r"  +", line.strip()) for line in README.splitlines() if ", stored  " in line]
    assert shown == rows
    assert len(rows) == 10


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_every_argument_of_a_task_is_documented(task: type) -> None:
    arguments = (task.__doc__ or "").split("## Arguments")[1].split("## Reference")[0]
    documented = re.findall(r"^    - ``(\w+)``", arguments, re.MULTILINE)
    assert set(documented) == set(task.parameters())  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_examples_run(path: Path, tmp_path: Path) -> None:
    done = run_limited([sys.executable, str(path)], cpu_seconds=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
