"""The exact optimum of a single item whose lead time depends on the order size."""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from jumpgym import NotApplicable, SingleItemInventory
from jumpgym.demand import discrete_values

from .bellman import TOLERANCE, append_decision, enlarge, refine
from .demand_by_period import largest_mean
from .lattice import common_step, grid_step
from .lattice_demand import standard_deviation
from .lead_times_lattice import LeadTimeProcess
from .refusals import refuse_traces
from .result import Optimum
from .single_item_lattice import LatticeRule, order_ends, refuse_forced_orders
from .stock_process import Decision, stride_of

GROWTH = 1.4
"""Factor by which the lattice is enlarged."""

EXACT_CHOICES, GRID_CHOICES = 4_000_000, 1_000_000
"""Most states after an order on the first lattice, for an exact solution and for an approximation."""


def solve_lead_times(problem: SingleItemInventory) -> Optimum:
    """Solve a finite-horizon, single-item inventory problem whose regimes may differ in lead time.

    Orders cross, so the inventory position is not a state; see ``LeadTimeProcess`` for the state. With
    backlog it has as many dimensions as the longest lead time exceeds the shortest one, with lost sales as
    many as the longest lead time, and at least 1. An order of the last periods may not arrive before the end;
    it is decided like any other.

    **Lattice.** If all values of demand, all ends of regimes and the initial stock are multiples of one step,
    and regimes have at most two lead times (with lost sales the shorter one 0), the recursion on the lattice
    of that step is exact. Given the regime in each node of the demand tree, the quantities solve a linear
    programme whose rows are sums of what has arrived. Its matrix is totally unimodular (Ghouila-Houri 1962):
    give the slow orders alternating signs, and each fast order, which arrives among them, a sign that keeps
    the sums in {-1, 0, 1}. So optimal quantities lie on the lattice. The argument fails with three lead
    times. In that case, for continuous demand, and for demand without a common step, the problem is solved on
    two lattices, one twice as fine as the other, and ``discretisation_error`` is the difference: an estimate,
    not a bound.

    **Ends of the lattice.** The cost is that of a policy that never leaves the lattice, see
    ``LeadTimeProcess``. The lattice is enlarged by 1.4 until the cost falls by less than a relative 1e-9.

    Args:
        problem: demand is a distribution, or one for each period.

    Raises:
        NotApplicable: for what is not supported, naming it and what to do instead.

    References:
        - A. Ghouila-Houri (1962), Caractérisation des matrices totalement unimodulaires, Comptes Rendus de
          l'Académie des Sciences 254.
        - A. S. Whittemore and S. C. Saunders (1977), Optimal inventory under stochastic demand with two
          supply options, SIAM Journal on Applied Mathematics 32(2).
    """
    if problem.horizon is None:
        raise NotApplicable(
            "horizon=None is not supported with lead times that differ by regime; give a long horizon instead"
        )
    refuse_traces(problem.demand)
    refuse_forced_orders(problem)
    return refine(lambda step: _solve_at(problem, step), _steps(problem))


def _solve_at(problem: SingleItemInventory, step: float) -> Optimum:
    last = np.inf

    def solve_on(size: tuple[int, int, int]) -> tuple[Optimum, bool]:
        nonlocal last
        process = LeadTimeProcess(problem, step, *size)
        value = process.terminal()
        decisions: list[Decision] = []
        for period in reversed(range(process.horizon)):
            value, decision = process.best(process.after_order(value, period))
            append_decision(decisions, decision)
        cost, before = process.at_start(value), last
        last = cost
        optimum = Optimum(problem, LatticeRule(problem, process, decisions[::-1]), cost)
        return optimum, before - cost <= TOLERANCE * max(cost, 1.0)

    return enlarge(solve_on, lambda margin: _size(problem, step, margin), 1.0, GROWTH)


def _size(problem: SingleItemInventory, step: float, margin: float) -> tuple[int, int, int]:
    """Ends of the lattice in steps, and the largest order in order multiples or steps.

    For an infinite margin they are those of all states.
    """
    regimes, demand, horizon = problem.regimes, problem.demand, problem.horizon
    assert horizon is not None
    start_low, start_high = problem.initial_inventory
    periods = problem.max_lead_time + 1
    deviation = standard_deviation(demand)
    shortest = int(regimes.lead_time.min()) + 1
    deep = (shortest + 1) * largest_mean(demand) + 6 * np.sqrt(shortest + 1) * deviation
    low = (
        0.0
        if problem.unmet_demand == "lost"
        else min(start_low, 0.0) - min(margin * deep, horizon * demand.max)
    )
    above_mean = periods * (largest_mean(demand) - demand.mean)
    level = problem.level_scale + above_mean + 3 * np.sqrt(periods) * deviation
    level += 2 * (problem.order_multiple or 0.0)
    largest = float(regimes.largest.max())
    order = min(margin * max(level, float(regimes.least.max())), largest)
    high = max(start_high, 0.0) + min(margin * (level + float(regimes.least.max())), horizon * largest)
    multiple = step * stride_of(problem, step)
    return floor(low / step), ceil(high / step) + 1, ceil(order / multiple - 1e-9)


def _choices(problem: SingleItemInventory, step: float) -> float:
    low, high, most = _size(problem, step, 1.0)
    shortest = 0 if problem.unmet_demand == "lost" else int(problem.regimes.lead_time.min())
    return (high - low + 1) * float(most + 1) ** max(problem.max_lead_time - shortest, 1)


def _steps(problem: SingleItemInventory) -> list[float]:
    """The step of the lattice on which the problem is exact; else two steps, the second half the first."""
    regimes, demand = problem.regimes, problem.demand
    start_low, start_high = problem.initial_inventory
    ends = order_ends(regimes)
    values = discrete_values(demand)
    if values is not None:
        step = common_step(np.concatenate([ends, [start_low, start_high], values]))
        different = np.unique(regimes.lead_time)
        exact = len(different) == 1 or (
            len(different) == 2 and (problem.unmet_demand == "backlog" or different[0] == 0)
        )
        exact = exact or problem.order_multiple is not None  # then all that can be ordered is on the lattice
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
        raise NotApplicable(
            f"lead_time={regimes.lead_time.tolist()} of the regimes is not supported for these quantities: "
            "the state has too many values; take lead times that differ less, or smaller orders, or compare "
            "with simulated policies (evaluate)"
        )
    step = grid_step(at_most, ends)
    return [step, step / 2]
