"""``docs/reproduction.md``: what came of the experiments, generated from their results and never typed."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.checking import SettingsError
from baselines.files import replace_file, writing
from baselines.reproduction import folder, results, statements
from baselines.reproduction.catalogue import EXPERIMENTS

HEAD = """# Published results, reproduced

Written by `python -m baselines reproduce --report {name} --write {target}` from the results of the experiments, which
`python -m baselines reproduce NAME --scale small` (or `full`) runs; not to be edited.

Numbers in brackets are 95 % intervals of the mean over networks (Student's t). Published values are of networks of 500
units, most of them read off figures; ours at scale `small` are of smaller ones, so that the direction of an effect is
to be compared and not its size.

{rule}"""


def write(source: Path, target: Path) -> list[str]:
    """Write the page, and its figures into a folder beside it that has its name.

    Args:
        source: a folder of experiments.
        target: the page, a ``.md`` file.

    Returns:
        The experiments that are in it.

    Raises:
        SettingsError: there is nothing to write, or the target is no ``.md`` file.
        RunError: a result cannot be read, or the page cannot be written.
    """
    if target.suffix != ".md":
        raise SettingsError("write", f"write must be a .md file, got {target}")
    found = {one["name"]: one for one in folder.results(source)}
    if not found:
        raise SettingsError("report", f"report must be a folder with results of experiments, got {source}")
    known = [found[name] for name in EXPERIMENTS if name in found]
    rule = (
        " ".join((inspect.getdoc(statements) or "").split())
        .partition(". ")[2]
        .replace(" - ``", "\n- ``")
        .replace("\n- ", "\n\n- ", 1)
    )
    parts = [
        HEAD.format(name=source.name if source.is_absolute() else source, target=target, rule=rule.replace("``", "`"))
    ]
    parts += [_summary(known)]
    images = target.with_suffix("")
    with writing(images):
        images.mkdir(parents=True, exist_ok=True)
        for one in known:
            for figure in _figures(source / one["name"]):
                shutil.copyfile(figure, images / figure.name)
    parts += [_section(one, images.name if _figures(source / one["name"]) else "") for one in known]
    replace_file(target, ("\n\n".join(parts) + "\n").encode())
    return [one["name"] for one in known]


def _summary(known: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| experiment | question | scale | verdict |", "|---|---|---|---|"]
    lines += [
        f"| [{one['name']}](#{one['name']}) | {one['title']} | {one['scale']} | {one['verdict']} |" for one in known
    ]
    if missing := [name for name in EXPERIMENTS if name not in {one["name"] for one in known}]:
        lines += ["", f"Not run yet: {', '.join(missing)}."]
    return "\n".join(lines)


def _section(one: Mapping[str, Any], images: str) -> str:
    name = one["name"]
    parts = [
        f"## {name}",
        f"{one['title']} *Published*: {one['claim']} ({one['source']}.)",
        *([one["note"]] if one["note"] else []),
        results.text(one),
        *([f"![{name}: ours and published values]({images}/{name}.png)"] if images else []),
        made(one),
    ]
    return "\n\n".join(parts)


def _figures(results: Path) -> list[Path]:
    """The figure of an experiment, PNG and SVG; none where nothing was reached that could be drawn."""
    return sorted([*results.glob("*.png"), *results.glob("*.svg")])


def made(one: Mapping[str, Any]) -> str:
    """How the numbers came about: command, runs, seeds, CPU time and machine."""
    lines = [f"`python -m baselines reproduce {one['name']} --scale {one['scale']}`; runs:", ""]
    for runs in one["sets"]:
        settings = ", ".join(f"{name} {_word(value)}" for name, value in runs["settings"].items() if name != "budget")
        ends = ", ".join(f"{number} {word}" for word, number in runs["statuses"].items())
        seeds = ", ".join(map(str, runs["seeds"]))
        lines.append(
            f"- `{runs['name']}`: {settings}. {runs['runs']} runs ({ends}), seeds {seeds}, "
            f"{runs['cpu_seconds']:.0f} CPU seconds of training"
        )
    where = f"{one['cores']} cores of {' and '.join(one['processors'])}, torch {' and '.join(one['torch'])}"
    return "\n".join([*lines, "", f"Measuring took {one['measuring_cpu_seconds']:.0f} CPU seconds. Machine: {where}."])


def _word(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(_word(one) for one in value)
    if isinstance(value, dict):
        return " ".join(f"{name}={item}" for name, item in value.items()) or "none"
    return str(value)
