"""What agents answer, checked before it is played."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from memory_envs import Task


class AgentError(ValueError):
    """An agent did not answer as it must. The message is one line: what was expected and what came."""


def read_prediction(predicted: Any, task: Task, columns: int) -> tuple[npt.NDArray[Any], Any]:
    """The actions and the state that ``predict`` returned for ``columns`` observations.

    Args:
        predicted: a pair. The actions are an array, a list, or a tensor on the CPU without a gradient: integers
            (B,) or (B, H) for labels, numbers (B, H) for real values.
        task: what is played.
        columns: B.

    Raises:
        AgentError: it is no pair, or the actions have another shape or dtype, or are out of range or NaN.
    """
    if not (isinstance(predicted, (tuple, list)) and len(predicted) == 2):
        raise AgentError(f"predict must return a pair (actions, state), got {_named(predicted)}")
    given, state = predicted
    shape = (columns, *task.answer_shape)
    wanted = f"{'numbers from -1 to 1' if task.real_valued else 'integers 0 or 1'} of shape {shape}"
    try:
        actions = np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists; a tensor elsewhere, or with a gradient
        raise AgentError(f"actions must be {wanted}, got {_named(given)}: {_line(error)}") from None
    if actions.shape != shape or actions.dtype.kind not in ("fiu" if task.real_valued else "iu"):
        raise AgentError(f"actions must be {wanted}, got {actions.dtype} of shape {actions.shape}")
    good = np.abs(actions) <= 1 if task.real_valued else (actions == 0) | (actions == 1)
    if not good.all():  # NaN is not <= 1 either
        column = int(np.argmin(good.reshape(columns, -1).all(axis=1)))
        raise AgentError(f"actions must be {wanted}, got {_line(actions[column])} for observation {column}")
    return actions, state


def _named(value: Any) -> str:
    """A value's type, with its length where it has one."""
    try:
        return f"a {type(value).__name__} of length {len(value)}"
    except TypeError:
        return f"a {type(value).__name__}"


def _line(value: object) -> str:
    words = " ".join(str(value).split())
    return words if len(words) <= 120 else f"{words[:117]}..."
