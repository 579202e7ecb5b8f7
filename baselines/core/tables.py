"""Tables whose columns have a unit and a meaning, and how they are written as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from baselines.core.files import RunError, open_text

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        name: the name of the column.
        meaning: what its values mean, in words.
        unit: the unit of its values; ``""`` for names, counts and shares.
    """

    name: str
    meaning: str
    unit: str = ""


class Table:
    """Rows under documented columns. A value is text, an integer or a number; NaN stands for a missing number.

    Args:
        columns: the columns, in order.
        rows: the first rows: each has a value for every column's name.
    """

    def __init__(self, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self.columns = tuple(columns)
        self._values: dict[str, list[Any]] = {column.name: [] for column in columns}
        for row in rows:
            self.add(**row)

    def __len__(self) -> int:
        return len(next(iter(self._values.values()), ()))

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """The values of a column, (rows,)."""
        return np.array(self._values[name])

    def add(self, **row: Any) -> None:
        """Append one row, or several at once: where values are lists, single values are repeated for each entry.

        Args:
            row: a value, or a list or array of values, for every column's name.

        Raises:
            ValueError: a column is missing or unknown, or lists differ in length.
        """
        if set(row) != set(self._values):
            raise ValueError(f"row must have the columns {list(self._values)}, got {list(row)}")
        lists = {name: np.asarray(value) for name, value in row.items()}
        lengths = {len(value) for value in lists.values() if value.ndim}
        if len(lengths) > 1:
            raise ValueError(f"row must have values of one length, got {sorted(lengths)}")
        length = lengths.pop() if lengths else 1
        for name, value in lists.items():
            self._values[name] += np.broadcast_to(value, length).tolist()

    def extend(self, other: Table) -> None:
        """Append the rows of a table with the same columns."""
        self.add(**other._values)

    def where(self, **equal: Any) -> Table:
        """The rows in which these columns have these values."""
        chosen: npt.NDArray[np.bool_] = np.ones(len(self), np.bool_)
        for name, value in equal.items():
            chosen &= self[name] == value
        return self.keep(chosen)

    def keep(self, chosen: npt.NDArray[np.bool_]) -> Table:
        """The rows that are chosen, (rows,) bool."""
        table = Table(self.columns)
        table._values = {
            name: [value for value, kept in zip(values, chosen, strict=True) if kept]
            for name, values in self._values.items()
        }
        return table

    def distinct(self, *names: str) -> list[tuple[Any, ...]]:
        """The different combinations of values in these columns, in the order in which they first appear."""
        return list(dict.fromkeys(zip(*(self._values[name] for name in names), strict=True)))

    def to_csv(self) -> str:
        """The table as CSV text: a line of names, then a line for each row; numbers to 7 digits, NaN empty."""
        rows = zip(*self._values.values(), strict=True)
        return csv_text(tuple(self._values), ([_field(value) for value in row] for row in rows))

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a data frame, whose ``attrs`` hold unit and meaning of each column. Needs pandas."""
        import pandas

        frame = pandas.DataFrame(self._values)
        frame.attrs.update(self.describe())
        return frame

    def describe(self) -> dict[str, dict[str, str]]:
        """Unit and meaning of each column."""
        return {column.name: {"unit": column.unit, "meaning": column.meaning} for column in self.columns}


def csv_text(names: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV text: a line of names, then a line for each row.

    Args:
        names: the names of the columns.
        rows: the values of each row, in the order of ``names``; None leaves a field empty.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, each as column's name -> text.

    Raises:
        RunError: the file is missing, is no text, or a row has more or fewer values than there are names.
    """
    try:
        names, *rows = [row for row in csv.reader(open_text(path), strict=True) if row] or [[]]
        return [dict(zip(names, row, strict=True)) for row in rows]
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"{path} cannot be read: {error}") from None


def _field(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.7g}"
    return value
