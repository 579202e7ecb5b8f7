"""Workflows, hooks, citation and texts for publishing agree with pyproject.toml, constraints.txt and the Makefile."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
PINS = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1] not in ("", "#")]
PYTHONS = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if re.fullmatch(r".*:: 3\.\d+", c)]


def load(path: str) -> Any:
    return YAML(typ="safe").load(ROOT / path)


WORKFLOWS = {path.stem: load(str(path)) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}


def test_the_tests_run_on_linux_and_macos_with_the_oldest_and_the_newest_python() -> None:
    matrix = WORKFLOWS["tests"]["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest", "macos-latest"]
    assert matrix["python"] == [PYTHONS[0], PYTHONS[-1]]
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_runs_what_exists(name: str) -> None:
    targets = re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE)
    for job in WORKFLOWS[name]["jobs"].values():
        if "uses" in job:
            assert (ROOT / job["uses"]).is_file()
        for step in job.get("steps", []):
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", step["uses"])
            elif step["run"].startswith("make "):
                assert step["run"].split()[1] in targets
            elif step["run"].startswith("."):
                assert (ROOT / step["run"]).stat().st_mode & 0o100


def test_only_the_job_that_publishes_may_prove_who_it_is() -> None:
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {"contents": "read"}
        rights = {job: spec["permissions"] for job, spec in workflow["jobs"].items() if "permissions" in spec}
        assert rights == ({"publish": {"id-token": "write"}} if name == "publish" else {})
    publish = WORKFLOWS["publish"]["jobs"]["publish"]
    assert publish["environment"] == "pypi"
    assert set(publish["needs"]) == {"tests", "build"}


def test_pre_commit_runs_the_linters_of_make_lint_from_the_same_environment() -> None:
    """Hooks that clone a repository would have versions of their own; these cannot differ from constraints.txt."""
    repositories = load(".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = [hook["entry"].replace(" --force-exclude", "") for hook in repositories[0]["hooks"]]
    recipe = MAKEFILE.split("\nlint:")[1].split("\n\n")[0].splitlines()[1:]
    commands = [line.strip().replace("$(BIN)", ".venv/bin").replace(" --check .", "") for line in recipe]
    assert len(hooks) == len(commands)
    for hook, command in zip(hooks, commands, strict=True):
        assert command.startswith(hook)


@pytest.mark.parametrize("python", [PYTHONS[0], PYTHONS[-1]])
def test_every_requirement_has_one_pin_for_each_python(python: str) -> None:
    environment = {"python_version": python, "extra": ""}
    asked = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in (Requirement(text) for texts in asked for text in texts):
        if requirement.name == PROJECT["name"] or (requirement.marker and not requirement.marker.evaluate(environment)):
            continue
        pins = [
            next(iter(pin.specifier)).version
            for pin in PINS
            if pin.name == requirement.name and (pin.marker is None or pin.marker.evaluate(environment))
        ]
        assert len(pins) == 1, f"constraints.txt: {requirement.name} has {len(pins)} pins for Python {python}"
        assert requirement.specifier.contains(pins[0]), f"{requirement} does not allow the pinned {pins[0]}"


def test_the_citation_names_this_version_and_both_papers() -> None:
    citation = load("CITATION.cff")
    assert (citation["title"], citation["version"]) == (PROJECT["name"], PROJECT["version"])
    assert (citation["license"], citation["authors"]) == (PROJECT["license"], PROJECT["authors"])
    assert citation["abstract"] == PROJECT["description"] + "."
    assert citation["keywords"] == PROJECT["keywords"]
    assert [(paper["authors"][0]["family-names"], paper["year"]) for paper in citation["references"]] == [
        ("Khajehabdollahi", 2024),
        ("Haputhanthri", 2025),
    ]


def test_the_entry_for_the_list_of_gymnasium_keeps_to_its_template() -> None:
    text = (ROOT / "docs" / "third-party-environments.md").read_text()
    entry = re.findall(r"```markdown\n(.*?)```", text, re.DOTALL)[0]
    title, badge, description = entry.strip().split("\n\n")
    assert title.startswith(f"- [{PROJECT['name']}: ")
    oldest = next(r.removeprefix("gymnasium>=") for r in PROJECT["dependencies"] if r.startswith("gymnasium"))
    assert badge == f"  ![Gymnasium version dependency](https://img.shields.io/badge/Gymnasium-%3E%3D{oldest}-blue)"
    assert 2 <= len(re.findall(r"\.(?= |$)", description)) <= 5
