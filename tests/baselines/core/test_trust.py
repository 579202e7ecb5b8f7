"""A name of code that was read from a file is imported only if the user trusts it."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from baselines.core.process import import_object
from baselines.core.trust import VARIABLE, StoredName, UntrustedError, is_code_name, stored_name, trust, trusted


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module on the path that leaves a file when it is imported; and nobody trusted."""
    code = "import pathlib\npathlib.Path(__file__).with_name('RAN').touch()\nclass C:\n    class Inner:\n        pass\n"
    (tmp_path / "sent_payload.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delitem(sys.modules, "sent_payload", raising=False)
    return tmp_path / "RAN"


def test_a_stored_name_is_refused_before_it_is_imported(sent: Path) -> None:
    name = stored_name("sent_payload:C", Path("runs/x/config.json"))
    with pytest.raises(UntrustedError) as refused:
        import_object(name)
    assert str(refused.value) == (
        "runs/x/config.json names code of others, 'sent_payload:C', which is imported only if you trust it: add "
        "--trust sent_payload:C (or put the name into MEMORY_ENVS_TRUST; in Python, call baselines.core.trust.trust)"
    )
    assert not sent.exists()
    assert "sent_payload" not in sys.modules


def test_it_is_imported_when_it_is_trusted_by_its_whole_name(sent: Path) -> None:
    trust("sent_payload:Other", "sent_payload:C")
    with pytest.raises(UntrustedError):
        import_object(stored_name("sent_payload:C.Inner", Path("config.json")))
    assert not sent.exists()
    assert import_object(stored_name("sent_payload:C", Path("config.json"))).__name__ == "C"  # type: ignore[attr-defined]
    assert sent.exists()


def test_the_environment_trusts_for_good(sent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, " other:Cell \n sent_payload:C ")
    assert import_object(stored_name("sent_payload:C", Path("config.json")))
    assert trusted() == {"other:Cell", "sent_payload:C"}


def test_what_was_asked_for_by_name_is_trusted_from_then_on(sent: Path) -> None:
    assert trusted() == frozenset()
    import_object("sent_payload:C")
    assert trusted() == {"sent_payload:C"}
    assert import_object(stored_name("sent_payload:C", Path("config.json")))


def test_a_stored_name_is_not_looked_for_in_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside_me.py").write_text("class C:\n    pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "beside_me:C")
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one not in ("", str(tmp_path))])
    with pytest.raises(ModuleNotFoundError):
        import_object(stored_name("beside_me:C", Path("config.json")))
    assert import_object("beside_me:C")


@dataclass
class Holder:
    cell: str


def test_the_mark_stays_wherever_the_name_goes() -> None:
    name = stored_name("mine:Cell", Path("a.json"))
    (listed,) = stored_name(["mine:Cell"], Path("a.json"))
    passed = [listed, copy.deepcopy(name), pickle.loads(pickle.dumps(name)), asdict(Holder(name))["cell"]]
    for one in passed:
        assert isinstance(one, StoredName)
        assert (one, one.file) == ("mine:Cell", Path("a.json"))
    assert json.dumps({"cell": name}) == '{"cell": "mine:Cell"}'
    assert stored_name(3, Path("a.json")) == 3


@pytest.mark.parametrize(
    "name",
    ["", "a", "a:", ":a", "a:b c", "a b:c", "./a:b", ".a:b", "a.:b", "a:b:c", "a:b\n", "a;b:c", "a:\udcff", 3, None],
)
def test_what_is_no_name_of_code_cannot_be_trusted(name: object) -> None:
    assert not is_code_name(name)
    if isinstance(name, str):
        with pytest.raises(ValueError, match=r"trust must be package.module:ClassName, got "):
            trust(name)


def test_names_of_code() -> None:
    assert all(map(is_code_name, ("a:b", "a.b_1.c:D", "a:b.c", "examples.08_a-b:C")))


def test_a_stored_name_of_another_form_is_not_imported(tmp_path: Path) -> None:
    for name in ("json", "json:", "json.dumps", "json:dumps()"):
        with pytest.raises(ImportError, match="is not of the form"):
            import_object(stored_name(name, tmp_path / "config.json"))
