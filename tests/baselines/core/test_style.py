"""What figures have in common: numbers at logarithmic axes, intervals that are shown, legends beside the panels."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from baselines.core import style
from baselines.core.statistics import over_networks
from baselines.core.tables import Column, Table


@pytest.mark.parametrize(
    ("low", "high"), [(0.13, 0.15), (0.3, 0.7), (0.012, 0.2), (1.0, 9.0), (0.1, 100.0), (1e-7, 3.0)]
)
@pytest.mark.parametrize("which", ["x", "y"])
def test_logarithmic_axes_have_numbers(low: float, high: float, which: str) -> None:
    figure, (axes,) = style.panels(["one"])
    values = np.geomspace(low, high, 5)
    axes.plot(*((values, np.arange(5)) if which == "x" else (np.arange(5), values)))
    axis = axes.xaxis if which == "x" else axes.yaxis
    style.log_axis(axis)
    figure.draw_without_rendering()
    begin, end = axis.get_view_interval()
    shown = [
        label.get_text()
        for label, at in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)
        if begin <= at <= end
    ]
    assert 2 <= len([text for text in shown if text]) <= 12, shown
    assert [float(text) for text in shown if text] == pytest.approx(
        [at for at in axis.get_ticklocs() if begin <= at <= end]
    )


def table(networks: int) -> Table:
    """One value of 1.1 or 1.3 at either of two x for each network."""
    columns = [Column(name, name) for name in ("run", "x", "y")]
    rows = [{"run": f"{i}", "x": x, "y": 1.1 + 0.2 * (i % 2)} for i in range(networks) for x in (1, 2)]
    return over_networks(Table(columns, rows), ["x"], "y")


def test_intervals_are_shown_of_three_networks_on_and_within_what_can_be() -> None:
    assert np.isnan(style.intervals(table(1))).all()
    assert np.isnan(style.intervals(table(2))).all()
    assert np.isfinite(table(2)["low"]).all()  # the table has it
    low, high = style.intervals(table(3))
    assert (low < 1).all()
    assert (style.intervals(table(3), (1.0, np.inf))[0] == 1).all()
    _, (axes,) = style.panels(["one"])
    style.line(axes, table(3), "words", style.look(0), "x", (1.0, np.inf))
    (band,) = (one for one in axes.collections if isinstance(one, PolyCollection))
    edges = np.asarray(band.get_paths()[0].vertices, float)[:, 1]
    assert edges.min() == 1
    assert edges.max() == pytest.approx(high[0])


def test_a_matplotlibrc_of_the_current_directory_changes_no_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @style.styled
    def drawn() -> Figure:
        return style.panels(["one"], "a title")[0]

    def files(name: str) -> list[bytes]:
        return [path.read_bytes() for path in style.save(drawn(), tmp_path / name)]

    expected = files("usual")
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: red\nsavefig.dpi: 10\n")
    monkeypatch.chdir(tmp_path)
    with matplotlib.rc_context(fname=matplotlib.matplotlib_fname()):
        assert matplotlib.rcParams["text.usetex"]
        assert files("other") == expected


def test_a_legend_of_all_has_each_word_once_and_covers_nothing() -> None:
    figure, panels = style.panels(["one", "two"])
    for axes in panels:
        for index in range(3):
            axes.plot([0, 1], [index, 1], label=f"line {index}", **style.look(index))
        axes.plot([0, 1], [0, 0], label="")
    style.legend_of_all(figure, 2)
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["line 0", "line 1", "line 2"]
    assert not any(legend.get_window_extent().overlaps(axes.bbox) for axes in panels)
