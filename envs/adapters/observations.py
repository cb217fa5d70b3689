"""The observations that a policy's ``predict`` takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..problem import HindsightProblem


def checked_observation(problem: HindsightProblem, observation: Any) -> NDArray[np.float64]:
    """An observation (n,) or a batch (m, n) of a problem as an array.

    Raises:
        ValueError: if it has another shape, is not finite as float32, the type of observations, or its period
            is not in [0, horizon].
    """
    array = checks.real_array("observation", observation)
    length = len(problem.observation_low)
    if array.ndim not in (1, 2) or array.shape[-1] != length:
        raise ValueError(f"observation of shape {array.shape} must have shape ({length},) or (m, {length})")
    finite = np.abs(array) <= np.finfo(np.float32).max  # not so NaN
    if not finite.all():
        raise ValueError(f"observation={array[~finite.all(-1)].tolist()} must be finite, as float32")
    horizon = problem.horizon
    if horizon is not None:
        outside = (array[..., -1] < 0) | (array[..., -1] > horizon)
        if outside.any():
            raise ValueError(
                f"observation: period {array[..., -1][outside].flat[0]} must be in [0, {horizon}]"
            )
    return array
