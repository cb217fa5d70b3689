"""The policy that an exact solution on a lattice gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from ..policy import Policy

Decision = tuple[NDArray[Any], NDArray[Any]]
"""Regime, and quantity in steps, of each state of a lattice."""


class Lattice(Protocol):
    """What a policy on a lattice must know of it."""

    step: float

    def locate(self, observation: NDArray[np.float64]) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
        """Index of the state nearest to each observation (m, n), and by how much it has more stock."""


class LatticePolicy(Policy):
    """The decisions of each period for each state of a lattice.

    Between lattice points it decides as at the nearest one, with the same order-up-to level; quantities are
    projected on their regime's interval.

    Args:
        problem: a single-item inventory.
        process: the lattice.
        decisions: of each period; of one period without an end.

    Attributes:
        step: distance of the lattice points, in units.
    """

    def __init__(self, problem: SingleItemInventory, process: Lattice, decisions: Sequence[Decision]) -> None:
        self.problem = problem
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


class Optimum(LatticePolicy):
    """An optimal policy, as ``solve`` returns it for a single item; see ``LatticePolicy``.

    Attributes:
        expected_cost: expected discounted cost of an episode from the initial state; None without an end and
            discount.
        average_cost: cost of a period in the long run; only without an end and discount, else None.
        error_bound: bound on the error of that cost on the lattice, from recursion and the lattice's ends.
        discretisation_error: estimated error of that cost from the lattice; 0 where the lattice is exact.
    """

    def __init__(
        self,
        problem: SingleItemInventory,
        process: Lattice,
        decisions: Sequence[Decision],
        cost: float,
        error_bound: float,
        discretisation_error: float,
    ) -> None:
        super().__init__(problem, process, decisions)
        average = problem.horizon is None and problem.discount == 1
        self.expected_cost = None if average else cost
        self.average_cost = cost if average else None
        self.error_bound = error_bound
        self.discretisation_error = discretisation_error
