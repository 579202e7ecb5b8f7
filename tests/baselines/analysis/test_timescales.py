"""Timescales: of processes whose timescale is known, and of what has none."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from baselines.analysis.settings import DIVISORS, TimescaleSettings
from baselines.analysis.subject import Subject
from baselines.analysis.timescales import Timescales, decay_fits
from baselines.analysis.timescales.autocorrelation import Autocorrelation
from baselines.analysis.timescales.decay_fits import fit_double, fit_single
from baselines.analysis.timescales.time_constants import time_constants
from baselines.cells import GRU, LSTM, LeakyTauRNN, RateRNN
from baselines.core.settings import SettingsError
from baselines.core.tables import Table
from baselines.network import RecurrentNetwork
from memory_envs import FlipFlop, Parity
from tests.baselines.analysis.known_systems import Linear, filters, subject

LAGS = np.arange(31)


def slow_autocorrelation(x: torch.Tensor, lags: int, divisor: str) -> np.ndarray:
    """By FFT of the whole series with zero padding, the obvious way."""
    values = x.double().numpy()
    n = len(values)
    spectrum = np.fft.rfft(values - values.mean(0), 2 * n, axis=0)
    sums = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[: lags + 1]
    pairs = n - np.arange(lags + 1)[:, None] - (divisor == "published")
    return np.asarray((sums / pairs / (sums[0] / pairs[0])).T)


@pytest.mark.parametrize(
    ("lags", "blocks"),
    [(30, [1000]), (30, [7, 100, 893]), (30, [100] * 9 + [95]), (30, [20, 20]), (1, [33, 33, 34]), (2, [1] * 9)],
)
@pytest.mark.parametrize("divisor", DIVISORS)
def test_autocorrelation_in_blocks_is_that_of_the_whole(lags: int, blocks: list[int], divisor: str) -> None:
    x = 5 + 0.1 * torch.randn(sum(blocks), 4, generator=torch.Generator().manual_seed(0)).cumsum(0)
    running = Autocorrelation(lags)
    for block in torch.split(x, blocks):
        running.add(block)
    np.testing.assert_allclose(running.result(divisor).values, slow_autocorrelation(x, lags, divisor), atol=2e-6)


def test_silent_and_diverged_series_have_no_autocorrelation() -> None:
    x = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    x[:, 0], x[:, 1] = 0.1, 0.0
    x[300:, 2] = 1e30
    x[300, 2] = torch.inf
    running = Autocorrelation(5)
    for block in torch.split(x, 100):
        running.add(block)
    found = running.result()
    assert found.silent.tolist() == [True, True, False, False]
    assert found.diverged.tolist() == [False, False, True, False]
    assert np.isnan(found.values).all(1).tolist() == [True, True, True, False]


def test_too_few_steps_are_refused() -> None:
    running = Autocorrelation(30)
    running.add(torch.randn(31, 1))
    with pytest.raises(ValueError, match="more than lags \\+ 1 = 31 steps, got 31"):
        running.result()


def test_exact_decays_are_found_exactly() -> None:
    rng = np.random.default_rng(0)
    tau, a = rng.uniform(0.3, 95, 300), rng.uniform(0.2, 1, 300)
    fit = fit_single(a[:, None] * np.exp(-LAGS / tau[:, None]))
    np.testing.assert_allclose(fit.slow, tau, rtol=1e-5)
    np.testing.assert_allclose(fit.amplitude, a, rtol=1e-5)
    fast, share = rng.uniform(0.3, 8, 300), rng.uniform(0.05, 0.95, 300)[:, None]
    slow = np.minimum(fast * rng.uniform(2, 10, 300), 95)
    curves = share * np.exp(-LAGS / slow[:, None]) + (1 - share) * np.exp(-LAGS / fast[:, None])
    fit = fit_double(curves)
    np.testing.assert_allclose(fit.slow, slow, rtol=1e-4)
    np.testing.assert_allclose(fit.fast, fast, rtol=1e-3)
    np.testing.assert_allclose(fit.share, share[:, 0], atol=1e-3)
    np.testing.assert_allclose(fit.values(31), curves, atol=1e-6)
    assert not fit.failed.any()
    assert not (fit.at_lower | fit.at_upper).any()


def test_no_nearby_parameters_fit_better() -> None:
    """The minimum is one: of noisy curves, against all neighbours on a fine lattice."""
    rng = np.random.default_rng(1)
    curves = 0.9 * (0.4 * np.exp(-LAGS / 15) + 0.6 * np.exp(-LAGS / 2)) + 0.02 * rng.standard_normal((8, 31))
    fit = fit_double(curves)
    for scales in itertools.product((0.98, 1, 1.02), repeat=4):
        a, c = np.clip(fit.amplitude * scales[0], 0, 1), np.clip(fit.share * scales[1], 0, 1)
        slow, fast = (tau[:, None] * s for tau, s in ((fit.slow, scales[2]), (fit.fast, scales[3])))
        tried = a[:, None] * (c[:, None] * np.exp(-LAGS / slow) + (1 - c[:, None]) * np.exp(-LAGS / fast))
        assert (((curves - tried) ** 2).sum(1) >= fit.rss - 1e-12).all()


def test_bounds_and_failures_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    flat, none = np.ones((1, 31)), np.eye(1, 31)
    for fit in (fit_single, fit_double):
        found = fit(np.concatenate([flat, none]))
        assert found.at_upper.tolist() == [True, False]
    assert fit_single(none).at_lower.all()
    monkeypatch.setattr(decay_fits, "_MOST_STEPS", 1)
    noisy = np.exp(-LAGS / 5) + 0.05 * np.random.default_rng(0).standard_normal((3, 31))
    assert fit_single(noisy).failed.all()


SHORT = TimescaleSettings(steps=20_000, trials=10, burn_in=300, task_args={"p": 0.5})


def test_timescales_of_filtered_noise_are_known_to_5_percent() -> None:
    taus = [2.0, 5.0, 20.0]
    units = Timescales().measure(subject(filters(taus)), SHORT)["units"].where(way="cross-validated")
    assert units["model"].tolist() == ["single"] * 3
    np.testing.assert_allclose(units["tau_net"], taus, rtol=0.05)


@pytest.mark.parametrize(("fast", "slow", "weight"), [(2.0, 20.0, 1.0), (1.0, 10.0, 0.5)])
def test_timescales_of_sums_of_two_are_known_to_5_percent(fast: float, slow: float, weight: float) -> None:
    # Both filters share their noise: the slower decay has the share w_j sum_i w_i / (1 - a_i a_j), normalised.
    cell = filters([fast, slow], torch.tensor([[1.0, weight]]))
    a, w = np.exp(-1 / np.array([fast, slow])), np.array([1.0, weight])
    parts = w * (w[:, None] / (1 - a[:, None] * a)).sum(0)
    units = Timescales().measure(subject(cell), SHORT)["units"]
    assert units["model"].tolist() == ["double"] * 2  # in both ways
    np.testing.assert_allclose(units["tau_net"], slow, rtol=0.05)
    np.testing.assert_allclose(units["share"], (parts / parts.sum())[1], rtol=0.05)


def test_units_without_a_timescale_are_counted() -> None:
    a, b = torch.tensor([0.5, -0.5, 0.9, 0.999]), torch.tensor([[1.0], [1.0], [0.0], [1.0]])
    settings = TimescaleSettings(steps=3000, trials=4, task_args={"p": 0.5})
    tables = Timescales().measure(subject(Linear(a.diag(), b)), settings)
    units, summary = (tables[name].where(way="aic") for name in ("units", "summary"))
    assert units["model"][2] == "silent"
    assert units["at_lower"].tolist() == [False, True, False, False]
    assert units["at_upper"].tolist() == [False, False, False, True]
    assert np.isnan(units["tau_net"].astype(float)).tolist() == [False, False, True, False]
    assert [summary[name][0] for name in ("silent", "diverged", "at_lower", "at_upper")] == [1, 0, 1, 1]
    diverged = Timescales().measure(subject(Linear(torch.tensor([[1.5]]), torch.ones(1, 1))), settings)
    assert diverged["units"]["model"].tolist() == ["diverged"] * 2
    assert diverged["summary"]["diverged"].tolist() == [1, 1]


def test_means_leave_out_fits_at_the_bound_and_say_how_many() -> None:
    a, b = torch.tensor([0.7, 0.8, 0.9, 0.999]), torch.ones(4, 1)
    settings = TimescaleSettings(steps=3000, trials=4, task_args={"p": 0.5})
    tables = Timescales().measure(subject(Linear(a.diag(), b)), settings)
    units, summary = (tables[name].where(way="aic") for name in ("units", "summary"))
    taus = units["tau_net"]
    bound = units["at_upper"]  # the slowest, and those that noise made AIC fit with a second decay
    assert bound[3]
    assert not bound[:2].any()
    assert (summary["kept"][0], summary["left_out"][0]) == (4, bound.sum())
    for name, function in (("mean", np.mean), ("sd", np.std), ("median", np.median)):
        assert summary[f"tau_net_{name}"][0] == pytest.approx(function(taus[~bound]))
        assert summary[f"tau_net_{name}_published"][0] == pytest.approx(function(taus))
    assert summary["population_model"][0] == "bound"
    assert np.isnan(summary["tau_population"][0])
    figure = Timescales().draw(tables)
    assert f"{bound.sum()} of 4 fits end at the bound" in figure.axes[1].get_xlabel()


def test_probabilities_are_spaced_evenly_and_bits_are_the_networks_own(monkeypatch: pytest.MonkeyPatch) -> None:
    one = subject(filters([2.0]))
    shown: list[torch.Tensor] = []
    whole = one.network.unroll

    def watched(inputs: torch.Tensor, state: torch.Tensor) -> Any:
        shown.append(inputs)
        return whole(inputs, state)

    monkeypatch.setattr(one.network, "unroll", watched)

    def bits(seed: int = 0, **given: Any) -> torch.Tensor:
        shown.clear()
        settings = TimescaleSettings(steps=4000, trials=5, burn_in=0, **given)
        Timescales().measure(replace(one, seed=seed), settings)
        return torch.cat(shown)[..., 0]

    spaced = bits()
    np.testing.assert_allclose(spaced.mean(0), [0.1, 0.3, 0.5, 0.7, 0.9], atol=0.03)  # four standard errors
    assert not torch.equal(spaced, bits(seed=1))
    assert torch.equal(spaced, bits())
    np.testing.assert_allclose(bits(task_args={"p": 0.5}).mean(0), [0.5] * 5, atol=0.04)
    drawn = bits(probabilities="drawn")
    assert (abs(drawn.mean(0) - spaced.mean(0)) > 0.05).any()


def test_a_band_of_tau_lies_where_units_are() -> None:
    settings = TimescaleSettings(steps=400, trials=3)
    tables: dict[str, Any] = {}
    for n in (2, 3):
        cell = filters([2.0] * 10)
        cell.time_constants = torch.tensor([1.0] * 8 + [1.5, 9.0])  # mean 1.85, standard deviation 2.4
        for name, table in Timescales().measure(replace(subject(cell), task=Parity(N=n)), settings).items():
            tables.setdefault(name, Table(table.columns)).extend(table)
    tau = Timescales().draw(tables).axes[0]
    ends = np.concatenate([path.vertices for band in tau.collections for path in band.get_paths()])[:, 1]
    assert len(ends)
    assert ends.min() >= 1


def test_time_constants_of_the_cells() -> None:
    generator = torch.Generator().manual_seed(0)
    leaky = LeakyTauRNN(1, 5, tau=2.5, generator=generator)
    assert time_constants(leaky) == pytest.approx([2.5] * 5)
    assert time_constants(RateRNN(1, 4, a=0.25, generator=generator)) == pytest.approx([4.0] * 4)
    assert time_constants(GRU(1, 4, generator=generator)) is None


@pytest.mark.parametrize("kind", [GRU, LSTM])
def test_the_gate_tells_tau(kind: type[GRU] | type[LSTM]) -> None:
    """With a gate held at 1 - 1/tau by its bias alone, tau comes out."""
    taus = torch.tensor([1.25, 2.0, 10.0, 50.0])
    cell = kind(1, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_hh", "bias_ih"):
            getattr(cell, name)[4:8] = 0
        cell.bias_ih[4:8] = torch.logit(1 - 1 / taus)
    units = Timescales().measure(subject(cell), TimescaleSettings(steps=500, trials=3))["units"]
    assert units["tau"][:4] == pytest.approx(taus.tolist(), rel=1e-4)
    assert set(units["tau_source"]) == {"gate"}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (TimescaleSettings(steps=299), "steps must be at least 10 lags = 300 for a fit, got 299"),
        (TimescaleSettings(lags=2), "lags must be an integer from 4 to 1000, got 2"),
        (TimescaleSettings(divisor="n"), r"divisor must be one of \['pairs', 'published'\], got 'n'"),
        (TimescaleSettings(on="c"), r"^on must be among \['output', 'state'\] for this cell, got 'c'"),
        (
            TimescaleSettings(task_args={"bits": 2}),
            r"task_args must be among \['scoring', 'p'\] for parity, got 'bits'",
        ),
        (TimescaleSettings(device="tpu"), "device must be cpu, cuda or"),
    ],
)
def test_bad_settings_are_refused_before_any_computing(settings: TimescaleSettings, complaint: str) -> None:
    one = subject(filters([2.0]))
    one.cell.unroll = None  # type: ignore[assignment, method-assign]
    with pytest.raises(SettingsError, match=complaint):
        Timescales().measure(one, settings)


def test_inputs_of_another_size_are_refused() -> None:
    one = subject(Linear(torch.eye(2), torch.ones(2, 3)), FlipFlop(N=4))
    with pytest.raises(SettingsError, match=r"task_args must leave the 3 inputs of the network, .* with 2"):
        Timescales().measure(one, TimescaleSettings(task_args={"bits": 2}))


def test_the_figure_is_drawn_of_one_and_of_several_n() -> None:
    settings = TimescaleSettings(steps=400, trials=3)
    tables = Timescales().measure(subject(filters([2.0, 7.0])), settings)
    assert len(Timescales().draw(tables).axes) == 3
    for table in Timescales().measure(subject(filters([3.0, 7.0])), settings).items():
        table[1]._values["N"] = [3] * len(table[1])
        tables[table[0]].extend(table[1])
    figure = Timescales().draw(tables)
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)


def test_the_input_code_of_the_network_is_kept() -> None:
    """A network that is shown -1 and 1 is analysed with -1 and 1, not with 0 and 1."""
    seen: list[torch.Tensor] = []

    class Watched(Linear):
        def step(self, inputs: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            seen.append(inputs)
            return super().step(inputs, state)

    coded = RecurrentNetwork(Watched(torch.zeros(1, 1), torch.ones(1, 1)), 2, signed=True).requires_grad_(False)
    Timescales().measure(Subject(coded, Parity(N=2)), TimescaleSettings(steps=300, trials=1, burn_in=0))
    assert set(torch.cat(seen).flatten().tolist()) == {-1.0, 1.0}
