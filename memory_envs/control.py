"""What the scalar and the vector environment share: their arguments, their options, and the view of a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from gymnasium import Space, error

from memory_envs import checks, keys, sizes
from memory_envs.rendering import TrialView
from memory_envs.task import Task
from memory_envs.tasks import TASKS, make_task
from memory_envs.trials import Trials


def as_task(task: str | Task, parameters: Mapping[str, Any], env_id: str | None) -> Task:
    """The task of this short name with these parameters; a Task as it is, or with some parameters changed.

    It must be the task of ``env_id``, where that is not None: no environment plays another task than its id says.
    """
    if not isinstance(task, (str, Task)):
        raise TypeError(f"task must be a Task or the name of one, got {task!r} ({type(task).__name__})")
    kind = TASKS[checks.choice("task", task, tuple(TASKS))] if isinstance(task, str) else type(task)
    if env_id is not None and kind.env_id != env_id:
        raise ValueError(f"task must be left out of {env_id}, which has its own: make {kind.env_id} to get {task!r}")
    if isinstance(task, str):
        return make_task(task, **parameters)
    return task.replace(**parameters) if parameters else task


def check_size(task: Task, needed: int, what: str, *arguments: str) -> None:
    """Raise a ValueError where playing this task takes more bytes than are allowed.

    The message begins with ``what``, and names ``arguments`` and the parameters of the task that its size follows from.
    """
    words = short_name(task)
    what = f"{what} {words if len(words) < 120 else words[:100] + '...'}"
    free = ["num_steps"] if task.free_length else []
    names = [*arguments, *free, *(["heads"] if task.heads else ["N"]), *[p for p in task.parameters() if p == "bits"]]
    sizes.check(needed, what, f"{' or '.join(names)} must be smaller")


def check_render_mode(render_mode: str | None, known: list[str]) -> str | None:
    """``render_mode``, which must be None or in ``known``."""
    if render_mode is not None and render_mode not in known:
        raise ValueError(f"render_mode must be None or one of {known}, got {render_mode!r}")
    return render_mode


def same_spaces(old: Task, new: Task) -> Task:
    """``new``, if an environment that plays ``old`` can go on with it."""
    if not isinstance(new, Task):
        raise TypeError(f"task must be a Task, got {new!r} ({type(new).__name__})")
    if type(new) is not type(old):
        raise ValueError(f"task must be another {type(old).__name__}, the kind that this environment plays, got {new}")
    for name in ("observation_space", "action_space"):
        if getattr(old, name) != getattr(new, name):
            raise ValueError(
                f"task must keep the environment's {name} {getattr(old, name)}, but {new} has {getattr(new, name)} "
                "(give all heads at construction and change active_heads)"
            )
    return new


def apply_options(task: Task, options: Mapping[str, Any] | None) -> Task:
    """The task that ``reset(options=...)`` asks for: ``active_heads`` is the only option."""
    if options is None:
        return task
    if not isinstance(options, Mapping):
        raise TypeError(f"options must be a dictionary or None, got {options!r} ({type(options).__name__})")
    if unknown := [key for key in options if key != "active_heads"]:
        raise ValueError(f"options has the unknown key {unknown[0]!r}; known: 'active_heads'")
    if not options:
        return task
    if task.heads is None:
        raise ValueError(f"options['active_heads'] needs a task with heads, and this one has none: {task}")
    changed = task.replace(active_heads=options["active_heads"])
    return task if changed == task else changed  # the very same task needs no trial drawn anew


def check_reset_mask(mask: Any, columns: int) -> npt.NDArray[np.bool_] | None:
    """``options["reset_mask"]`` of a vector environment, (B,) bool, or None."""
    if mask is None:
        return None
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise TypeError(f"options['reset_mask'] must be an array of dtype bool, got {mask!r}")
    if mask.shape != (columns,) or not mask.any():
        raise ValueError(f"options['reset_mask'] must have the shape ({columns},) and a True entry, got {mask!r}")
    return mask


def check_seeds(seed: Any, columns: int) -> Sequence[int | None] | None:
    """One seed a column of a vector environment (None: that column goes on), or None where every column goes on."""
    if seed is None:
        return None
    if np.ndim(seed) or isinstance(seed, (Sequence, range)):
        if len(seed) != columns:
            raise ValueError(f"seed must be an integer or have one entry a column ({columns}), got {len(seed)}")
        return [None if s is None else keys.check_seed(s) for s in seed]
    first = keys.check_seed(seed)
    return range(first, first + columns)


def refuse(action: object, space: Space[Any], why: str = "") -> NoReturn:
    """Raise Gymnasium's error for an action that is not in its space; ``why`` is added to the message."""
    raise error.InvalidAction(f"action must be an element of {space}, got {action!r} ({type(action).__name__}){why}")


def view(task: Task, trials: Trials, answers: npt.NDArray[Any]) -> TrialView:
    """The view of a trial of which ``len(answers)`` steps have been answered: trials of one column, answers (t, H)."""
    length, t = int(trials.lengths[0]), len(answers)
    padded = np.zeros(trials.targets.shape, np.float32 if task.real_valued else np.int64)
    padded[:t, 0] = answers
    return TrialView(
        title=f"{task.env_id}  {title(task)}",
        question=task.question,
        channels=task.channels,
        heads=task.head_labels,
        active=task.active,
        inputs=trials.inputs[: min(t + 1, length), 0],
        targets=trials.targets[:t, 0],
        counted=trials.mask[:t, 0],
        answers=answers,
        correct=task.correct(trials, padded)[:t, 0],
        num_steps=task.num_steps,
        real_valued=task.real_valued,
        score=float(task.rewards(trials, padded)[:t].sum()),
        over=t == length,
        signed=tuple(low < 0 for low, _ in task.input_bounds),
    )


def title(task: Task) -> str:
    """The task's N, or its heads, and what else was given, in few words: ``N=8, scoring=final``."""
    return ", ".join(f"{name}={value}" for name, value in _given(task).items())


def short_name(task: Task) -> str:
    """A task as Python code without what follows from the rest: ``Parity(N=8, scoring='final')``."""
    return f"{type(task).__name__}({', '.join(f'{name}={value!r}' for name, value in _given(task).items())})"


def _given(task: Task) -> dict[str, Any]:
    """What was given, and N in any case; but ``heads`` in its place, since N is then only the largest of them."""
    names = [name for name in task.to_dict() if name not in ("task", "N", "heads")]
    return {name: getattr(task, name) for name in ("N" if task.heads is None else "heads", *names)}


def trial(task: Task, stream: keys.Words, number: int) -> Trials:
    """One trial drawn by itself: column 0 of a batch of one."""
    return task.sample(keys.trial_keys(stream, number))
