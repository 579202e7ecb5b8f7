"""Our RecurrentPPO computes the same losses and gradients as sb3-contrib's from the same rollout."""

from __future__ import annotations

import copy
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import sb3_contrib
import torch
from sb3_contrib.common.recurrent.buffers import RecurrentRolloutBuffer
from stable_baselines3.common.env_util import make_vec_env
from torch import Tensor

from baselines.evaluation import evaluate
from baselines.ppo import CellPolicy, RecurrentPPO, make_sb3_vec_env
from memory_envs import DelayedMatch

SMALL: dict[str, Any] = {"n_steps": 40, "batch_size": 60, "n_epochs": 2, "seed": 0, "device": "cpu"}
Critic = pytest.mark.parametrize("critic", ["separate", "shared", "feedforward"])
Envs = pytest.mark.parametrize(
    "parameters",
    [{"N": 3}, {"N": 3, "scoring": "final"}, {"heads": (2, 3, 4)}],
    ids=["one length", "random lengths", "heads"],
)


def stock_like(model: RecurrentPPO) -> sb3_contrib.RecurrentPPO:
    """sb3-contrib's model with the same weights, hyperparameters and rollout."""
    policy, env = model.policy, model.get_env()
    assert isinstance(policy, CellPolicy)
    assert env is not None
    critic = {"shared_lstm": policy.shared_lstm, "enable_critic_lstm": policy.enable_critic_lstm}
    stock = sb3_contrib.RecurrentPPO(
        "MlpLstmPolicy",
        env,
        gamma=model.gamma,
        gae_lambda=model.gae_lambda,
        ent_coef=model.ent_coef,
        policy_kwargs={"lstm_hidden_size": policy.units, "net_arch": [], **critic},
        **SMALL,
    )
    stock.policy.load_state_dict(renamed(dict(policy.state_dict())))
    for name in ("pos", "full", "observations", "actions", "rewards", "episode_starts", "values", "log_probs"):
        setattr(stock.rollout_buffer, name, getattr(model.rollout_buffer, name))
    for name in ("advantages", "returns", "hidden_states_pi", "cell_states_pi", "hidden_states_vf", "cell_states_vf"):
        setattr(stock.rollout_buffer, name, getattr(model.rollout_buffer, name).copy())
    return stock


def renamed(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights under sb3-contrib's names instead of ours."""
    values.pop("active_heads", None)
    return {name.replace("layers.0.", "") + ("_l0" if "layers.0." in name else ""): v for name, v in values.items()}


def minibatch(model: sb3_contrib.RecurrentPPO, steps: np.ndarray[Any, Any]) -> Any:
    """Logged values and gradients of the stock train() for one minibatch, with learning rate 0."""
    buffer = model.rollout_buffer
    assert isinstance(buffer, RecurrentRolloutBuffer)
    next(buffer.get(7))  # flattens its arrays
    change = np.zeros((buffer.buffer_size, buffer.n_envs))
    change[0] = 1
    data = buffer._get_samples(steps, buffer.swap_and_flatten(change))
    model.n_epochs = 1
    logged: dict[str, float] = {}
    model.logger.record = lambda name, value, **_: logged.__setitem__(name, value)  # type: ignore[method-assign]
    buffer.get = lambda batch_size: iter([data])  # type: ignore[method-assign, assignment, misc]
    model.policy.optimizer.param_groups[0]["lr"] = 0.0
    model.lr_schedule = lambda _: 0.0
    model.max_grad_norm = 1e9
    model.train()
    return logged, {name: p.grad for name, p in model.policy.named_parameters() if p.grad is not None}


def collect(model: Any) -> None:
    """Collect one rollout that begins in the middle of episodes."""
    model.learn(1)
    env = model.get_env()
    callback = model._init_callback(None)
    model.collect_rollouts(env, callback, model.rollout_buffer, model.n_steps)


@Critic
@Envs
def test_losses_and_gradients_are_those_of_sb3_contrib(critic: str, parameters: dict[str, Any]) -> None:
    env = make_sb3_vec_env("MemoryDMS-v0", 4, **parameters)
    kwargs = {"cell": "lstm", "units": 8, "critic": critic}
    model = RecurrentPPO(
        CellPolicy, env, policy_kwargs=kwargs, gamma=0.5, gae_lambda=0.5, ent_coef=0.1, learning_rate=0.05, **SMALL
    )
    collect(model)
    steps = np.roll(np.arange(160), -51)[20:80]  # includes the end of the rollout, ends of columns and cut episodes
    data = model.rollout_buffer._get_samples(steps)
    assert int(data.mask.sum()) == 60
    with torch.no_grad():  # so that the ratios are not all 1
        for parameter in model.policy.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.4)
    stock = stock_like(model)
    assert isinstance(model.policy, CellPolicy)
    values, log_prob, _ = model.policy.evaluate_actions(
        data.observations, data.actions, data.lstm_states, data.episode_starts
    )
    # The median of an even number of values lies between two of them: no value is so close to it that rounding decides.
    clip = ((log_prob - data.old_log_prob).exp() - 1).abs()[data.mask > 0].quantile(0.5).item()
    stock.clip_range = lambda _: clip  # some ratios are clipped, some are not
    clip_vf = None
    if critic != "shared":  # some values are clipped, some are not
        clip_vf = (values.flatten() - data.old_values).abs()[data.mask > 0].quantile(0.5).item()
        stock.clip_range_vf = lambda _: clip_vf
    loss, parts = model.losses(data, clip, clip_vf)
    model.policy.optimizer.zero_grad()
    torch.autograd.backward(loss)
    stock.set_logger(model.logger)
    logged, gradients = minibatch(stock, steps)
    assert 0 < logged["train/clip_fraction"] < 1
    for name, value in parts.items():
        assert value.item() == pytest.approx(logged[f"train/{name}"], abs=2e-6), name
    ours = renamed({name: p.grad for name, p in model.policy.named_parameters() if p.grad is not None})
    assert ours.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=2e-6)


def test_a_saved_model_goes_on_and_is_an_agent(tmp_path: Path) -> None:
    task = DelayedMatch(3)
    model = RecurrentPPO("CellPolicy", make_sb3_vec_env(task, 4), policy_kwargs={"cell": "gru", "units": 6}, **SMALL)
    model.learn(200)
    copy.deepcopy(model.policy)  # would fail if the policy kept an autograd graph
    model.save(tmp_path / "model")
    loaded = RecurrentPPO.load(tmp_path / "model", env=make_sb3_vec_env(task, 2), device="cpu")
    played = [evaluate(one, task, episodes=20, seed=9) for one in (model, loaded)]
    assert played[0] == played[1]
    loaded.learn(100)
    fresh = RecurrentPPO("CellPolicy", make_sb3_vec_env(task, 4), policy_kwargs={"cell": "gru", "units": 6}, **SMALL)
    fresh.set_parameters(str(tmp_path / "model"), device="cpu")  # the weights alone, without a pickle
    assert evaluate(fresh, task, episodes=20, seed=9) == played[0]


def test_stock_ppo_trains_our_policy_and_ours_a_stock_policy() -> None:
    env = make_sb3_vec_env("MemoryParity-v0", 4, N=2)
    stock = sb3_contrib.RecurrentPPO(CellPolicy, env, policy_kwargs={"cell": "leaky", "units": 6}, **SMALL)
    stock.learn(200)
    RecurrentPPO("MlpLstmPolicy", env, policy_kwargs={"lstm_hidden_size": 6}, whole_episodes=True, **SMALL).learn(200)
    assert RecurrentPPO(CellPolicy, env, **SMALL).gamma == 0


@pytest.mark.parametrize("scoring", ["dense", "final"])
def test_minibatches_of_whole_sequences_hold_every_step_once(scoring: str) -> None:
    env = make_sb3_vec_env("MemoryParity-v0", 3, N=2, scoring=scoring)
    model = RecurrentPPO(CellPolicy, env, whole_episodes=True, policy_kwargs={"units": 4}, **SMALL)
    collect(model)
    buffer = model.rollout_buffer
    firsts, lengths = buffer.sequences
    starts = buffer.episode_starts.T.reshape(-1)
    assert lengths.sum() == 120
    for first, length in zip(firsts, lengths, strict=True):
        assert starts[first] or first % 40 == 0
        assert not starts[first + 1 : first + length].any()
    order = []
    for _ in range(2):
        batches = list(buffer.get(60))
        assert len(batches) == 2
        rewards = torch.cat([data.returns[data.mask > 0] for data in batches])
        assert sorted(rewards.tolist()) == sorted(buffer.returns.reshape(-1).tolist())
        order.append(rewards)
    assert not torch.equal(order[0], order[1])


@pytest.mark.parametrize("on", ["output", "state", "c"])
@pytest.mark.parametrize("scoring", ["dense", "final"])
def test_temporal_consistency_is_that_of_a_loop_over_the_sequences(on: str, scoring: str) -> None:
    env = make_sb3_vec_env("MemoryParity-v0", 3, N=2, scoring=scoring)
    kwargs = {"cell": "lstm", "units": 5}
    model = RecurrentPPO(CellPolicy, env, whole_episodes=True, tcr=0.7, tcr_on=on, policy_kwargs=kwargs, **SMALL)
    collect(model)
    (data,) = model.rollout_buffer.get(None)
    loss, parts = model.losses(data, 0.2)
    plain = parts["policy_gradient_loss"] + model.vf_coef * parts["value_loss"]
    assert loss.item() == pytest.approx((plain + 0.7 * parts["tcr_loss"]).item())
    policy, buffer = model.policy, model.rollout_buffer
    assert isinstance(policy, CellPolicy)
    cell, total, steps = policy.lstm_actor, 0.0, 0
    for column in range(3):
        state = cell.unpack(
            tuple(
                torch.from_numpy(half[0][:, column : column + 1])
                for half in (buffer.hidden_states_pi, buffer.cell_states_pi)
            )
        )
        before = None
        for t in range(40):
            if buffer.episode_starts[t, column]:
                state, before = cell.initial_state(1), None
            output, state = cell.step(torch.from_numpy(buffer.observations[t, column : column + 1]), state)
            activity = {"output": output, "state": state, "c": state[:, 5:]}[on]
            if before is not None:
                total, steps = total + (activity - before).square().sum().item(), steps + 1
            before = activity
    assert parts["tcr_loss"].item() == pytest.approx(total / steps, rel=1e-4)
    gradient = torch.autograd.grad(parts["tcr_loss"], list(cell.parameters()))
    assert all(g.abs().sum() > 0 for g in gradient)
    model.learn(130)
    assert model.logger.name_to_value["train/tcr_loss"] > 0


def test_what_temporal_consistency_needs_is_made_anew_when_a_model_is_loaded(tmp_path: Path) -> None:
    env = make_sb3_vec_env("MemoryParity-v0", 4, N=2)
    RecurrentPPO(CellPolicy, env, tcr=0.3, tcr_on="state", **SMALL).save(tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "model.zip") as saved:
        assert "_consistency" not in saved.read("data").decode()
    loaded = RecurrentPPO.load(tmp_path / "model", env=env, device="cpu")
    loaded.learn(40 * 4)
    assert loaded.logger.name_to_value["train/tcr_loss"] > 0


def test_a_minibatch_of_one_step_leaves_numbers() -> None:
    env = make_sb3_vec_env("MemoryParity-v0", 4, N=2)
    model = RecurrentPPO(
        CellPolicy, env, n_steps=13, batch_size=17, n_epochs=2, seed=0, device="cpu"
    )  # 52 = 3 * 17 + 1
    before = [parameter.clone() for parameter in model.policy.parameters()]
    model.learn(52)
    assert all(torch.isfinite(parameter).all() for parameter in model.policy.parameters())
    assert any(not torch.equal(one, other) for one, other in zip(before, model.policy.parameters(), strict=True))


class Anything(gym.Env[Any, Any]):
    """An environment with any spaces and short episodes; it rewards actions that are in its action space."""

    def __init__(self, observations: gym.Space[Any], actions: gym.Space[Any]) -> None:
        self.observation_space, self.action_space = observations, actions
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return self.observation_space.sample(), float(action in self.action_space), False, self.steps > 4, {}


@pytest.mark.parametrize("whole_episodes", [False, True])
@pytest.mark.parametrize(
    "actions",
    [gym.spaces.Box(-1, 1, (2,), np.float64), gym.spaces.MultiBinary(2), gym.spaces.MultiDiscrete([2, 3])],
    ids=str,
)
def test_actions_of_other_environments(actions: gym.Space[Any], whole_episodes: bool) -> None:
    shown = gym.spaces.Box(-1, 1, (3,), np.float64)
    env = make_vec_env(lambda: Anything(shown, actions), 3)
    model = RecurrentPPO(CellPolicy, env, whole_episodes=whole_episodes, gamma=0.9, gae_lambda=0.9, **SMALL)
    model.learn(120)
    assert all(torch.isfinite(parameter).all() for parameter in model.policy.parameters())


def test_observations_that_are_dictionaries_are_refused() -> None:
    shown = gym.spaces.Dict(bit=gym.spaces.Box(-1, 1, (1,)))
    env = make_vec_env(lambda: Anything(shown, gym.spaces.Discrete(2)), 2)
    with pytest.raises(ValueError, match="env must have arrays as observations, not dictionaries, got Dict"):
        RecurrentPPO("MultiInputLstmPolicy", env, **SMALL)


def test_bad_arguments_are_refused() -> None:
    env = make_sb3_vec_env("MemoryParity-v0", 2, N=2)
    with pytest.raises(TypeError, match=r"whole_episodes must be True or False, got 1 \(int\)"):
        RecurrentPPO(CellPolicy, env, whole_episodes=1, **SMALL)  # type: ignore[arg-type]
    for complaint, policy, kwargs in (
        ("tcr needs a CellPolicy, got tcr 0.1 with RecurrentActorCriticPolicy", "MlpLstmPolicy", {"tcr": 0.1}),
        (r"tcr must be a number from 0 to 1e\+09, got -1", CellPolicy, {"tcr": -1}),
        (r"tcr_on must be among \['output', 'state', 'h', 'c'\]", CellPolicy, {"tcr": 0.1, "tcr_on": "z"}),
        ("cell must be one of", CellPolicy, {"policy_kwargs": {"cell": "nothing"}}),
        ("critic must be one of", CellPolicy, {"policy_kwargs": {"critic": "kind"}}),
        ("units must be an integer of at least 1, got 0", CellPolicy, {"policy_kwargs": {"units": 0}}),
    ):
        with pytest.raises(ValueError, match=complaint):
            RecurrentPPO(policy, env, **SMALL, **kwargs)
