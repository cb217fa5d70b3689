"""The exact optimum of joint replenishment and of capacitated lot sizing with one or two items."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable
from jumpgym.demand import discrete_values

from ..policy import FloatArray
from .bellman import (
    LOWER,
    TOLERANCE,
    UPPER,
    append_decision,
    enlarge,
    is_tight,
    refine,
    rows_by_period,
)
from .demand_by_period import largest_mean
from .item_lattice import ItemLattice
from .joint_lattice import Decision, JointProcess
from .joint_orders import JointProblem, choices, largest_demand, lattice_orders, lattice_steps
from .lattice import ROUNDING, nearest_index
from .lattice_demand import standard_deviation
from .refusals import refuse_remainders, refuse_traces
from .result import Optimum

GROWTH = 1.3
"""Factor by which the lattice is enlarged."""

MOST_STATES = 2**20
"""Most lattice points, over both items."""

UNDISCOUNTED_PERIODS = 10_000.0
"""Periods for which a shortage below the lattice is charged where costs are averaged over time."""

ROUNDS, SWEEPS, DAMPING = 2000, 20, 0.9
"""Value iteration: most improvements, sweeps under a fixed policy after each of them, and step length."""

Ends = tuple[FloatArray, FloatArray]
"""Lowest and highest positions, each of shape (items,), in units."""


class JointRule:
    """Decides by tables of the best decision at each point of the lattice of both items.

    Between lattice points it takes the regimes and the order-up-to levels of the nearest point.

    Attributes:
        steps: distance of the lattice points of each item, in units, shape (n,).
    """

    def __init__(self, problem: JointProblem, process: JointProcess, decisions: list[Decision]) -> None:
        self.problem = problem
        self.steps = np.array([item.step for item in process.items[: problem.items]])
        self.process = process
        self._decisions = decisions
        self._regimes = np.array([orders.regime for orders in process.orders])

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal regimes (m, gates) and quantities (m, n) at observations (m, n_obs)."""
        position = self.problem.position(observation)
        items = self.process.items[: self.problem.items]
        index = np.zeros((2, len(position)), dtype=np.int64)
        for item, lattice in enumerate(items):
            index[item] = nearest_index(position[:, item], lattice.step, lattice.low, len(lattice.points))
        orders = np.zeros(len(position), dtype=np.int64)
        target = np.zeros(len(position), dtype=np.int64)
        for period, rows in rows_by_period(self.problem, observation):
            decision = self._decisions[period]
            orders[rows] = decision.orders[index[0, rows], index[1, rows]]
            target[rows] = decision.target[index[0, rows], index[1, rows]]
        up_to = np.unravel_index(target, self.process.shape)
        level = [lattice.points[points] for lattice, points in zip(items, up_to, strict=False)]
        regime = self._regimes[orders]
        return regime, self.problem.layout.project(regime, np.stack(level, axis=-1) - position)


def solve_joint(problem: JointProblem) -> Optimum:
    """Solve joint replenishment or capacitated lot sizing of one or two items to optimality.

    **State.** With backlog the inventory positions are a state (Scarf 1960): an order of period t changes the
    costs of its item in period t + L and later, where L is the lead time of the item. With lost sales lead
    times must be 0.

    **Lattice.** Quantities are continuous. The recursion on a lattice is exact nevertheless if demand,
    initial stocks and largest orders are multiples of the items' steps, both steps need the same capacity (of
    a truck, or of the machine's time), and every capacity (truckloads; the time that setups leave) is a
    multiple of that. Cut the plane by the lines on which the stock of item 1, the stock of item 2, or their
    sum is on the lattice; any two of these lines that meet do so in a lattice point. By induction value
    functions are continuous, and concave on each triangle of the cut, since stock costs are linear there and
    expectations preserve this. So does the minimum over orders. All orders of a choice of regimes form a
    polygon whose sides are parallel to the same three directions. The least value of a function that is
    concave on each triangle is taken where two of all these lines meet: in a lattice point, in a corner of
    the polygon, or in a point where a side meets a line. As the stocks move within one triangle, each of
    these points stays on one edge or triangle, so the value there is concave in the stocks; and if the stocks
    are on the lattice, so are all of these points. Without a limit on the trucks' capacity the items' steps
    need not match. The argument does not extend to three items.

    With order multiples only finitely many orders are possible, and capacities need not be on the lattice.

    Otherwise (continuous demand, no common step, or a lattice too fine to compute) demand is spread over a
    grid by hat functions, and orders are rounded down to it. Then ``discretisation_error`` is the difference
    to the solution at twice the steps: an estimate, not a bound. The mean over a uniform initial inventory is
    treated in the same way.

    **Ends of the lattice.** The lattice is enlarged until the cost of a policy and a lower bound agree to a
    relative 1e-9, see ``JointProcess``, and the decisions keep off its upper ends.

    **Infinite horizon.** Value iteration, with sweeps under a fixed policy between improvements, stops when
    the bounds of ``bellman.span_bounds`` are tight.

    Args:
        problem: one or two items. Demand is a distribution, or one for each period.

    Returns:
        The optimum. Its ``rule`` has the attribute ``steps``, the distances of lattice points in units.

    Raises:
        NotApplicable: for anything else, naming what is not supported and what to do instead.

    References:
        - H. Scarf (1960), The optimality of (S, s) policies in the dynamic inventory problem.
        - M. L. Puterman (1994), Markov decision processes, sections 6.6 and 8.5.
    """
    _check_supported(problem)
    low, high = extent(problem, 1.0)
    return refine(lambda steps: _solve_at(problem, steps), lattice_steps(problem, high - low))


def _check_supported(problem: JointProblem) -> None:
    if problem.items > 2:
        raise NotApplicable(
            f"items={problem.items} is not supported: the state has a dimension for each item, of which at "
            "most 2 can be computed; compare simulated policies (evaluate)"
        )
    refuse_traces(*problem.demand.items)
    if problem.unmet_demand == "lost" and problem.lead_time > 0:
        raise NotApplicable(
            f"lead_time={problem.lead_time} with unmet_demand='lost' is not supported: outstanding orders "
            "would be part of the state; set lead_time=0 or unmet_demand='backlog'"
        )
    if problem.horizon is None and problem.unmet_demand == "backlog":
        for item, demand in enumerate(problem.demand.items):
            multiple = None if problem.order_multiple is None else float(problem.order_multiple[item])
            start = float(problem.initial_inventory[0][item]), float(problem.initial_inventory[1][item])
            refuse_remainders(discrete_values(demand), multiple, start, f" of item {item}")
        options, sizes = choices(problem)
        load = float(sizes[: problem.items] @ problem.demand.mean)
        room = max(option.room for option in options[1:])
        if load >= room or np.any(problem.demand.mean >= problem.max_order):
            raise NotApplicable(
                f"horizon=None with a mean demand of {problem.demand.mean.tolist()} is not supported: orders "
                "cannot keep up with it, so the backlog grows for ever; raise the capacity (max_trucks, "
                "max_order) or set a horizon"
            )


def extent(problem: JointProblem, margin: float) -> Ends:
    """Lowest and highest positions of a lattice; of all states for an infinite margin."""
    start_low, start_high = problem.initial_inventory
    horizon = np.inf if problem.horizon is None else problem.horizon
    periods = problem.lead_times + 1
    demands = problem.demand.items
    deviation = np.array([standard_deviation(demand) for demand in demands])
    mean = np.array([largest_mean(demand) for demand in demands])
    order = problem.level_scale - periods * problem.demand.mean
    above = margin * (periods * mean + 6 * np.sqrt(periods) * deviation + 2 * order + 1)
    if problem.order_multiple is not None:
        above += margin * 2 * problem.order_multiple
    high = np.maximum(start_high, 0) + np.minimum(above, horizon * problem.max_order)
    if problem.unmet_demand == "lost":
        return np.zeros(problem.items), high
    deep = margin * 2 * periods * np.array([largest_demand(demand) for demand in demands])
    most = horizon * np.array([demand.max for demand in demands])
    return np.minimum(start_low, 0) - np.minimum(deep, most), high


def _solve_at(problem: JointProblem, steps: FloatArray) -> Optimum:
    """The optimum on lattices with steps (2,) that are large enough."""

    def solve_on(ends: Ends) -> tuple[Optimum, bool]:
        process = _process(problem, steps, ends)
        solve = _solve_infinite if problem.horizon is None else _solve_finite
        bounds, holds, decisions = solve(problem, process)
        policy = [Decision(d.orders[UPPER], d.target[UPPER]) for d in decisions]
        cost, error_bound = float(bounds[UPPER]), 0.0
        if problem.horizon is None:
            cost, error_bound = float(bounds.mean()), float(abs(bounds[UPPER] - bounds[LOWER])) / 2
        optimum = Optimum(problem, JointRule(problem, process, policy), cost, error_bound)
        return optimum, holds and is_tight(bounds)

    return enlarge(solve_on, lambda margin: extent(problem, margin), 1.0, GROWTH)


def _process(problem: JointProblem, steps: FloatArray, ends: Ends) -> JointProcess:
    low, high = (np.floor(ends[0] / steps[: problem.items]), np.ceil(ends[1] / steps[: problem.items]))
    if np.prod(high - low + 1.0) > MOST_STATES:
        raise NotApplicable(
            f"{type(problem).__name__}: stocks from {ends[0].tolist()} to {ends[1].tolist()} have more than "
            f"{MOST_STATES:,} states; a higher holding_cost or shortage_cost, more capacity or a shorter "
            "horizon keeps them in bounds"
        )
    lost = problem.unmet_demand == "lost"
    items = [
        ItemLattice(
            problem.demand.items[item],
            problem.holding_cost[item],
            problem.shortage_cost[item],
            steps[item],
            int(low[item]),
            int(high[item]),
            lost,
            int(problem.lead_times[item]),
            problem.discount,
            start=(problem.initial_inventory[0][item], problem.initial_inventory[1][item]),
        )
        for item in range(problem.items)
    ]
    if problem.items == 1:
        absent = ItemLattice(None, 0.0, 0.0, steps[1], 0, 0, lost, 0, problem.discount, start=(0.0, 0.0))
        items.append(absent)
    options, sizes = choices(problem)
    largest = np.resize(problem.max_order, 2)
    multiples = None if problem.order_multiple is None else np.resize(problem.order_multiple, 2)
    orders = [lattice_orders(option, sizes, largest, steps, multiples) for option in options]
    return JointProcess((items[0], items[1]), orders, np.resize(problem.unit_costs, 2), problem.discount)


def _solve_finite(problem: JointProblem, process: JointProcess) -> tuple[FloatArray, bool, list[Decision]]:
    """Backward induction: bounds on the cost, whether the upper ends keep them valid, and the decisions."""
    assert problem.horizon is not None
    value, below, left, holds = np.zeros((2, *process.shape)), 0.0, 0.0, True
    decisions: list[Decision] = []
    for period in reversed(range(problem.horizon)):
        first, second = np.resize(period + problem.lead_times < problem.horizon, 2).tolist()
        after, below = process.after_order(value, below, left, period, (first, second))
        value, decision = process.best(after)
        left = 1 + problem.discount * left
        holds = holds and process.rises(value)
        append_decision(decisions, decision)
    decisions.reverse()
    reach = _start_reach(problem, process)
    for decision in decisions:
        reach = process.highest(decision, reach)
    return _at_start(problem, process, value), holds and _is_inside(process, reach), decisions


def _solve_infinite(problem: JointProblem, process: JointProcess) -> tuple[FloatArray, bool, list[Decision]]:
    """The stationary optimum, returned as by ``_solve_finite`` with one decision for all periods."""
    bounds, value, decision = _iterate(problem, process)
    reach, before = _start_reach(problem, process), (-1, -1)
    while reach != before:
        reach, before = process.highest(decision, reach), reach
    return bounds, process.rises(value) and _is_inside(process, reach), [decision]


def _iterate(problem: JointProblem, process: JointProcess) -> tuple[FloatArray, FloatArray, Decision]:
    """Value iteration: bounds (2,) on the average or the discounted cost, a value function, decisions."""
    discount = problem.discount
    left = 1 / (1 - discount) if discount < 1 else UNDISCOUNTED_PERIODS
    ahead = discount * left if discount < 1 else 1.0
    step = 1.0 if discount < 1 else DAMPING  # against periodic chains, Puterman section 8.5.4
    value, below = np.zeros((2, *process.shape)), 0.0
    for _ in range(ROUNDS):
        after, outside = process.after_order(value, below, left, 0)
        new, decision = process.best(after)
        change = new - value
        least, most = change.min(axis=(1, 2)), change.max(axis=(1, 2))
        least[LOWER], most[LOWER] = min(least[LOWER], outside - below), max(most[LOWER], outside - below)
        bounds = np.array([least[LOWER], most[UPPER]])
        if discount < 1:
            bounds = _at_start(problem, process, new) + ahead * bounds
        if np.all(ahead * (most - least) <= 0.1 * TOLERANCE * np.maximum(1.0, np.abs(bounds))):
            return bounds, new, decision
        # Discounted costs are moved between their bounds; without a discount only differences count.
        shift = ahead * (least + most) / 2 if discount < 1 else -value.min(axis=(1, 2))
        value += step * change + shift[:, None, None]
        below += step * (outside - below) + shift[LOWER]
        for _ in range(SWEEPS):
            after, outside = process.after_order(value, below, left, 0)
            value += step * (process.follow(after, decision) - value)
            below += step * (outside - below)
    raise RuntimeError(
        f"{type(problem).__name__}: value iteration has not converged in {ROUNDS} rounds; its bounds on the "
        f"cost are {bounds.tolist()}"
    )


def _at_start(problem: JointProblem, process: JointProcess, value: FloatArray) -> FloatArray:
    """Expected cost (2,) from the initial state, with the stock costs that no order can change."""
    first, second = process.items
    periods = problem.lead_time if problem.horizon is None else problem.horizon
    sunk = sum(float(item.start @ cost) for item in process.items for cost in item.sunk[:periods])
    return first.start @ value @ second.start + sunk


def _start_reach(problem: JointProblem, process: JointProcess) -> tuple[int, int]:
    """Index of each item's lowest point that is at or above all of its initial stocks."""
    high = np.append(problem.initial_inventory[1], 0.0)
    first, second = (
        int(np.ceil(high[item] / lattice.step - ROUNDING)) - lattice.low
        for item, lattice in enumerate(process.items)
    )
    return first, second


def _is_inside(process: JointProcess, reach: tuple[int, int]) -> bool:
    """Whether the upper ends are not reached."""
    return all(size == 1 or point < size - 1 for point, size in zip(reach, process.shape, strict=True))
