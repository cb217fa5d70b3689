"""The exact optimum of single-item inventory: dynamic programming on a lattice."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from .bellman import LOWER, TOLERANCE, UPPER, append_decision, refine
from .lead_times import solve_lead_times
from .result import Optimum
from .single_item_lattice import (
    FIRST_MARGIN,
    LatticeRule,
    certified,
    extent,
    lattice_steps,
    pipeline_dimensions,
    supported,
)
from .single_item_position import PositionProcess, multiplications
from .single_item_stationary import solve_stationary
from .stock_process import Decision, StockProcess

MULTIPLICATIONS_PER_SECOND = 2.5e9
"""On the finest lattice, on one core of a usual computer, with the time for coarser ones."""

LONG_SECONDS = 30.0
"""Seconds from which on ``solve`` says how long it will take."""


def solve_single_item(problem: SingleItemInventory) -> Optimum:
    """Solve a single-item inventory problem to optimality.

    **State.** With backlog and a common lead time L an order of period t acts on the costs of period t + L
    and later, so the inventory position is a state (Scarf 1960). No order changes the costs of the first L
    periods, since nothing is on order at the start. Orders of the last L periods never arrive, so their
    regime is the cheapest one. With lost sales the state is the stock after the period's arrivals, and with
    L > 1 also the orders that arrive next.

    **Lattice.** Quantities are continuous. Nevertheless, if all values of demand, all ends of regimes and the
    initial stock are multiples of one step, the recursion on the lattice of that step is exact. Value
    functions are continuous and piecewise linear, and all kinks at which their slope rises lie on the
    lattice. Expectations and sums preserve this, and the minimum of two functions only adds kinks at which
    the slope falls. In a window that slides with the state, the minimum is at an end of the window or at a
    kink of rising slope; both are on the lattice when the state is. So the minimum over lattice points is the
    minimum over all quantities. For lost sales with a lead time the kinks lie where sums of neighbouring
    entries of (stock, pipeline) are on the lattice, and the same argument holds.

    With an order multiple only finitely many orders are possible. The recursion is exact on a lattice of
    which demand, the multiple and the initial stock are multiples.

    Otherwise (continuous demand, no common step, or a lattice too fine to compute) demand is spread over a
    grid by hat functions, which preserves its mean and has an error of second order in the step. Ends of
    regimes off the grid, which only occur if they have no common step, are rounded to it. Then
    ``discretisation_error`` is the difference to the solution at twice the step: an estimate, not a bound.
    The mean over a uniform initial inventory is treated in the same way.

    **Ends of the lattice.** The lattice is enlarged until the cost of a policy and a lower bound, which make
    opposite assumptions about stocks outside the lattice, agree to a relative 1e-9; see ``stock_process``.

    **Long tails.** No lattice has enough points for all values of a demand such as ``lognorm(2)``. However,
    where even the largest orders of all remaining periods cannot end a backlog, each unit of it costs the
    same, and the value is a straight line. So the lattice ends there, and demand that leads beyond it counts
    by its probability and its mean, without a further error. The step is 1/32 of the demand that a period
    exceeds with probability 10 %, or as fine as the number of points admits; see ``long_tails``.

    A ``UserWarning`` says so before a computation of more than about half a minute.

    Infinite-horizon problems are passed on to ``solve_stationary``, and problems whose regimes differ in lead
    time to ``solve_lead_times``.

    Args:
        problem: inventory of one item with any regime table whose first regime admits an order of 0. Demand
            is a distribution, or a list of one for each period. With backlog a common lead time may have any
            length; with lost sales it is at most 2 periods, or 4 over an infinite horizon.

    Returns:
        The optimum. Its ``rule`` has the attribute ``step``, the distance of lattice points in units.

    Raises:
        NotApplicable: for anything else, naming what is not supported and what to do instead.

    References:
        - H. Scarf (1960), The optimality of (S, s) policies in the dynamic inventory problem.
        - P. Zipkin (2008), Old and new methods for lost-sales inventory systems, Operations Research 56(5).
    """
    if np.ptp(problem.regimes.lead_time) > 0:
        return solve_lead_times(problem)
    supported(problem)
    _announce(problem)
    if problem.horizon is None:
        return solve_stationary(problem)

    def solve_at(step: float) -> Optimum:
        bounds, (process, decisions) = certified(problem, step, _backward)
        error_bound = abs(float(bounds[UPPER] - bounds[LOWER]))
        return Optimum(problem, LatticeRule(problem, process, decisions), float(bounds[UPPER]), error_bound)

    return refine(solve_at, lattice_steps(problem))


def _announce(problem: SingleItemInventory) -> None:
    """Warn of a long computation, from the size of the first lattice."""
    if pipeline_dimensions(problem):
        return
    step = lattice_steps(problem)[-1]
    low, high = extent(problem, FIRST_MARGIN[0])
    points = (high - low) / step
    seconds = multiplications(problem, step, points) / MULTIPLICATIONS_PER_SECOND
    if seconds > LONG_SECONDS:
        warnings.warn(
            f"solve will take about {seconds:.0f} seconds, or more on a slow machine: its lattice has "
            f"{points:,.0f} points in each period",
            stacklevel=4,
        )


def _backward(process: StockProcess) -> tuple[NDArray[np.float64], bool, tuple[StockProcess, list[Decision]]]:
    """Backward induction: bounds on the cost, whether the lattice's ends keep them valid, the decisions."""
    value = process.terminal()
    decisions: list[Decision] = []
    holds = True
    assert process.problem.horizon is not None
    for period in reversed(range(process.problem.horizon)):
        value, decision = process.best(process.after_order(value, period))
        holds = holds and _rises_outwards(process, value[LOWER])
        append_decision(decisions, decision)
    return process.at_start(value), holds, (process, decisions[::-1])


def _rises_outwards(process: StockProcess, value: NDArray[np.float64]) -> bool:
    """Whether the value (n, ...) does not fall towards the ends at which states are cut off."""
    slack = TOLERANCE * max(1.0, float(value.max()))
    above = bool(np.all(value[-1] >= value[-2] - slack))
    if isinstance(process, PositionProcess) and process.problem.unmet_demand == "backlog":
        stride = process.stride
        lowest, following = value[:stride], value[stride : 2 * stride]
        return above and bool(np.all(lowest[: len(following)] >= following - slack))
    return above
