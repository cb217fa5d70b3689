"""The exact optimum of single-item inventory, by dynamic programming on a lattice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from .certified import TOLERANCE, certified, lattice_steps, supported
from .policy import Policy
from .stock_process import LOWER, UPPER, PositionProcess, StockProcess

Decision = tuple[NDArray[np.int8], NDArray[np.int32]]
"""Regime, and quantity in steps, of each state of a lattice."""


class Optimum(Policy):
    """An optimal policy, as ``solve`` returns it.

    Between lattice points it decides as at the nearest one, with the same order-up-to level; quantities are
    projected on their regime's interval.

    Attributes:
        expected_cost: expected discounted cost of an episode from the initial state.
        discretisation_error: estimated error of ``expected_cost``; 0 where the lattice is exact.
        step: distance of the lattice points, in units.
    """

    def __init__(
        self,
        problem: SingleItemInventory,
        process: StockProcess,
        decisions: list[Decision],
        expected_cost: float,
        discretisation_error: float,
    ) -> None:
        self.problem = problem
        self.expected_cost = expected_cost
        self.discretisation_error = discretisation_error
        self.step = process.step
        self._process = process
        self._decisions = decisions

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal regime (m,) and quantity (m,) of observations (m, n)."""
        periods = np.clip(np.round(observation[:, -1]), 0, self.problem.horizon - 1).astype(int)
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


def solve(problem: Any) -> Optimum:
    """Solve a single-item inventory problem to optimality over its finite horizon.

    **State.** With backlog and a common lead time L an order of period t acts on the costs of period t + L
    and later, so the inventory position is a state (Scarf 1960). The costs of the first L periods are sunk:
    no order changes them (nothing is under way at the start); orders of the last L periods never arrive, so
    the cheapest regime is chosen. With lost sales the state is the stock after the period's arrivals, for
    L = 2 also the order that arrives next.

    **Lattice.** Quantities are continuous. Where all values of demand, all ends of regimes and the initial
    stock are multiples of one step, the recursion on the lattice of that step is exact nevertheless. Value
    functions are continuous and piecewise linear, and all kinks at which their slope rises lie on the
    lattice. Expectations and sums keep that; a minimum of two functions adds only kinks at which the slope
    falls; and in a window that slides with the state, the minimum is at an end of the window or at a kink of
    rising slope, both on the lattice when the state is. So a minimum over lattice points is one over all
    quantities. For lost sales with a lead time the kinks lie where sums of neighbouring entries of (stock,
    pipeline) are on the lattice, and the same argument holds.

    Otherwise (continuous demand, no common step, or a lattice too fine to compute) demand is spread over a
    grid by hat functions, which keeps its mean and is of second order in the step. Ends of regimes off the
    grid, which only occur when they have no common step, are rounded to it. ``discretisation_error`` is then
    the difference to the solution at twice the step: an estimate, not a bound. The mean over a uniform
    initial inventory is treated in the same way.

    **Cut.** The lattice is enlarged until the cost of a policy and a lower bound, which treat what lies
    outside in opposite ways, agree to a relative 1e-9; see ``stock_process``.

    Args:
        problem: problem, environment or environment id; ``SingleItemInventory`` over any
            regime table with one common lead time: any for backlog, at most 2 for lost sales. Demand is a
            distribution.

    Raises:
        NotImplementedError: for anything else, naming what is not supported and what to do instead.
        TypeError: if ``problem`` is no jumpgym problem.

    References:
        - H. Scarf (1960), The optimality of (S, s) policies in the dynamic inventory problem.
        - P. Zipkin (2008), Old and new methods for lost-sales inventory systems, Operations Research 56(5).
    """
    problem = supported(problem)
    costs = []
    for step in lattice_steps(problem):
        bounds, (process, decisions) = certified(problem, step, _backward)
        costs.append(float(bounds[UPPER]))
    return Optimum(problem, process, decisions, costs[-1], abs(costs[-1] - costs[0]))


def _backward(process: StockProcess) -> tuple[NDArray[np.float64], bool, tuple[StockProcess, list[Decision]]]:
    """The dynamic programme: bounds of the cost, whether the ends bear them out, and the decisions."""
    value = process.terminal()
    decisions: list[Decision] = []
    holds = True
    for period in reversed(range(process.problem.horizon)):
        after = process.after_order(value, period)
        value, regime, quantity = process.best(after)
        holds = holds and _rises_outwards(process, value[LOWER])
        if decisions and _equal((regime, quantity), decisions[-1]):
            decisions.append(decisions[-1])  # shared, since long horizons repeat themselves
        else:
            decisions.append((regime, quantity))
    return process.at_start(value), holds, (process, decisions[::-1])


def _rises_outwards(process: StockProcess, value: NDArray[np.float64]) -> bool:
    """Whether the value (n, ...) does not fall towards an end of the lattice at which it is cut."""
    slack = TOLERANCE * max(1.0, float(value.max()))
    above = bool(np.all(value[-1] >= value[-2] - slack))
    if isinstance(process, PositionProcess) and process.problem.unmet_demand == "backlog":
        return above and bool(value[0] >= value[1] - slack)
    return above


def _equal(one: Decision, other: Decision) -> bool:
    return np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])
