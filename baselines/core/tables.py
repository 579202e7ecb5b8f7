"""Tidy tables: one row a case, columns with a unit and a meaning."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes:
        name: of the column.
        meaning: in words.
        unit: ``""`` for names, counts and shares.
    """

    name: str
    meaning: str
    unit: str = ""


class Table:
    """Rows under documented columns. Text, integers, numbers; NaN (empty in a file) where there is none.

    Args:
        columns: what the rows hold, in order.
        rows: to begin with, each by the names of all columns.
    """

    def __init__(self, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self.columns = tuple(columns)
        self._values: dict[str, list[Any]] = {column.name: [] for column in columns}
        for row in rows:
            self.add(**row)

    def __len__(self) -> int:
        return len(next(iter(self._values.values()), ()))

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """The values of a column."""
        return np.array(self._values[name])

    def add(self, **row: Any) -> None:
        """Append one row, or as many as the longest of the values has entries: single values go into each of them."""
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
        """As text: a line of names, then one line a row."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self._values)
        writer.writerows([_cell(value) for value in row] for row in zip(*self._values.values(), strict=True))
        return text.getvalue()

    def to_pandas(self) -> pandas.DataFrame:
        """As a data frame; its ``attrs`` hold unit and meaning of each column. Needs pandas."""
        import pandas

        frame = pandas.DataFrame(self._values)
        frame.attrs.update(self.describe())
        return frame

    def describe(self) -> dict[str, dict[str, str]]:
        """Unit and meaning of each column."""
        return {column.name: {"unit": column.unit, "meaning": column.meaning} for column in self.columns}


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.7g}"
    return value
