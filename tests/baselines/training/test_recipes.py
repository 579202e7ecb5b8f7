"""Recipes: the published one update for update, its batches, and what each setting of a recipe changes."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from baselines.benchmark.cell_settings import bptt_ladder
from baselines.cells import CELLS, Cell
from baselines.core import seeds
from baselines.core.settings import SettingsError
from baselines.network import Rollout
from baselines.training import losses, recipes
from baselines.training.batches import Practice
from baselines.training.bptt_settings import Settings
from baselines.training.curriculum import MultiHead
from baselines.training.learner import Learner, train
from baselines.training.recipes import ANY, RECIPES, Recipe
from memory_envs import TASKS, DelayedAddition, DelayedMatch, EvidenceAccumulation, FlipFlop, Parity, Task, Trials
from tests.baselines.small import BEFORE_STREAMS, RECIPE

PAPER = recipes.find("paper", "parity", "leaky")


def learner_of(**settings: Any) -> tuple[Learner, MultiHead]:
    plan = Settings(**{"recipe": "trials", **settings}).plan()
    network = plan.new_network()
    terms, weights = plan.terms(network.cell)
    first = plan.curriculum.first(plan.task)
    assert isinstance(plan.curriculum, MultiHead)
    return Learner(network, first, plan.recipe, seed=0, terms=terms, weights=weights), plan.curriculum


@pytest.mark.parametrize("seed_of", [Practice.batch, Practice.test_batch], ids=["training", "test"])
def test_a_last_step_batch_has_one_length_and_counts_its_last_step(seed_of: Any) -> None:
    practice = Practice(Parity(heads=(2, 3, 4)), replace(PAPER, batch_size=8), seed=3)
    lengths = []
    for index in range(300):
        trials: Trials = seed_of(practice, index)
        steps = len(trials.inputs)
        lengths.append(steps)
        assert (trials.lengths == steps).all()
        assert trials.mask[-1].all()
        assert not trials.mask[:-1].any()
        bits = trials.inputs[..., 0].astype(int)
        for head, n in enumerate((2, 3, 4)):
            assert (trials.targets[-1, :, head] == bits[-n:].sum(axis=0) % 2).all()
    assert set(lengths) == set(range(6, 18))  # [N + 2, 4 N + 1]
    assert abs(np.mean(lengths) - 11.5) < 0.8


def test_test_batches_are_neither_trained_with_nor_played() -> None:
    practice = Practice(Parity(N=20), RECIPE, seed=5)
    tested = practice.test_batch(0).inputs
    for other in (practice.batch(0), practice.task.batch(seeds.evaluation_seed(5), 0, RECIPE.batch_size)):
        assert not np.array_equal(tested, other.inputs)


@pytest.mark.parametrize(
    "task",
    [Parity(scoring="final"), DelayedMatch(), FlipFlop(), DelayedAddition(), EvidenceAccumulation(scoring="final")],
    ids=str,
)
def test_the_last_step_is_trained_on_every_task(task: Task) -> None:
    trials = Practice(task, PAPER, seed=0).batch(0)
    assert not trials.mask[:-1].any()
    assert trials.mask[-1].mean() > 0.5  # evidence that ends in a tie does not count


class Plain(torch.nn.Module):
    """The published network (SCIENCE.md section 5, ``default``), written as it is printed."""

    def __init__(self, cell: Any, readouts: Any) -> None:
        super().__init__()
        names = ("weight", "input_weight", "bias", "tau")
        self.values = torch.nn.ParameterDict({name: getattr(cell, name).detach().clone() for name in names})
        self.input_bias = torch.nn.Parameter(cell.input_bias.detach().clone())
        pairs = [(f"h{key}", (r.weight.detach().clone(), r.bias.detach().clone())) for key, r in readouts.items()]
        self.heads = torch.nn.ParameterDict({f"{k}{i}": v for k, pair in pairs for i, v in enumerate(pair)})

    def forward(self, inputs: torch.Tensor, state: torch.Tensor) -> list[torch.Tensor]:
        values = self.values
        tau = values["tau"].clamp(min=1)
        weight = values["weight"] * (1 - torch.eye(len(tau)))
        for x in inputs:
            recurrent = state @ weight.t() + values["bias"]
            drive = x @ values["input_weight"].t() + self.input_bias
            state = torch.nn.functional.leaky_relu((1 - 1 / tau) * state + (recurrent + drive) / tau, 0.01)
        names = list(self.heads)
        return [state @ self.heads[w].t() + self.heads[b] for w, b in zip(names[::2], names[1::2], strict=True)]


def test_the_published_update_is_made_update_for_update() -> None:
    """Against plain PyTorch: one length a batch, cross-entropy of the last step summed over heads, clip, Nesterov."""
    learner, _ = learner_of(recipe="paper", curriculum="none-multi", n_max=4, overrides={"units": 40})
    assert learner.practice.task.to_dict()["p"] == "uniform"
    cell: Any = learner.network.cell
    plain = Plain(cell, learner.network.readouts)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.1, nesterov=True)
    clipped = 0
    for update in range(4):
        trials = learner.practice.batch(update)
        assert trials.inputs.shape[1] == 256
        state = 0.1 * torch.rand(256, 40, generator=seeds.generator(0, "state", update))
        answers = plain(torch.from_numpy(trials.inputs), state)
        targets = torch.from_numpy(trials.targets[-1])
        loss = sum((cross_entropy(a, targets[:, head]) for head, a in enumerate(answers)), torch.zeros(()))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        clipped += int(torch.nn.utils.clip_grad_norm_(plain.parameters(), 2.0) > 2)
        optimizer.step()
        learner.learn()
    assert learner.test().loss > np.log(2) * 2  # a sum over three heads, near chance
    for name, value in plain.values.items():
        torch.testing.assert_close(getattr(cell, name), value, rtol=1e-4, atol=1e-6)
    for readout, value in zip(learner.network.readouts.values(), list(plain.heads.values())[::2], strict=True):
        torch.testing.assert_close(readout.weight, value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "nesterov"])
def test_other_optimizers_go_on_exactly(optimizer: str) -> None:
    def fresh() -> tuple[Learner, MultiHead]:
        small = {"units": 20, "batch_size": 16, "test_every": 3, "test_batches": 2}
        changes = {"optimizer": optimizer, "momentum": 0.5 if optimizer == "nesterov" else 0.0}
        return learner_of(recipe="paper", n_max=4, overrides=small | changes)

    straight = list(itertools.islice(train(*fresh()), 6))
    learner, curriculum = fresh()
    reports = list(train(learner, curriculum, lambda: learner.update >= 7))
    tensors, plain = learner.state()
    resumed, _ = fresh()
    resumed.restore({name: tensor.clone() for name, tensor in tensors.items()}, plain)
    reports += list(itertools.islice(train(resumed, curriculum), 6 - len(reports)))
    assert [asdict(a) for a in reports] == [asdict(b) for b in straight]


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "nesterov"])
def test_a_stage_with_a_new_readout_is_learned(optimizer: str) -> None:
    momentum = 0.5 if optimizer == "nesterov" else 0.0
    small = {"units": 20, "batch_size": 16, "optimizer": optimizer, "momentum": momentum}
    learner, _ = learner_of(recipe="paper", curriculum="multi-head", n_max=4, overrides=small)
    learner.learn()
    learner.set_task(learner.task.replace(heads=(2, 3), active_heads=None))
    before = learner.network.readouts["3"].get_parameter("weight").clone()
    learner.learn()
    assert not torch.equal(learner.network.readouts["3"].get_parameter("weight"), before)


def test_a_test_on_fresh_batches_scores_them_and_nothing_else() -> None:
    learner, _ = learner_of(recipe="paper", n_max=3, overrides={"units": 20, "batch_size": 16, "test_batches": 3})
    for _ in range(2):
        learner.learn()
    right = counted = 0
    for index in range(6, 9):
        trials = learner.practice.test_batch(index)
        state = learner.network.cell.training_state(16, seeds.generator(0, "test state", index))
        answers = learner.network(torch.from_numpy(trials.inputs), ["2"], state).answers
        right += learner.practice.task.correct(trials, learner.network.choose(answers).numpy()).sum()
        counted += 16
    assert learner.test().scores == {"2": right / counted}


def test_batches_may_be_trained_on_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their steps and answers count once, in the update that sees them first; a new stage begins with new ones."""
    small = {"units": 16, "batch_size": 32, "epochs": 3, "test_every": 6}
    settings: dict[str, Any] = {"n_max": 9, "threshold": 0.6, "overrides": small}
    trained, drawn = list[np.ndarray](), list[int]()
    roll_out, draw = Learner._roll_out, Practice.batch

    def watched(self: Learner, trials: Trials, heads: Sequence[str], state: torch.Tensor) -> Any:
        trained.append(trials.inputs)
        return roll_out(self, trials, heads, state)

    def counted(self: Practice, index: int) -> Trials:
        drawn.append(index)
        return draw(self, index)

    monkeypatch.setattr(Learner, "_roll_out", watched)
    monkeypatch.setattr(Practice, "batch", counted)
    learner, curriculum = learner_of(**settings)
    reports = list(itertools.islice(train(learner, curriculum), 12))
    assert drawn == list(range(24))
    assert any(report.solved for report in reports[:-1])
    for update in range(72):
        first = trained[update - update % 3]
        assert np.array_equal(trained[update], first)
        assert update < 3 or not np.array_equal(trained[update - 3], first)
    assert learner.steps == reports[-1].steps == sum(shown.size for shown in trained[::3])
    counts = [[round(score * 32 * 2 * (r.task.N + 1), 6) for score in r.scores.values()] for r in reports]
    assert all(count == int(count) for heads in counts for count in heads)  # of two batches, 2 N steps each

    straight, _ = learner_of(**settings)
    again, _ = learner_of(**settings)
    for learner, updates in ((straight, 20), (again, 13)):  # 13: between the first and the second time
        list(train(learner, curriculum, lambda: learner.update >= updates))  # noqa: B023 (used at once)
    state = again.state()
    again, _ = learner_of(**settings)
    again.restore(*state)
    assert again.next_steps == 0
    list(train(again, curriculum, lambda: again.update >= 20))
    assert again.steps == straight.steps
    assert all(
        torch.equal(a, b) for a, b in zip(again.network.parameters(), straight.network.parameters(), strict=True)
    )


def test_the_rungs_of_the_ladder_are_settings_that_can_be() -> None:
    for task, kind in TASKS.items():
        for n in (2, 4, 8, 64):
            if n >= kind.least_N:
                for cell in ("leaky", "gru"):
                    plan = Settings(**bptt_ladder(task, cell, n)).plan()
                    assert plan.curriculum.stages()[-1] == n
                    assert plan.recipe.test_every >= 2 * plan.recipe.epochs
                    shown = Practice(plan.curriculum.stage(plan.task, n), plan.recipe, seed=0).task
                    if n <= 8:  # the trials that the environment plays: shorter ones teach too little
                        assert shown.num_steps == kind(n).num_steps


def test_the_step_size_falls_with_n_also_in_a_run_taken_up_again() -> None:
    learner, curriculum = learner_of(n_max=12, overrides={"units": 8, "decay_from": 4, "learning_rate": 0.01})
    (group,) = learner.optimizer.param_groups
    for n, expected in ((2, 0.01), (4, 0.01), (5, 0.008), (8, 0.005)):
        learner.set_task(curriculum.stage(learner.task, n))
        assert group["lr"] == pytest.approx(expected)
    resumed, _ = learner_of(n_max=12, overrides={"units": 8, "decay_from": 4, "learning_rate": 0.01})
    resumed.restore(*learner.state())
    assert resumed.optimizer.param_groups[0]["lr"] == group["lr"]


def test_signed_inputs_reach_the_cell_in_training_and_in_play(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, _ = learner_of(recipe="paper", cell="lstm", n_max=2, overrides={"units": 8})
    seen: list[torch.Tensor] = []
    cell: Cell = learner.network.cell
    for name in ("step", "unroll"):
        own = getattr(cell, name)

        def spy(inputs: torch.Tensor, state: torch.Tensor, own: Any = own) -> Any:
            seen.append(inputs)
            return own(inputs, state)

        monkeypatch.setattr(cell, name, spy)
    learner.learn()
    learner.network.step(torch.tensor([[0.0], [1.0]]), ["2"], cell.initial_state(2))
    for inputs in seen:
        assert set(inputs.flatten().tolist()) == {-1, 1}
    assert len(seen) == 2


@pytest.mark.parametrize(("last_head", "weights"), [(0.1, [1 / 3] * 3), (0.5, [1 / 3, 1 / 3, 0.5])])
def test_the_last_head_may_weigh_more_than_its_part(last_head: float, weights: list[float]) -> None:
    answers = torch.randn(4, 5, 3, 2, generator=torch.Generator().manual_seed(0))
    targets = torch.randint(2, (4, 5, 3), generator=torch.Generator().manual_seed(1))
    nothing, mask = torch.zeros(4, 5, 1), torch.ones(4, 5, dtype=torch.bool)
    loss = losses.task_loss(Parity(heads=(2, 3, 4)), last_head=last_head)(
        Rollout(nothing, nothing, answers), targets, mask
    )
    parts = [cross_entropy(answers[..., head, :].flatten(0, 1), targets[..., head].flatten()) for head in range(3)]
    assert loss.item() == pytest.approx(sum(w * part.item() for w, part in zip(weights, parts, strict=True)))


BEFORE = {"paper": (6, "b910fd04ed69aaac"), "lean": (30, "9510cc66b365d3ac"), "trials": (30, "8540a2e86ef9c2ea")}
"""Recipe -> for how many pairs of a task and a cell it is, and a digest of its values for them, from before streams:
those of ``trials`` are of the recipe that was then called ``fast``."""


@pytest.mark.parametrize("name", BEFORE)
def test_the_recipes_of_stored_runs_stay_as_they_are(name: str) -> None:
    usual = {one.name: one.default for one in fields(Recipe) if one.name not in BEFORE_STREAMS}
    found = {}
    for task, cell in itertools.product(TASKS, [*CELLS, "mine:Own"]):
        if name != "paper" or (task in ("parity", "dms") and cell in ("leaky", "lstm", "gru")):
            values = asdict(recipes.find(name, task, cell))
            assert {one: values.pop(one) for one in usual} == usual
            found[f"{task} {cell}"] = values
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
    assert (len(found), digest) == BEFORE[name]


@pytest.mark.parametrize(
    ("name", "task", "cell", "values"),
    [
        # units, batch, step, decay, clip, test every, epochs, length, last head
        ("trials", "parity", "leaky", (256, 64, 5e-3, 20, 0.03, 5, 1, 2.0, 0.3)),
        ("trials", "parity", "gru", (128, 64, 5e-3, 15, 0.03, 5, 1, 2.0, 0.3)),
        ("trials", "dms", "leaky", (128, 64, 5e-3, 15, 0.03, 5, 1, 2.0, 0.3)),
        ("trials", "delayed-addition", "gru", (128, 64, 1e-3, 0, 1.0, 10, 1, 4.0, 0.0)),
        ("trials", "flip-flop", "leaky", (128, 64, 5e-3, 15, 0.03, 5, 1, 2.0, 0.0)),
        ("lean", "parity", "leaky", (128, 16, 5e-3, 15, 0.03, 16, 8, 2.0, 0.3)),
        ("lean", "flip-flop", "gru", (128, 16, 5e-3, 15, 0.03, 32, 8, 2.0, 0.0)),
        ("paper", "parity", "leaky", (500, 256, 0.05, 0, 2.0, 600, 1, 2.0, 0.0)),
        ("paper", "dms", "lstm", (500, 64, 1e-3, 0, 1e9, 300, 1, 2.0, 0.0)),
    ],
)
def test_the_values_of_stored_runs(name: str, task: str, cell: str, values: tuple[Any, ...]) -> None:
    recipe = asdict(recipes.find(name, task, cell))
    names = (*BEFORE_STREAMS[:8], "last_head")
    assert tuple(recipe[one] for one in names) == values


def test_every_recipe_is_one_that_settings_accept() -> None:
    for name, table in RECIPES.items():
        for (task, cell), recipe in table.items():
            # An open place stands for what has no settings of its own.
            pairs = itertools.product(TASKS if task == ANY else [task], CELLS if cell == ANY else [cell])
            own = next(pair for pair in pairs if recipes.find(name, *pair) is recipe)
            asked = {"task": own[0], "cell": own[1]}
            curriculum = "multi-head" if recipe.stream_steps else "single-head"
            plan = Settings(recipe=name, curriculum=curriculum, n_max=20, **asked).plan()  # type: ignore[arg-type]
            assert isinstance(plan.recipe, Recipe)
            assert plan.recipe == recipe


@pytest.mark.parametrize(
    ("asked", "streams"),
    [
        ({}, True),
        ({"curriculum": "sliding-window"}, True),
        ({"curriculum": "none-multi"}, True),
        ({"curriculum": "single-head"}, False),
        ({"curriculum": "none-single"}, False),
        ({"task_args": {"scoring": "final"}}, False),
        ({"task": "flip-flop", "curriculum": "single-head"}, False),
        ({"task": "dms", "cell": "lstm"}, True),
    ],
)
def test_the_default_recipe_streams_where_several_heads_are_asked(asked: dict[str, Any], streams: bool) -> None:
    """Elsewhere it is recipe ``trials``."""
    _, _, recipe = Settings(**asked).parts()
    _, _, trials = Settings(recipe="trials", **asked).parts()
    assert bool(recipe.stream_steps) == streams
    assert (recipe == trials) != streams


@pytest.mark.parametrize("overrides", [{"epochs": 5}, {"supervision": "last-step"}])
def test_what_streams_cannot_do_is_refused_with_a_way_out(overrides: dict[str, Any]) -> None:
    (name,) = overrides
    with pytest.raises(SettingsError, match=f"{name} must be .* with stream_steps, got .*recipe trials"):
        Settings(overrides=overrides).parts()
    Settings(overrides=overrides, recipe="trials").parts()


@pytest.mark.parametrize(
    "asked",
    [{"step": 6, "n_max": 14}, {"first_n": 8}, {"curriculum": "sliding-window", "window": 1, "shift": 1}],
    ids=["far apart", "a late start", "one head in the window"],
)
def test_heads_that_do_not_lead_to_one_another_are_trained_on_whole_trials(asked: dict[str, Any]) -> None:
    assert not Settings(**asked).parts()[2].stream_steps
    assert Settings(step=3).parts()[2].stream_steps


def test_a_size_that_is_asked_for_stays() -> None:
    assert Settings(n_max=101).parts()[2].grow_to == 768
    assert Settings(n_max=101, overrides={"units": 64}).parts()[2].grow_to == 0
    assert Settings(n_max=101, overrides={"units": 64, "grow_to": 96}).parts()[2].grow_to == 96


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (
            {"overrides": {"units": 64, "grow_to": 64}},
            "grow_to must be 0 or more than the 64 units at the start, got 64",
        ),
        ({"overrides": {"sequential_test": 0}}, "averaged must be 0 without sequential_test or test_batches.*got 50"),
        (
            {"task": "delayed-addition", "curriculum": "single-head", "overrides": {"smoothing": 0.1}},
            "smoothing must be 0 for delayed-addition, which has no labels, got 0.1",
        ),
        (
            {"curriculum": "single-head", "overrides": {"heads_ahead": 2}},
            "heads_ahead must be 0 with curriculum 'single-head', got 2",
        ),
        ({"recipe": "paper", "overrides": {"heads_ahead": 2}}, "heads_ahead must be 0 with head_loss 'sum', got 2"),
        (
            {"tcr": 0.1, "overrides": {"stream_steps": 1}},
            "stream_steps must be 0 or at least 2 with tcr above 0, got 1",
        ),
        ({"overrides": {"stream_steps": 1_000_000}}, "streams would need about .* make stream_steps, .* smaller"),
        ({"overrides": {"epochs": 2}}, "epochs must be 1 with stream_steps, got 2"),
    ],
)
def test_what_does_not_go_together_is_refused(asked: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Settings(**asked).parts()


def test_averaged_weights_are_those_that_fresh_batches_test() -> None:
    learner, _ = learner_of(overrides={"averaged": 20, "test_batches": 3, "units": 16, "batch_size": 8})
    for _ in range(3):
        learner.learn()
    assert learner.averaged is not None
    for value in learner.averaged.weights.values():
        value.zero_()
    # All answers are 0 then, and so are half of the right ones.
    assert 0.3 < learner.test().scores["2"] < 0.7
    learner.learn()
    trials = [learner.practice.test_batch(index) for index in range(4 * 3, 5 * 3)]
    zeros = sum(int(((trial.targets[..., 0] == 0) & trial.mask).sum()) for trial in trials)
    for value in learner.averaged.weights.values():
        value.zero_()
    assert learner.test().scores["2"] == zeros / sum(int(trial.mask.sum()) for trial in trials)
