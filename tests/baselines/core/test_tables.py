"""Tables and CSV."""

from pathlib import Path

import pytest

from baselines.core.files import RunError
from baselines.core.tables import Column, Table, csv_text, read_csv


def test_a_table_is_written_by_its_columns() -> None:
    table = Table([Column("a", "first", "steps"), Column("b", "second")])
    table.add(a=[1.5, float("nan")], b="x, y")
    assert table.to_csv() == 'a,b\n1.5,"x, y"\n,"x, y"\n'
    assert table.describe()["a"] == {"unit": "steps", "meaning": "first"}
    with pytest.raises(ValueError, match=r"columns \['a', 'b'\], got \['a'\]"):
        table.add(a=1)
    with pytest.raises(ValueError, match=r"one length, got \[2, 3\]"):
        table.add(a=[1, 2], b=[1, 2, 3])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text(csv_text(("a", "b"), [(1, 'x, "y"\nz'), (None, "")]), newline="")
    assert read_csv(file) == [{"a": "1", "b": 'x, "y"\nz'}, {"a": "", "b": ""}]
    file.write_text("")
    assert read_csv(file) == []


def test_a_file_that_is_no_table_is_told(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    for content in (b"a,b\n1\n", b"a,b\n1,2,3\n", b"\xff\xfe\n", b'a,b\n1,"x\n'):
        file.write_bytes(content)
        with pytest.raises(RunError, match=r"table.csv cannot be read"):
            read_csv(file)
    with pytest.raises(RunError, match=r"none.csv cannot be read"):
        read_csv(tmp_path / "none.csv")
