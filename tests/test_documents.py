"""What README.md prints and claims is what happens."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.benchmark import BUDGETS
from baselines.benchmark.budgets import ladder
from baselines.benchmark.ranking import rank
from baselines.benchmark.summary import stored_results, summary_row
from memory_envs import TASKS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
HEADINGS = [
    "Description",
    "Observation space",
    "Action space",
    "Reward",
    "Episode end",
    "Arguments",
    "Reference scores",
    "Lag",
    "Version history",
]


@pytest.mark.parametrize(
    "block",
    [pytest.param(b, marks=pytest.mark.slow) if "learn(" in b else b for b in BLOCKS],
    ids=[str(i) for i in range(len(BLOCKS))],
)
def test_code_in_the_readme_runs_and_prints_what_its_comments_say(
    block: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
    assert len(printed) == len(promised)
    for line, promise in zip(printed, promised, strict=True):
        if numbers := re.match(r"(-?\d+\.\d+)[:;]", promise):
            assert float(line) == pytest.approx(float(numbers[1]), abs=0.005)
        else:
            assert line == promise.split(";")[0]


def test_the_readme_shows_the_trials_that_the_first_example_draws() -> None:
    draw = runpy.run_path(str(ROOT / "examples" / "01_play.py"))["draw"]
    for task in TASKS.values():
        assert draw(task.env_id) in README


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_the_table_of_tasks_gives_the_scores_of_the_default_tasks(task: type) -> None:
    (row,) = [line for line in README.splitlines() if line.startswith(f"| `{task.env_id}`")]  # type: ignore[attr-defined]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    default = task()
    assert float(cells[3]) == pytest.approx(default.chance_score, abs=0.0005)
    assert float(cells[4]) == pytest.approx(default.memoryless_score, abs=0.0005)
    assert str(default.N) in row


def test_the_table_of_the_ladder_is_that_of_the_stored_results() -> None:
    rungs = {task: ladder(task, BUDGETS["standard"].n_max) for task in TASKS}
    standings = rank(stored_results("standard"), rungs)
    rows = [f"| {' | '.join(summary_row(one, rungs))} |" for one in standings]
    found = [line for line in README.splitlines() if re.match(r"\| \w+ \((ppo|bptt)\) \|", line)]
    assert [row for row in found if row in rows] == rows
    assert rows


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_every_task_is_documented_under_the_fixed_headings(task: type) -> None:
    assert re.findall(r"^    ## (.*)$", task.__doc__ or "", re.MULTILINE) == HEADINGS
    arguments = (task.__doc__ or "").split("## Arguments")[1].split("## Reference")[0]
    documented = re.findall(r"^    - ``(\w+)``", arguments, re.MULTILINE)
    assert set(documented) == set(task.parameters())  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_examples_run(path: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
