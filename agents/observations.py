"""The observations that ``predict`` takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem


def checked_observation(problem: HindsightProblem, observation: Any) -> NDArray[np.float32]:
    """An observation (n,) or a batch (m, n) as an array.

    Raises:
        ValueError: if it has another shape, is not finite, or its period is not in [0, horizon].
    """
    array = np.asarray(observation, dtype=np.float32)
    length = len(problem.observation_low)
    if array.ndim not in (1, 2) or array.shape[-1] != length:
        raise ValueError(f"observation of shape {array.shape} must have shape ({length},) or (m, {length})")
    if not np.isfinite(array).all():
        raise ValueError(f"observation={array[~np.isfinite(array).all(-1)]} must be finite")
    horizon = problem.horizon
    if horizon is not None:
        outside = (array[..., -1] < 0) | (array[..., -1] > horizon)
        if outside.any():
            raise ValueError(
                f"observation: period {array[..., -1][outside].flat[0]} must be in [0, {horizon}]"
            )
    return array
