"""Common parts of the speed measurements: tables as Markdown or JSON, the machine, and options of the command lines."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.core.files import replace_file, special

Row = dict[str, Any]
"""One row of a table: column -> value."""

ONE_THREAD = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")},
    "NPROC": "1",  # the size of XLA's own thread pool
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
"""Environment variables that hold a process to one thread."""


def machine(load: float) -> Row:
    """The processor, the number of cores and the load average before the measurement, as a row."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")]
    return {"cpu": (models or [platform.processor()])[0], "cores": os.cpu_count(), "load_average_before": load}


def shown(value: object) -> str:
    """The text of a table's cell: three significant digits, M for millions, "-" for NaN, empty for None."""
    if not isinstance(value, float):
        return "" if value is None else str(value).replace("|", "/")
    if math.isnan(value):
        return "-"
    return f"{value / 1e6:.3g} M" if value >= 1e4 else f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def markdown(sections: Mapping[str, list[Row]]) -> str:
    """The sections as Markdown tables, padded so that they are readable as plain text too. A note comes last."""
    lines: list[str] = []
    for title, rows in sections.items():
        header = sorted(dict.fromkeys(key for row in rows for key in row), key="note".__eq__)
        cells = [header, *([shown(row.get(key)) for key in header] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        cells.insert(1, ["-" * width for width in widths])
        lines += [
            f"## {title}",
            "",
            *("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in cells),
            "",
        ]
    return "\n".join(lines)


def without_nan(sections: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """The same sections with None in place of NaN, because JSON has no NaN."""
    return {
        title: [{key: None if value != value else value for key, value in row.items()} for row in rows]
        for title, rows in sections.items()
    }


SUFFIXES = (".md", ".json", ".csv")
"""What a report is written as; ``speed/results`` holds .csv files."""


def publish(sections: Mapping[str, list[Row]], out: Path | None) -> None:
    """Print the sections as Markdown and write them to ``out``, if it is given; a .csv file holds what was measured."""
    print(markdown(sections))
    if out is None:
        return
    if out.suffix == ".csv":
        rows = [
            row for title, held in without_nan(sections).items() if title not in ("machine", "versions") for row in held
        ]
        replace_file(out, csv_of(rows).encode())
    else:
        as_json = out.suffix == ".json"
        text = json.dumps(without_nan(sections), indent=1) + "\n" if as_json else markdown(sections)
        replace_file(out, text.encode())


def csv_of(rows: list[Row]) -> str:
    """Rows as the text of a CSV file, with a column for every key."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, dict.fromkeys(key for row in rows for key in row), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def check_out(parser: argparse.ArgumentParser, out: Path | None, *suffixes: str) -> None:
    """End the program with an error if ``out`` has none of the suffixes, is no file, or its folder does not exist."""
    if out is not None and (out.suffix not in suffixes or not out.parent.is_dir()):
        allowed = " or ".join([", ".join(suffixes[:-1]), suffixes[-1]]) if len(suffixes) > 1 else suffixes[0]
        parser.error(f"--out {out}: must end in {allowed} and lie in a folder that exists")
    if out is not None and (kind := special(out)):
        parser.error(f"--out {out}: must be a regular file or new, and is {kind}")


def whole(text: str) -> int:
    """The option's value as a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def positive(text: str) -> float:
    """The option's value as a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value
