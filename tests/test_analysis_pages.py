"""Every analysis has a page with its figure, and every column of its tables is explained there or on the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from baselines.analysis import ANALYSES

PAGES = Path(__file__).parents[1] / "docs" / "analyses"
INDEX = (PAGES / "index.md").read_text()


def names(text: str) -> set[str]:
    """The words in backticks; `pc1` to `pc3` stands for `pc2`, too."""
    found = set(re.findall(r"`(\w+)`", text))
    for first, last in re.findall(r"`(\w+)` to `(\w+)`", text):
        stem = first.rstrip("0123456789")
        found |= {f"{stem}{i}" for i in range(int(first[len(stem) :]), int(last[len(stem) :]) + 1)}
    return found


@pytest.mark.parametrize("what", ANALYSES)
def test_the_page_of_an_analysis_explains_every_table_and_column_and_shows_its_figure(what: str) -> None:
    page = (PAGES / f"{what}.md").read_text()
    assert f"[`{what}`]({what}.md)" in INDEX
    assert f"--what {what}" in page
    shown = re.findall(r"!\[.{40,}\]\((.*?)\)", page)  # with words for those who do not see it
    assert len(shown) == 1
    assert (PAGES / shown[0]).is_file()
    explained = names(page) | names(INDEX)
    for table, columns in ANALYSES[what].columns.items():
        assert f"`{table}.csv`" in page
        missing = {column.name for column in columns} - explained
        # The second and the third eigenvalue are like the first.
        assert not {name for name in missing if not re.match(r"eigenvalue[23]_", name)}
