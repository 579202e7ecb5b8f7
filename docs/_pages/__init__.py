"""Writes the pages of the documentation that follow from code and stored results, before Sphinx reads them.

A new task has its page, a new public name its entry and a new row its line without a word typed here. What is written
is not kept in git. Nothing in this package needs Sphinx, so that the everyday tests can hold it to what it promises.
"""

from __future__ import annotations

from pathlib import Path

from docs._pages import api, results, tasks


def write_all(docs: Path) -> list[Path]:
    """Write all generated pages and pictures.

    Args:
        docs: the folder of the documentation.

    Returns:
        What stands there now, whether or not this call had to change it.
    """
    return [*tasks.write(docs), *api.write(docs), *results.write(docs)]
