"""The command line: bad input, help, a whole short run, and a real Ctrl-C."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

import baselines
from baselines.commands.display.training import Display
from baselines.commands.main import main
from baselines.core.settings import declared
from baselines.training import loading, recipes, run_files
from baselines.training.bptt_settings import Settings
from baselines.training.learner import Learner, Report
from baselines.training.run import Progress, TrainingRun
from memory_envs import Parity

QUICK = ["train", "--n-max", "3", "--units", "48", "--batch-size", "32", "--episodes", "100"]

BAD = [
    ("--task foo", r"--task: task must be one of \['parity', 'dms', .*\], got 'foo'"),
    ("--cell foo", r"--cell: cell must be one of \['leaky'.*\] or package.module:ClassName, got 'foo'"),
    ("--curriculum foo", r"--curriculum: curriculum must be one of \['single-head', .*\], got 'foo'"),
    ("--recipe foo", r"--recipe: recipe must be one of \['fast'.*\], got 'foo'"),
    (
        "--recipe paper --cell rate",
        "--recipe: recipe 'paper' .* leaky on parity, .*, not for rate on parity",
    ),
    ("--momentum 0.5", "--momentum: momentum must be 0 with optimizer 'adam', got 0.5"),
    ("--optimizer nesterov", "--momentum: momentum must be above 0 with optimizer 'nesterov', got 0"),
    ("--optimizer rmsprop", r"--optimizer: optimizer must be one of \['adam', .*\], got 'rmsprop'"),
    (
        "--task flip-flop",
        "--curriculum: 'multi-head': needs a task that asks for several N at once .*, flip-flop asks for one",
    ),
    ("--task delayed-addition", "--curriculum: 'multi-head': needs a task that .*, delayed-addition asks for one"),
    (
        "--task evidence-accumulation",
        r"--curriculum: 'multi-head': heads .*, got \(2,\): use first_n 1, step 2 and an odd n_max",
    ),
    ("--task evidence-accumulation --first-n 1 --step 2", r"--curriculum: 'multi-head': heads .*, got \(12,\)"),
    (
        "--task flip-flop --curriculum sliding-window",
        "--curriculum: 'sliding-window': needs a task that asks for several N",
    ),
    ("--task flip-flop --curriculum none-multi", "--curriculum: 'none-multi': needs a task that asks for several N"),
    (
        "--task evidence-accumulation --curriculum single-head --task-args delay=3",
        "--curriculum: 'single-head': stage N = 2: delay must be an integer from 0 to 1, got 3",
    ),
    ("--window 3", "--window: window must be left out for curriculum 'multi-head', got 3"),
    ("--curriculum single-head --shift 3", "--shift: shift must be left out for curriculum 'single-head', got 3"),
    ("--curriculum sliding-window --window 12", "--window: window must be at most 11, the number of N .*, got 12"),
    ("--curriculum sliding-window --window 0", "--window: window must be an integer from 1 to 1000, got 0"),
    ("--curriculum sliding-window --window 4", "--window: shift must be from 1 to window = 4, got 5"),
    ("--curriculum sliding-window --shift 11", "--shift: shift must be from 1 to window = 10, got 11"),
    ("--curriculum none-single --first-n 3", "--first-n: first_n must be left out for curriculum 'none-single', got 3"),
    ("--curriculum none-single --step 2", "--step: step must be left out for curriculum 'none-single', got 2"),
    ("--n-max 1", "--n-max/--N: n_max must be at least the N of the first stage, 2, got 1"),
    ("--n-max 3 --first-n 4", "--n-max/--N: n_max must be at least the N of the first stage, 4, got 3"),
    ("--n-max three", "--n-max/--N: must be an integer, got 'three'"),
    ("--n-max 2.5", "--n-max/--N: must be an integer, got '2.5'"),
    ("--n-max 1000000000", "--n-max/--N: n_max must be an integer from 1 to 1000, got 1000000000"),
    ("--first-n 0", "--first-n: first_n must be an integer from 1 to 1000, got 0"),
    ("--task delayed-addition --curriculum single-head --first-n 2", "--first-n: .* from 3 to 1000, got 2"),
    ("--step 0", "--step: step must be an integer from 1 to 1000, got 0"),
    ("--threshold 1", "--threshold: threshold must lie between 0 and 1, got 1.0"),
    ("--threshold nan", "--threshold: threshold must be a number from 0 to 1, got nan"),
    ("--seed -1", "--seed: seed must be an integer from 0 to 4294967295, got -1"),
    ("--budget 0", "--budget: budget must be a finite number above 0, got 0.0"),
    ("--steps 0", "--steps: steps must be an integer from 1 to 1000000000000, got 0"),
    ("--steps 2.5", "--steps: must be an integer, got '2.5'"),
    ("--recipe trials --epochs 2", "--test-every: test_every must be a multiple of epochs, 2, .* got 5"),
    ("--budget soon", "--budget: must be a number, got 'soon'"),
    ("--episodes 1", "--episodes: episodes must be an integer from 2 to 100000, got 1"),
    ("--device tpu", "--device: device must be cpu, cuda or cuda:<number>, got 'tpu'"),
    ("--device cuda:77", "--device: device must be a device of this machine, got 'cuda:77'"),
    ("--units 0", "--units: units must be an integer from 1 to 20000, got 0"),
    ("--learning-rate inf", "--learning-rate: learning_rate must be a number from 1e-09 to 10, got inf"),
    ("--cell-args form=slow", "--cell-args: form must be 'default' or 'mod', got 'slow'"),
    ("--cell-args depth=2", r"--cell-args: cell_args must be among \['form', .*\] for leaky, got 'depth'"),
    ("--cell-args tau=0.5", "--cell-args: tau must be 'trained', 'smooth' or a number of at least 1, got 0.5"),
    ("--cell gru --cell-args tau=2", r"--cell-args: cell_args must be among \[\] for gru, got 'tau'"),
    ("--cell rate --cell-args rank=200", "--cell-args: rank must be an integer from 1 to 128, got 200"),
    ("--task-args N=4", r"--task-args: task_args must be among \['scoring', 'p'\] for parity, got 'N'"),
    ("--task-args p=2", "--task-args: p must be .*2"),
    ("--task-args p", "--task-args: must be KEY=VALUE, got 'p'"),
    ("--n-maxx 3", "unrecognized arguments: --n-maxx 3"),
    ("--n 3", "unrecognized arguments: --n 3"),
]


@pytest.mark.parametrize(("options", "complaint"), BAD, ids=[options for options, _ in BAD])
def test_bad_input_is_one_line_and_writes_nothing(
    options: str,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["train", *options.split()])
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(rf"python -m baselines( train)?: error: (argument )?{complaint}.*\n", said.err)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit) as left:
        main([*QUICK, "--out", str(tmp_path)])
    assert left.value.code == 2
    assert "out must be a new or an empty folder" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["train", "--help"])
    assert left.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for setting in [*declared(Settings), *recipes.options()]:
        if setting.name != "overrides":
            assert f"--{setting.name.replace('_', '-')} " in said
            assert " ".join(setting.metadata["help"].split())[:20] in said


def test_a_short_run_from_end_to_end(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(QUICK) == 0
    said = capsys.readouterr().out
    assert "N = 2 solved" in said
    assert "N = 3 solved" in said
    assert re.search(r"N=3\W+0\.9\d+|N=3\W+1\.0+", said)
    assert "chance" in said
    assert "perfect" in said
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name == "parity_leaky_multi-head_n3_seed0_units=48_batch_size=32"
    assert {entry.name for entry in folder.iterdir()} == {
        *("config.json", "metrics.csv", "events", "checkpoint.safetensors", "checkpoints", "summary.json", "lock"),
        "training.png",
    }
    assert f"Saved in runs/{folder.name}" in said.replace("\n", "")
    assert json.loads((folder / "summary.json").read_text())["largest_n"] == 3


@pytest.mark.slow
def test_a_real_interrupt_saves_and_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(Path(baselines.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "baselines", "train", "--n-max", "60", "--units", "32", "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("update ")
    process.send_signal(signal.SIGINT)
    said, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaints == ""
    assert "interrupted after" in said
    assert "checkpoint.safetensors" in said
    summary = run_files.read_summary(tmp_path / "run")
    assert summary["status"] == "interrupted"
    assert loading.read_checkpoint(tmp_path / "run")[1]["update"] == summary["updates"] > 0
    command = re.search(r"^Go on with: python -m baselines (.*)$", said, re.MULTILINE)
    assert command
    capsys.readouterr()
    assert main([*shlex.split(command[1]), "--budget", str(summary["seconds"] + 0.3), "--episodes", "10"]) == 0
    assert run_files.read_summary(tmp_path / "run")["updates"] > summary["updates"]


def test_an_interrupt_while_torch_is_imported_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import time; print('importing', flush=True); time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-m", "baselines", "train"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(baselines.__file__).parents[1])])},
        # A shell's background job, as these tests may be, has it ignored, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("", "")
        assert process.returncode == -signal.SIGINT
    finally:
        process.kill()
        process.communicate()


def test_an_interrupt_of_the_final_play_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(run: TrainingRun) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "play", interrupted)
        assert main([*QUICK, "--n-max", "2", "--out", str(tmp_path / "run")]) == 130
    said = capsys.readouterr().err
    assert re.fullmatch(
        r"interrupted; the checkpoint is that of update \d+\nGo on with: python -m baselines .*\n", said
    )
    assert main(shlex.split(said.splitlines()[1])[6:]) == 0
    assert run_files.read_summary(tmp_path / "run")["status"] == "solved"


@pytest.mark.parametrize("broken", ["baselines.training.figure.training_figure", "rich.console.Console.print"])
def test_a_full_disk_behind_the_figure_or_the_output_is_one_line(
    broken: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(broken, full)
        assert main([*QUICK, "--n-max", "2", "--out", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == "python -m baselines: error: [Errno 28] No space left on device\n"
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7 GiB"),
        torch.OutOfMemoryError("CUDA out of memory\nmore"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_out_of_memory_is_one_line(
    error: Exception, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learn(self: Learner) -> None:
        raise error

    monkeypatch.setattr(Learner, "learn", learn)
    assert main([*QUICK, "--out", str(tmp_path / "run")]) == 1
    assert re.fullmatch(
        r"python -m baselines: error: out of memory \(.*\): use fewer units.*\n", capsys.readouterr().err
    )


def test_another_runtime_error_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def learn(self: Learner) -> None:
        raise RuntimeError("shapes")

    monkeypatch.setattr(Learner, "learn", learn)
    with pytest.raises(RuntimeError, match="shapes"):
        main([*QUICK, "--out", str(tmp_path / "run")])


def test_an_option_given_twice_adds_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Settings] = []
    monkeypatch.setattr("baselines.training.run.TrainingRun", asked.append)
    monkeypatch.setattr("baselines.commands.train.train", lambda run: 0)
    main(["train", "--cell-args", "tau=2", "--cell-args", "form=mod", "activation=tanh"])
    assert asked[0].cell_args == {"tau": 2, "form": "mod", "activation": "tanh"}


def report(n: int) -> Progress:
    scores = {str(m): 0.99 if m < n else 0.7 for m in range(2, n + 1)}
    task = Parity(heads=tuple(range(2, n + 1)))
    return Progress(Report(40, 9_000, task, scores, 0.2, {"task": 0.2}, 1.0, {"tau_mean": 1.25}), 2.0, 1.5, n - 1)


@pytest.mark.parametrize("n", [5, 60])
def test_the_live_display_shows_what_matters(n: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=110, color_system=None)
    with Display(console, Settings(n_max=60, budget=90, steps=20_000).plan()) as display:
        display.show(report(n))
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    for word in (
        f"stage N = {n} of 60",
        f"N={n} 0.700",
        "tau_mean 1.250",
        "20 updates/s",
        "1 min 29 s of the budget left, 9000 of 20000 steps",
    ):
        assert word in said
    assert ("before: 0.990 or more" in said) == (n == 60)
    assert ("N=2 0.990" in said) == (n == 5)


def test_the_display_says_when_the_last_stage_would_be_solved() -> None:
    """Stages N = 2 to 5 took 10 s each; 2 s into N = 6 the five that are left take 48 s more."""
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system=None)
    with Display(console, Settings(n_max=10).plan()) as display:
        for seconds in (*range(2, 42, 2), 42):
            n, solved = 2 + (seconds - 1) // 10, seconds % 10 == 0
            now = report(n)
            latest = replace(now.report, update=10 * seconds, solved=solved)
            display.show(replace(now, report=latest, seconds=seconds, largest_n=n if solved else n - 1))
        said = " ".join(display._estimate() + display._rate())
    assert said == "N = 10 in about 48 s at this pace 10 updates/s"


def test_plain_lines_are_few() -> None:
    """One for the first report and one for each stage solved; the others wait their turn."""
    console = Console(file=io.StringIO(), width=80)
    with Display(console, Settings(n_max=9).plan()) as display:
        for _ in range(50):
            display.show(report(4))
    assert isinstance(console.file, io.StringIO)
    (line,) = console.file.getvalue().splitlines()
    assert line.startswith(
        "update 40: N = 4, accuracy 0.893 (last head 0.700, worst 0.700), loss 0.200, tau_mean 1.250"
    )


def test_a_command_whose_output_nobody_reads_ends_without_a_word() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "baselines", "reproduce"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")
