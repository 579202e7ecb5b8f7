import pytest
import torch

from baselines.network import head_keys
from memory_envs import DelayedAddition, FlipFlop, Parity
from tests.baselines.small import make_network


def test_readouts_are_kept_by_n_or_by_position() -> None:
    assert head_keys(Parity(heads=(2, 3, 5))) == ("2", "3", "5")
    assert head_keys(Parity(N=4)) == head_keys(Parity(N=9)) == ("0",)
    assert head_keys(FlipFlop(bits=2)) == ("0", "1")
    assert head_keys(DelayedAddition()) == ("0",)


def test_one_product_reads_what_each_readout_says() -> None:
    network = make_network(Parity(heads=(2, 3, 5)))
    outputs = torch.randn(6, 4, 16, generator=torch.Generator().manual_seed(0))
    both = network.read(outputs, ["5", "2"])
    assert both.shape == (6, 4, 2, 2)
    for i, key in enumerate(("5", "2")):
        torch.testing.assert_close(both[:, :, i], network.readouts[key](outputs))


def test_a_new_readout_leaves_the_others_alone() -> None:
    network = make_network(Parity(heads=(2, 3)))
    inputs = torch.ones(5, 2, 1)
    before = network(inputs, ["2", "3"])
    network.add_readout("4", torch.Generator().manual_seed(0))
    after = network(inputs, ["2", "3", "4"])
    torch.testing.assert_close(after.answers[:, :, :2], before.answers)
    torch.testing.assert_close(after.states, before.states, rtol=0, atol=0)
    with pytest.raises(ValueError, match="key must be a new name, got '4'"):
        network.add_readout("4")


def test_new_readouts_draw_from_their_generator_alone() -> None:
    before = torch.random.get_rng_state()
    one, two = (make_network(Parity(N=3)) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    for name in ("weight", "bias"):
        values = getattr(one.readouts["0"], name)
        assert torch.equal(values, getattr(two.readouts["0"], name))
        assert values.abs().max() <= 16**-0.5
        assert len(set(values.flatten().tolist())) == values.numel()


def test_choices_and_what_is_correct() -> None:
    labels = make_network(Parity(heads=(2, 3)))
    answers = torch.tensor([[[0.1, 0.2], [3.0, -1.0]]])
    assert labels.choose(answers).tolist() == [[1, 0]]
    assert labels.correct(answers, torch.tensor([[1, 1]])).tolist() == [[True, False]]
    values = make_network(DelayedAddition())
    said = torch.tensor([[[1.7]], [[0.5]], [[0.5]]])
    assert values.choose(said).tolist() == [[1.0], [0.5], [0.5]]
    assert values.correct(said, torch.tensor([[1.0], [0.53], [0.55]])).tolist() == [[True], [True], [False]]
