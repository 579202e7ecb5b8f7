"""Writing files of the documentation, Markdown tables and pictures."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

GENERATED = "_generated"
"""Folder, in the documentation, of pictures and of pieces that hand-written pages include."""

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "memory-envs",  # the same figure is the same file
}


def put(path: Path, content: str | bytes) -> Path:
    """Write a file unless it holds this already: Sphinx reads again what is newer."""
    data = content.encode() if isinstance(content, str) else content
    if not (path.is_file() and path.read_bytes() == data):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return path


def put_figure(path: Path, figure: Figure) -> Path:
    """Write a figure as SVG, letters as outlines: it looks the same in every browser, whatever fonts there are."""
    out = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": STYLE["svg.hashsalt"]}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return put(path, out.getvalue())


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; cells are turned into text, and a bar in a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
