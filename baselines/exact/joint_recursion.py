"""Value functions of one or two items by backward recursion or value iteration, on large enough lattices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .joint_lattice import Decision, FloatArray, ItemLattice, JointProcess
from .joint_orders import JointProblem, choices, largest_demand, lattice_orders
from .lattice import ROUNDING, standard_deviation
from .stock_process import LOWER, UPPER

TOLERANCE = 1e-9
"""Largest difference of the two bounds that the cut leaves, relative to the cost."""

GROWTH = 1.3
"""By how much the lattice is enlarged."""

MOST_STATES = 2**20
"""Most lattice points, over both items."""

LONG = 10_000.0
"""Periods for which a shortage beyond the lattice is charged where costs are averaged over time."""

ROUNDS, SWEEPS, DAMPING = 2000, 20, 0.9
"""Of value iteration: most improvements, sweeps under a fixed policy after each, and step length."""


def extent(problem: JointProblem, margin: float) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest positions (items,) of lattices, in units; ``margin`` infinite: all there can be."""
    start_low, start_high = problem.initial_inventory
    horizon = np.inf if problem.horizon is None else problem.horizon
    periods = problem.lead_time + 1
    demands = problem.demand.items
    deviation = np.array([standard_deviation(demand) for demand in demands])
    mean = np.array([demand.mean for demand in demands])
    order = problem.level_scale - periods * mean
    above = margin * (periods * mean + 6 * np.sqrt(periods) * deviation + 2 * order + 1)
    high = np.maximum(start_high, 0) + np.minimum(above, horizon * problem.max_order)
    if problem.unmet_demand == "lost":
        return np.zeros(problem.items), high
    deep = margin * 2 * periods * np.array([largest_demand(demand) for demand in demands])
    most = horizon * np.array([demand.max for demand in demands])
    return np.minimum(start_low, 0) - np.minimum(deep, most), high


Solution = tuple[JointProcess, list[Decision]]
Solver = Callable[[JointProblem, JointProcess], tuple[FloatArray, bool, list[Decision]]]


def certified(problem: JointProblem, steps: FloatArray, solve: Solver) -> tuple[FloatArray, Solution]:
    """Bounds (2,) of the optimal cost, and the solution, on lattices whose ends do not matter."""
    margin = 1.0
    everything = extent(problem, np.inf)
    while True:
        low, high = extent(problem, margin)
        own = steps[: problem.items]
        ends = np.stack([np.floor(low / own), np.ceil(high / own)]).astype(int)
        if np.prod(ends[1] - ends[0] + 1.0) > MOST_STATES:
            raise NotImplementedError(
                f"{type(problem).__name__}: stocks from {low.tolist()} to {high.tolist()} have more than "
                f"{MOST_STATES:,} states; a higher holding_cost or shortage_cost, more capacity or a shorter "
                "horizon keeps them in bounds"
            )
        process = make_process(problem, steps, ends, problem.discount)
        bounds, holds, decisions = solve(problem, process)
        tight = bounds[UPPER] - bounds[LOWER] <= TOLERANCE * max(1.0, float(bounds[UPPER]))
        if (holds and tight) or np.array_equal((low, high), everything):
            return bounds, (process, decisions)
        margin *= GROWTH


def make_process(
    problem: JointProblem, steps: FloatArray, ends: NDArray[Any], discount: float
) -> JointProcess:
    """The process on lattices with ``ends`` (2, items) in steps."""
    lost = problem.unmet_demand == "lost"
    items = [
        ItemLattice(
            problem.demand.items[item],
            problem.holding_cost[item],
            problem.shortage_cost[item],
            steps[item],
            ends[0, item],
            ends[1, item],
            lost,
            problem.lead_time,
            discount,
        )
        for item in range(problem.items)
    ]
    if problem.items == 1:
        items.append(ItemLattice(None, 0.0, 0.0, steps[1], 0, 0, lost, problem.lead_time, discount))
    found, sizes = choices(problem)
    largest = np.resize(problem.max_order, 2)
    orders = [lattice_orders(choice, sizes, largest, steps) for choice in found]
    return JointProcess((items[0], items[1]), orders, np.resize(problem.unit_costs, 2), discount)


def finite(problem: JointProblem, process: JointProcess) -> tuple[FloatArray, bool, list[Decision]]:
    """Backward recursion: bounds of the cost, whether the upper ends bear them out, the decisions."""
    assert problem.horizon is not None
    value, below, left, holds = np.zeros((2, *process.shape)), 0.0, 0.0, True
    decisions: list[Decision] = []
    for period in reversed(range(problem.horizon)):
        arrives = period + problem.lead_time < problem.horizon
        after, below = process.after_order(value, below, left, arrives)
        value, decision = process.best(after)
        left = 1 + problem.discount * left
        holds = holds and process.rises(value)
        same = (
            bool(decisions)
            and np.array_equal(decision.orders, decisions[-1].orders)
            and np.array_equal(decision.target, decisions[-1].target)
        )
        decisions.append(decisions[-1] if same else decision)  # long horizons repeat themselves
    decisions.reverse()
    reach = _start_reach(problem, process)
    for decision in decisions:
        reach = process.highest(decision, reach)
    return _at_start(problem, process, value), holds and _is_inside(process, reach), decisions


def stationary(problem: JointProblem, process: JointProcess) -> tuple[FloatArray, bool, list[Decision]]:
    """The like for a stationary problem, with one decision for all periods."""
    bounds, value, decision = iterate(problem, process)
    reach, before = _start_reach(problem, process), (-1, -1)
    while reach != before:
        reach, before = process.highest(decision, reach), reach
    return bounds, process.rises(value) and _is_inside(process, reach), [decision]


def iterate(
    problem: JointProblem, process: JointProcess, fixed: Decision | None = None
) -> tuple[FloatArray, FloatArray, Decision]:
    """Bounds (2,) of the average cost, or of the discounted cost, a value function, and decisions.

    Args:
        problem: a stationary problem.
        process: its process, with the discount that is meant.
        fixed: decisions to evaluate; None for the best.
    """
    discount = process.discount
    left = 1 / (1 - discount) if discount < 1 else LONG
    ahead = discount * left if discount < 1 else 1.0
    step = 1.0 if discount < 1 else DAMPING  # against periodic chains, Puterman section 8.5.4
    value, below = np.zeros((2, *process.shape)), 0.0
    for _ in range(ROUNDS):
        after, outside = process.after_order(value, below, left, True)
        new, decision = process.best(after) if fixed is None else (process.follow(after, fixed), fixed)
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
            after, outside = process.after_order(value, below, left, True)
            value += step * (process.follow(after, decision) - value)
            below += step * (outside - below)
    raise RuntimeError(
        f"{type(problem).__name__}: value iteration has not converged in {ROUNDS} rounds; its bounds on the "
        f"cost are {bounds.tolist()}"
    )


def _at_start(problem: JointProblem, process: JointProcess, value: FloatArray) -> FloatArray:
    """Expected cost (2,) from the initial state, with what no order can change any more."""
    low, high = (np.append(end, 0.0) for end in problem.initial_inventory)
    first, second = (
        lattice.start_weights(low[item], high[item]) for item, lattice in enumerate(process.items)
    )
    periods = problem.lead_time if problem.horizon is None else problem.horizon
    sunk = sum(
        float(weights @ cost)
        for weights, lattice in zip((first, second), process.items, strict=True)
        for cost in lattice.sunk[:periods]
    )
    return first @ value @ second + sunk


def _start_reach(problem: JointProblem, process: JointProcess) -> tuple[int, int]:
    """Index of the highest point of each item that a start lies at or below."""
    high = np.append(problem.initial_inventory[1], 0.0)
    first, second = (
        int(np.ceil(high[item] / lattice.step - ROUNDING)) - lattice.low
        for item, lattice in enumerate(process.items)
    )
    return first, second


def _is_inside(process: JointProcess, reach: tuple[int, int]) -> bool:
    """Whether the upper ends are not reached."""
    return all(size == 1 or point < size - 1 for point, size in zip(reach, process.shape, strict=True))
