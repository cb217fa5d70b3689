"""Spaces of observations, regimes and quantities of a problem."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..problem import HindsightProblem


def float_box(low: NDArray[np.float64], high: NDArray[np.float64]) -> spaces.Box[np.float32]:
    """A float32 ``Box`` between two arrays."""
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


def observation_box(problem: HindsightProblem) -> spaces.Box[np.float32]:
    """The space of observations, finite float32."""
    return float_box(problem.observation_low, problem.observation_high)


def gate_space(problem: HindsightProblem) -> spaces.Discrete | spaces.MultiDiscrete:
    """The space of regimes: ``Discrete(K)`` for one gate, ``MultiDiscrete(gates)`` for several."""
    gates = problem.layout.gates
    return spaces.Discrete(gates[0]) if len(gates) == 1 else spaces.MultiDiscrete(list(gates))


def quantity_space(problem: HindsightProblem) -> spaces.Box[np.float32]:
    """The space of quantities (n,): from the least to the largest that any regime admits."""
    return float_box(problem.layout.quantity_low, problem.layout.quantity_high)
