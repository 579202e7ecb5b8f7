"""Mistakes in the command ``benchmark``: one line each, without torch, and before anything is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from baselines.benchmark import BUDGETS
from baselines.benchmark.contestants import Contestant
from baselines.benchmark.folder import BenchmarkFolder
from baselines.benchmark.plan import Benchmark
from baselines.commands.main import main
from tests.baselines.benchmark.whole import AGENTS
from tests.baselines.without_torch import Answer, answers

MINE = """
def make_agent(observation_space, action_space, seed): ...
def takes_one(observation_space): ...
NUMBER = 3
class Agent:
    def learn(self, env, steps): ...
    def predict(self, observation): ...
agent = Agent()
"""

BAD = [
    ("", "--agent: agent must be given, or out with the folder of a benchmark to go on with"),
    ("--out there", "--agent: agent must be given, for there is no benchmark in there"),
    ("--agent vim", r"--agent: agent must be one of leaky, .* or package.module:CellClass, got 'vim'"),
    ("--agent nowhere:x", r"--agent: agent must name .* got 'nowhere:x' \(ModuleNotFoundError: No module named .*\)"),
    ("--agent mine:gone", r"--agent: agent must name .* \(AttributeError: .*\)"),
    ("--agent raises:x", r"--agent: agent must name .* got 'raises:x' \(SystemExit: 3\)"),
    ("--agent mine:NUMBER", "--agent: agent must be a factory or a class of a cell, got 'mine:NUMBER' of type int"),
    ("--agent mine:agent", "--agent: agent must be .* of type Agent, an agent: name what makes it"),
    ("--agent mine:takes_one", r"--agent: agent must take \(observation_space, action_space, seed\), got .*"),
    ("--agent mine:make_agent --method ppo", "--method: method must be left out where no agent is a cell, got ppo"),
    ("--agent gru --method sarsa", r"--method: method must be one of \['ppo', 'bptt'\], got 'sarsa'"),
    ("--agent gru --budget huge", r"--budget: budget must be one of \['quick', 'standard'\], got 'huge'"),
    ("--agent gru --tasks parity chess", "--tasks: tasks must be one of .*, got 'chess'"),
    ("--agent gru --seeds 3..1", "--seeds: seeds must be a range from a smaller to a larger number, got '3..1'"),
    ("--agent gru --seeds some", "--seeds: seeds must be integers or ranges such as 0..2, got 'some'"),
    ("--agent gru --seeds 4294967296", "--seeds: seeds must be an integer from 0 to 4294967295, got 4294967296"),
    ("--agent gru --workers 0", "--workers: workers must be an integer from 1 to 1000, got 0"),
    ("--agent gru --workers two", "--workers: must be an integer, got 'two'"),
    (
        "--agent gru --method bptt --out full",
        "--out: out must be a new folder or a benchmark's, got full, which holds x",
    ),
    ("--agent gru --method bptt --out full/x", "--out: out must be a folder to write in, got full/x .*"),
    (
        "--agent mine:make_agent --budget standard --out old",
        "--budget: budget must be that of the benchmark in old, 'quick', got 'standard'",
    ),
]
WORSE = [
    ("--out damaged", "damaged/settings.json cannot be read: .*"),
    (
        "--agent gru",
        "method ppo needs stable-baselines3 and sb3-contrib, which the extra 'rl' installs: .*",
    ),
]
"""What is wrong is not in the command line."""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Answer], set[str]]:
    """Options -> the answer to them, and the files that are there afterwards."""
    path = tmp_path_factory.mktemp("mistakes")
    (path / "mine.py").write_text(MINE)
    (path / "raises.py").write_text("raise SystemExit(3)\n")
    for name in ("full", "damaged"):
        (path / name).mkdir()
    (path / "full" / "x").touch()
    (path / "damaged" / "settings.json").write_text("{")
    quick, who = BUDGETS["quick"], Contestant("mine:make_agent", "agent")
    old = Benchmark(budget_name="quick", budget=quick, contestants=(who,), tasks=("parity",), seeds=(0,))
    BenchmarkFolder(path / "old", old).close()
    asked = [text for text, _ in (*BAD, *WORSE)]
    found = answers([["benchmark", *text.split()] for text in asked], path)
    return dict(zip(asked, found, strict=True)), {one.name for one in path.iterdir()} - {"__pycache__"}


@pytest.mark.parametrize(("text", "complaint"), BAD, ids=[text for text, _ in BAD])
def test_a_mistake_is_answered_in_a_line(text: str, complaint: str, given: tuple[dict[str, Answer], set[str]]) -> None:
    code, said, error = given[0][text]
    assert (code, said) == (2, "")
    (line,) = error.splitlines()
    assert re.fullmatch(f"python -m baselines benchmark: error: argument {complaint}", line), line


@pytest.mark.parametrize(("text", "complaint"), WORSE, ids=[text for text, _ in WORSE])
def test_what_is_damaged_or_missing_is_named(
    text: str, complaint: str, given: tuple[dict[str, Answer], set[str]]
) -> None:
    code, said, error = given[0][text]
    assert (code, said) == (1, "")
    (line,) = error.splitlines()
    assert re.fullmatch(f"python -m baselines: error: {complaint}", line), line


def test_nothing_is_written(given: tuple[dict[str, Answer], set[str]]) -> None:
    assert given[1] == {"mine.py", "raises.py", "full", "damaged", "old"}


@pytest.mark.parametrize(
    ("agent", "complaint"),
    [
        ("BrokenCell", "cell .*BrokenCell must have a method .*"),
        ("INSTANCE", "agent must be .* of type Remembers, an agent: name what makes it"),
    ],
)
def test_what_needs_torch_to_be_known_is_refused_as_well(
    agent: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["benchmark", "--agent", f"{AGENTS}:{agent}"])
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(f"python -m baselines benchmark: error: argument --agent: {complaint}", line), line
    assert list(tmp_path.iterdir()) == []


def test_what_a_users_module_says_cannot_move_the_cursor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "speaks.py").write_text("raise ValueError('\\x1b[2J\\udcff\\n[/]\\x07')\n")
    with pytest.raises(SystemExit) as left:
        main(["benchmark", "--agent", "speaks:x"])
    assert left.value.code == 2
    assert r"got 'speaks:x' (ValueError: \udcff [/]\x07)" in capsys.readouterr().err
