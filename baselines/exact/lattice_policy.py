"""The policy that an exact solution on a lattice gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from ..policy import Policy
from .stock_process import StockProcess

Decision = tuple[NDArray[np.int8], NDArray[np.int32]]
"""Regime, and quantity in steps, of each state of a lattice."""


class Optimum(Policy):
    """An optimal policy, as ``solve`` returns it for a single item.

    Between lattice points it decides as at the nearest one, with the same order-up-to level; quantities are
    projected on their regime's interval.

    Attributes:
        expected_cost: expected discounted cost of an episode from the initial state; None without an end and
            discount.
        average_cost: cost of a period in the long run; only without an end and discount, else None.
        error_bound: bound on the error of that cost on the lattice, from recursion and the lattice's ends.
        discretisation_error: estimated error of that cost from the lattice; 0 where the lattice is exact.
        step: distance of the lattice points, in units.
    """

    def __init__(
        self,
        problem: SingleItemInventory,
        process: StockProcess,
        decisions: list[Decision],
        cost: float,
        error_bound: float,
        discretisation_error: float,
    ) -> None:
        average = problem.horizon is None and problem.discount == 1
        self.problem = problem
        self.expected_cost = None if average else cost
        self.average_cost = cost if average else None
        self.error_bound = error_bound
        self.discretisation_error = discretisation_error
        self.step = process.step
        self._process = process
        self._decisions = decisions

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal regime (m,) and quantity (m,) of observations (m, n)."""
        last = len(self._decisions) - 1
        if self.problem.horizon is None:
            periods = np.zeros(len(observation), dtype=int)
        else:
            periods = np.clip(np.round(observation[:, -1]), 0, last).astype(int)
        states, above = self._process.locate(observation)
        regime = np.zeros(len(observation), dtype=np.int64)
        quantity = np.zeros(len(observation))
        for period in np.unique(periods):
            now = periods == period
            regimes, quantities = self._decisions[period]
            state = tuple(index[now] for index in states)
            regime[now] = regimes[state]
            quantity[now] = self.step * quantities[state]
        return regime, self.problem.regimes.project(regime, quantity + above)
