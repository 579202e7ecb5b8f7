"""``docs/reproduction.md``: the page of the experiments, generated from their results and never typed."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.core.files import foreign_entry, inside, replace_files, special
from baselines.core.settings import SettingsError
from baselines.reproduction import claims, folder, results
from baselines.reproduction.experiments import EXPERIMENTS

ENDS = {
    "solved": "solved all that was asked",
    **dict.fromkeys(("updates", "limit"), "ended unsolved at the limit of updates"),
    "budget": "ended unsolved at the limit of time",
    "steps": "ended unsolved at the limit of steps",
    "diverged": "ended as the loss was no longer finite",
}
"""How a run ended, in words."""

ENDINGS = (".png", ".svg")

HEAD = """# Published results, reproduced

Written by `python -m baselines reproduce --report {name} --write {target}` from the results of the experiments, which
`python -m baselines reproduce NAME --scale small` (or `full`) runs; not to be edited.

**The tables.** Ours is the mean over networks, which differ in their seed alone; in brackets its 95 % interval
(Student's t, which may reach beyond what is possible, such as an accuracy of 1), missing where there is one network;
`-`: not measured, or not published. Not every network comes to the last N, so that means at different N may be of
different networks; statements compare within networks. *At least* marks a mean with runs in it that ended at the
largest N, or update, asked for. Published values are of networks of 500 units, most of them read off figures; ours at
scale `small` are of smaller ones, so that the direction of an effect is to be compared and not its size. Recipe `paper`
trains as published (SGD, the answer after the last step alone); recipe `trials` is ours (Adam, the answer after every
step).

**The figures.** Points are means over networks, or single networks where there is a row for each kind; shaded are the
95 % intervals of three networks or more (of two they would hide the rest); hollow diamonds are published.

**The verdicts** follow from the numbers by a rule alone. {rule}

Each statement is judged by itself: of 40 that do not hold, one would be found to agree by chance, and one to differ.
Scale `small` began with three networks, and has five since the first verdicts were seen, in every experiment alike:
this makes such chances somewhat larger. An experiment *agrees*, *differs* and so on where all its statements do, and
*in part* where some do."""


def write(source: Path, target: Path) -> list[str]:
    """Write the page, and its figures into a folder beside it that has its name.

    Args:
        source: a folder of experiments.
        target: the page, a ``.md`` file.

    Returns:
        The experiments that are in it.

    Raises:
        SettingsError: there is nothing to write, or the target is not a ``.md`` file or cannot be written.
        RunError: a result cannot be read, or the page cannot be written.
    """
    _check_page(target)
    found = {one["name"]: one for one in folder.read_results(source)}
    known = [found[name] for name in EXPERIMENTS if name in found]
    if not known:
        raise SettingsError("report", f"report must be a folder with results of experiments, got {source}")
    rule = (inspect.getdoc(claims) or "").partition("\n\n")[2].replace("``", "`")
    # A page must not name the paths of a machine.
    names = [path.name if path.is_absolute() else path for path in (source, target)]
    parts = [HEAD.format(name=names[0], target=names[1], rule=rule)]
    parts += [_summary(known)]
    images = target.with_suffix("")
    try:
        images.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            "write", f"write must be a .md file in a folder to write in, got {target} ({error.strerror})"
        ) from None
    drawn = dict[Path, bytes]()
    for one in known:
        figures = _figures(source / one["name"])
        drawn |= {inside(images, figure.name): figure.read_bytes() for figure in figures}
        parts.append(_section(one, images.name if figures else ""))
    replace_files(drawn | {target: ("\n\n".join(parts) + "\n").encode()})
    return [one["name"] for one in known]


def _summary(known: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| experiment | question | scale | verdict | statements |", "|---|---|---|---|---|"]
    lines += [
        f"| [{one['name']}](#{one['name']}) | {one['title']} | {one['scale']} | {one['verdict']} | "
        f"{results.tally(one)} |"
        for one in known
    ]
    if missing := [name for name in EXPERIMENTS if name not in {one["name"] for one in known}]:
        lines += ["", f"Not run to its end yet, and left out here: {', '.join(missing)}."]
    return "\n".join(lines)


def _section(one: Mapping[str, Any], images: str) -> str:
    name = one["name"]
    parts = [
        f"## {name}",
        f"{one['title']} *Published*: {one['claim']} ({one['source']}.)",
        *([one["note"]] if one["note"] else []),
        *([EXPERIMENTS[name].redefined] if one.get("definitions", 1) < EXPERIMENTS[name].definitions else []),
        results.text(one),
        *([f"![{name}: ours and published values]({images}/{name}.png)"] if images else []),
        origin(one),
    ]
    return "\n\n".join(parts)


def _figures(results: Path) -> list[Path]:
    """The files of an experiment's figure, PNG and SVG; none where there was nothing to draw."""
    files = [inside(results, f"{results.name}{ending}") for ending in ENDINGS]
    return [file for file in files if file.is_file()]


def _check_page(target: Path) -> None:
    """Refuse a page, or a folder of its figures, that would take the place of something else (``SettingsError``)."""
    if target.suffix != ".md" or special(target):
        raise SettingsError("write", f"write must be a .md file, got {target}")
    if target.exists() and not target.read_bytes().startswith(HEAD.partition("\n")[0].encode()):
        raise SettingsError("write", f"write must be a new .md file or such a page, got {target}, another page")
    images = target.with_suffix("")
    own = {f"{name}{ending}" for name in EXPERIMENTS for ending in ENDINGS}
    if images.is_dir() and (strange := foreign_entry(images, *own)):
        raise SettingsError("write", f"write must leave the folder {images} to its figures, and it holds {strange}")


def origin(one: Mapping[str, Any]) -> str:
    """Where the numbers of a result come from: command, runs, seeds, CPU time and machine."""
    lines = [f"`python -m baselines reproduce {one['name']} --scale {one['scale']}`; runs:", ""]
    for runs in one["sets"]:
        settings = ", ".join(f"{name} {_word(value)}" for name, value in runs["settings"].items() if name != "budget")
        ends = ", ".join(f"{number} {ENDS.get(word, word)}" for word, number in runs["statuses"].items())
        seeds = ", ".join(map(str, runs["seeds"]))
        lines.append(
            f"- `{runs['name']}`: {settings}. {runs['runs']} runs ({ends}), seeds {seeds}, "
            f"{runs['cpu_seconds']:.0f} CPU seconds of training"
        )
    where = f"{one['cores']} cores of {' and '.join(one['processors'])}, torch {' and '.join(one['torch'])}"
    lines += ["", f"Measuring took {one['measuring_cpu_seconds']:.0f} CPU seconds. Machine: {where}."]
    if unknown := [runs["name"] for runs in one["sets"] if not runs["machine_known"]]:
        lines[-1] += f" The rows of {' and '.join(unknown)} do not say where they were trained."
    return "\n".join(lines)


def _word(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(_word(one) for one in value)
    if isinstance(value, dict):
        return " ".join(f"{name}={item}" for name, item in value.items()) or "none"
    return str(value)
