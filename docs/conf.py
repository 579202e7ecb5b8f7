"""Configuration of the documentation site: ``make docs`` builds it, offline, with warnings as errors."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from pathlib import Path
from typing import Any, get_origin

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import imagesize  # noqa: E402
import numpy.typing as npt  # noqa: E402
from docutils import nodes  # noqa: E402
from sphinx.util.typing import stringify_annotation  # noqa: E402

import memory_envs  # noqa: E402
from docs import _pages  # noqa: E402
from docs._pages import api  # noqa: E402

project = "memory-envs"
author = "the memory-envs authors"
copyright = author
release = version = memory_envs.__version__

# No intersphinx: it reads the other projects' inventories from the network at build, and this site is built offline.
# So names of other projects stay plain text; every reference to a name of ours must be found.
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
smartquotes = False  # options and code in prose keep their dashes and quotes
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(abc|argparse|collections|dataclasses|enum|pathlib|signal|typing)\..*|Path"),
    ("py:.*", r"(gymnasium|matplotlib|numpy|pandas|rich|sb3_contrib|stable_baselines3|torch)\..*"),
    ("py:.*", r"ArrayLike|Figure|NDArray"),
    ("py:class", "optional"),  # in a docstring of torch that a class inherits
    ("py:.*", r"(baselines|memory_envs)\..*\.[A-Z]"),  # type variables
    ("py:.*", r"baselines\.ppo\.policy\.Evaluated"),  # a name for a tuple that Stable-Baselines3 asks for
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_generated/*.md"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
toc_object_entries = False  # the headings of a page are the names already
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"memory-envs {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False

if (ROOT / "examples" / "tutorials").is_dir():
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": "../examples/tutorials",
        "gallery_dirs": "tutorials",
        "filename_pattern": r"\.py$",  # all of them run
        "abort_on_example_error": True,
        "within_subsection_order": "FileNameSortKey",
        "write_computation_times": False,
    }


def mend_docstring(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Make a docstring fit for autodoc and Napoleon."""
    lines[:] = api.escape("\n".join(lines)).split("\n")
    if "Attributes:" in lines:  # two names in one entry: Napoleon would take the first for the type of the second
        start = lines.index("Attributes:")
        lines[start:] = [re.sub(r"^ +\w+(, \w+)+: ", lambda m: m[0].replace(", ", ","), line) for line in lines[start:]]
    if what == "class" and dataclasses.is_dataclass(value) and "Attributes:" not in lines:
        helps = {field.name: field.metadata["help"] for field in dataclasses.fields(value) if "help" in field.metadata}
        lines += (
            ["", "Attributes:", *(f"    {name}: {api.escape(words)}" for name, words in helps.items())] if helps else []
        )
    if what in ("attribute", "property"):
        lines[:0] = ["..", ""]  # an empty comment: Napoleon takes the words before a colon in the first line for a type
    if what == "class" and issubclass(value, memory_envs.Task) and value is not memory_envs.Task:
        del lines[next(i for i, line in enumerate(lines) if line.startswith("## ")) :]  # Markdown: on its own page


def shorten_signature(
    app: Any, what: str, name: str, value: Any, options: Any, arguments: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Write NumPy's types by the names that they have in the code, not by what these stand for."""

    def short(text: str | None) -> str | None:
        if text is None:
            return None
        # What stands for a default that is made anew each time is no Python, and Sphinx would not parse the rest.
        return ARRAY.sub(r"NDArray[\1]", text.replace(ARRAY_LIKE, "ArrayLike").replace("<factory>", "..."))

    return short(arguments), short(returned)


def shorten_bases(app: Any, name: str, value: Any, options: Any, bases: list[Any]) -> None:
    """Name the classes that another extends without type parameters, and the nearest public ones only."""

    def known(one: type) -> bool:
        ours = one.__module__.split(".")[0] in ("baselines", "memory_envs")
        return not ours or f"{one.__module__}.{one.__qualname__}" in ADDRESSES

    plain = [get_origin(base) or base for base in bases]
    # ``TypedDict`` is a function: what it declares is a dictionary.
    bases[:] = [next(filter(known, base.__mro__)) if isinstance(base, type) else dict for base in plain]


def scroll_wide_pictures(app: Any, doctree: nodes.document) -> None:
    """Mark what holds a wide picture: on a narrow screen it scrolls sideways, where the letters would be too small."""
    for picture in doctree.findall(nodes.image):
        width, _ = imagesize.get(str(Path(app.srcdir) / picture["uri"]))
        if width > WIDE:
            picture.parent["classes"].append("scroll")


def find_reference(app: Any, env: Any, node: Any, text: Any) -> Any:
    """Lead a reference to the module in which something is defined to where the reference documents it."""
    public = ADDRESSES.get(node.get("reftarget"))
    if public in (None, node.get("reftarget")) or node.get("refdomain") != "py":
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], public, node, text)


WIDE = 800  # pixels
ARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[~?typing\.Any, \.\.\.\], ~?numpy\.dtype\[(~?[\w.]+)\]\]")
ARRAY_LIKE = stringify_annotation(npt.ArrayLike, "smart")
ADDRESSES = {where: f"{module}.{name}" for module, names in api.public().items() for name, where in names.items()}


def setup(app: Any) -> None:
    """Write the generated pages before Sphinx looks for pages."""
    _pages.write_all(DOCS)
    app.connect("autodoc-process-docstring", mend_docstring, priority=400)  # before Napoleon's
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("autodoc-process-bases", shorten_bases)
    app.connect("doctree-read", scroll_wide_pictures)
    app.connect("missing-reference", find_reference)
