"""What is printed: the text of users is shown as it is, and never steers the terminal."""

from pathlib import Path

import pytest

from baselines.commands.main import main
from baselines.core.text import for_figure, printable, printable_line
from tests.attack import display


def test_text_is_escaped_only_where_it_acts() -> None:
    assert printable("é [red] 漢字\n\t🙂") == "é [red] 漢字\n\t🙂"
    assert printable("\x1b[2J\x9b\u202e\udcff") == r"\x1b[2J\x9b\u202e\udcff"
    assert printable_line("a\n b\rc ", 9) == r"a b\rc"
    assert printable_line("a\nbcdefghij", 9) == "a bcde..."
    assert for_figure("run $x$\x07") == r"run \$x\$\x07"


def test_no_text_steers_a_display() -> None:
    assert [what for what, held in display.attempts(seed=0, count=250) if not held] == []


@pytest.mark.parametrize("name", ["[", "[red]a[", ":smile:", "a\x1b[2J"])
def test_a_run_in_a_folder_of_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = "--cell gru --n-max 2 --units 8 --max-updates 10 --episodes 10 --out"
    assert main(["train", *options.split(), f"{name}/]"]) == 0
    assert f"Saved in {printable(name)}/]: checkpoint.safetensors" in capsys.readouterr().out
    assert main(["evaluate", f"{name}/]", "--episodes", "10"]) == 0


def test_a_folder_whose_name_is_no_utf_8_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--out", "a\udcff"])
    assert capsys.readouterr().err == (
        "python -m baselines train: error: argument --out: out must be a path of UTF-8 characters, got 'a\\udcff'\n"
    )
