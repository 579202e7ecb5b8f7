"""Which runs form a group, what a group is called, and what is refused; figures of several groups."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.analysis import ANALYSES, Subject, Tables, analyse
from baselines.analysis.groups import check_runs, group_names
from baselines.analysis.settings import SETTINGS
from baselines.core.files import RunError
from baselines.core.settings import SettingsError
from baselines.core.style import distinct
from baselines.training.bptt_settings import Settings
from baselines.training.run import TrainingRun
from memory_envs import Parity
from tests.baselines.analysis.test_analyses import QUICK
from tests.baselines.small import make_network


def settings(**given: Any) -> Settings:
    """Settings as they are read from a run's folder: all values of the recipe are among the overrides."""
    asked = Settings(**given)
    return replace(asked, overrides=vars(asked.plan().recipe))


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        ([{"seed": 0}, {"seed": 1}], ["", ""]),
        ([{"budget": 5.0, "max_updates": 3}, {"episodes": 7, "keep_every": 2, "steps": 9}], ["", ""]),
        ([{"curriculum": "single-head"}, {}, {"seed": 4}], ["single-head", "multi-head", "multi-head"]),
        ([{"cell": "gru"}, {"cell": "leaky"}], ["gru", "leaky"]),
        ([{"n_max": 4}, {"n_max": 8}], ["n_max = 4", "n_max = 8"]),
        ([{"recipe": "paper"}, {"recipe": "fast"}], ["recipe = paper", "recipe = fast"]),
        ([{"overrides": {"units": 16}}, {"overrides": {"units": 32}}], ["units = 16", "units = 32"]),
        ([{"cell_args": {"tau": 2}}, {}], ["tau = 2", "usual tau"]),
        ([{"task_args": {"p": 0.3}}, {"task_args": {"p": 0.5}}], ["p = 0.3", "p = 0.5"]),
        (
            [{"cell": "gru", "n_max": 4}, {"cell": "gru", "n_max": 6}, {"cell": "leaky", "n_max": 4}],
            ["gru, n_max = 4", "gru, n_max = 6", "leaky, n_max = 4"],
        ),
        # The N follow from the curricula here: the curricula suffice to tell the groups apart.
        ([{"curriculum": "none-single", "n_max": 4}, {"n_max": 6}], ["none-single", "multi-head"]),
    ],
)
def test_groups_are_named_by_what_differs_between_them(runs: list[dict[str, Any]], names: list[str]) -> None:
    assert group_names([settings(**one) for one in runs]) == names


def trained(path: Path, **given: Any) -> Path:
    small = {"units": 8, "batch_size": 4, "test_every": 5}
    run = TrainingRun(Settings(out=path, n_max=3, max_updates=5, episodes=2, overrides=small, **given))
    for _ in run.train():
        pass
    run.finish()
    return path


def test_one_run_twice_and_two_tasks_are_refused_by_name(tmp_path: Path) -> None:
    one, other = trained(tmp_path / "one"), trained(tmp_path / "other", task="dms")
    link = tmp_path / "link"
    link.symlink_to(one)
    check_runs([one])
    for same in (one, link):
        with pytest.raises(SettingsError, match=rf"runs must differ, got one run twice: {one} {same}"):
            check_runs([one, same])
    with pytest.raises(SettingsError, match=r"runs must be of one task, got 'parity' \(.*one\) and 'dms' \(.*other\)"):
        check_runs([one, other])
    with pytest.raises(RunError, match=r"is not a run folder"):
        check_runs([tmp_path])


def subjects(groups: int, seeds: int, demands: tuple[int, ...]) -> list[Subject]:
    """Untrained networks: the same checkpoints for each group and seed."""
    found = []
    for group in range(groups):
        for seed in range(seeds):
            for n in demands:
                task = Parity(heads=tuple(range(2, n + 1)))
                network = make_network(task, 8, seed=10 * group + seed).requires_grad_(False)
                name = f"group {group}" if groups > 1 else ""
                found.append(Subject(network, task, f"run {group} {seed}", n, group=name, seed=seed))
    return found


def tables_of(name: str, *asked: Any) -> Tables:
    *_, tables = analyse(ANALYSES[name], subjects(*asked), SETTINGS[name](**QUICK[name]))
    return tables


COMPARED = [name for name in ANALYSES if name != "geometry"]


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("demands", [(3,), (2, 3)], ids=["one N", "two N"])
def test_groups_stand_side_by_side_in_one_figure(name: str, demands: tuple[int, ...]) -> None:
    tables = tables_of(name, 2, 3, demands)
    for table in tables.values():
        assert set(table["group"]) == {"group 0", "group 1"}
    figure = ANALYSES[name].draw(tables)
    figure.draw_without_rendering()
    words = [text.get_text() for one in figure.legends for text in one.get_texts()]
    words += [axes.get_title() for axes in figure.axes]  # of maps
    for group in ("group 0", "group 1"):
        assert any(group in word for word in words), (group, words)
    for one in figure.legends:  # a legend covers no panel
        box = one.get_window_extent()
        assert not any(box.overlaps(axes.bbox) for axes in figure.axes), name
    assert not any(axes.get_legend() for axes in figure.axes)


def test_networks_see_stimuli_of_their_own() -> None:
    """The same network under two seeds: what it is asked differs, and repeats."""
    (one,) = subjects(1, 1, (3,))
    asked = SETTINGS["forgetting"](**QUICK["forgetting"])

    def accuracies(seed: int) -> list[float]:
        table = ANALYSES["forgetting"].measure(replace(one, seed=seed), asked)["forgetting"]
        return list(table.where(readout="as trained")["accuracy"].tolist())

    assert accuracies(0) == accuracies(0) != accuracies(1)


def test_no_two_colours_are_alike() -> None:
    for count in range(1, 60):
        colours = {str(np.round(np.array(one), 6)) if not isinstance(one, str) else one for one in distinct(count)}
        assert len(colours) == count
