"""The action that a policy's ``predict`` returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def format_action(regime: Any, quantity: Any, batched: bool, episode_start: Any = None) -> Any:
    """Regimes and quantities of m observations in the form that the caller's environment takes.

    Args:
        regime: index of the regime of one gate, shape (m,) or (m, 1); or of each of G gates, shape (m, G).
        quantity: quantities in units, shape (m,) or (m, n).
        batched: whether the observation had a batch axis; without one, m is 1.
        episode_start: as passed to ``predict``. Stable-Baselines3's ``evaluate_policy`` passes it, and steps
            a ``VecEnv``, which takes one action per environment.

    Returns:
        For a single observation ``(regime, quantity)``, an int (several gates: an int64 array (G,)) and a
        float32 array (n,); for a batch ``(regime, quantity)`` of shapes (m,) or (m, G), int64, and (m, n),
        float32; for a batch with ``episode_start`` a list of m single actions.
    """
    regimes: NDArray[np.int64] = np.asarray(regime).astype(np.int64)
    quantities: NDArray[np.float32] = np.asarray(quantity).astype(np.float32)
    if quantities.ndim == 1:
        quantities = quantities[:, None]
    if regimes.ndim == 2 and regimes.shape[1] == 1:
        regimes = regimes[:, 0]
    if batched and episode_start is None:
        return regimes, quantities
    of_each = regimes.tolist() if regimes.ndim == 1 else list(regimes)
    actions = list(zip(of_each, quantities, strict=True))
    return actions if batched else actions[0]
