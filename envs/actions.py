"""The action that a policy's ``predict`` returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def format_action(regime: Any, quantity: Any, batched: bool, episode_start: Any = None) -> Any:
    """Regimes and quantities of m observations in the form that the caller's environment takes.

    Args:
        regime: index of the regime, shape (m,).
        quantity: quantity in units, shape (m,) or (m, 1).
        batched: whether the observation had a batch axis; without one, m is 1.
        episode_start: as passed to ``predict``. Stable-Baselines3's ``evaluate_policy`` passes it, and steps
            a ``VecEnv``, which takes one action per environment.

    Returns:
        For a single observation ``(regime, quantity)``, an int and a float32 array of shape (1,); for a
        batch ``(regime, quantity)`` of shapes (m,), int64, and (m, 1), float32; for a batch with
        ``episode_start`` a list of m single actions.
    """
    regimes: NDArray[np.int64] = np.asarray(regime).reshape(-1).astype(np.int64)
    quantities: NDArray[np.float32] = np.asarray(quantity).reshape(-1, 1).astype(np.float32)
    if batched and episode_start is None:
        return regimes, quantities
    actions = list(zip(regimes.tolist(), quantities, strict=True))
    return actions if batched else actions[0]
