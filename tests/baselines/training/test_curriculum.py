import pytest

from baselines.training.curriculum import (
    CURRICULA,
    Curriculum,
    MultiHead,
    NoneMulti,
    NoneSingle,
    SingleHead,
    SlidingWindow,
)
from memory_envs import TASKS, DelayedMatch, EvidenceAccumulation, FlipFlop, Parity, Task


def test_multi_head_adds_a_head_a_stage_and_ends() -> None:
    curriculum = MultiHead(n_max=4)
    two, three, four = (Parity(heads=tuple(range(2, n + 1)), p=0.3) for n in (2, 3, 4))
    assert curriculum.first(Parity(p=0.3)) == two
    assert curriculum(two, [0.99]) == three
    assert curriculum(three, [1.0, 0.98]) is three  # the last head is not above the threshold
    assert curriculum(three, [0.96, 0.99]) is three  # their mean is not
    assert curriculum(three, [0.975, 0.99]) == four
    assert curriculum(four, [1.0, 1.0, 1.0]) is None


@pytest.mark.parametrize("kind", [MultiHead, NoneMulti])
def test_the_heads_of_a_stage_need_no_word_about_n(kind: type[MultiHead]) -> None:
    curriculum = kind(n_max=4)
    curriculum.check(Parity(2))
    assert curriculum.first(Parity(2, p=0.3)) == curriculum.first(Parity(p=0.3))


def test_the_last_stage_may_have_a_threshold_of_its_own() -> None:
    curriculum = MultiHead(n_max=3, threshold=0.8, last_threshold=0.95)
    two, three = (Parity(heads=tuple(range(2, n + 1))) for n in (2, 3))
    assert curriculum(two, [0.9]) == three
    assert curriculum(three, [1.0, 0.94]) is three
    assert curriculum(three, [0.96, 0.96]) is None
    with pytest.raises(ValueError, match=r"last_threshold must lie between 0 and 1, got 1\.0"):
        MultiHead(n_max=3, last_threshold=1.0)


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


def test_the_window_slides_to_the_end() -> None:
    curriculum = SlidingWindow(n_max=9, window=4, shift=3)
    two, three, last = (Parity(heads=heads) for heads in ((2, 3, 4, 5), (5, 6, 7, 8), (6, 7, 8, 9)))
    assert list(curriculum.stages()) == [5, 8, 9]
    assert curriculum.first(Parity()) == two
    assert curriculum(two, [1.0, 1.0, 1.0, 0.9]) is two
    assert curriculum(two, [0.99] * 4) == three
    assert curriculum(three, [0.99] * 4) == last  # moved by what is left
    assert curriculum(last, [0.99] * 4) is None


def test_the_published_window() -> None:
    curriculum = SlidingWindow(n_max=101)
    stages = [curriculum.stage(Parity(), n) for n in curriculum.stages()]
    assert stages[0] == Parity(heads=tuple(range(2, 12)))
    assert stages[1] == Parity(heads=tuple(range(7, 17)))
    assert {stage.num_heads for stage in stages} == {10}
    assert stages[-1].N == 101


def test_a_window_over_odd_heads() -> None:
    curriculum = SlidingWindow(n_max=9, first_n=1, step=2, window=3, shift=1)
    curriculum.check(EvidenceAccumulation())
    stages = [curriculum.stage(EvidenceAccumulation(), n).to_dict()["heads"] for n in curriculum.stages()]
    assert stages == [[1, 3, 5], [3, 5, 7], [5, 7, 9]]


@pytest.mark.parametrize("wrong", [{"window": 9}, {"window": 0}, {"shift": 0}, {"window": 2, "shift": 3}])
def test_impossible_windows_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SlidingWindow(n_max=9, **wrong)


def test_without_a_curriculum_there_is_one_stage() -> None:
    single, multi = NoneSingle(n_max=7), NoneMulti(n_max=7, first_n=3, step=2)
    assert single.first(Parity()) == Parity(N=7)
    assert multi.first(Parity()) == Parity(heads=(3, 5, 7))
    for curriculum, scores in ((single, [0.99]), (multi, [0.99] * 3)):
        task = curriculum.first(Parity())
        assert curriculum(task, [0.9] * len(scores)) is task
        assert curriculum(task, scores) is None


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("kind", [SingleHead, NoneSingle])
def test_one_head_serves_every_task(name: str, kind: type[Curriculum]) -> None:
    task = TASKS[name]()
    curriculum = kind(n_max=6, first_n=max(2, task.least_N))
    curriculum.check(task)
    assert [curriculum.stage(task, n).N for n in curriculum.stages()] == list(curriculum.stages())


@pytest.mark.parametrize("task", [Parity(), DelayedMatch(), EvidenceAccumulation()], ids=str)
@pytest.mark.parametrize("kind", CURRICULA.values())
def test_every_curriculum_serves_the_tasks_with_heads(task: Task, kind: type[Curriculum]) -> None:
    odd = {"first_n": 1, "step": 2} if isinstance(task, EvidenceAccumulation) else {}
    sliding = {"window": 4, "shift": 2} if kind is SlidingWindow else {}
    curriculum = kind(n_max=13, **odd, **sliding)
    curriculum.check(task)
    seen, now = list[int](), curriculum.first(task)
    while True:
        seen.append(now.N)
        after = curriculum(now, [1.0] * now.num_heads)
        if after is None:
            break
        now = after
    assert seen == list(curriculum.stages())
    assert seen[-1] == 13


@pytest.mark.parametrize("kind", [MultiHead, SlidingWindow, NoneMulti])
def test_several_heads_are_refused_where_they_have_no_meaning(kind: type[Curriculum]) -> None:
    with pytest.raises(ValueError, match=r"needs a task that asks for several N at once .*, flip-flop asks for one"):
        kind(n_max=20).check(FlipFlop())
    with pytest.raises(
        ValueError, match=r"heads must be odd windows .*, got \(2,\): use first_n 1, step 2 and an odd n_max"
    ):
        kind(n_max=20).check(EvidenceAccumulation())
    kind(n_max=20).check(Parity())


@pytest.mark.parametrize("kind", CURRICULA.values())
@pytest.mark.parametrize("wrong", [{"n_max": 1}, {"first_n": 0}, {"step": 0}, {"threshold": 1.0}, {"first_n": 9}])
def test_impossible_stages_are_refused(kind: type[MultiHead], wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        kind(**({"n_max": 8} | wrong))
