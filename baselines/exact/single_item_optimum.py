"""The exact optimum of single-item inventory, by dynamic programming on a lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from ..dispatch import load
from ..policy import Policy
from .certified import TOLERANCE, certified, lattice_steps, supported
from .lattice_policy import Decision, Optimum
from .stationary_optimum import solve_stationary
from .stock_process import LOWER, UPPER, PositionProcess, StockProcess


def solve_single_item(problem: SingleItemInventory) -> Policy:
    """Solve a single-item inventory problem to optimality.

    **State.** With backlog and a common lead time L an order of period t acts on the costs of period t + L
    and later, so the inventory position is a state (Scarf 1960). The costs of the first L periods are sunk:
    no order changes them (nothing is under way at the start); orders of the last L periods never arrive, so
    the cheapest regime is chosen. With lost sales the state is the stock after the period's arrivals, for
    L > 1 also the orders that arrive next.

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

    Without an end see ``stationary_optimum.solve_stationary``; where lead times differ between regimes
    ``lead_time_optimum.solve_order_size_lead_time``.

    Args:
        problem: inventory of one item over any regime table whose first regime may order nothing. Demand is a
            distribution. With a common lead time that may be any for backlog; for lost sales at most 2, or 4
            without an end.

    Returns:
        An ``Optimum``, where lead times are equal.

    Raises:
        NotImplementedError: for anything else, naming what is not supported and what to do instead.

    References:
        - H. Scarf (1960), The optimality of (S, s) policies in the dynamic inventory problem.
        - P. Zipkin (2008), Old and new methods for lost-sales inventory systems, Operations Research 56(5).
    """
    if np.ptp(problem.regimes.lead_time) > 0:
        solved: Policy = load("exact.lead_time_optimum:solve_order_size_lead_time")(problem)
        return solved
    problem = supported(problem)
    if problem.horizon is None:
        return solve_stationary(problem)
    costs = []
    for step in lattice_steps(problem):
        bounds, (process, decisions) = certified(problem, step, _backward)
        costs.append(float(bounds[UPPER]))
    bound = abs(float(bounds[UPPER] - bounds[LOWER]))
    return Optimum(problem, process, decisions, costs[-1], bound, abs(costs[-1] - costs[0]))


def _backward(process: StockProcess) -> tuple[NDArray[np.float64], bool, tuple[StockProcess, list[Decision]]]:
    """The dynamic programme: bounds of the cost, whether the ends bear them out, and the decisions."""
    value = process.terminal()
    decisions: list[Decision] = []
    holds = True
    assert process.problem.horizon is not None
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
