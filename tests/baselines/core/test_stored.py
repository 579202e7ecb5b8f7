"""What is read from JSON and TOML: limits of the reader, and the declarations of what files hold."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest

from baselines.core.files import MOST_DEPTH, RunError, read_json, read_toml
from baselines.core.stored import Number, check_stored

TEXTS: dict[str, tuple[bytes, str]] = {
    "brackets": (b'{"a": ' + b"[" * 100_000, "its lists and objects lie more than 32 deep in each other"),
    "whole brackets": (b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}", "its lists and objects lie more than 32 deep"),
    "objects": (b'{"a": ' * 100_000, "its lists and objects lie more than 32 deep in each other"),
    "empty": (b"", "Expecting value"),
    "cut": (b'{"a": 1', "Expecting"),
    "encoding": (b'{"a": "\xc3"}', "'utf-8' codec can't decode byte"),
    "byte order mark": (b"\xef\xbb\xbf{}", "Unexpected UTF-8 BOM"),
    "twice": (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the name 'c' comes twice"),
    "digits": (b'{"a": ' + b"9" * 10_000 + b"}", "Exceeds the limit|it has an integer"),
    "large": (b'{"a": [1' + b"0" * 60 + b"]}", "it has an integer of more than 128 bits"),
}


def test_json_is_read_within_limits(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"a": ' + "[" * (MOST_DEPTH - 1) + "]" * (MOST_DEPTH - 1) + ', "b": [1, NaN, "x"]}')
    assert list(read_json(file)) == ["a", "b"]


@pytest.mark.parametrize("what", TEXTS)
def test_what_is_beyond_them_is_one_line(what: str, tmp_path: Path) -> None:
    data, complaint = TEXTS[what]
    file = tmp_path / "a.json"
    file.write_bytes(data)
    with pytest.raises(RunError, match=f"^{re.escape(str(file))} cannot be read: ({complaint})") as refused:
        read_json(file)
    assert "\n" not in str(refused.value)
    with pytest.raises(RunError, match=r"a.json cannot be read: "):
        read_toml(file) if what != "empty" else read_json(file)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a = " + "[" * 100_000, "its lists and objects lie more than 32 deep|.*"),
        ("a = " + "[" * 100 + "]" * 100, "its lists and objects lie more than 32 deep"),
        (f"a = {10**60}", "it has an integer of more than 128 bits"),
        ("a = 1\na = 2", "Cannot overwrite"),
    ],
    ids=["brackets", "deep", "large", "twice"],
)
def test_toml_has_the_same_limits(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(RunError, match=f"a.toml cannot be read: ({complaint})"):
        read_toml(file)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [(os.mkdir, "Is a directory"), (os.mkfifo, "it is not a regular file")],
    ids=["folder", "pipe"],
)
def test_only_files_are_read(make: Callable[[Path], None], complaint: str, tmp_path: Path) -> None:
    """A pipe that nobody writes to would never end."""
    make(tmp_path / "a.json")
    with pytest.raises(RunError, match=f"a.json cannot be read: {complaint}"):
        read_json(tmp_path / "a.json")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "a.json", "wb") as file:
        file.truncate(2**33)  # it takes no space on the disk
    with pytest.raises(RunError, match=r"a.json cannot be read: it has 8589934592 bytes, and at most 67108864 "):
        read_json(tmp_path / "a.json")


class Inner(TypedDict):
    kind: Literal["a", "b"]
    n: int | None


class _Needed(TypedDict):
    count: int
    share: float


class Outer(_Needed, total=False):
    flag: bool
    name: str
    number: Number
    solved: dict[int, int]
    inner: Inner | None
    rows: list[list[int]]
    anything: dict[str, Any]


GOOD: dict[str, Any] = {
    "count": 2**64 - 1,
    "share": -1,
    "flag": False,
    "name": "x",
    "number": float("nan"),
    "solved": {"3": 4},
    "inner": {"kind": "b", "n": None},
    "rows": [[1], []],
    "anything": {"x": [None]},
    "of a later version": [],
}


def test_what_is_declared_is_let_pass() -> None:
    assert check_stored(GOOD, Outer, Path("a.json"), "a run") is GOOD
    assert check_stored({"count": 0, "share": 0.5, "inner": None}, Outer, Path("a.json"), "a run")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"count": True}, "count must be an integer of at least 0, got True"),
        ({"count": 1.0}, "count must be an integer of at least 0, got 1.0"),
        ({"count": -1}, "count must be an integer of at least 0, got -1"),
        ({"count": 2**64}, "count must be an integer of at least 0, got 18446744073709551616"),
        ({"share": float("inf")}, "share must be a finite number, got inf"),
        ({"share": "1"}, "share must be a finite number, got '1'"),
        ({"flag": 1}, "flag must be true or false, got 1"),
        ({"name": None}, "name must be a string, got None"),
        ({"solved": []}, r"solved must be an object, got \[\]"),
        ({"solved": {"x": 1}}, "solved must have numbers as names, got 'x'"),
        ({"solved": {"1": "y" * 99}}, r"solved.1 must be an integer of at least 0, got 'y{55}\.\.\.'"),
        ({"inner": {"kind": "c", "n": 1}}, "inner.kind must be 'a' or 'b', got 'c'"),
        ({"inner": {"kind": "a"}}, "it has no inner.n"),
        ({"inner": 3}, "inner must be an object or null, got 3"),
        ({"rows": [[1], 2]}, r"rows\[1\] must be a list, got 2"),
        ({"rows": [[1], [2, "\udcff"]]}, r"rows\[1\]\[1\] must be an integer of at least 0, got '\\udcff'"),
    ],
    ids=str,
)
def test_what_is_not_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RunError, match=f"^a.json is not that of a run: {complaint}$"):
        check_stored(GOOD | change, Outer, Path("a.json"), "a run")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(RunError, match=r"^a.json is not that of a run: it has no share$"):
        check_stored({"count": 1}, Outer, Path("a.json"), "a run")
