"""A rollout as tensors, handed out as minibatches of sequences.

Axes: B columns, T steps of the longest sequence in a minibatch, M sequences.
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
    """sb3-contrib's buffer, with minibatches made by indexing: the rollout goes to the device as a whole.

    A sequence is what one column saw of one episode: cut where episodes begin, at the rollout's ends, and, where
    minibatches are of steps, at theirs.

    Attributes:
        whole_episodes: minibatches are made of whole sequences, drawn anew for each epoch. Else they are sb3-contrib's:
            ``batch_size`` neighbouring steps each, the same ones in every epoch but for a random shift.
    """

    whole_episodes = False

    def reset(self) -> None:
        super().reset()  # type: ignore[no-untyped-call]
        self._tensors: dict[str, Tensor] = {}
        self._begins: npt.NDArray[np.bool_] | None = None

    def get(self, batch_size: int | None = None) -> Iterator[RecurrentRolloutBufferSamples]:  # type: ignore[override]
        """The minibatches of an epoch, in random order.

        Args:
            batch_size: steps in each, about; None: all in one.
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
        """The first step of every sequence of the rollout, in the order of the columns, and its length: (M,) each."""
        return self._cut(np.arange(self.buffer_size * self.n_envs))

    def _get_samples(  # type: ignore[override]
        self, batch_inds: Any, env_change: Any = None, env: Any = None
    ) -> RecurrentRolloutBufferSamples:
        """The minibatch of some steps, numbered column after column; neighbours must stay neighbours."""
        firsts, lengths = self._cut(batch_inds)
        return self._samples(firsts, lengths)

    def _cut(self, steps: Indices) -> tuple[Indices, Indices]:
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
            # Labels and bits, too, are stored as floats by Stable-Baselines3, and real values as it computes them.
            actions = self._flat(self.actions).float()
            self._tensors = {"observations": self._flat(self.observations), "actions": actions}
            # What is one number a step, (5, columns * steps): one look-up instead of five.
            self._tensors["numbers"] = torch.stack([self._flat(getattr(self, name)) for name in _NUMBERS])
            # Of each half of a state, and of actor and critic: (4, layers, columns * steps, size).
            states = np.stack([getattr(self, name) for name in _STATES]).transpose(0, 2, 3, 1, 4)
            self._tensors["states"] = self._index(states.reshape(4, states.shape[1], -1, states.shape[-1]))
        within = np.arange(lengths.max())
        mask = within < lengths[:, None]
        # Past a sequence's end its last step is repeated, without its episode start.
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
        """(steps, B, ...) -> (B * steps, ...) on the device."""
        return torch.from_numpy(array.swapaxes(0, 1).reshape(-1, *array.shape[2:])).to(self.device)

    def _index(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)
