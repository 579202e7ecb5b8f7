"""torchrl plays the environments, where it is installed: its specification check, and a recurrent policy's rollout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from memory_envs import TASKS, MemoryVectorEnv, Task

pytest.importorskip("torchrl")
pytestmark = pytest.mark.filterwarnings("ignore")  # of torchrl's own making


def native(task: Task, mode: str) -> Any:
    from torchrl.envs import GymWrapper

    parameters = {name: value for name, value in task.to_dict().items() if name != "task"}
    envs = gym.make_vec(task.env_id, num_envs=3, autoreset_mode=mode, **parameters)
    return GymWrapper(envs, categorical_action_encoding=True)


def by_id(task: Task, module: str = "", **kwargs: Any) -> Any:
    from torchrl.envs import GymEnv

    return GymEnv(module + task.env_id, categorical_action_encoding=True, N=task.N, **kwargs)


FORMS: dict[str, Callable[[Task], Any]] = {
    "scalar": by_id,
    # Processes of torchrl's begin with nothing imported: the id has to say where it is registered.
    "num_envs=3": lambda task: by_id(task, "memory_envs:", num_envs=3),
    "SameStep": lambda task: native(task, "SameStep"),
    "Disabled": lambda task: native(task, "Disabled"),
}


def recurrent(env: Any) -> tuple[Any, Any]:
    """The environment with room for an LSTM's state in its data, and a policy with that LSTM."""
    import torch
    from tensordict.nn import TensorDictModule, TensorDictSequential
    from torchrl.envs import Compose, InitTracker, TransformedEnv
    from torchrl.modules import LSTMModule

    torch.manual_seed(0)
    lstm = LSTMModule(env.observation_spec["observation"].shape[-1], 4, in_key="observation", out_key="features")
    spec = env.action_spec
    discrete = not spec.dtype.is_floating_point
    answers = spec.shape[-1] if spec.ndim > len(env.batch_size) else 1
    readout = torch.nn.Linear(4, answers)

    def act(features: Any) -> Any:
        said = readout(features)
        said = (said > 0).long() if discrete else said.tanh()
        return said if spec.ndim > len(env.batch_size) else said[..., 0]

    room = Compose(InitTracker(), lstm.make_tensordict_primer())
    return TransformedEnv(env, room), TensorDictSequential(lstm, TensorDictModule(act, ["features"], ["action"]))


@pytest.mark.parametrize("form", [pytest.param(f, marks=pytest.mark.slow if "num_envs" in f else ()) for f in FORMS])
@pytest.mark.parametrize("name", TASKS)
def test_a_recurrent_policy_plays(name: str, form: str) -> None:
    from torchrl.envs.utils import check_env_specs

    task = TASKS[name](N=4)
    env = FORMS[form](task)
    check_env_specs(env)
    env, policy = recurrent(env)
    steps = 3 * task.num_steps
    played = env.rollout(steps, policy, break_when_any_done=False)
    assert played.batch_size == ((steps,) if form == "scalar" else (3, steps))
    assert played["recurrent_state_h"].abs().sum() > 0  # the state is handed on
    assert played["next", "reward"].abs().max() > 0
    env.close()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["SameStep", "Disabled"])
@pytest.mark.parametrize("name", TASKS)
def test_torchrl_sees_what_the_trials_hold(name: str, mode: str) -> None:
    """Trial after trial of each column, in the trial's own order, and its own pay."""
    task = TASKS[name](N=4)
    env, policy = recurrent(native(task, mode))
    env.set_seed(5)
    trials, steps = 3, task.num_steps
    played = env.rollout(trials * steps, policy, break_when_any_done=False).detach()
    for column in range(3):
        # set_seed resets, and begins trial 0 of its seed; rollout resets again. Where all columns end at once, torchrl
        # resets all of them, even if they have begun their next trial by themselves.
        taken = slice(1, 2 * trials, 2) if mode == "SameStep" else slice(1, 1 + trials)
        batch = task.batch(5 + column, 0, 2 * trials).columns(taken)
        shown = played["observation"][column].numpy().reshape(trials, steps, -1).swapaxes(0, 1)
        np.testing.assert_array_equal(shown, batch.inputs)
        answers = played["action"][column].numpy().reshape(trials, steps, -1).swapaxes(0, 1)
        pay = played["next", "reward"][column].numpy().reshape(trials, steps).T
        np.testing.assert_allclose(pay, task.rewards(batch, answers), atol=1e-7)
        over = played["next", "terminated"][column].numpy().reshape(trials, steps)
        assert over[:, -1].all()
        assert not over[:, :-1].any()


def test_the_autoreset_mode_is_an_attribute_too() -> None:
    """As in Gymnasium's own vector environments; torchrl reads it."""
    for mode in AutoresetMode:
        envs = MemoryVectorEnv("parity", 2, autoreset_mode=mode)
        assert envs.autoreset_mode is envs.metadata["autoreset_mode"] is mode
