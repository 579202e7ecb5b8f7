import pytest

from baselines.curriculum import CURRICULA, MultiHead, SingleHead
from memory_envs import TASKS, DelayedMatch, FlipFlop, Parity


def test_multi_head_adds_a_head_a_stage_and_ends() -> None:
    curriculum = MultiHead(n_max=4)
    two, three, four = (Parity(heads=tuple(range(2, n + 1)), p=0.3) for n in (2, 3, 4))
    assert curriculum.first(Parity(p=0.3)) == two
    assert curriculum(two, [0.99]) == three
    assert curriculum(three, [1.0, 0.98]) is three  # the last head is not above the threshold
    assert curriculum(three, [0.96, 0.99]) is three  # their mean is not
    assert curriculum(three, [0.975, 0.99]) == four
    assert curriculum(four, [1.0, 1.0, 1.0]) is None


def test_single_head_moves_n() -> None:
    curriculum = SingleHead(n_max=4, first_n=3)
    three, four = DelayedMatch(N=3), DelayedMatch(N=4)
    assert curriculum.first(DelayedMatch()) == three
    assert curriculum(three, [0.9]) is three
    assert curriculum(three, [0.99]) == four
    assert curriculum(four, [0.99]) is None


def test_the_last_stage_is_n_max_whatever_the_step() -> None:
    curriculum = MultiHead(n_max=9, first_n=3, step=4)
    assert list(curriculum.stages()) == [3, 7, 9]
    assert curriculum.stage(Parity(), 9) == Parity(heads=(3, 7, 9))
    assert curriculum(curriculum.stage(Parity(), 7), [1.0, 1.0]) == Parity(heads=(3, 7, 9))
    assert list(MultiHead(n_max=2).stages()) == [2]


@pytest.mark.parametrize("name", TASKS)
def test_single_head_serves_every_task(name: str) -> None:
    task = TASKS[name]()
    curriculum = SingleHead(n_max=6, first_n=max(2, task.least_N))
    assert curriculum.refusal(task) is None
    assert [curriculum.stage(task, n).N for n in curriculum.stages()] == list(curriculum.stages())


def test_multi_head_refuses_a_task_without_heads() -> None:
    assert MultiHead(n_max=4).refusal(FlipFlop()) == "needs a task with heads, and flip-flop has none"
    assert MultiHead(n_max=4).refusal(Parity()) is None


@pytest.mark.parametrize("kind", CURRICULA.values())
@pytest.mark.parametrize("wrong", [{"n_max": 1}, {"first_n": 0}, {"step": 0}, {"threshold": 1.0}, {"first_n": 9}])
def test_impossible_stages_are_refused(kind: type[MultiHead], wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        kind(**({"n_max": 8} | wrong))
