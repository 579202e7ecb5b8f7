"""``CellPolicy``: sb3-contrib's recurrent actor-critic policy with any cell.

Axes: T steps, B sequences, H heads, U units, S state size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from baselines.cells import Cell, make_cell
from baselines.ppo.distribution import HeadsDistribution
from baselines.ppo.recurrence import Recurrence, States
from baselines.training.ppo_settings import CRITICS
from memory_envs import checks


class Evaluated(NamedTuple):
    """A policy's evaluation of the actions taken in B sequences of T steps.

    The first three are in sb3-contrib's flat order, sequence by sequence.

    Attributes:
        values: (B * T, 1), the critic's values.
        log_prob: (B * T,), the log probabilities of the actions, active heads only.
        entropy: (B * T,), the entropies of the action distributions, active heads only. None: no closed form.
        outputs: (T, B, U), the outputs of the actor's cell.
        states: (T, B, S), the states of the actor's cell; or only the last state, (B, S).
    """

    values: Tensor
    log_prob: Tensor
    entropy: Tensor | None
    outputs: Tensor
    states: Tensor


class CellPolicy(RecurrentActorCriticPolicy):
    """A recurrent policy with a cell of ``baselines.cells`` or your own, for sb3-contrib's RecurrentPPO and for ours.

    For example ``RecurrentPPO(CellPolicy, make_sb3_vec_env("MemoryDMS-v0", 64, N=4), policy_kwargs={"cell": "gru"})``.
    Answers may be labels (``Discrete``), labels of several heads (``MultiDiscrete``) or real values (``Box``). The
    initial weights come from torch's global generator, which a model's ``seed`` seeds.

    A saved model is a file of Stable-Baselines3. ``load`` unpickles parts of it, so load only files that you trust. To
    use the weights in somebody else's file, make the model yourself and call ``model.set_parameters(path)``, which
    needs no pickle.

    Args:
        observation_space: a ``Box``.
        action_space: ``Discrete``, ``MultiDiscrete`` or ``Box``.
        lr_schedule: the learning rate of the optimizer, as SB3 gives it.
        cell: a name in ``CELLS``, ``"package.module:ClassName"``, or a class.
        cell_kwargs: the cell's own options.
        units: U, the number of units in every layer.
        layers: the number of layers of cells; each layer's inputs are the outputs of the layer before.
        critic: ``"separate"`` (the critic has cells of its own), ``"shared"`` (the critic reads the outputs of the
            actor's cell and sends no gradient back, as in sb3-contrib) or ``"feedforward"`` (the critic sees the
            current observation only).
        net_arch: the sizes of hidden layers between the cell and the readouts. None: there are none.
        kwargs: the other arguments of sb3-contrib's policy, except for those of its LSTM.

    Raises:
        ValueError, TypeError: an argument is out of range or of the wrong type.
        FloatingPointError: later, a real-valued answer is NaN: training has diverged.
    """

    lstm_actor: Recurrence  # type: ignore[assignment]
    lstm_critic: Recurrence | None  # type: ignore[assignment]
    active_heads: Tensor

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        cell: str | type[Cell] = "lstm",
        cell_kwargs: Mapping[str, Any] | None = None,
        units: int = 64,
        layers: int = 1,
        critic: str = "separate",
        net_arch: list[int] | dict[str, list[int]] | None = None,
        **kwargs: Any,
    ) -> None:
        self.cell, self.cell_kwargs = cell, dict(cell_kwargs or {})
        self.units = checks.integer("units", units, 1)
        self.num_layers = checks.integer("layers", layers, 1)
        self.critic_kind = checks.choice("critic", critic, CRITICS)
        self.lstm_output_dim = units  # the parent reads it to size the layers behind the cell
        if kwargs.get("optimizer_class", torch.optim.Adam) is torch.optim.Adam:
            # The epsilon is SB3's. Fused, because for tensors this small the number of calls sets the time.
            kwargs["optimizer_kwargs"] = {"eps": 1e-5, "fused": True} | (kwargs.get("optimizer_kwargs") or {})
        # The grandparent's constructor, because sb3-contrib's own would build LSTMs.
        ActorCriticPolicy.__init__(
            self, observation_space, action_space, lr_schedule, [] if net_arch is None else net_arch, **kwargs
        )
        self.shared_lstm, self.enable_critic_lstm = critic == "shared", critic == "separate"
        if self.shared_lstm and not self.share_features_extractor:
            raise ValueError("critic must not be 'shared' if share_features_extractor is False")
        self.lstm_actor = self._recurrence()
        self.lstm_critic = self._recurrence() if critic == "separate" else None
        self.critic = _Critic(self.features_dim, self.lstm_output_dim) if critic == "feedforward" else None
        if self.lstm_actor.output_size != units:
            raise ValueError(f"units must be the cell's output_size, {self.lstm_actor.output_size}, got {units}")
        self.lstm_hidden_state_shape = (1, 1, self.lstm_actor.hidden_size)
        labels = [action_space.n] if isinstance(action_space, spaces.Discrete) else []
        if isinstance(action_space, spaces.MultiDiscrete):
            labels = action_space.nvec.tolist()
        self._heads: HeadsDistribution | None = None
        if len(set(labels)) == 1:
            self._heads = HeadsDistribution(len(labels), int(labels[0]), isinstance(action_space, spaces.Discrete))
        self.register_buffer("active_heads", torch.ones(len(labels)))
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)  # type: ignore[call-arg]

    def set_active_heads(self, active: tuple[bool, ...]) -> None:
        """Choose the heads that count in the probability of an action and in the entropy; the others learn nothing.

        Args:
            active: (H,), whether each head is active.

        Raises:
            ValueError: ``active`` has another length than H, or the action space has no heads of equally many labels.
        """
        if self._heads is None or len(active) != len(self.active_heads):
            raise ValueError(f"active must have one entry for each head of {self.action_space}, got {active}")
        self.active_heads.copy_(torch.tensor(active))

    def evaluate_sequences(
        self,
        obs: Tensor,
        actions: Tensor,
        lstm_states: RNNStates,
        starts: Tensor,
        every_state: bool = False,
        whole: bool = False,
    ) -> Evaluated:
        """Like ``evaluate_actions``, and also return the activity of the actor's cell.

        Args:
            obs: (B * T, ...), the observations, sequence by sequence.
            actions: (B * T,) or (B * T, H).
            lstm_states: the states of actor and critic before the first step (see ``States``).
            starts: (B * T,), 1 where an episode begins.
            every_state: return the states of all steps, not only the last.
            whole: episodes begin at the first step of a sequence only, as in the minibatches of ``SequenceBuffer``.
        """
        features: Any = self.extract_features(obs)
        pi_features, vf_features = (features, features) if self.share_features_extractor else features
        begins = _begins(starts, lstm_states.pi, whole)
        outputs, states = _run(self.lstm_actor, pi_features, lstm_states.pi, begins, every_state)
        latent_pi = _flat(outputs)
        if self.lstm_critic is not None:
            latent_vf = _flat(_run(self.lstm_critic, vf_features, lstm_states.vf, begins)[0])
        else:
            latent_vf = latent_pi.detach() if self.critic is None else self.critic(vf_features)
        distribution = self._get_action_dist_from_latent(self.mlp_extractor.forward_actor(latent_pi))
        values = self.value_net(self.mlp_extractor.forward_critic(latent_vf))
        return Evaluated(values, distribution.log_prob(actions), distribution.entropy(), outputs, states)

    def forward(  # type: ignore[override]
        self, obs: Tensor, lstm_states: RNNStates, episode_starts: Tensor, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor, RNNStates]:
        if torch.is_grad_enabled():
            return super().forward(obs, lstm_states, episode_starts, deterministic)
        # While a rollout is collected no gradient is needed: inference mode saves a sixth of the time. What leaves it
        # is copied, because autograd refuses tensors that were made in it, such as old values in a loss of one's own.
        with torch.inference_mode():
            actions, values, log_prob, states = super().forward(obs, lstm_states, episode_starts, deterministic)
        pi, vf = (tuple(half.clone() for half in part) for part in states)
        return actions.clone(), values.clone(), log_prob.clone(), RNNStates(pi, vf)

    def evaluate_actions(  # type: ignore[override]
        self, obs: Tensor, actions: Tensor, lstm_states: RNNStates, episode_starts: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        return self.evaluate_sequences(obs, actions, lstm_states, episode_starts)[:3]

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Like sb3-contrib's; without a ``state``, an episode begins from the cell's own initial state."""
        if state is None:
            episode_start = np.ones(len(self.obs_to_tensor(observation)[0]), np.bool_)
        return super().predict(observation, state, episode_start, deterministic)

    @staticmethod
    def _process_sequence(  # type: ignore[override]
        features: Tensor, lstm_states: States, episode_starts: Tensor, lstm: Recurrence
    ) -> tuple[Tensor, States]:
        outputs, states = _run(lstm, features, lstm_states, _begins(episode_starts, lstm_states))
        return _flat(outputs), lstm.pack(states)

    def _get_action_dist_from_latent(self, latent_pi: Tensor) -> Distribution:
        if self._heads is None:
            try:
                return super()._get_action_dist_from_latent(latent_pi)
            except ValueError as error:  # torch's distributions refuse parameters that are NaN
                raise FloatingPointError(
                    f"an answer is not a finite number: {str(error).partition(', but')[0]}"
                ) from None
        return self._heads.given(self.action_net(latent_pi), self.active_heads)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own = {"cell": self.cell, "cell_kwargs": self.cell_kwargs, "units": self.units, "layers": self.num_layers}
        return super()._get_constructor_parameters() | own | {"critic": self.critic_kind}

    def _recurrence(self) -> Recurrence:
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        sizes = [self.features_dim, *[self.units] * (self.num_layers - 1)]
        return Recurrence(
            [make_cell(self.cell, size, self.units, generator=generator, options=self.cell_kwargs) for size in sizes],
            self.features_dim,
        )


class _Critic(nn.Linear):
    """It takes inputs of any type, because Stable-Baselines3 turns observations into float32."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs.to(self.weight.dtype))


Begins: TypeAlias = tuple[Tensor, list[int]]
"""Where episodes begin, (T, B) bool, and the steps at which an episode may begin."""


def _run(
    recurrence: Recurrence, features: Tensor, states: States, begins: Begins, every_state: bool = False
) -> tuple[Tensor, Tensor]:
    """Call ``Recurrence.over_episodes`` with flat features (B * T, I)."""
    kind = next(recurrence.parameters()).dtype  # Stable-Baselines3 turns observations and stored states into float32
    state = recurrence.unpack(states).to(kind)
    sequences = features.to(kind).view(len(state), -1, features.shape[-1]).transpose(0, 1)
    starts, steps = begins
    return recurrence.over_episodes(sequences, state, starts, every_state, steps)


def _begins(starts: Tensor, states: States, whole: bool = False) -> Begins:
    """Convert sb3-contrib's flat episode starts (B * T,). Unless ``whole``, the host waits for the device."""
    rows = starts.view(states[0].shape[1], -1).t() > 0
    steps = [0] if whole or len(rows) == 1 else [t for t, some in enumerate(rows.any(dim=1).tolist()) if some]
    return rows, steps


def _flat(outputs: Tensor) -> Tensor:
    """Outputs (T, B, U) -> (B * T, U), sequence by sequence."""
    return outputs.transpose(0, 1).flatten(0, 1)
