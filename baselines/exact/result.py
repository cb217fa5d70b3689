"""The result type of every exact solver: an optimal policy, its cost, and how exact that cost is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem

from ..policy import Policy

ROUNDING = 1e-9
"""A discretisation error below this fraction of the cost counts as rounding."""


class Exactness(StrEnum):
    """How exact the cost of an optimum is."""

    EXACT = "exact"
    """Exact except for rounding and ``Optimum.error_bound``."""

    GRID = "grid"
    """Computed on a grid, with the error that ``Optimum.discretisation_error`` estimates."""

    UPPER_BOUND = "upper bound"
    """The cost of a good policy that is not proven to be optimal."""


class DecisionRule(Protocol):
    """The decisions of an optimum, for example by tables on a lattice or by comparing mode sequences."""

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regimes and quantities at observations (m, d), as ``Policy.decide`` returns them."""


@dataclass(frozen=True, eq=False, repr=False)
class Optimum(Policy):
    """An optimal policy and its cost, as ``solve`` returns them.

    Attributes:
        problem: the problem that was solved.
        rule: makes the decisions. It may have further attributes, such as the ``step`` of a lattice.
        cost: expected discounted cost of an episode from the initial state; for an infinite-horizon problem
            at discount 1, the average cost per period in the long run.
        error_bound: bound on the error of ``cost`` that comes from stopping an iteration or from cutting off
            a lattice; 0 if the solver does neither.
        discretisation_error: estimated error of ``cost`` that comes from a grid; 0 without a grid. It is NaN
            if ``cost`` is only an upper bound, since its distance to the optimum is then unknown.
    """

    problem: HindsightProblem
    rule: DecisionRule
    cost: float
    error_bound: float = 0.0
    discretisation_error: float = 0.0

    @property
    def expected_cost(self) -> float | None:
        """Expected discounted cost of an episode; None for an infinite-horizon problem at discount 1."""
        return None if self._is_average else self.cost

    @property
    def average_cost(self) -> float | None:
        """Average cost per period of an infinite-horizon problem at discount 1; None for other problems."""
        return self.cost if self._is_average else None

    @property
    def exactness(self) -> Exactness:
        """How exact ``cost`` is."""
        if np.isnan(self.discretisation_error):
            return Exactness.UPPER_BOUND
        on_grid = self.discretisation_error > ROUNDING * abs(self.cost)
        return Exactness.GRID if on_grid else Exactness.EXACT

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal regimes and quantities at observations (m, d)."""
        return self.rule.decide(observation)

    def __repr__(self) -> str:
        kind = "average_cost" if self._is_average else "expected_cost"
        return (
            f"Optimum({kind}={self.cost:.8g}, error_bound={self.error_bound:.2g}, "
            f"discretisation_error={self.discretisation_error:.2g}, exactness={self.exactness.value!r})"
        )

    @property
    def _is_average(self) -> bool:
        return self.problem.horizon is None and self.problem.discount == 1
