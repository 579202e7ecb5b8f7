"""sb3-contrib's RecurrentPPO, faster, and with temporal consistency as an additional loss term.

Axes: T steps, B sequences.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar

import sb3_contrib
import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RecurrentRolloutBufferSamples
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import explained_variance
from torch import Tensor

from baselines.network import Rollout
from baselines.ppo.buffer import SequenceBuffer
from baselines.ppo.policy import CellPolicy
from baselines.training import losses
from memory_envs import checks


class RecurrentPPO(sb3_contrib.RecurrentPPO):
    """sb3-contrib's recurrent PPO: the same losses and gradients, computed faster, and a few more arguments.

    ``gamma`` and ``gae_lambda`` are 0 by default, not 0.99 and 0.95. In this suite actions do not change what comes
    next, so the advantage of an answer is its own reward: a discount would only add the noise of later rewards.
    ``python -m speed.ppo gamma`` measures the difference. Set both for environments in which actions matter.

    Args:
        policy: ``CellPolicy``, or a recurrent policy of sb3-contrib.
        env: the environment to learn from.
        learning_rate, n_steps, batch_size, n_epochs: as in sb3-contrib, with its defaults.
        gamma: the discount factor.
        gae_lambda: lambda of generalised advantage estimation.
        whole_episodes: make minibatches of whole sequences, about ``batch_size`` steps each (see ``SequenceBuffer``).
        tcr: weight of the temporal consistency loss: |r(t) - r(t-1)|^2, summed over units and averaged over the steps
            of a minibatch, with r the activity of the actor's cell (``training.losses.temporal_consistency``). Steps
            t - 1 and t always belong to the same episode and the same sequence.
        tcr_on: r: ``"output"``, ``"state"``, or a part of the state that the cell names.
        args, kwargs: sb3-contrib's remaining arguments, in its order and with its defaults.

    Raises:
        ValueError: ``tcr`` is used without a ``CellPolicy``; its cell lacks ``tcr_on``; observations are dictionaries;
            an argument is out of range.
        TypeError: an argument has the wrong type.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **sb3_contrib.RecurrentPPO.policy_aliases,
        "CellPolicy": CellPolicy,
    }
    rollout_buffer: SequenceBuffer

    def __init__(
        self,
        policy: Any,
        env: Any,
        learning_rate: float | Schedule = 3e-4,
        n_steps: int = 128,
        batch_size: int | None = 128,
        n_epochs: int = 10,
        gamma: float = 0.0,
        gae_lambda: float = 0.0,
        *args: Any,
        whole_episodes: bool = False,
        tcr: float = 0.0,
        tcr_on: str = "output",
        **kwargs: Any,
    ) -> None:
        self.whole_episodes = checks.flag("whole_episodes", whole_episodes)
        self.tcr, self.tcr_on = checks.real("tcr", tcr, 0, 1e9), tcr_on
        super().__init__(policy, env, learning_rate, n_steps, batch_size, n_epochs, gamma, gae_lambda, *args, **kwargs)

    def _setup_model(self) -> None:
        if isinstance(self.observation_space, spaces.Dict):
            raise ValueError(f"env must have arrays as observations, not dictionaries, got {self.observation_space}")
        super()._setup_model()
        stock = self.rollout_buffer
        self.rollout_buffer = SequenceBuffer(
            stock.buffer_size,
            stock.observation_space,
            stock.action_space,
            stock.hidden_state_shape,
            stock.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=stock.n_envs,
        )
        self.rollout_buffer.whole_episodes = self.whole_episodes
        if self.tcr:
            if not isinstance(self.policy, CellPolicy):
                raise ValueError(f"tcr needs a CellPolicy, got tcr {self.tcr} with {type(self.policy).__name__}")
            self._consistency = losses.temporal_consistency(losses.activity_reader(self.policy.lstm_actor, self.tcr_on))

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_consistency"]  # a function: ``load`` makes it again

    def train(self) -> None:
        """Learn from the rollout in the buffer: ``n_epochs`` passes over its minibatches."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        remaining = self._current_progress_remaining
        clip = self.clip_range(remaining)  # type: ignore[operator]
        clip_vf = None if self.clip_range_vf is None else self.clip_range_vf(remaining)  # type: ignore[operator]
        seen: dict[str, list[Tensor]] = defaultdict(list)
        parameters = list(self.policy.parameters())
        going_on = True
        for _ in range(self.n_epochs):
            seen["approx_kl"] = []  # as in sb3-contrib, only the last epoch's is logged
            for data in self.rollout_buffer.get(self.batch_size):
                loss, parts = self.losses(data, clip, clip_vf)
                for name, value in parts.items():
                    seen[name].append(value.detach())
                if self.target_kl is not None and parts["approx_kl"].item() > 1.5 * self.target_kl:
                    going_on = False
                    break
                for parameter in parameters:  # what the optimizer's zero_grad() does, without its bookkeeping
                    parameter.grad = None
                torch.autograd.backward(loss)
                _clip(parameters, self.max_grad_norm)
                self.policy.optimizer.step()
            self._n_updates += 1
            if not going_on:
                break
        # item() makes the host wait for the device: only here, once per rollout.
        for name, values in seen.items():
            self.logger.record(f"train/{name}", (values[-1] if name == "loss" else torch.stack(values).mean()).item())
        buffer = self.rollout_buffer
        explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        self.logger.record("train/explained_variance", explained)
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", self.policy.log_std.exp().mean().item())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip)
        if clip_vf is not None:
            self.logger.record("train/clip_range_vf", clip_vf)

    def losses(
        self, data: RecurrentRolloutBufferSamples, clip: float, clip_vf: float | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a minibatch.

        Args:
            data: the minibatch, from ``SequenceBuffer.get``.
            clip: epsilon of the clipped surrogate objective: probability ratios count from 1 - clip to 1 + clip.
            clip_vf: the largest change of a value that counts. None: values are not clipped.

        Returns:
            The loss to minimise, and every logged number as a scalar tensor, under sb3-contrib's names.
        """
        actions = data.actions
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        arguments = data.observations, actions, data.lstm_states, data.episode_starts
        if isinstance(self.policy, CellPolicy):
            every_state = self.tcr != 0 and self.tcr_on != "output"
            values, log_prob, entropy, outputs, states = self.policy.evaluate_sequences(
                *arguments, every_state, whole=True
            )
        else:
            assert isinstance(self.policy, RecurrentActorCriticPolicy)
            values, log_prob, entropy = self.policy.evaluate_actions(*arguments)
        values = values.flatten()
        mask, advantages = data.mask.to(values.dtype), data.advantages.to(values.dtype)
        count = mask.sum()
        # Means are products with this share: indexing by the mask would make the host wait for the GPU.
        share = mask / count
        if self.normalize_advantage and len(advantages) > 1:  # a single step has no standard deviation
            advantages = advantages - advantages @ share
            deviation = (advantages.square() @ mask / (count - 1)).sqrt()
            advantages = advantages / (deviation + 1e-8)
        log_ratio = log_prob - data.old_log_prob
        ratio = log_ratio.exp()
        surrogate = torch.min(advantages * ratio, advantages * ratio.clamp(1 - clip, 1 + clip))
        parts = {"policy_gradient_loss": -(surrogate @ share)}
        if clip_vf is not None:
            values = data.old_values + (values - data.old_values).clamp(-clip_vf, clip_vf)
        parts["value_loss"] = (data.returns - values).square() @ share
        parts["entropy_loss"] = log_prob @ share if entropy is None else -(entropy @ share)
        loss = parts["policy_gradient_loss"] + self.vf_coef * parts["value_loss"]
        if self.ent_coef:
            loss = loss + self.ent_coef * parts["entropy_loss"]
        if self.tcr:
            lengths = mask.view(outputs.shape[1], -1).sum(1)
            parts["tcr_loss"] = self._consistency(Rollout(outputs, states, outputs, lengths), outputs, outputs)
            loss = loss + self.tcr * parts["tcr_loss"]
        parts["loss"] = loss
        with torch.no_grad():
            change = ratio - 1
            parts["approx_kl"] = (change - log_ratio) @ share
            parts["clip_fraction"] = (change.abs() > clip).to(share.dtype) @ share
        return loss, parts


def _clip(parameters: Sequence[Tensor], most: float) -> None:
    """Do what ``torch.nn.utils.clip_grad_norm_`` does, without its sorting of tensors by device and dtype."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
    torch._foreach_mul_(gradients, (most / (norm + 1e-6)).clamp(max=1.0))
