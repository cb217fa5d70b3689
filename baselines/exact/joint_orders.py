"""Which orders of one or two items are possible together, and lattices on which they are exact."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jumpgym.demand import Demand, discrete_values
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment

from .demand_by_period import largest_mean
from .joint_lattice import Orders
from .lattice import ROUNDING, common_step, grid_step
from .lattice_demand import standard_deviation

JointProblem = JointReplenishment | CapacitatedLotSizing

EXACT_STATES = 2**18
"""Most lattice points, over both items, of an exact solution."""

GRID_POINTS = 160
"""Most points of one item on the finer grid of an approximation."""


@dataclass(frozen=True)
class Choice:
    """A choice of regimes, and the capacity that orders share under it.

    Orders need ``sizes @ quantity`` of the capacity: trucks, or time on a machine.

    Attributes:
        regime: the regime of each gate.
        fixed_cost: cost of the regimes.
        room: the capacity, infinite if there is no limit.
        fill: whether it must be used up.
        ordered: whether each item may be ordered, shape (2,).
    """

    regime: tuple[int, ...]
    fixed_cost: float
    room: float
    fill: bool
    ordered: tuple[bool, bool]


def choices(problem: JointProblem) -> tuple[list[Choice], NDArray[np.float64]]:
    """All choices that are not dominated, "nothing" first, and the capacity (2,) that units of items need.

    A second item that does not exist is never ordered, and its units need as much as those of the first.
    """
    options = [Choice((0,) * len(problem.layout.gates), 0.0, np.inf, False, (False, False))]
    subsets = [s for s in itertools.product((0, 1), repeat=problem.items) if any(s)]
    for subset in subsets:
        ordered = (bool(subset[0]), len(subset) > 1 and bool(subset[1]))
        fixed_cost = float(problem.item_costs @ subset)
        if isinstance(problem, CapacitatedLotSizing):
            room = float(problem.capacity - problem.setup_times @ subset)
            if room > 0:
                options.append(Choice(subset, fixed_cost, room, False, ordered))
            continue
        # One more truck is useful only if those before it do not hold the largest orders.
        largest = float(problem.max_order @ subset)
        for trucks in range(1, problem.max_trucks + 1):
            room = trucks * problem.truck_capacity
            if problem.full_trucks or trucks == 1 or room - problem.truck_capacity < largest:
                cost = fixed_cost + trucks * problem.truck_cost
                options.append(Choice((trucks, *subset), cost, room, problem.full_trucks, ordered))
    if isinstance(problem, CapacitatedLotSizing):
        return options, np.resize(problem.unit_times, 2)
    return options, np.full(2, float(problem.truck_capacity < np.inf))


def lattice_orders(
    choice: Choice,
    sizes: NDArray[np.float64],
    largest: NDArray[np.float64],
    steps: NDArray[np.float64],
    multiples: NDArray[np.float64] | None,
) -> Orders:
    """The orders of a choice in steps of the two lattices, to which quantities are rounded down.

    Args:
        choice: the choice.
        sizes: capacity that a unit of each item needs, shape (2,).
        largest: the largest order of each item, in units, shape (2,).
        steps: steps of the lattices, in units, shape (2,).
        multiples: order multiples of the items, which are multiples of the steps, shape (2,); None without.
    """
    limit = [
        np.floor(most / step + ROUNDING) if may else 0.0
        for may, most, step in zip(choice.ordered, largest, steps, strict=True)
    ]
    taken = sizes * steps
    if taken[0] > 0:
        limit[0] = min(limit[0], np.floor(choice.room / taken[0] + ROUNDING))
    first = np.arange(int(limit[0]) + 1)
    left = np.full(len(first), np.inf)
    if taken[1] > 0 and np.isfinite(choice.room):
        left = np.floor((choice.room - taken[0] * first) / taken[1] + ROUNDING)
    # If item 2 cannot fill what item 1 leaves, there is no such order; mark it by a quantity off any lattice.
    beyond = 2.0**31 if choice.fill else limit[1]
    most = np.where(left <= limit[1], left, beyond).astype(np.int64)
    strides = np.ones(2) if multiples is None else np.maximum(np.round(multiples / steps), 1)
    return Orders(choice.regime, choice.fixed_cost, most, choice.fill, (int(strides[0]), int(strides[1])))


def lattice_steps(problem: JointProblem, extents: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Steps (2,) of the lattices on which the problem is exact; else two pairs, the second half the first.

    Args:
        problem: a problem of one or two items.
        extents: length of the first lattices, in units, shape (items,).
    """
    options, sizes = choices(problem)
    rooms = np.array([option.room for option in options if np.isfinite(option.room)])
    low, high = problem.initial_inventory
    fixed_start = np.array_equal(low, high)
    multiples = problem.order_multiple
    largest = problem.max_order if multiples is None else multiples
    numbers = [
        np.concatenate([values, [largest[item]], low[[item]] if fixed_start else []])
        for item, demand in enumerate(problem.demand.items)
        if (values := discrete_values(demand)) is not None
    ]
    if len(numbers) == problem.items:
        # Where orders are multiples, the capacity need not be on the lattice.
        steps = _common_steps(numbers, *((sizes, rooms) if multiples is None else (0 * sizes, rooms[:0])))
        if steps is not None:
            # A uniform start needs a finer lattice, since the value may be concave between points.
            pair = [steps] if fixed_start else [steps, steps / 2]
            if np.prod(extents / pair[-1][: problem.items]) < EXACT_STATES:
                return pair
    coarse = np.ones(2)
    for item, demand in enumerate(problem.demand.items):
        at_most = max(standard_deviation(demand) / 16, 2 * extents[item] / GRID_POINTS)
        limited = multiples is None and sizes[item] > 0
        ends = rooms / sizes[item] if limited else largest[[item]]
        coarse[item] = grid_step(at_most, ends)
    if multiples is None and np.all(sizes > 0):
        # Equal steps of capacity, so that orders can add up to the rooms.
        coarse = float((sizes * coarse).min()) / sizes
    return [coarse, coarse / 2]


def _common_steps(
    numbers: list[NDArray[np.float64]], sizes: NDArray[np.float64], rooms: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Steps (2,) of which quantities are multiples and which need equal capacity; None if there are none."""
    steps = np.ones(2)
    shared = [rooms, *(size * values for size, values in zip(sizes, numbers, strict=False) if size > 0)]
    unit = common_step(np.concatenate(shared))
    for item, values in enumerate(numbers):
        step = unit / sizes[item] if sizes[item] > 0 and unit is not None else common_step(values)
        if step is None or unit is None:
            return None
        steps[item] = step
    return steps


def largest_demand(demand: Demand) -> float:
    """Demand that is rarely exceeded, in units."""
    return min(demand.max, largest_mean(demand) + 4 * standard_deviation(demand))
