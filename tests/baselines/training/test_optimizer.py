"""The optimiser and the clipping of gradients give torch's numbers to the bit."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from baselines.training.optimizer import Adam, clip, new_optimizer
from tests.baselines.small import RECIPE


def parameters(seed: int, count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(33, 17), (2, 33), (2,), (1,), (), (5, 3, 2)]
    return [torch.randn(shapes[i % len(shapes)], generator=generator).requires_grad_() for i in range(count)]


def give_gradients(given: list[list[Tensor]], seed: int, without: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for i, twins in enumerate(zip(*given, strict=True)):
        gradient = torch.randn(twins[0].shape, generator=generator)
        for twin in twins:
            twin.grad = None if i == without else gradient.clone()


def test_adam_is_torchs_while_parameters_come_and_go() -> None:
    ours, theirs = parameters(0, 6), parameters(0, 6)
    own = Adam(ours[:3], 1e-2)
    torchs = torch.optim.Adam(theirs[:3], lr=1e-2, fused=True)
    for update in range(12):
        if update == 4:
            own.param_groups[0]["params"].extend(ours[3:])
            torchs.param_groups[0]["params"].extend(theirs[3:])
        for optimizer in (own, torchs):
            optimizer.param_groups[0]["lr"] = 1e-2 / (1 + update)
        give_gradients([ours, theirs], update, without=update % 7)
        own.step()
        torchs.step()
        for one, other in zip(ours, theirs, strict=True):
            assert torch.equal(one, other)
            assert own.state[one].keys() == torchs.state[other].keys()
            for key, value in own.state[one].items():
                assert torch.equal(value, torchs.state[other][key])
    assert {int(own.state[parameter]["step"]) for parameter in ours} == {6, 7, 10}


@pytest.mark.parametrize("largest", [0.03, 1.0, 1e9])
@pytest.mark.parametrize("count", [1, 6, 211])
def test_clipping_is_torchs(largest: float, count: int) -> None:
    ours, theirs = parameters(1, count), parameters(1, count)
    give_gradients([ours, theirs], 2, without=2)
    norm = clip(torch.optim.SGD(ours, lr=1.0), largest)
    assert torch.equal(norm, nn.utils.clip_grad_norm_(theirs, largest))
    for one, other in zip(ours, theirs, strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or other.grad is None or torch.equal(one.grad, other.grad)


def test_a_gradient_that_is_not_finite_has_such_a_norm() -> None:
    (one,) = parameters(3, 1)
    one.grad = torch.full_like(one, torch.nan)
    assert clip(torch.optim.SGD([one], lr=1.0), 1.0).isnan()


@pytest.mark.parametrize(("name", "momentum"), [("adam", 0.0), ("sgd", 0.5), ("nesterov", 0.5)])
def test_a_recipe_chooses_its_optimizer(name: str, momentum: float) -> None:
    optimizer = new_optimizer(nn.Linear(3, 2), replace(RECIPE, optimizer=name, momentum=momentum))
    assert isinstance(optimizer, Adam if name == "adam" else torch.optim.SGD)
    (group,) = optimizer.param_groups
    assert group["lr"] == RECIPE.learning_rate
    if name != "adam":
        assert (group["momentum"], group["nesterov"]) == (momentum, name == "nesterov")
