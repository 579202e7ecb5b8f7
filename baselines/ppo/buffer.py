"""``SequenceBuffer``: a rollout on the device, handed out as minibatches of sequences.

Axes: B columns of the vector environment, T steps of the longest sequence in a minibatch, M sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sb3_contrib.common.recurrent.buffers import RecurrentRolloutBuffer
from sb3_contrib.common.recurrent.type_aliases import RecurrentRolloutBufferSamples, RNNStates
from torch import Tensor

Indices = npt.NDArray[np.int64]
_NUMBERS = ("values", "log_probs", "advantages", "returns", "episode_starts")
_STATES = ("hidden_states_pi", "cell_states_pi", "hidden_states_vf", "cell_states_vf")


class SequenceBuffer(RecurrentRolloutBuffer):
    """sb3-contrib's rollout buffer, copied to the device once per rollout; minibatches are made by indexing.

    A sequence is a run of neighbouring steps of one episode in one column. The rollout is cut into sequences where
    episodes begin and at the ends of each column. Without ``whole_episodes`` a minibatch's first and last sequence may
    be cut once more.

    Attributes:
        whole_episodes: minibatches consist of whole sequences, shuffled in each epoch. Otherwise they are like
            sb3-contrib's: ``batch_size`` neighbouring steps each, the same in every epoch except for a random shift.
    """

    whole_episodes = False

    def reset(self) -> None:
        super().reset()  # type: ignore[no-untyped-call]
        self._tensors: dict[str, Tensor] = {}
        self._begins: npt.NDArray[np.bool_] | None = None

    def get(self, batch_size: int | None = None) -> Iterator[RecurrentRolloutBufferSamples]:  # type: ignore[override]
        """Yield the minibatches of one epoch.

        Args:
            batch_size: the number of steps in a minibatch, approximate for whole sequences. None: one minibatch.
        """
        assert self.full, "the rollout buffer must be full before it is read"
        total = self.buffer_size * self.n_envs
        size = batch_size or total
        if self.whole_episodes:
            sequences = torch.randperm(len(self.sequences[0])).numpy()
            for chosen in np.array_split(sequences, max(round(total / size), 1)):
                if len(chosen):
                    yield self._samples(*(part[chosen] for part in self.sequences))
            return
        shift = int(torch.randint(total, ()))
        order = np.roll(np.arange(total), -shift)
        for first in range(0, total, size):
            yield self._get_samples(order[first : first + size])

    @property
    def sequences(self) -> tuple[Indices, Indices]:
        """The index of each sequence's first step and its number of steps, (M,) each, column by column."""
        return self._cut(np.arange(self.buffer_size * self.n_envs))

    def _get_samples(  # type: ignore[override]
        self, batch_inds: Any, env_change: Any = None, env: Any = None
    ) -> RecurrentRolloutBufferSamples:
        """A minibatch of these steps, numbered column by column. ``batch_inds`` must consist of runs of neighbours."""
        firsts, lengths = self._cut(batch_inds)
        return self._samples(firsts, lengths)

    def _cut(self, steps: Indices) -> tuple[Indices, Indices]:
        """First steps and lengths of the sequences in these steps, (M,) each."""
        if self._begins is None:
            self._begins = self.episode_starts.T.reshape(-1) != 0
            self._begins[:: self.buffer_size] = True
        begins = self._begins[steps]
        begins[0] = True
        places = np.flatnonzero(begins)
        lengths = np.empty_like(places)
        lengths[:-1], lengths[-1] = places[1:] - places[:-1], len(steps) - places[-1]
        return steps[places], lengths

    def _samples(self, firsts: Indices, lengths: Indices) -> RecurrentRolloutBufferSamples:
        if not self._tensors:
            # As floats, because Stable-Baselines3 stores labels and bits as floats, too.
            actions = self._flat(self.actions).float()
            self._tensors = {"observations": self._flat(self.observations), "actions": actions}
            # Everything with one number per step as (5, B * steps): a minibatch takes one look-up instead of five.
            self._tensors["numbers"] = torch.stack([self._flat(getattr(self, name)) for name in _NUMBERS])
            # Both halves of the states of actor and critic, (4, layers, B * steps, size).
            states = np.stack([getattr(self, name) for name in _STATES]).transpose(0, 2, 3, 1, 4)
            self._tensors["states"] = self._index(states.reshape(4, states.shape[1], -1, states.shape[-1]))
        within = np.arange(lengths.max())
        mask = within < lengths[:, None]
        # Padding repeats a sequence's last step; it never counts as the start of an episode.
        where = np.where(mask, firsts[:, None] + within, (firsts + lengths - 1)[:, None])
        steps, begin = self._index(where.reshape(-1)), self._index(firsts)
        counts = self._index(mask.reshape(-1)).float()
        values, log_probs, advantages, returns, starts = self._tensors["numbers"][:, steps].unbind(0)
        pi, cell_pi, vf, cell_vf = self._tensors["states"][:, :, begin].unbind(0)
        return RecurrentRolloutBufferSamples(
            observations=self._tensors["observations"][steps],
            actions=self._tensors["actions"][steps],
            old_values=values,
            old_log_prob=log_probs,
            advantages=advantages,
            returns=returns,
            lstm_states=RNNStates((pi, cell_pi), (vf, cell_vf)),
            episode_starts=starts * counts,
            mask=counts,
        )

    def _flat(self, array: npt.NDArray[Any]) -> Tensor:
        """Array (steps, B, ...) -> tensor (B * steps, ...) on the device, column by column."""
        return torch.from_numpy(array.swapaxes(0, 1).reshape(-1, *array.shape[2:])).to(self.device)

    def _index(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)
