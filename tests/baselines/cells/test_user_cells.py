"""A user's cell, named as package.module:ClassName, is used like ours; a cell that breaks a rule is refused."""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.cells import Cell, ContractError, contract, make_cell
from baselines.commands.main import main
from baselines.core import seeds
from baselines.core.settings import SettingsError
from baselines.evaluation import evaluate
from baselines.network import NetworkAgent
from baselines.training import loading, run_files
from baselines.training.bptt_settings import Settings
from baselines.training.run import TrainingRun

GOOD = """
import torch
from baselines.cells import Cell

class Good(Cell):
    def __init__(self, input_size, units, *, gain=1.0):
        super().__init__()
        self.state_size = self.output_size = units
        self.linear, self.gain = torch.nn.Linear(units + input_size, units), gain

    def step(self, inputs, state):
        state = torch.tanh(self.gain * self.linear(torch.cat([state, inputs], -1)))
        return state, state

class Averaging(Good):
    # Weights under two names, parts of one buffer, and a mean of its activity that training moves.
    def __init__(self, input_size, units):
        super().__init__(input_size, units)
        self.again = self.linear
        means = torch.zeros(2 * units)
        for name, part in (("all", means), ("mean", means[:units]), ("size", means[units:])):
            self.register_buffer(name, part)

    def unroll(self, inputs, state):
        outputs, states = super().unroll(inputs, state)
        with torch.no_grad():
            self.mean.lerp_(outputs.mean((0, 1)), 0.1)
        return outputs, states

    def training_state(self, batch_size, generator):
        return self.mean.expand(batch_size, -1)

    def readings(self):
        return {"mean_activity": self.mean.mean()}

class Drawn(Good):
    def __init__(self, input_size, units, generator, **options):
        super().__init__(input_size, units)
        with torch.no_grad():
            self.linear.weight.uniform_(-0.1, 0.1, generator=generator)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory, with a module that can only be imported from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    (tmp_path / "mine.py").write_text(GOOD)
    yield tmp_path / "mine.py"
    sys.modules.pop("mine", None)


def draw(name: str, seed: int = 0, **options: Any) -> Cell:
    return make_cell(name, 2, 5, generator=torch.Generator().manual_seed(seed), options=options)


@pytest.mark.parametrize("name", ["mine:Good", "mine:Drawn"])
def test_weights_come_from_the_generator_alone(module: Path, name: str) -> None:
    before, path = torch.random.get_rng_state(), list(sys.path)
    one, same, other = draw(name), draw(name), draw(name, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert path == sys.path
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    assert all(parameter.grad is None for parameter in one.parameters())


def test_options_reach_the_class(module: Path) -> None:
    assert draw("mine:Good", gain=2.0).gain == 2.0
    draw("mine:Drawn", whatever=1)  # it takes any
    with pytest.raises(ValueError, match=r"cell_args must be among \['gain'\] for mine:Good, got 'gian'"):
        draw("mine:Good", gian=2.0)
    with pytest.raises(ValueError, match=r"mine:Good\(2, -5, ...\) raised RuntimeError: .*"):
        make_cell("mine:Good", 2, -5, generator=torch.Generator())


def test_it_trains_saves_loads_and_plays(module: Path) -> None:
    small = {"units": 32, "batch_size": 32, "learning_rate": 5e-3}
    run = TrainingRun(Settings(cell="mine:Good", n_max=2, episodes=100, cell_args={"gain": 1.5}, overrides=small))
    for _ in run.train():
        pass
    assert run.status == "solved"
    run.play()
    run.finish()
    assert run.folder.path == Path(
        "runs/parity_mine-Good_multi-head_n2_seed0_gain=1.5_units=32_batch_size=32_learning_rate=0.005"
    )
    network, task = loading.load_network(run.folder.path)
    assert evaluate(NetworkAgent(network, task), task, episodes=100, seed=seeds.evaluation_seed(0)) == run.played


def test_one_with_buffers_goes_on_exactly_and_is_evaluated(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = {"units": 12, "batch_size": 8}

    def trained(out: str, updates: int) -> TrainingRun:
        asked = Settings(cell="mine:Averaging", n_max=2, threshold=0.99999, out=Path(out), overrides=small)
        run = TrainingRun.resume(Path(out)) if Path(out).exists() else TrainingRun(asked)
        if not run.learner.update:
            assert not run.learner.network.get_buffer("cell.mean").any()  # trying the cell has not moved it
        for _ in run.train(lambda: run.learner.update >= updates):
            pass
        run.finish()
        return run

    straight = trained("straight", 35).learner.state()[0]
    trained("halfway", 17)
    resumed = trained("halfway", 35).learner.state()[0]
    assert resumed.keys() == straight.keys()
    assert all(torch.equal(resumed[name], straight[name]) for name in straight)
    assert straight["network.cell.mean"].any()
    assert [row["mean_activity"] for row in run_files.read_metrics(Path("halfway"))]
    capsys.readouterr()
    assert main(["evaluate", "halfway", "--n", "2", "--trial-length", "3", "--episodes", "20"]) == 0
    assert "20 fresh trials of 6 steps" in capsys.readouterr().out


def test_readings_with_the_names_of_other_metrics_are_refused(module: Path) -> None:
    module.write_text(GOOD + "    def readings(self): return {'loss': torch.tensor(1.0)}\n")
    with pytest.raises(SettingsError, match=r"mine:Drawn: readings\(\) must not use the names .* got \['loss'\]"):
        TrainingRun(Settings(cell="mine:Drawn", n_max=2, out=Path("run")))
    assert not Path("run").exists()


def test_from_the_command_line_in_the_current_directory(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The current directory is not on Python's path here. The threshold is low: learning is tested elsewhere."""
    options = "--cell mine:Good --cell-args gain=1.5 --n-max 2 --units 8 --threshold 0.1 --episodes 50 --out run"
    assert main(["train", *options.split()]) == 0
    assert "N = 2 solved" in capsys.readouterr().out


LEAVING = """
class Leaving(Good):
    calls, after, how = 0, 0, SystemExit(0)

    def step(self, inputs, state):
        Leaving.calls += 1
        if Leaving.calls > self.after:
            raise self.how
        return super().step(inputs, state)

class Late(Leaving):
    after = 400

class Stopping(Late):
    how = KeyboardInterrupt()

class Unmade(Good):
    def __init__(self, input_size, units):
        raise SystemExit
"""


@pytest.mark.parametrize(
    ("command", "cell", "code", "complaint"),
    [
        (
            "train",
            "Leaving",
            2,
            "cell mine:Leaving: step(a tensor (3, 1), a tensor (3, 8)) must work, got SystemExit: 0",
        ),
        ("train", "Unmade", 2, "mine:Unmade(1, 8, ...) raised SystemExit"),
        ("train", "Late", 1, "mine:Late.step (mine.py, line 48) called sys.exit(0)"),
        ("train", "Stopping", 1, "mine:Stopping.step (mine.py, line 48) raised KeyboardInterrupt"),
        ("train-rl", "Late", 1, "mine:Late.step (mine.py, line 48) called sys.exit(0)"),
        ("train-rl", "Stopping", 1, "mine:Stopping.step (mine.py, line 48) raised KeyboardInterrupt"),
    ],
)
def test_one_that_ends_the_program_is_named(
    module: Path, command: str, cell: str, code: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module.write_text(GOOD + LEAVING)
    limits = "--max-updates 200" if command == "train" else "--steps 4000"
    words = f"{command} --cell mine:{cell} --n-max 2 --units 8 --episodes 20 --out run {limits}".split()
    if code == 2:
        with pytest.raises(SystemExit, match="2"):
            main(words)
    else:
        assert main(words) == code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert complaint in said


def test_a_module_that_ends_the_program_is_named(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module.write_text("raise SystemExit(0)")
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--cell", "mine:Good"])
    assert "got 'mine:Good' (it called sys.exit(0))\n" in capsys.readouterr().err


@pytest.mark.parametrize(("command", "limit"), [("train", "--max-updates 20"), ("train-rl", "--steps 1000")])
def test_one_that_has_changed_since_training_is_a_clear_error(
    module: Path, command: str, limit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = f"{command} --cell mine:Good --n-max 2 --units 8 --episodes 20 --out run {limit}".split()
    assert main(words) == 0
    module.write_text(GOOD.replace("linear", "other"))
    sys.modules.pop("mine")
    capsys.readouterr()
    assert main(["evaluate", "run"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "run/checkpoint.safetensors does not fit this run (has the cell mine:Good changed since training?)" in said
    assert "other.weight" in said


BROKEN = {
    "no step": ("step = None", "cell {name} must have a method step, but has none"),
    "no initial state": (
        "initial_state = None",
        r"cell {name} must have a method initial_state \(baselines.cells.Cell has one to inherit\)",
    ),
    "no size": ("output_size = None", "output_size must be an integer of at least 1, got None"),
    "output": (
        "def step(self, x, s): return s[:, :-1], s + self.w",
        r"the output of step must have the shape \(B, output_size\) = \(3, 4\), got a tensor \(3, 3\)",
    ),
    "state": (
        "def step(self, x, s): return s, torch.cat([s, s], -1) * self.w[0]",
        r"the state after step must have the shape \(B, state_size\) = \(3, 4\), got a tensor \(3, 8\)",
    ),
    "state size": (
        "def initial_state(self, n): return torch.zeros(n, 9)",
        r"initial_state\(B\) must have the shape \(B, state_size\) = \(3, 4\), got a tensor \(3, 9\)",
    ),
    "training state": (
        "def training_state(self, n, g): return torch.zeros(n)",
        r"training_state\(B, generator\) must have the shape .*, got a tensor \(3,\)",
    ),
    "start past the generator": (
        "def training_state(self, n, g): return torch.rand(n, 4)",
        "training_state must draw from its generator only",
    ),
    "random start": (
        "def initial_state(self, n): return torch.rand(n, 4)",
        "initial_state must be the same in every call",
    ),
    "in place": (
        "def step(self, x, s): s += self.w.detach(); return s * self.w, s * self.w",
        "step must not change its arguments, but changes state in place",
    ),
    "input in place": (
        "def step(self, x, s): x.mul_(2); return s * self.w, s * self.w",
        "step must not change its arguments, but changes inputs in place",
    ),
    "unroll in place": (
        "def unroll(self, x, s): x.zero_(); return super(Bad, self).unroll(x, s)",
        "unroll must not change its arguments, but changes inputs in place",
    ),
    "one tensor": (
        "def step(self, x, s): return s * self.w",
        r"step must return two tensors, .*, got a tensor \(3, 4\)",
    ),
    "raises": (
        "def step(self, x, s): return s @ x, s",
        r"step\(a tensor \(3, 2\), a tensor \(3, 4\)\) must work, got RuntimeError",
    ),
    "double": (
        "def step(self, x, s): return (s * self.w).double(), s",
        "must have the parameters' dtype torch.float32, got torch.float64",
    ),
    "infinite": ("def step(self, x, s): return s / 0 * self.w, s", "the output of step must be finite"),
    "random": (
        "def step(self, x, s): return s * self.w * torch.rand(()), s",
        "step must depend on inputs and state only",
    ),
    "hidden state": (
        "def step(self, x, s): self.t = getattr(self, 't', 0) + 1; return s * self.w * self.t, s",
        "step must depend on inputs and state only",
    ),
    "mixed trials": (
        "def step(self, x, s): return (s - s.mean(0)) * self.w, s * self.w",
        "step must treat each trial of a batch on its own",
    ),
    "unroll": (
        "def unroll(self, x, s): o, s = super(Bad, self).unroll(x, s); return o * 1.1, s",
        "unroll must equal the loop over step",
    ),
    "unroll shape": (
        "def unroll(self, x, s): o, s = super(Bad, self).unroll(x, s); return o, s[-1]",
        r"the states of unroll must have the shape \(T, B, state_size\) = \(4, 3, 4\), got a tensor \(3, 4\)",
    ),
    "unroll gradients": (
        "def unroll(self, x, s): o, z = super(Bad, self).unroll(x, s); return o * 2 - o.detach(), z",
        "unroll must have the gradients of the loop over step",
    ),
    "no gradient": (
        "def step(self, x, s): return (s * self.w).detach(), s",
        "the output of unroll must depend on the parameters differentiably",
    ),
    "saved in place": (
        "def step(self, x, s): a = torch.exp(s * self.w); b = a * a; a.zero_(); return b, b * 0 + s",
        "unroll must let gradients through, got: .*inplace",
    ),
    "no parameter": ("def parameters(self, recurse=True): return iter(())", "must have a parameter to train"),
    "readings": ("def readings(self): return [1.0]", r"readings\(\) must return a dictionary of names"),
    "odd readings": (
        "def readings(self): return {'a,b': self.w[0]}",
        r"readings\(\) must return a dictionary of names",
    ),
    "readings that change": (
        "def readings(self): self.n = getattr(self, 'n', 0) + 1; return {f'r{self.n}': self.w[0]}",
        r"readings\(\) must give the same names every time, got \['r1'\], then \['r2'\]",
    ),
    "no parts": ("state_parts = None", "cell {name} must have a method state_parts"),
    "parts": (
        "def state_parts(self): return {'h': slice(4, 8)}",
        r"state_parts\(\) must return a dictionary of names and slices of the state",
    ),
    "list": (
        "def step(self, x, s): return [s * self.w, s]",
        r"step must return two tensors, .*, got \[a tensor \(3, 4\), a tensor \(3, 4\)\]",
    ),
    "extra state": (
        "def get_extra_state(self): return {'a': 1}",
        r"state_dict\(\) must hold tensors only, as checkpoints do, got _extra_state: {'a': 1}",
    ),
    "not loadable": (
        "def load_state_dict(self, state): raise KeyError('w')",
        r"load_state_dict must accept what state_dict\(\) returned, got: 'w'",
    ),
}
BAD = """
import torch
from baselines.cells import Cell

class Bad(Cell):
    state_size = output_size = 4

    def __init__(self, input_size, units):
        super().__init__()
        self.w = torch.nn.Parameter(torch.linspace(0.5, 1.0, 4))

    def step(self, x, s):
        state = torch.tanh(s * self.w + x.sum(-1, keepdim=True))
        return state, state

"""


def test_what_the_broken_ones_are_made_of_is_fine(module: Path) -> None:
    module.write_text(BAD)
    draw("mine:Bad")


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_named(module: Path, case: str) -> None:
    lines, complaint = BROKEN[case]
    module.write_text(BAD + textwrap.indent(lines, "    "))
    if "{name}" not in complaint:
        complaint = "cell {name}.*" + complaint
    before = torch.random.get_rng_state()
    with pytest.raises(ContractError, match=complaint.replace("{name}", "mine:Bad")):
        draw("mine:Bad")
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--cell mine:Bad", "--cell: cell mine:Bad: step must not change its arguments, but changes state in place"),
        ("--cell mine:Nothing", "--cell: cell must name a class that can be imported, got 'mine:Nothing' (module"),
        ("--cell nothing.at.all:Bad", "--cell: cell must name a class .*, got 'nothing.at.all:Bad' (No module named"),
        ("--cell mine:VALUE", "--cell: cell mine:VALUE must be a class derived from baselines.cells.Cell, got 3"),
        ("--cell mine", "--cell: cell must be one of .* or package.module:ClassName, got 'mine'"),
        (
            "--cell broken:Bad",
            "--cell: cell must name a class that can be imported, got 'broken:Bad' (division by zero",
        ),
        ("--cell mine:Bad --cell-args a=1", "--cell-args: cell_args must be among .* for mine:Bad, got 'a'"),
    ],
)
def test_a_broken_cell_is_refused_in_one_line_and_nothing_is_written(
    module: Path, options: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    module.write_text(f"{BAD}    {BROKEN['in place'][0]}\nVALUE = 3\n")
    module.with_name("broken.py").write_text("1 / 0")
    with pytest.raises(SystemExit) as left:
        main(["train", *options.split()])
    assert left.value.code == 2
    said = capsys.readouterr().err
    pattern = re.escape(complaint).replace(r"\.\*", ".*")
    assert re.fullmatch(rf"python -m baselines train: error: argument {pattern}.*\n", said), said
    assert {entry.name for entry in module.parent.iterdir()} - {"__pycache__"} == {"mine.py", "broken.py"}


@pytest.mark.parametrize("kind", [3, torch.nn.Module, int])
def test_what_is_no_cell_is_refused(kind: object) -> None:
    with pytest.raises(ContractError, match="must"):
        contract.check_class(kind, "cell x")
