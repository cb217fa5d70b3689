"""What the ``predict`` of every policy takes and returns: checked observations, and actions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..problem import HindsightProblem


def checked_observation(problem: HindsightProblem, observation: Any) -> NDArray[np.float64]:
    """Return an observation (n,) or a batch of observations (m, n) of a problem as an array.

    Raises:
        ValueError: if it has another shape, is not finite as float32 (the type of observations), or its
            period is not in [0, horizon].
    """
    array = checks.real_array("observation", observation)
    length = len(problem.observation_low)
    if array.ndim not in (1, 2) or array.shape[-1] != length:
        raise ValueError(f"observation of shape {array.shape} must have shape ({length},) or (m, {length})")
    finite = np.abs(array) <= np.finfo(np.float32).max  # False for NaN, too
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


def format_action(regime: Any, quantity: Any, batched: bool, episode_start: Any = None) -> Any:
    """Return the decisions for m observations in the form that the caller's environment takes.

    Args:
        regime: index of the regime of a single gate, shape (m,) or (m, 1), or of each of G gates, shape
            (m, G).
        quantity: quantities in units, shape (m,) or (m, n).
        batched: whether the observation had a batch axis; without one, m is 1.
        episode_start: as passed to ``predict``. Only Stable-Baselines3's ``evaluate_policy`` passes it; it
            steps a ``VecEnv``, which takes a list with one action per environment.

    Returns:
        For a single observation ``(regime, quantity)``: an int (with several gates an int64 array (G,)) and a
        float32 array (n,). For a batch ``(regime, quantity)`` of shapes (m,) or (m, G), int64, and (m, n),
        float32. For a batch with ``episode_start`` a list of m single actions.
    """
    regimes: NDArray[np.int64] = np.asarray(regime).astype(np.int64)
    quantities: NDArray[np.float32] = np.asarray(quantity).astype(np.float32)
    if quantities.ndim == 1:
        quantities = quantities[:, None]
    if regimes.ndim == 2 and regimes.shape[1] == 1:
        regimes = regimes[:, 0]
    if batched and episode_start is None:
        return regimes, quantities
    single_regimes = regimes.tolist() if regimes.ndim == 1 else list(regimes)
    actions = list(zip(single_regimes, quantities, strict=True))
    return actions if batched else actions[0]
