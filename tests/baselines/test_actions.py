"""What an agent answers is checked before it is played; faults are said in one line."""

from typing import Any

import numpy as np
import pytest
import torch

from baselines.evaluation import AgentError, evaluate
from memory_envs import DelayedAddition, FlipFlop, Parity, Task


class Says:
    """Answers what it is told to."""

    def __init__(self, actions: Any, state: Any = None) -> None:
        self.predicted = (actions, state)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        assert deterministic
        return self.predicted


LABELS, BITS, VALUES = Parity(N=2), FlipFlop(N=2, bits=2), DelayedAddition(N=4)
GOOD: list[tuple[Task, Any]] = [
    (LABELS, np.zeros(4, np.int64)),
    (LABELS, np.ones(4, np.uint8)),
    (LABELS, [0, 1, 1, 0]),
    (LABELS, torch.ones(4, dtype=torch.int32)),
    (BITS, np.zeros((4, 2), np.int32)),
    (BITS, [[0, 1]] * 4),
    (VALUES, np.zeros((4, 1), np.float32)),
    (VALUES, torch.full((4, 1), 0.5, dtype=torch.float64)),
    (VALUES, [[-1], [0], [1], [0]]),
]


@pytest.mark.parametrize(("task", "actions"), GOOD)
def test_arrays_lists_and_tensors_are_answers(task: Task, actions: Any) -> None:
    assert evaluate(Says(actions), task, episodes=4, seed=0).episodes == 4


WANTS = {
    LABELS: r"actions must be integers 0 or 1 of shape \(4,\), got ",
    BITS: r"actions must be integers 0 or 1 of shape \(4, 2\), got ",
    VALUES: r"actions must be numbers from -1 to 1 of shape \(4, 1\), got ",
}
BAD: list[tuple[Task, Any, str]] = [
    (LABELS, np.zeros((4, 1), np.int64), r"int64 of shape \(4, 1\)$"),
    (LABELS, np.int64(0), r"int64 of shape \(\)$"),
    (LABELS, np.zeros(3, np.int64), r"int64 of shape \(3,\)$"),
    (LABELS, np.zeros(4), r"float64 of shape \(4,\)$"),
    (LABELS, np.zeros(4, np.bool_), r"bool of shape \(4,\)$"),
    (LABELS, ["0", "1", "0", "1"], r"<U1 of shape \(4,\)$"),
    (LABELS, None, r"object of shape \(\)$"),
    (LABELS, [0, 1, 2, 0], "2 for observation 2$"),
    (LABELS, [0, 1, 0, -1], "-1 for observation 3$"),
    (LABELS, torch.ones(4, requires_grad=True), "a Tensor of length 4: .*grad"),
    (BITS, np.zeros(4, np.int64), r"int64 of shape \(4,\)$"),
    (BITS, [[0, 1], [0, 1], [0, 3], [0, 1]], r"\[0 3\] for observation 2$"),
    (BITS, [[0, 1], [0], [0, 1], [0, 1]], "a list of length 4: .*inhomogeneous"),
    (VALUES, np.zeros(4), r"float64 of shape \(4,\)$"),
    (VALUES, [[0.0], [0.0], [float("nan")], [0.0]], r"\[nan\] for observation 2$"),
    (VALUES, [[0.0], [0.0], [0.0], [1.5]], r"\[1.5\] for observation 3$"),
    (VALUES, np.zeros((4, 1), np.complex64), r"complex64 of shape \(4, 1\)$"),
]


@pytest.mark.parametrize(("task", "actions", "got"), BAD)
def test_what_is_wrong_with_an_answer_is_said_in_one_line(task: Task, actions: Any, got: str) -> None:
    with pytest.raises(AgentError, match=WANTS[task] + got) as raised:
        evaluate(Says(actions), task, episodes=4, seed=0)
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    ("predicted", "got"),
    [
        (np.zeros(4, np.int64), "a ndarray of length 4"),
        (None, "a NoneType"),
        ((1, 2, 3), "a tuple of length 3"),
        (np.zeros((2, 4), np.int64), "a ndarray of length 2"),
    ],
)
def test_predict_must_return_a_pair(predicted: Any, got: str) -> None:
    agent = Says(None)
    agent.predicted = predicted
    with pytest.raises(AgentError, match=rf"^predict must return a pair \(actions, state\), got {got}$"):
        evaluate(agent, LABELS, episodes=4, seed=0)


def test_what_an_agent_raises_is_its_own() -> None:
    class Broken(Says):
        def predict(self, *_: Any, **__: Any) -> Any:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        evaluate(Broken(None), LABELS, episodes=4, seed=0)
