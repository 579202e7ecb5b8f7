"""The vector environment: plays B trials in lockstep, each column as the scalar environment would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import error
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from memory_envs import checks, control, keys, sizes
from memory_envs.history import History
from memory_envs.rendering import to_pixels, to_text
from memory_envs.tape import Tape, bytes_needed
from memory_envs.task import CORRECT_WITHIN, Task

Array = npt.NDArray[Any]
Step = tuple[npt.NDArray[np.float32], npt.NDArray[np.float64], Array, Array, dict[str, Any]]


class MemoryVectorEnv(VectorEnv[npt.NDArray[np.float32], Array, Array]):
    """Plays B copies of a task. ``gym.make_vec("MemoryParity-v0", num_envs=1024, N=8)`` makes one for parity.

    Column i of an environment reset with seed s is bit for bit the scalar environment reset with s + i, whatever the
    number of columns: observations, rewards, flags, infos. So it equals Gymnasium's ``SyncVectorEnv`` of scalar
    environments (``vectorization_mode="sync"``) in every autoreset mode, at the speed of one batched draw.

    Args:
        task: a task, or the short name of one (``memory_envs.TASKS``).
        num_envs: number of columns, B.
        autoreset_mode: when an ended column begins its next trial: ``"NextStep"`` (in the step after, whose action is
            ignored), ``"SameStep"`` (at once; the closing observation and info are in ``final_obs`` and
            ``final_info``) or ``"Disabled"`` (by ``reset(options={"reset_mask": ...})`` only).
        max_episode_steps: truncate a trial after so many steps, as Gymnasium's ``TimeLimit`` does; None or -1: never.
        render_mode: None, ``"ansi"`` or ``"rgb_array"``: ``render`` then returns one drawing a column.
        env_id: the id that the environment is registered under: a task that has another one is refused. None: any.
        parameters: the task's parameters.

    Raises:
        TypeError, ValueError: an argument is not allowed; the message names it.
    """

    metadata = {  # noqa: RUF012 (Gymnasium's form)
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        task: str | Task,
        num_envs: int = 1,
        *,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        env_id: str | None = None,
        **parameters: Any,
    ) -> None:
        self.task = control.as_task(task, parameters, env_id)
        self.num_envs = checks.integer("num_envs", num_envs, 1, checks.LARGEST)
        try:
            self.autoreset_mode = AutoresetMode(autoreset_mode)
        except ValueError:
            modes = [mode.value for mode in AutoresetMode]
            raise ValueError(f"autoreset_mode must be one of {modes}, got {autoreset_mode!r}") from None
        self.render_mode = control.check_render_mode(render_mode, self.metadata["render_modes"])
        self.metadata = self.metadata | {"autoreset_mode": self.autoreset_mode}
        gap = 0 if self.autoreset_mode is AutoresetMode.SAME_STEP else 1
        # Gymnasium's makers write -1 for "no limit".
        none = max_episode_steps is None or (max_episode_steps == -1 and not isinstance(max_episode_steps, bool))
        limit = None if none else min(checks.integer("max_episode_steps", max_episode_steps, 1), checks.LARGEST)
        endless = self.autoreset_mode is not AutoresetMode.DISABLED
        self._size = self.num_envs, gap, endless, limit
        self._check_size(self.task)
        self.single_observation_space = self.task.observation_space
        self.single_action_space = self.task.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._tape = Tape(self.task, *self._size)
        self._answer_shape = (self.num_envs, *self.task.answer_shape)
        self._seeds: Sequence[int] | None = None
        self._begun = False
        self._over = np.zeros(self.num_envs, np.bool_)  # kept up where nothing resets by itself
        self._history = History(self._tape)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seed of each column, as ``SyncVectorEnv`` gives them."""
        if self._seeds is None:
            base = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
            self._seeds = range(base, base + self.num_envs)
        return tuple(self._seeds)

    def set_task(self, task: Task) -> None:
        """Play ``task`` in each column from its next trial on. Its spaces must be those of this environment.

        Raises:
            ValueError: it is another kind of task, or its spaces differ.
        """
        task = control.same_spaces(self.task, task)
        if task != self.task:
            self._check_size(task)
            self.task = task
            self._tape.set_task(task)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Begin the next trial in all columns, or in those of ``options["reset_mask"]``, (B,) bool.

        Args:
            seed: an integer s (column i begins the stream of s + i), or one seed a column, where None goes on.
            options: ``reset_mask``, and ``active_heads`` as in the scalar environment (for all columns at once).

        Returns:
            Observations (B, I) float32, and an ``info`` in which nothing has been answered.

        Raises:
            gymnasium.error.Error: a seed is not an integer of at least 0.
            gymnasium.error.ResetNeeded: a ``reset_mask`` before the first reset of all columns.
            TypeError, ValueError: ``options`` or the number of seeds is not allowed; the message says why.
        """
        if options is not None and not isinstance(options, dict):
            raise TypeError(f"options must be a dictionary or None, got {options!r} ({type(options).__name__})")
        options = dict(options or {})  # a copy: the caller's stays whole
        mask = control.check_reset_mask(options.pop("reset_mask", None), self.num_envs)
        if mask is not None and options:
            raise ValueError(f"options cannot change {sorted(options)} under a reset_mask: all columns share one task")
        seeds = control.check_seeds(seed, self.num_envs)
        if mask is not None and not self._begun:
            raise error.ResetNeeded("options['reset_mask'] needs trials in progress: reset all columns first")
        self.task = control.apply_options(self.task, options)
        if not self._begun and (seeds is None or None in seeds):
            fresh = self.np_random_seed
            seeds = fresh if seeds is None else [f if s is None else s for f, s in zip(fresh, seeds, strict=True)]
        if mask is None and (seeds is None or None not in seeds):
            self._tape.task = self.task
            self._tape.restart(None if seeds is None else keys.streams(seeds))  # type: ignore[arg-type]
            self._seeds = self._seeds if seeds is None else seeds  # type: ignore[assignment]
        else:
            self._reset_some(np.ones(self.num_envs, np.bool_) if mask is None else mask, seeds)
        self._begun = True
        chosen = np.ones(self.num_envs, np.bool_) if mask is None else mask.copy()
        self._over[chosen] = False
        if self.render_mode is not None:
            self._history.begin(np.flatnonzero(chosen))
        return self._tape.observations[self._tape.row].copy(), self._blank_info(chosen)

    def step(self, actions: Any) -> Step:
        """Answer the question about the last observation, in every column.

        Args:
            actions: (B,) labels, (B, H) labels, or (B, H) real values.

        Returns:
            Observations (B, I) float32, rewards (B,) float64, ``terminated`` (B,) bool, ``truncated`` (B,) bool (all
            False without ``max_episode_steps``), and ``info`` with one entry for each column.

        Raises:
            gymnasium.error.InvalidAction: they are not in the action space.
            gymnasium.error.ResetNeeded: no trial is in progress in some column.
        """
        if not self._begun:
            raise error.ResetNeeded("step needs a trial in progress: call reset first")
        tape, row = self._tape, self._tape.row
        if self.autoreset_mode is AutoresetMode.DISABLED and self._over.any():
            ended = np.flatnonzero(self._over).tolist()
            raise error.ResetNeeded(f"step needs a trial in progress in every column: reset columns {ended} first")
        actions = self._read(actions)
        counted, ends = tape.counted[row].copy(), tape.ends[row].copy()
        terminated, truncated, closing = ends, None, None
        if tape.limit is not None:
            terminated, truncated = tape.terminated[row].copy(), tape.truncated[row].copy()
            closing = None if tape.gap else tape.closing[row].copy()
        if self.task.real_valued:
            target, correct, rewards = self._judge_values(actions, counted)
        else:
            target = tape.targets[row].astype(np.int64)
            correct = actions == target
            if correct.ndim == 1:
                correct &= counted
                rewards = correct * tape.pay[row]
            else:
                if not counted.all():  # for few heads, this broadcast costs more than all the rest
                    correct &= counted[:, None]
                rewards = _count(correct)
                # Divided: a product with 1 / heads would not always be exactly 1 where all are right.
                if tape.some_not_asked:
                    rewards /= correct.shape[1] - _count(target < 0)
                    np.maximum(target, 0, out=target)
                else:
                    rewards /= correct.shape[1]
                rewards *= tape.pay[row]
            rewards -= tape.weights[row]
        if self.render_mode is not None:
            self._history.answer(actions)
        tape.advance()
        known = np.empty((3, self.num_envs), np.bool_)
        known.fill(True)
        infos = {
            "target": target,
            "_target": known[0],
            "counted": counted,
            "_counted": known[1],
            "correct": correct,
            "_correct": known[2],
        }
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            if ends.any():
                infos = self._final_infos(infos, ends, closing)
        elif self.autoreset_mode is AutoresetMode.DISABLED:
            self._over |= ends
        if truncated is None:
            truncated = np.zeros(self.num_envs, np.bool_)
        return tape.observations[tape.row].copy(), rewards, terminated, truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """A drawing of each column's trial so far: text or a picture, (B,) of them.

        Raises:
            gymnasium.error.ResetNeeded: no trial has begun.
            ValueError: the pictures need more memory than is allowed (``memory_envs.sizes``).
        """
        if self.render_mode is None:
            gym.logger.warn("render needs a render_mode, such as gym.make_vec(..., render_mode='rgb_array')")
            return None
        if not self._begun:
            raise error.ResetNeeded("render needs a trial: call reset first")
        views = (self._history.played[c].view() for c in range(self.num_envs))
        if self.render_mode == "ansi":
            return tuple(to_text(shown) for shown in views)
        first = to_pixels(next(views))
        sizes.check(first.nbytes * self.num_envs, f"{self.num_envs} pictures", "num_envs must be smaller")
        return (first, *(to_pixels(shown) for shown in views))

    def __repr__(self) -> str:
        """Gymnasium's form, with the task in the place of its id: ``MemoryVectorEnv(Parity(N=8), num_envs=3)``."""
        return f"{type(self).__name__}({control.short_name(self.task)}, num_envs={self.num_envs})"

    # -- actions and rewards -----------------------------------------------------------------------------------

    def _check_size(self, task: Task) -> None:
        control.check_size(task, bytes_needed(task, *self._size), f"{self.num_envs} environments of", "num_envs")

    def _read(self, actions: Any) -> Array:
        """The actions as an array of labels or of real values, checked."""
        if not isinstance(actions, np.ndarray):
            try:
                actions = np.asarray(actions)
            except (ValueError, TypeError, RuntimeError):  # torch raises the last for a tensor with a gradient
                control.refuse(actions, self.action_space)
        real = self.task.real_valued
        if actions.shape != self._answer_shape or actions.dtype.kind not in ("fiu" if real else "iu"):
            if not actions.ndim:  # no array at all
                control.refuse(actions, self.action_space)
            # Without the actions themselves: those of many columns would hide what is wrong with them.
            wanted = f"{'numbers from -1 to 1' if real else 'integers 0 or 1'} of shape {self._answer_shape}"
            raise error.InvalidAction(f"action must be {wanted}, got {actions.dtype} of shape {actions.shape}")
        # Most answers are good, and one pass shows it. The bitwise or of labels is 0 or 1 just if all of them are
        # (negative ones show), and no NaN is below 1. Integers as real values go on: abs(-128) may be -128.
        if actions.dtype.kind == "f":
            good_at_once = np.maximum.reduce(np.abs(actions), axis=None) <= 1
        else:
            good_at_once = not real and np.bitwise_or.reduce(actions, axis=None) in (0, 1)
        if good_at_once:
            return actions
        actions, good = self.task.read_answers(actions)
        if not good.all():
            bad = ~good.reshape(self.num_envs, -1).all(axis=1)
            if self.autoreset_mode is AutoresetMode.NEXT_STEP:
                bad &= ~self._tape.ends[self._tape.row - 1]  # the actions of a reset step are ignored
            if bad.any():
                column = int(np.argmax(bad))
                control.refuse(actions[column], self.single_action_space, f" in column {column}")
            actions = np.where(good, actions, 0)
        return actions

    def _judge_values(self, actions: Array, counted: npt.NDArray[np.bool_]) -> tuple[Array, Array, Array]:
        """Target, correct (B, H) and reward (B,) of real-valued answers."""
        tape, task = self._tape, self.task
        target = tape.targets[tape.row].copy()
        miss = actions[:, 0].astype(np.float64) - target[:, 0]
        correct = np.abs(miss) < CORRECT_WITHIN
        correct &= counted
        miss *= miss
        miss *= 1.0 / task.target_variance
        rewards = np.maximum(np.subtract(1.0, miss, out=miss), -1.0, out=miss)
        rewards *= tape.weights[tape.row]
        rewards += 0.0  # no step is paid -0.0
        return target, correct[:, None], rewards

    # -- infos -------------------------------------------------------------------------------------------------

    def _blank_info(self, chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """The info of a reset: nothing has been answered. ``chosen`` (B,) says which columns have one."""
        labels = np.float32 if self.task.real_valued else np.int64
        blank = {
            "target": np.zeros(self._answer_shape, labels),
            "counted": np.zeros(self.num_envs, np.bool_),
            "correct": np.zeros(self._answer_shape, np.bool_),
        }
        return {
            key: value for name, array in blank.items() for key, value in ((name, array), (f"_{name}", chosen.copy()))
        }

    def _final_infos(self, infos: dict[str, Any], ends: npt.NDArray[np.bool_], closing: Array | None) -> dict[str, Any]:
        """The infos of a step in which some columns ended and began anew at once.

        ``closing`` (B, I): the observations on which they ended; None: zeros.
        """
        ended = np.flatnonzero(ends)
        final_obs = np.full(self.num_envs, None, dtype=object)
        width = self._tape.observations.shape[2]
        for column in ended:
            final_obs[column] = np.zeros(width, np.float32) if closing is None else closing[column].copy()
        final_info = self._blank_info(ends)
        for name in ("target", "counted", "correct"):
            final_info[name][ended] = infos[name][ended]
            infos[name][ended] = 0
        return infos | {
            "final_obs": final_obs,
            "_final_obs": ends.copy(),
            "final_info": final_info,
            "_final_info": ends.copy(),
        }

    # -- resetting ---------------------------------------------------------------------------------------------

    def _reset_some(self, mask: npt.NDArray[np.bool_], seeds: Sequence[int | None] | None) -> None:
        if self._tape.task != self.task:
            self._tape.set_task(self.task)
        columns = np.flatnonzero(mask)
        anew = np.array([c for c in columns.tolist() if seeds is not None and seeds[c] is not None], np.int64)
        if len(going_on := np.setdiff1d(columns, anew)):
            self._tape.reset_columns(going_on)
        if seeds is not None and len(anew):
            assert self._seeds is not None
            self._seeds = [
                old if new is None or not on else new for old, new, on in zip(self._seeds, seeds, mask, strict=True)
            ]
            self._tape.reset_columns(anew, keys.streams([self._seeds[c] for c in anew.tolist()]))


def _count(correct: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How many of the heads (B, H) are right, (B,): a matrix product is the quickest sum over a short last axis."""
    return correct.astype(np.float64) @ np.ones(correct.shape[1])
