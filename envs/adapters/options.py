"""The options of ``reset``: recorded noise, the initial state that belongs to it, and a mask of copies."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..problem import HindsightProblem

NOISE_OPTION = "noise"
STATE_OPTION = "initial_state"
MASK_OPTION = "reset_mask"

ROUNDING = 1e-6
"""How far beyond its bounds, relative to them, an initial state may lie: observations are float32."""


def check_options(options: Mapping[str, Any] | None, allowed: tuple[str, ...]) -> Mapping[str, Any]:
    """The options of ``reset``: a dict with the allowed keys; TypeError or ValueError if they are not."""
    if not isinstance(options, (Mapping, NoneType)):
        raise TypeError(
            f"reset: options={options!r} must be a dict, such as {{{allowed[0]!r}: trace}}, or None"
        )
    for key in options or {}:
        if key not in allowed:
            raise ValueError(f"reset: unknown option {key!r}; allowed are {', '.join(map(repr, allowed))}")
    return options or {}


def check_initial_state(problem: HindsightProblem, given: Any, *batch: int) -> NDArray[np.float64]:
    """The initial states of a batch, as observations (*batch, n) in float64.

    Args:
        problem: the problem.
        given: what the user gave.
        batch: the batch axes that it must have.

    Raises:
        ValueError: if it has another shape, or an entry outside of the bounds of an observation, which are
            those of the environment's observation space, or begins later than in period 0.
    """
    states = checks.real_array(STATE_OPTION, given)
    expected = (*batch, len(problem.observation_low))
    if states.shape != expected:
        raise ValueError(f"{STATE_OPTION} of shape {states.shape} must have shape {expected}: an observation")
    low, high = problem.observation_low, problem.observation_high.copy()
    if problem.horizon is not None:
        high[-1] = 0.0  # the period: noise is that of a whole episode
    room = ROUNDING * np.maximum(np.abs(low), np.abs(high))
    outside = ~((states >= low - room) & (states <= high + room))  # also NaN
    if outside.any():
        *row, entry = (int(index) for index in np.argwhere(outside)[0])
        whose = f" of environment {row[0]}" if row else ""
        raise ValueError(
            f"{STATE_OPTION}{whose}: {problem.observation_names[entry]}={states[(*row, entry)]:g} must be in "
            f"[{low[entry]:g}, {high[entry]:g}]"
        )
    return states


def check_mask(mask: Any, num_envs: int) -> NDArray[np.bool_]:
    """Return the mask (num_envs,) of the copies to reset; raise TypeError or ValueError if it is invalid."""
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise TypeError(f"reset: {MASK_OPTION}={mask!r} must be a NumPy array of bool")
    if mask.shape != (num_envs,) or not mask.any():
        raise ValueError(f"reset: {MASK_OPTION}={mask!r} must have shape ({num_envs},) and a True in it")
    return mask
