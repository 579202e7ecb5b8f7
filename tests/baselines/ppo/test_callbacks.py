"""Curricula in reinforcement learning: one callback with the curricula of supervised training."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env

from baselines.ppo import CellPolicy, CurriculumCallback, RecurrentPPO, make_sb3_vec_env
from baselines.training.curriculum import MultiHead, NoneMulti, SingleHead, SlidingWindow
from memory_envs import DelayedAddition, DelayedMatch, Parity, Task

SMALL: dict[str, Any] = {"n_steps": 16, "batch_size": 128, "n_epochs": 1, "seed": 0, "device": "cpu"}


class Perfect(CurriculumCallback):
    """Every answer counts as right after 300 steps."""

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if self.num_timesteps > 300:
                info["correct"] = info["counted"] & np.array(self.task.active)
        return super()._on_step()


def model_for(callback: CurriculumCallback, **kwargs: Any) -> RecurrentPPO:
    env = make_sb3_vec_env(callback.task, 8)
    return RecurrentPPO(CellPolicy, env, policy_kwargs={"cell": "gru", "units": 8}, **SMALL | kwargs)


def test_a_single_head_grows_by_the_curriculum() -> None:
    callback = Perfect(SingleHead(n_max=4, threshold=0.9), Parity(), least_answers=50)
    model = model_for(callback)
    assert model.get_env().get_attr("task", 0) == [Parity(2)]  # type: ignore[union-attr]
    model.learn(10**4, callback)
    # Rollouts of 128 steps: chance in the first two, half right in the third, then one stage each.
    assert callback.solved == {2: 512, 3: 640, 4: 768}
    assert callback.finished
    assert model.num_timesteps == 768  # the step that finds out that all is done does not count
    model.learn(100, callback, reset_num_timesteps=False)
    assert model.num_timesteps == 768
    assert callback.task == Parity(4)


@pytest.mark.parametrize(("task", "factor"), [(Parity(), 0.01), (DelayedAddition(N=4), 1.0)])
def test_a_single_readout_of_labels_begins_a_stage_small(task: Task, factor: float) -> None:
    callback = CurriculumCallback(SingleHead(first_n=3, n_max=4), task)
    model = model_for(callback)
    model.learn(128, callback)
    assert isinstance(model.policy, CellPolicy)
    before = [parameter.detach().clone() for parameter in model.policy.action_net.parameters()]
    callback._next = callback.curriculum(callback.stage, [1.0])
    callback._advance()
    assert callback.stage.N == 4
    for was, parameter in zip(before, model.policy.action_net.parameters(), strict=True):
        torch.testing.assert_close(parameter.detach(), was * factor)


@pytest.mark.slow
def test_a_single_head_goes_on_from_answers_that_it_is_sure_of() -> None:
    callback = CurriculumCallback(SingleHead(n_max=4, threshold=0.95), DelayedMatch())
    settings: dict[str, Any] = {"n_steps": 32, "batch_size": 512, "learning_rate": 3e-3, "whole_episodes": True}
    policy = {"cell": "gru", "critic": "shared"}
    env = make_sb3_vec_env(callback.task, 64)
    RecurrentPPO(CellPolicy, env, policy_kwargs=policy, seed=0, device="cpu", **settings).learn(80_000, callback)
    assert list(callback.solved) == [2, 3, 4]


@pytest.mark.parametrize("curriculum", [MultiHead(n_max=4), SlidingWindow(n_max=4, window=2, shift=1)])
def test_heads_grow_within_one_action_space(curriculum: MultiHead) -> None:
    task = DelayedMatch()
    callback = Perfect(curriculum, task, least_answers=50, trial_length=3)
    model = model_for(callback)
    stages, policy = [], model.policy
    assert isinstance(policy, CellPolicy)
    for _ in range(8):
        model.learn(128, callback, reset_num_timesteps=False)
        env_task = model.get_env().get_attr("task", 0)[0]  # type: ignore[union-attr]
        heads = curriculum.stage(task, callback.stage.N).heads
        assert heads is not None
        assert env_task == callback.task == DelayedMatch(heads=(2, 3, 4), active_heads=heads, num_steps=3 * heads[-1])
        assert policy.active_heads.bool().tolist() == [n in heads for n in (2, 3, 4)]
        stages.append(callback.stage.N)
    first = curriculum.stages()[0]
    assert stages[0] == first
    assert callback.finished
    assert sorted(callback.solved) == list(curriculum.stages())


def test_inactive_heads_have_no_part_in_gradient_probability_or_entropy() -> None:
    callback = CurriculumCallback(MultiHead(n_max=4), Parity())
    model = model_for(callback, ent_coef=0.1)
    model.learn(128, callback)
    policy = model.policy
    assert isinstance(policy, CellPolicy)
    assert policy.active_heads.tolist() == [1, 0, 0]
    (data,) = model.rollout_buffer.get(None)
    loss, _ = model.losses(data, 0.2)
    policy.optimizer.zero_grad()
    torch.autograd.backward(loss)
    gradient = policy.action_net.get_parameter("weight").grad
    assert isinstance(gradient, torch.Tensor)
    assert (gradient.abs().sum(1) > 0).tolist() == [True, True, False, False, False, False]
    before = policy.evaluate_actions(data.observations, data.actions, data.lstm_states, data.episode_starts)
    with torch.no_grad():  # whatever the other heads do
        policy.action_net.get_parameter("weight")[2:] += 1
    other = data.actions.clone()
    other[:, 1:] = 1 - other[:, 1:]
    after = policy.evaluate_actions(data.observations, other, data.lstm_states, data.episode_starts)
    for one, two in zip(before, after, strict=True):
        assert one is not None
        assert two is not None
        torch.testing.assert_close(one, two, rtol=0, atol=0)
    torch.testing.assert_close(
        data.old_log_prob.exp().mean().item(), 0.5, rtol=0.1, atol=0.1
    )  # one head's, not the product of three


def test_a_rollout_is_of_one_stage_only() -> None:
    """The first step of every rollout of a new stage begins a trial in each column."""
    callback = Perfect(SingleHead(n_max=5, threshold=0.9), Parity(), least_answers=50)
    model = model_for(callback)
    seen = []
    train = model.train

    def watch() -> None:
        seen.append((callback.stage.N, bool(model.rollout_buffer.episode_starts[0].all())))
        train()

    model.train = watch  # type: ignore[method-assign]
    model.learn(900, callback)
    changes = [begin for (n, _), (m, begin) in pairwise(seen) if n != m]
    assert len(changes) >= 2
    assert all(changes)


def test_a_state_is_not_changed_by_what_comes_after() -> None:
    callback = Perfect(SingleHead(n_max=4, threshold=0.9), Parity(), least_answers=50)
    model = model_for(callback)
    model.learn(128, callback)
    kept = callback.state()
    was = json.dumps(kept)
    model.learn(512, callback, reset_num_timesteps=False)
    assert callback.state() != kept
    assert json.dumps(kept) == was


def test_scalar_environments_serve_as_well() -> None:
    callback = Perfect(SingleHead(n_max=3, threshold=0.9), Parity(), least_answers=50)
    env = make_vec_env("MemoryParity-v0", 8, env_kwargs={"N": 7})  # the callback sets the task of the first stage
    model = RecurrentPPO(CellPolicy, env, policy_kwargs={"units": 4}, **SMALL)
    model.learn(700, callback)
    assert callback.finished
    assert env.env_method("get_wrapper_attr", "task")[0] == Parity(3)


def test_what_cannot_be_is_refused() -> None:
    callback = CurriculumCallback(NoneMulti(n_max=3), Parity())
    model = RecurrentPPO("MlpLstmPolicy", make_sb3_vec_env(callback.task, 2), **SMALL)
    with pytest.raises(ValueError, match="policy must be a CellPolicy for several heads"):
        model.learn(64, callback)
    for complaint, wrong in (
        ("least_answers must be an integer of at least 1, got 0", {"least_answers": 0}),
        ("trial_length must be a number from 1 to 1e\\+06, got 0.5", {"trial_length": 0.5}),
        ("readout_scale must be a number from 0 to 1, got -2", {"readout_scale": -2}),
    ):
        with pytest.raises(ValueError, match=complaint):
            CurriculumCallback(SingleHead(n_max=3), Parity(), **wrong)
    with pytest.raises(ValueError, match="task must keep the environment's action_space"):
        RecurrentPPO(CellPolicy, make_sb3_vec_env(Parity(3), 2), **SMALL).learn(64, callback)


@pytest.mark.slow
def test_parity_is_learned_to_n_4() -> None:
    callback = CurriculumCallback(MultiHead(n_max=4, threshold=0.95), Parity())
    model = model_for(callback, n_steps=64, batch_size=256, n_epochs=10, learning_rate=3e-3, whole_episodes=True)
    model.learn(300_000, callback)
    assert callback.finished
