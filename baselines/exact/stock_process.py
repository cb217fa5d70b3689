"""The interface of the dynamic programming steps for one item.

There are two implementations: ``PositionProcess``, whose state is the inventory position, and
``PipelineProcess``, whose state is the stock and the outstanding orders. Over a finite horizon they carry two
value functions at once, along the axis before the states: row 0 bounds the value from below, and row 1 is the
cost of a policy, hence a bound from above. The two differ only in what they assume outside the lattice, so
where they agree, the ends of the lattice do not matter. An infinite-horizon problem has row 0 only; its
lattice is enlarged until nothing changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from .demand_by_period import WeightsByPeriod, mean_ahead
from .lattice import nearest_index, start_weights
from .lattice_demand import Weights
from .long_tails import is_long_tailed
from .markov_chain import PolicyChain

Decision = tuple[NDArray[Any], NDArray[Any]]
"""Regime, and quantity in steps, of each state of a lattice."""

TYPICAL_ITERATIONS = 200
"""Applications of the Bellman operator that an infinite-horizon problem takes, roughly."""


def stride_of(problem: SingleItemInventory, step: float) -> int:
    """The order multiple in steps of a lattice; 1 without."""
    return 1 if problem.order_multiple is None else round(problem.order_multiple / step)


class StockProcess(ABC):
    """Bellman operator of a single item on a lattice.

    A value function has shape (rows, *states). ``after_order`` returns the cost to go of each choice, without
    the cost of the order itself; ``best`` adds that and chooses. For given decisions instead of the best
    ones, ``policy_costs`` returns the cost over a finite horizon, and ``chain`` the Markov chain.

    Args:
        problem: the problem. Its regimes have the same lead time, and the first one may order nothing.
        step: distance of lattice points, in units.
        low, high: ends of the lattice, in steps.

    Attributes:
        stride: the order multiple, in steps; 1 without.
    """

    def __init__(self, problem: SingleItemInventory, step: float, low: int, high: int) -> None:
        self.problem = problem
        self.rows = 1 if problem.horizon is None else 2
        self.step, self.low, self.high = step, low, high
        self.lead_time = problem.max_lead_time
        self.points: NDArray[np.float64] = step * np.arange(low, high + 1, dtype=np.float64)
        # Such a demand takes every point below the lattice.
        last = high - low + 1 if is_long_tailed(problem.demand) else None
        self.weights = WeightsByPeriod(problem.demand, step, self.derive, last)
        self.start = start_weights(self.points, step, problem.initial_inventory)
        regimes = problem.regimes
        self.fewest = np.round(regimes.least / step).astype(int)
        self.most = np.round(regimes.largest / step).astype(int)
        self.stride = stride_of(problem, step)
        self.price = regimes.unit_cost * step

    def _linear(self, per_period: float, slope: float) -> NDArray[np.float64]:
        """Coefficients a, b of the cost ``a + b * z`` from each period to the end, shape (horizon + 1, 2).

        Each period costs ``per_period``. As long as an order can still arrive, it also costs ``slope`` for
        each unit of z, and of the mean demand until an order has arrived. In each period z grows by the mean
        demand.
        """
        problem = self.problem
        assert problem.horizon is not None
        coefficients = np.zeros((problem.horizon + 1, 2))
        for period in reversed(range(problem.horizon)):
            a, b = problem.discount * coefficients[period + 1]
            matters = self.discount_of_stock(period)
            late = slope * (self.lead_time + 1) * mean_ahead(problem.demand, period, self.lead_time + 1)
            coefficients[period] = (
                a + b * mean_ahead(problem.demand, period, 1) + per_period + matters * late,
                b + matters * slope,
            )
        return coefficients

    @abstractmethod
    def derive(self, weights: Weights) -> Any:
        """What the process needs of the demand of a period, given as weights of lattice points."""

    def discount_of_stock(self, period: int) -> float:
        """Factor on the stock cost that an order of this period decides on."""
        return 1.0

    @abstractmethod
    def terminal(self) -> NDArray[np.float64]:
        """Value (rows, *states) after the last period: zeros."""

    @abstractmethod
    def after_order(self, value: NDArray[np.float64], period: int) -> NDArray[np.float64]:
        """Cost to go of each choice, from the next period's value (rows, *states)."""

    @abstractmethod
    def best(self, after: NDArray[np.float64]) -> tuple[NDArray[np.float64], Decision]:
        """Value (rows, *states) of the best order, and the decision that attains it in the last row."""

    @abstractmethod
    def transition(self, quantity: NDArray[Any]) -> Any:
        """Linear operator that takes next period's value, flattened, to its expectation.

        Args:
            quantity: order in each state, in steps, shape (*states,).
        """

    @abstractmethod
    def chain(self, regime: NDArray[np.int64], quantity: NDArray[np.int64], period: int = 0) -> PolicyChain:
        """The Markov chain of a stationary policy.

        Args:
            regime: regime in each state, shape (states,).
            quantity: order in each state, in steps, shape (states,).
            period: the period whose demand counts.
        """

    @abstractmethod
    def policy_costs(self, regime: NDArray[np.int64], quantity: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bounds (k, 2) on the expected cost of k stationary policies over the finite horizon.

        Args:
            regime: regime of each policy in each state, shape (k, states).
            quantity: order of each policy in each state, in steps, shape (k, states).
        """

    @abstractmethod
    def at_start(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected cost (...,) from the initial state, from the first period's value (..., *states)."""

    @abstractmethod
    def observations(self) -> NDArray[np.float64]:
        """An observation (states, n) of each state."""

    @abstractmethod
    def locate(self, observation: NDArray[np.float64]) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
        """Index of the state nearest to each observation (m, n), and the excess of its stock, (m,)."""

    def nearest(self, stock: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index of the lattice point nearest to the stock."""
        return nearest_index(stock, self.step, self.low, len(self.points))
