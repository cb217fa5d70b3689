"""The observations that ``predict`` takes, as networks take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem
from jumpgym.adapters import observations


def checked_observation(problem: HindsightProblem, observation: Any) -> NDArray[np.float32]:
    """An observation (n,) or a batch (m, n), in the type of the networks.

    Raises:
        ValueError: as ``jumpgym.adapters.observations.checked_observation``.
    """
    return observations.checked_observation(problem, observation).astype(np.float32)
