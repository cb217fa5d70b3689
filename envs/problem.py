"""The hindsight problem: the one mathematical object behind environments, agents and references."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import SimpleNamespace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from .regimes import RegimeTable


class HindsightProblem(ABC):
    """A control problem over ``horizon`` periods with known cost and transition and exogenous noise.

    In each period the decision is hybrid: gate weights over the regimes (one-hot when the decision is hard)
    and one quantity per regime. All noise can be drawn before the first decision.

    All methods are written in the array API standard: they take and return arrays of NumPy or torch (any
    device, differentiable), with any leading batch axes, shown as ``...`` below.

    Attributes:
        horizon: number of periods.
        discount: factor applied to the cost of each later period.
        regimes: the K regimes of the quantity.
        observation_low, observation_high: bounds of every observation, shape (n,).
    """

    horizon: int
    discount: float
    regimes: RegimeTable
    observation_low: NDArray[np.float64]
    observation_high: NDArray[np.float64]

    @abstractmethod
    def initial_state(self, uniforms: Any) -> Any:
        """State before the first period, a NamedTuple of arrays (...,), from uniforms (...,)."""

    @abstractmethod
    def noise(self, uniforms: Any) -> Any:
        """Exogenous noise of all periods, shape (..., horizon), from uniforms of that shape."""

    @abstractmethod
    def step(self, state: Any, gate: Any, quantity: Any, noise: Any) -> tuple[Any, Any]:
        """One period: the next state, and the cost by component, shape (..., components).

        Linear in the gate weights given the state, and differentiable in the quantities.

        Args:
            state: as returned by ``initial_state`` or ``step``.
            gate: weights of the regimes, shape (..., K).
            quantity: quantity chosen in each regime, within its interval, shape (..., K).
            noise: noise of this period, shape (...,).
        """

    @abstractmethod
    def observe(self, state: Any) -> Any:
        """Observation of a state, shape (..., n)."""

    @abstractmethod
    def check_noise(self, noise: Any) -> NDArray[np.float64]:
        """``noise`` as an array of shape (..., horizon), if this problem admits it; else ValueError."""

    def constants(self, like: Any) -> Any:
        """The constant arrays in the library, dtype and device of ``like``, and ``xp``, its namespace."""
        key = (type(like), like.dtype, device(like))
        found = self._constants.get(key)
        if found is None:
            xp = array_namespace(like)
            arrays = {
                name: xp.asarray(np.array(array), dtype=like.dtype, device=device(like))
                for name, array in self._arrays.items()
            }
            found = self._constants[key] = SimpleNamespace(xp=xp, **arrays)
        return found

    def __init__(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        self._arrays = arrays
        self._constants: dict[Any, SimpleNamespace] = {}

    def __getstate__(self) -> dict[str, Any]:
        # The cache may hold modules and device tensors, which do not travel.
        return {**self.__dict__, "_constants": {}}
