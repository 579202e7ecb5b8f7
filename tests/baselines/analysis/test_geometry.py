"""Geometry: on systems whose answers are known: a latch, a linear integrator, a rotation, the logistic map."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from baselines.analysis import Subject, Table
from baselines.analysis.geometry import Geometry, figure, measurement, restructuring
from baselines.analysis.geometry.components import components, principal_angles
from baselines.analysis.geometry.fixed_points import find_points, jacobians, starting_states
from baselines.analysis.geometry.lyapunov import largest_exponent
from baselines.analysis.geometry.memory_states import distances, held, memory_states
from baselines.analysis.settings import GeometrySettings
from baselines.analysis.subject import load
from baselines.cells import Cell
from baselines.core.settings import SettingsError
from baselines.network import RecurrentNetwork
from baselines.training.bptt_settings import Settings
from baselines.training.run import TrainingRun
from memory_envs import DelayedAddition, EvidenceAccumulation, FlipFlop, Parity
from tests.attack.fixed_points import attempts
from tests.baselines.analysis.known_systems import Linear, subject
from tests.baselines.small import CELL_CASES, make_cell

GAIN, DRIVE = 1.5, 3.0


class Latches(Cell):
    """Independent units s(t) = tanh(GAIN s(t-1) + DRIVE x(t)): each holds the sign of its last pulse."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.state_size = self.output_size = self.input_size = units
        self.gain = torch.nn.Parameter(torch.tensor(GAIN))

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.gain * state + DRIVE * inputs)
        return state, state


def latches(bits: int = 3) -> Subject:
    """A network that solves the flip-flop: the readout of each bit sees its latch."""
    task = FlipFlop(N=6, bits=bits)
    network = RecurrentNetwork(Latches(bits), 2)
    for bit in range(bits):
        readout = network.add_readout(str(bit))
        with torch.no_grad():
            readout.bias.zero_()
            readout.weight.zero_()[1, bit] = 1
    return Subject(network.requires_grad_(False), task)


def rest() -> float:
    """The positive solution of s = tanh(GAIN s)."""
    s = 1.0
    for _ in range(200):
        s = math.tanh(GAIN * s)
    return s


def test_a_latch_of_three_bits_has_eight_stable_points_and_nineteen_others() -> None:
    cell = Latches(3).requires_grad_(False)
    starts = 2 * torch.rand(2000, 3, generator=torch.Generator().manual_seed(0)) - 1
    points = find_points(cell, torch.zeros(3), starts, starts)
    level = rest()
    assert (points.kinds == "stable").sum() == 8
    assert (points.kinds == "unstable").sum() == 27 - 8  # every coordinate is -level, 0 or level
    nearest = np.array([-level, 0, level])
    assert np.abs(points.states[..., None] - nearest).min(-1).max() < 1e-6
    slopes = np.where(np.abs(points.states) < 0.1, GAIN, GAIN * (1 - level**2))  # GAIN (1 - s^2)
    np.testing.assert_allclose(np.abs(points.eigenvalues), -np.sort(-slopes, axis=1), rtol=1e-4)
    np.testing.assert_array_equal(points.unstable, (np.abs(points.states) < 0.1).sum(1))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_a_hand_built_rate_network_of_three_bits_has_its_points_whatever_the_seed(seed: int) -> None:
    """r(t) = (1 - a) r(t-1) + a tanh(g r(t-1) + x(t)) in each unit; 27 points: r = tanh(g r), 19 unstable."""
    cell: Any = make_cell("rate", {"a": 0.5}, inputs=3, units=6)
    with torch.no_grad():
        cell.weight.copy_(torch.tensor([GAIN, GAIN, GAIN, 0.5, 0.5, 0.5]).diag())
        cell.input_weight.copy_(torch.cat([DRIVE / 0.5 * torch.eye(3), torch.zeros(3, 3)]))
        cell.bias.zero_()
    network = RecurrentNetwork(cell, 2)
    for bit in range(3):
        network.add_readout(str(bit), torch.Generator().manual_seed(bit))
    one = Subject(network.requires_grad_(False), FlipFlop(N=6))
    tables = Geometry().measure(one, GeometrySettings(exponent_steps=5, seed=seed))
    row, points = tables["geometry"], tables["points"]
    assert row["stable"].tolist() == [8]
    assert 6 <= row["stable_both"][0] <= 8
    assert 18 <= row["unstable"][0] <= 19
    assert row["unstable"][0] <= row["unstable_expected"][0] < 21
    fixed = points.keep(points["kind"] != "slow")
    assert fixed["starts"].min() >= 1
    assert fixed["starts"].sum() == row["arrived"][0] <= row["starts"][0] == 200
    assert (fixed["searches"] == 2).sum() == row["stable_both"][0] + row["unstable_both"][0]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_random_networks_of_known_fixed_points_are_found_whole(seed: int) -> None:
    held = [found for _, found in attempts(seed, 6)]
    assert sum(held) >= 5


@pytest.mark.slow
def test_the_points_of_a_trained_flip_flop_do_not_depend_on_the_seed(tmp_path: Path) -> None:
    """Eight stable points, and all saddles that a search of many more starts finds, but one at most."""
    asked: dict[str, Any] = {"task": "flip-flop", "task_args": {"pulse_probability": 0.05}, "cell": "rate", "n_max": 24}
    settings = Settings(
        out=tmp_path, curriculum="none-single", threshold=0.998, episodes=2, overrides={"units": 64}, **asked
    )
    run = TrainingRun(settings)
    list(run.train())
    run.finish()
    (one,) = load([tmp_path], "latest")
    whole = Geometry().measure(one, GeometrySettings(points=700, exponent_steps=2))["geometry"]
    assert whole["unstable_both"][0] == whole["unstable"][0] > 8
    for seed in range(5):
        row = Geometry().measure(one, GeometrySettings(exponent_steps=2, seed=seed))["geometry"]
        assert row["stable"][0] == whole["stable"][0]
        assert whole["unstable"][0] - 1 <= row["unstable"][0] <= whole["unstable"][0]


def test_starts_lie_on_near_and_between_what_is_visited() -> None:
    visited = torch.tensor([[0.0, 0.0], [8.0, 0.0]])
    starts = starting_states(visited, 400, torch.Generator().manual_seed(0))
    between, on, noisy = starts[::2], starts[1::4], starts[3::4]
    assert set(between[:, 1].tolist()) == {0.0}
    assert set(on.flatten().tolist()) == {0.0, 8.0}
    inner = between[(between[:, 0] != 0) & (between[:, 0] != 8), 0]  # else both ends were one state
    assert 2 <= inner.min() < 2.2
    assert 5.8 < inner.max() <= 6
    noise = noisy[:, 1]
    assert noise.square().mean().sqrt() == pytest.approx(4 / math.sqrt(2), rel=0.15)  # the spread is 4


@pytest.mark.parametrize("which", ["held", "visited", "starts"])
def test_points_are_not_sought_from_nan(which: str) -> None:
    given: dict[str, Any] = {"held": torch.zeros(3), "visited": torch.rand(9, 3), "starts": torch.rand(4, 3)}
    given[which].view(-1)[1] = math.nan
    with pytest.raises(ValueError, match=f"{which} must be finite, got 1 numbers that are not"):
        find_points(Latches(3).requires_grad_(False), **given)


def test_the_flip_flops_eight_points_answer_its_eight_memory_states() -> None:
    tables = Geometry().measure(latches(), GeometrySettings(points=60, exponent_steps=50))
    row, points = tables["geometry"], tables["points"]
    assert row["stable"].tolist() == [8]
    assert row["memory_states"].tolist() == [8]
    stable = points.where(kind="stable")
    assert sorted(stable["answer"]) == list(range(8))
    np.testing.assert_allclose(stable["radius"].astype(float), GAIN * (1 - rest() ** 2), rtol=1e-5)
    # Three coordinates of equal variance, and the corners of a cube: C = 8 means, 28 distances of three lengths.
    assert row["participation_ratio"][0] == pytest.approx(3, abs=0.1)
    assert row["dimension_90"].tolist() == [3]
    assert len(tables["distances"]) == 28
    edge, face, room = (math.sqrt(k) for k in (1, 2, 3))
    lengths = np.sort(tables["distances"]["distance"].astype(float))
    np.testing.assert_allclose(lengths / lengths[:12].mean(), np.repeat([edge, face, room], [12, 12, 4]), rtol=0.02)
    assert row["lyapunov_held"][0] == pytest.approx(math.log(GAIN * (1 - rest() ** 2)), abs=1e-3)


def test_a_linear_integrator_has_a_line_of_points() -> None:
    """s1 sums its input, s2 forgets it: every (s1, 0) is a fixed point, and none is unstable."""
    cell = Linear(torch.tensor([[1.0, 0.0], [0.0, 0.5]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    one = subject(cell, EvidenceAccumulation(N=20))
    tables = Geometry().measure(one, GeometrySettings(points=80, exponent_steps=100))
    points = tables["points"]
    assert set(points["kind"]) == {"stable"}
    assert len(points) > 10
    np.testing.assert_allclose(points["radius"].astype(float), 1, atol=1e-6)
    np.testing.assert_allclose(points["timescale"].astype(float), -1 / math.log(0.5), rtol=1e-6)
    found = find_points(cell.requires_grad_(False), torch.zeros(2), *[10 * torch.randn(200, 2)] * 2)
    assert np.abs(found.states[:, 1]).max() < 1e-6
    assert np.ptp(found.states[:, 0]) > 20
    assert tables["geometry"]["lyapunov_held"][0] == pytest.approx(0, abs=1e-3)


def test_a_leaking_integrator_has_a_line_of_slow_points_around_its_fixed_point() -> None:
    cell = Linear(torch.tensor([[0.995, 0.0], [0.0, 0.2]]), torch.ones(2, 1)).requires_grad_(False)
    visited = torch.stack((torch.linspace(-5, 5, 101), torch.sin(torch.arange(101))), 1)
    points = find_points(cell, torch.zeros(1), visited, visited)
    assert (points.kinds == "stable").sum() == 1
    assert (points.kinds == "slow").sum() > 30
    assert np.ptp(points.states[:, 0]) > 8
    assert np.abs(points.states[:, 1]).max() < 0.1
    np.testing.assert_allclose(np.abs(points.eigenvalues), [[0.995, 0.2]] * len(points.states))
    # Where nothing is slow there is nothing but the fixed point.
    fast = Linear(torch.tensor([[0.5, 0.0], [0.0, 0.2]]), torch.ones(2, 1)).requires_grad_(False)
    assert find_points(fast, torch.zeros(1), visited, visited).kinds.tolist() == ["stable"]
    # A ghost of a saddle-node, s + 0.01 + s^2: the speed has a minimum of 0.01 at 0 that is not zero.
    ghost = find_points(Ghost(), torch.zeros(1), visited, torch.linspace(-1, 1, 20)[:, None])
    assert set(ghost.kinds) == {"slow"}
    assert ghost.states[0, 0] == pytest.approx(0, abs=0.05)  # the slowest comes first


class Ghost(Cell):
    """s(t) = s(t-1) + 0.01 + s(t-1)^2."""

    state_size = output_size = input_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(1), requires_grad=False)

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = state + 0.01 + self.one * state**2
        return state, state


def test_a_rotation_has_its_angle_as_eigenvalue_and_two_dimensions() -> None:
    angle, radius = 0.3, 0.9
    turn = radius * torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    one = subject(Linear(turn, torch.tensor([[1.0], [0.0]])), Parity(N=3))
    tables = Geometry().measure(one, GeometrySettings(points=20, exponent_steps=300))
    (point,) = zip(
        *(tables["points"][name] for name in ("kind", "eigenvalue1_real", "eigenvalue1_imaginary")), strict=True
    )
    assert point[0] == "stable"
    assert (point[1], abs(point[2])) == pytest.approx((radius * math.cos(angle), radius * math.sin(angle)), rel=1e-5)
    row = tables["geometry"]
    assert row["lyapunov_driven"][0] == pytest.approx(math.log(radius), abs=1e-3)
    assert 1 < row["participation_ratio"][0] <= 2


class Logistic(Cell):
    """s(t) = r s(t-1) (1 - s(t-1)), r = 4: chaotic, with the exponent ln 2."""

    state_size = output_size = input_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.r = torch.nn.Parameter(torch.tensor(4.0), requires_grad=False)

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = self.r * state * (1 - state)
        return state, state


def test_lyapunov_exponents_of_known_maps() -> None:
    inputs = torch.zeros(5000, 4, 1)
    states = torch.tensor([[0.1234], [0.377], [0.61], [0.83]])
    found = largest_exponent(Logistic(), inputs, states, transient=100, seed=0)
    np.testing.assert_allclose(found, math.log(2), atol=0.02)
    growing = Linear(torch.tensor([[1.1, 1.0], [0.0, 0.3]]), torch.zeros(2, 1))
    found = largest_exponent(growing, inputs[:60], torch.zeros(4, 2), transient=40, seed=0)
    np.testing.assert_allclose(found, math.log(1.1), atol=1e-6)


@pytest.mark.parametrize(("name", "options"), CELL_CASES)
def test_jacobians_are_those_of_torch(name: str, options: dict[str, Any]) -> None:
    cell = make_cell(name, options).double()
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    states = torch.randn(3, cell.state_size, generator=generator, dtype=torch.float64)
    after, jacobian = jacobians(cell, inputs, states)
    for p in range(3):
        one = torch.func.jacrev(lambda s, x=inputs[p : p + 1]: cell.step(x, s[None])[1][0])(states[p])
        torch.testing.assert_close(jacobian[p], one)
    torch.testing.assert_close(after, cell.step(inputs, states)[1].detach())


def test_dimensions_of_known_clouds() -> None:
    rng = np.random.default_rng(0)
    for variances, ratio, dimension in (([1, 1, 1, 1], 4, 4), ([100, 1e-9, 1e-9], 1, 1), ([9, 1], 100 / 82, 1)):
        cloud = rng.standard_normal((200_000, len(variances))) * np.sqrt(variances)
        found = components(cloud)
        assert found.participation_ratio == pytest.approx(ratio, rel=0.02)
        if variances != [9, 1]:  # 90 % exactly: by chance either
            assert found.dimension() == dimension
    assert np.isnan(components(np.ones((5, 3))).participation_ratio)
    assert found.project(cloud[:4]).shape == (4, 3)


def test_principal_angles_between_planes() -> None:
    angle = 0.4
    turned = np.array([[1, 0, 0], [0, math.cos(angle), math.sin(angle)]])
    np.testing.assert_allclose(principal_angles(np.eye(3)[:2], turned), [0, angle], atol=1e-7)


def test_memory_states_are_what_is_to_be_held() -> None:
    flip = FlipFlop(N=4)
    trials = flip.batch(0, 0, 50)
    held = memory_states(flip, trials)
    assert set(held.ravel().tolist()) == set(range(8))
    assert held[5, 3] == trials.targets[5, 3] @ [1, 2, 4]
    parity = Parity(heads=(2, 4))
    trials = parity.batch(0, 0, 9)
    held = memory_states(parity, trials)
    assert (held[:3] == -1).all()
    assert (held[3:] == trials.targets[3:, :, 1]).all()
    addition = DelayedAddition(N=9)
    assert set(memory_states(addition, addition.batch(0, 0, 500)).ravel().tolist()) == {-1, 0, 1, 2, 3}


def test_memory_states_have_words() -> None:
    flip = FlipFlop(N=6, bits=3)
    assert [held(flip, label) for label in (0, 1, 5, 6)] == ["000", "100", "101", "011"]  # the first channel first
    assert held(Parity(heads=(2, 4)), 1) == "1"
    assert [held(DelayedAddition(N=8), label) for label in (0, 3)] == ["-1 to -0.5", "0.5 to 1"]


def test_distances_of_two_clusters() -> None:
    states = np.array([[0.0, 1], [0, -1], [3, 1], [3, -1], [50, 50]])
    found = distances(states, np.array([0, 0, 1, 1, -1]))
    assert found.between[0, 1] == 3
    assert found.within == 1
    assert found.separation == 3


def made_up(jump: int, fall: int, count: int = 12) -> dict[str, Table]:
    """Checkpoints 10 updates apart; the geometry jumps in interval ``jump``, the loss falls in ``fall``.

    The two sets of trials of a checkpoint hardly differ.
    """
    tables = {name: Table(columns) for name, columns in measurement.TABLES.items()}
    rng = np.random.default_rng(0)
    for c in range(count):
        keys: dict[str, Any] = {"run": "a", "group": "", "N": 5, "update": 10 * c}
        after = c > jump
        values: dict[str, Any] = dict.fromkeys([column.name for column in measurement.GEOMETRY], 0.0)
        values |= {
            **keys,
            "loss": 0.01 if c > fall else 0.7 - 0.001 * c,
            "participation_ratio": (2.0 if after else 6.0) * (1 + 0.01 * rng.random()),
            "lyapunov_held": (-0.1 if after else 0.2) + 0.001 * rng.random(),
            "stable": 8 if after else 1,
        }
        little = {"subspace": 0.01, "dimension": 0.01, "distances": 0.01, "points": 0, "chaos": 0.001, "loss": 0.01}
        tables["noise"].add(**keys, measure=list(little), difference=list(little.values()))
        tables["geometry"].add(**values)
        turn = (1.2 if after else 0.0) + 0.01 * rng.random()
        axis = [math.cos(turn), math.sin(turn), 0]
        tables["components"].add(**keys, component=1, variance=1.0, entry=np.arange(3), weight=axis)
        apart = [1.0, 1.0, (3.0 if after else 1.0) * (1 + 0.01 * rng.random())]
        tables["distances"].add(**keys, memory=[0, 0, 1], other=[1, 2, 2], distance=apart)
    return tables


@pytest.mark.parametrize(("jump", "fall"), [(4, 7), (6, 6), (8, 3)])
def test_a_jump_is_found_where_it_is_and_told_how_far_ahead_of_the_fall(jump: int, fall: int) -> None:
    changes = restructuring.conclude(made_up(jump, fall))["changes"]
    events = changes.where(event=True)
    assert sorted(events["measure"]) == sorted(restructuring.MEASURES)
    assert set(events["since"]) == {10 * jump}
    assert set(events["lead"]) == {10.0 * (fall - jump)}
    assert set(changes.where(fall=True)["since"]) == {10 * fall}


def test_too_few_checkpoints_have_no_events() -> None:
    assert not restructuring.conclude(made_up(2, 3, 6))["changes"]["event"].any()
    assert len(restructuring.conclude(made_up(2, 3, 1))["changes"]) == 0


def test_figures_of_one_checkpoint_and_of_a_course() -> None:
    one = Geometry().measure(latches(), GeometrySettings(trials=10, points=10, exponent_steps=5))
    assert len(figure.draw(one).axes) == 2
    course = made_up(4, 7)
    assert len(figure.draw(course | restructuring.conclude(course)).axes) == 7


def test_eigenvalues_are_drawn_in_conjugate_pairs() -> None:
    """Of three pairs, the three largest eigenvalues are one pair and half of the next."""
    matrix = torch.zeros(6, 6)
    for i, (size, a) in enumerate(((0.9, 0.5), (0.8, 1.0), (0.7, 2.0))):
        turn = [[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = size * torch.tensor(turn)
    one = subject(Linear(matrix, torch.ones(6, 1)), Parity(N=3))
    drawn = figure.draw(Geometry().measure(one, GeometrySettings(trials=10, points=10, exponent_steps=5)))
    (axes,) = (axes for axes in drawn.axes if axes.get_xlabel() == "real part")
    shown = {complex(*np.round(at, 4)) for points in axes.collections for at in np.asarray(points.get_offsets())}
    assert shown == {
        np.round(size * np.exp(sign * 1j * a), 4) for size, a in ((0.9, 0.5), (0.8, 1.0)) for sign in (1, -1)
    }


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (GeometrySettings(trials=1), "trials must be an integer from 2 to 100000, got 1"),
        (GeometrySettings(points=0), "points must be an integer from 1 to 100000, got 0"),
        (GeometrySettings(steps=30), "steps must be left out for delayed-addition: its N sets"),
        (GeometrySettings(held=(0.0,)), "held must be 3 numbers, got 1"),
        (GeometrySettings(held=(0.0, 0.0, math.nan)), "held must be a number from"),
        (GeometrySettings(task_args={"p": 1}), r"task_args must be among \['scoring', 'distractors'\]"),
    ],
)
def test_what_cannot_be_is_refused_before_any_computing(settings: GeometrySettings, complaint: str) -> None:
    one = subject(Linear(torch.eye(2), torch.ones(2, 3)), DelayedAddition(N=8))
    with pytest.raises(SettingsError, match=complaint):
        Geometry().measure(one, settings)
