import math

import pytest
import torch

from baselines import losses
from baselines.network import Rollout
from memory_envs import DelayedAddition, Parity

T, B, H = 6, 5, 3


def rollout(width: int) -> Rollout:
    answers = torch.randn(T, B, H, width, generator=torch.Generator().manual_seed(0))
    return Rollout(torch.zeros(T, B, 1), torch.zeros(T, B, 1), answers)


def some_mask() -> torch.Tensor:
    mask = torch.rand(T, B, generator=torch.Generator().manual_seed(1)) < 0.5
    assert 0 < mask.sum() < mask.numel()
    return mask


def test_cross_entropy_is_torchs_over_the_steps_that_count() -> None:
    done, mask = rollout(2), some_mask()
    targets = torch.randint(2, (T, B, H), generator=torch.Generator().manual_seed(2))
    expected = torch.nn.functional.cross_entropy(done.answers[mask].reshape(-1, 2), targets[mask].reshape(-1))
    torch.testing.assert_close(losses.cross_entropy(done, targets, mask), expected)


def test_guessing_costs_the_logarithm_of_two() -> None:
    done = Rollout(torch.zeros(T, B, 1), torch.zeros(T, B, 1), torch.zeros(T, B, H, 2))
    assert losses.cross_entropy(done, torch.ones(T, B, H).long(), some_mask()).item() == pytest.approx(math.log(2))


def test_squared_error_is_torchs_over_the_steps_that_count() -> None:
    done, mask = rollout(1), some_mask()
    targets = torch.randn(T, B, H, generator=torch.Generator().manual_seed(2))
    expected = torch.nn.functional.mse_loss(done.answers[..., 0][mask], targets[mask])
    torch.testing.assert_close(losses.squared_error(done, targets, mask), expected)


def test_the_kind_of_answer_decides_and_terms_keep_their_names() -> None:
    assert losses.task_loss(Parity()) is losses.cross_entropy
    assert losses.task_loss(DelayedAddition()) is losses.squared_error
    terms = {"task": losses.squared_error, "still": lambda rollout, targets, mask: rollout.states.sum() + 2}
    loss, values = losses.evaluate(terms, {"task": 0.5, "still": 3}, rollout(1), torch.zeros(T, B, H), some_mask())
    assert list(values) == ["task", "still"]
    assert values["still"].item() == 2
    assert loss.item() == pytest.approx(0.5 * values["task"].item() + 3 * 2)
