"""Help and mistakes are answered without torch and the other packages that take long to import."""

from __future__ import annotations

from pathlib import Path

import pytest

from baselines.commands import COMMANDS
from tests.baselines.without_torch import Answer, answers

MISTAKES = {
    "": "the following arguments are required: command",
    "trian": "argument command: invalid choice: 'trian'",
    "train --units -3": "argument --units: units must be an integer from 1 to 20000, got -3",
    "train --units many": "argument --units: must be an integer, got 'many'",
    "train --task parties": "argument --task: task must be one of ['parity', ",
    "train --task-args P=0.3": "argument --task-args: task_args must be among ['scoring', 'p']",
    "train --cell lstn": "argument --cell: cell must be one of ['leaky', ",
    "train --curriculum multi": "argument --curriculum: curriculum must be one of ",
    "train --n-max 3 --first-n 5": "argument --n-max/--N: n_max must be at least the N of the first stage, 5, got 3",
    "train --budget 0": "argument --budget: budget must be a finite number above 0, got 0.0",
    "train --tcr-on state": "argument --tcr-on: tcr_on needs tcr above 0",
    "train --device gpu": "argument --device: device must be cpu, cuda or cuda:<number>, got 'gpu'",
    "train --out held": "argument --out: out must be a new or an empty folder, got held, which holds a.txt",
    "train --resume nowhere": "nowhere is not a run folder: it has no config.json",
    "train --go-on": "argument --go-on: go_on needs out, and no resume, got no out",
    "train --budget inf": "argument --budget: budget must be a finite number above 0, got inf",
    "train --cell nowhere.at.all:Cell": "argument --cell: cell must name a class that can be imported, got 'nowhere.at",
    "train-rl --steps 0": "argument --steps: steps must be an integer from 1 to 1000000000000, got 0",
    "train-rl --gamma 2": "argument --gamma: gamma must be a number from 0 to 1, got 2.0",
    "train-rl --resume nowhere": "nowhere is not a run folder: it has no config.json",
    "evaluate": "the following arguments are required: RUN",
    "evaluate nowhere": "nowhere is not a run folder: it has no config.json",
    "evaluate nowhere --episodes 1": "argument --episodes: episodes must be an integer from 2 to 100000, got 1",
    "evaluate nowhere --out no/where.csv": "argument --out: out must be a file in a folder that exists",
    "analyze nowhere --what dreams": "argument --what: ",
    "analyze nowhere --what ablation": "nowhere is not a run folder: it has no config.json",
    "sweep --seed 0": "argument --seed: a sweep must have an axis",
    "sweep --seed 0..4 --units 0": "argument --units: units must be an integer from 1 to 20000, got 0",
    "sweep nothing.toml": "argument FILE.toml: file must be a TOML file or the folder of a sweep, got nothing.toml",
    "sweep --seed 0..4 --workers 0": "argument --workers: workers must be an integer from 1 to 1000, got 0",
    "benchmark": "argument --agent: ",
    "benchmark --agent gru --budget large": "argument --budget: budget must be one of ['quick', ",
    "reproduce tua": "argument NAME: NAME must be among largest-n, ",
    "reproduce tau --workers 0": "argument --workers: workers must be an integer from 1 to 1000, got 0",
}
"""Words of a command line -> a part of the one line that is said."""


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    folder = tmp_path_factory.mktemp("here")
    (folder / "held").mkdir()
    (folder / "held" / "a.txt").touch()
    return dict(zip(MISTAKES, answers([words.split() for words in MISTAKES], folder), strict=True))


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_line(words: str, mistaken: dict[str, Answer]) -> None:
    code, out, err = mistaken[words]
    assert MISTAKES[words] in err
    assert err.count("\n") == 1
    assert err.startswith("python -m baselines")
    assert (code, out) == (1 if "is not a run folder" in err else 2, "")


def test_help_and_version_are_answered(tmp_path: Path) -> None:
    commands = [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)]
    (code, overview, _), (_, version, _), *each = answers(commands, tmp_path)
    assert code == 0
    for name, help in COMMANDS.items():
        assert f"    {name}" in overview
        assert help[:40] in overview
    assert version.startswith("memory-envs ")
    for (left, said, _), help in zip(each, COMMANDS.values(), strict=True):
        assert left == 0
        assert " ".join(help.split())[:40] in " ".join(said.split())
