"""The exact optimum of single-item inventory whose lead time depends on the order size."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np

from jumpgym import SingleItemInventory, as_problem
from jumpgym.demand import DiscreteDemand, TraceDemand

from .lattice import common_step, grid_step, standard_deviation
from .lattice_policy import LatticePolicy
from .lead_time_process import Decision, LeadTimeProcess, horizon_of

TOLERANCE = 1e-9
"""Relative fall of the cost at which the lattice is no longer enlarged."""

GROWTH = 1.4
"""By how much the lattice is enlarged."""

EXACT_CHOICES, GRID_CHOICES = 4_000_000, 1_000_000
"""Most states after an order on the first lattice: of an exact solution, and of an approximation."""


class LeadTimeOptimum(LatticePolicy):
    """An optimal policy, as ``solve_order_size_lead_time`` returns it; see ``LatticePolicy``.

    Attributes:
        expected_cost: expected discounted cost of an episode from the initial state.
        discretisation_error: estimated error of ``expected_cost``; 0 where the lattice is exact.
    """

    def __init__(
        self,
        process: LeadTimeProcess,
        decisions: list[Decision],
        expected_cost: float,
        discretisation_error: float,
    ) -> None:
        super().__init__(process.problem, process, decisions)
        self.expected_cost = expected_cost
        self.discretisation_error = discretisation_error


def solve_order_size_lead_time(env: Any) -> LeadTimeOptimum:
    """Solve a single-item inventory problem, whose regimes may differ in lead time, over its finite horizon.

    Orders cross, so that the inventory position is no state; see ``LeadTimeProcess`` for what is. Its
    dimensions are the longest lead time less the shortest with backlog, or the longest with lost sales, and
    at least 1. An order of the last periods may not arrive before the end; it is decided like any other.

    **Lattice.** Where all values of demand, all ends of regimes and the initial stock are multiples of one
    step, and regimes have at most two lead times (with lost sales: the shorter one 0), the recursion on the
    lattice of that step is exact. For a fixed choice of regimes in each node of the demand tree the
    quantities solve a linear programme whose rows are sums of what has arrived. Its matrix is totally
    unimodular (Ghouila-Houri 1962): slow orders get alternating signs, and each fast order, which arrives
    among them, a sign that keeps the sums in {-1, 0, 1}. So optimal quantities lie on the lattice. With three
    lead times the argument fails; then, for continuous demand, and for demand without a common step, the
    problem is solved on two lattices, one twice as fine as the other, and ``discretisation_error`` is the
    difference: an estimate, not a bound.

    **Cut.** The cost is that of a policy that never leaves the lattice, see ``LeadTimeProcess``. The lattice
    is enlarged by 1.4 until that cost falls by less than a relative 1e-9.

    Args:
        env: problem, environment or environment id of a ``SingleItemInventory``; demand is a distribution.

    Raises:
        NotImplementedError: for what is not supported, naming it and what to do instead.
        TypeError: if ``env`` is no jumpgym problem.

    References:
        - A. Ghouila-Houri (1962), Caractérisation des matrices totalement unimodulaires, Comptes Rendus de
          l'Académie des Sciences 254.
        - A. S. Whittemore and S. C. Saunders (1977), Optimal inventory under stochastic demand with two
          supply options, SIAM Journal on Applied Mathematics 32(2).
    """
    problem = _supported(env)
    costs = []
    for step in _steps(problem):
        process, decisions, cost = _solve_on(problem, step)
        costs.append(cost)
    return LeadTimeOptimum(process, decisions, costs[-1], abs(costs[-1] - costs[0]))


def _solve_on(problem: SingleItemInventory, step: float) -> tuple[LeadTimeProcess, list[Decision], float]:
    margin, last = 1.0, np.inf
    while True:
        size = _size(problem, step, margin)
        process = LeadTimeProcess(problem, step, *size)
        value, decisions = process.terminal(), []
        for period in reversed(range(process.horizon)):
            value, decision = process.best(process.after_order(value, period))
            decisions.append(decision)
        cost = process.at_start(value)
        if last - cost <= TOLERANCE * max(cost, 1.0) or size == _size(problem, step, np.inf):
            return process, decisions[::-1], cost
        margin, last = margin * GROWTH, cost


def _size(problem: SingleItemInventory, step: float, margin: float) -> tuple[int, int, int]:
    """Ends of the lattice and the largest order, in steps; ``margin`` infinite: all that can be reached."""
    regimes, demand, horizon = problem.regimes, problem.demand, horizon_of(problem)
    start_low, start_high = problem.initial_inventory
    periods = problem.max_lead_time + 1
    deviation = standard_deviation(demand)
    shortest = int(regimes.lead_time.min()) + 1
    deep = (shortest + 1) * demand.mean + 6 * np.sqrt(shortest + 1) * deviation
    low = (
        0.0
        if problem.unmet_demand == "lost"
        else min(start_low, 0.0) - min(margin * deep, horizon * demand.max)
    )
    level = problem.level_scale + 3 * np.sqrt(periods) * deviation
    largest = float(regimes.high.max())
    order = min(margin * max(level, float(regimes.low.max())), largest)
    high = max(start_high, 0.0) + min(margin * (level + float(regimes.low.max())), horizon * largest)
    return floor(low / step), ceil(high / step) + 1, ceil(order / step - 1e-9)


def _choices(problem: SingleItemInventory, step: float) -> float:
    low, high, most = _size(problem, step, 1.0)
    shortest = 0 if problem.unmet_demand == "lost" else int(problem.regimes.lead_time.min())
    return (high - low + 1) * float(most + 1) ** max(problem.max_lead_time - shortest, 1)


def _steps(problem: SingleItemInventory) -> list[float]:
    """One step on which the problem is exact, or else two, the second half of the first."""
    regimes, demand = problem.regimes, problem.demand
    start_low, start_high = problem.initial_inventory
    ends = np.concatenate([regimes.low, regimes.high])
    if isinstance(demand, DiscreteDemand):
        step = common_step(np.concatenate([ends, [start_low, start_high], demand.values]))
        different = np.unique(regimes.lead_time)
        exact = len(different) == 1 or (
            len(different) == 2 and (problem.unmet_demand == "backlog" or different[0] == 0)
        )
        if step is not None:
            whole = exact and start_low == start_high
            steps = [step] if whole else [step, step / 2]
            if _choices(problem, steps[-1]) <= (EXACT_CHOICES if whole else GRID_CHOICES):
                return steps
    coarsest = max(standard_deviation(demand), demand.mean / 4)
    at_most = coarsest / 16
    while 0 < at_most <= coarsest and _choices(problem, at_most / 2) > GRID_CHOICES:
        at_most *= 1.2
    if not 0 < at_most <= coarsest:
        raise NotImplementedError(
            f"lead_time={regimes.lead_time.tolist()} of the regimes is not supported for these quantities: "
            "the state has too many values; take lead times that differ less, or smaller orders, or compare "
            "with simulated policies (evaluate)"
        )
    step = grid_step(at_most, ends)
    return [step, step / 2]


def _supported(env: Any) -> SingleItemInventory:
    problem = as_problem(env)
    if not isinstance(problem, SingleItemInventory):
        raise NotImplementedError(f"{type(problem).__name__} is not supported: only SingleItemInventory is")
    if problem.horizon is None:
        raise NotImplementedError(
            "horizon=None is not supported with lead times that differ by regime; give a long horizon instead"
        )
    if isinstance(problem.demand, TraceDemand):
        raise NotImplementedError(
            "demand: traces are not supported: the periods of a trace depend on each other, so stock and "
            "period are not a state; pass a frozen scipy.stats distribution fitted to them"
        )
    if problem.regimes.low[0] > 0:
        raise NotImplementedError(
            f"regimes: low[0]={problem.regimes.low[0]:g} is not supported: the first regime must be able to "
            "order nothing (low=0), since the stock grows without bound otherwise"
        )
    return problem
