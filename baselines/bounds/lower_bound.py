"""``lower_bound``: what no policy can undercut, for items that are too many to be solved together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from jumpgym import HindsightProblem, NotApplicable, checks
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.several_items import MultiItemInventory
from jumpgym.problems.single_item import SingleItemInventory

from ..exact.bellman import TOLERANCE
from ..exact.refusals import refuse_traces
from ..exact.result import ROUNDING, Exactness
from ..exact.single_item_lattice import FIRST_MARGIN, extent, lattice_steps
from ..generic import resolve
from ..policy import FloatArray
from .priced_items import PricedItems
from .prices import Prices, SharedPrices, prices_of

ITERATIONS = 200
"""Steps of the ascent over the prices."""

RATE, DECAYS = 0.1, (0.9, 0.99)
"""First step size of the ascent, and the decay of its means of slopes and of squared slopes, see Adam."""

POINTS = 512
"""Lattice points of an item, roughly, on which prices are searched; the bound is on a finer lattice."""

ENLARGEMENTS = 6
"""How often a lattice may be doubled until its ends do not matter."""


@dataclass(frozen=True, eq=False)
class LowerBound:
    """A lower bound on the expected cost of every policy, as ``lower_bound`` returns it.

    Attributes:
        problem: the problem that it bounds.
        cost: lower bound on the expected discounted cost of an episode from the initial state.
        error_bound: change of ``cost`` when the lattices reached twice as far.
        discretisation_error: estimated error of ``cost`` that comes from a grid; 0 without a grid, where the
            bound is proven.
        prices: of what items share, by period.
    """

    problem: HindsightProblem
    cost: float
    error_bound: float
    discretisation_error: float
    prices: Prices

    @property
    def expected_cost(self) -> float:
        """The same as ``cost``, under the name that it has for an ``Optimum``."""
        return self.cost

    @property
    def exactness(self) -> Exactness:
        """Whether the bound is proven ("exact") or has the error of a grid."""
        on_grid = self.discretisation_error > ROUNDING * abs(self.cost)
        return Exactness.GRID if on_grid else Exactness.EXACT

    def gap_percent(self, cost: float) -> float:
        """By how many per cent a cost exceeds the bound; NaN if the bound is 0."""
        return 100 * (cost - self.cost) / abs(self.cost) if self.cost else float("nan")

    def __repr__(self) -> str:
        return (
            f"LowerBound(expected_cost={self.cost:.8g}, error_bound={self.error_bound:.2g}, "
            f"discretisation_error={self.discretisation_error:.2g}, exactness={self.exactness.value!r})"
        )


@singledispatch
def lower_bound(problem: Any, iterations: int = ITERATIONS) -> LowerBound:
    """Bound the expected cost of every policy from below; see ``bound_items`` for the method and its limits.

    It is for problems with too many items for ``solve``. Add one for a class of your own by
    ``lower_bound.register(MyProblem, my_bound)``.

    Args:
        problem: problem, environment or environment id.
        iterations: steps of the search for good prices, at least 1.

    Returns:
        The bound.

    Raises:
        NotApplicable: if there is no bound for the problem, naming what is not supported and what to do
            instead.
        TypeError: if ``problem`` is not a jumpgym problem.

    Example:
        >>> import scipy.stats
        >>> from jumpgym import JointReplenishment
        >>> from jumpgym.baselines import lower_bound, solve
        >>> problem = JointReplenishment(demand=[scipy.stats.poisson(4), scipy.stats.poisson(2)], horizon=10)
        >>> 0.95 < lower_bound(problem).expected_cost / solve(problem).expected_cost < 1
        True
    """
    return lower_bound(resolve(lower_bound, problem, "a lower bound"), iterations)


def bound_items(problem: MultiItemInventory, iterations: int = ITERATIONS) -> LowerBound:
    """The Lagrangian bound of items that share trucks or a machine.

    What items share is sold to them at prices that depend on the period only, see ``TruckPrices`` and
    ``MachinePrices``. Whatever is ordered, payments less refunds are at most the shared cost. So the least
    expected cost of the items at these prices, each by itself and solved to optimality, less the refunds, is
    a lower bound, since demands of different items and periods are independent. Largest orders and order
    multiples of the items are left out, which only lowers the bound. The prices are searched by ascent: what
    an optimal policy of each item orders at a price is the slope of the bound.

    Args:
        problem: with a finite horizon, and backlog or no lead time.
        iterations: see ``lower_bound``.

    Returns:
        The bound. With demand on a lattice it is proven; with continuous demand it has the error of a grid,
        as the optimum of a single item, see ``solve_single_item``.

    Raises:
        NotApplicable: for an infinite horizon, traces, or lost sales with a lead time.

    References:
        - D. Adelman and A. J. Mersereau (2008), Relaxations of weakly coupled stochastic dynamic programs,
          Operations Research 56(3).
        - D. P. Kingma and J. Ba (2015), Adam: a method for stochastic optimization, for the step size.
    """
    iterations = checks.integer("iterations", iterations, low=1)
    _check_supported(problem)
    items = separate_items(problem)
    prices = _search(Relaxation(problem, items), prices_of(problem), iterations)
    cost, error, coarse = 0.0, 0.0, 0.0
    setup, unit = _costs_at(problem, prices)
    for index, item in enumerate(items):
        costs = [_certified(item, step, setup[:, index], unit[:, index]) for step in lattice_steps(item)]
        cost, error, coarse = cost + costs[-1][0], error + costs[-1][1], coarse + costs[0][0]
    discounts = problem.discount ** np.arange(len(prices.refund))
    return LowerBound(problem, cost - float(discounts @ prices.refund), error, abs(cost - coarse), prices)


def _check_supported(problem: MultiItemInventory) -> None:
    refuse_traces(*problem.demand.items)
    if problem.horizon is None:
        raise NotApplicable("horizon=None is not supported by lower_bound: give a horizon")
    if problem.unmet_demand == "lost" and problem.lead_time > 0:
        raise NotApplicable(
            f"lead_time={problem.lead_time} with unmet_demand='lost' is not supported by lower_bound: the "
            "orders under way are part of the state; set lead_time=0 or unmet_demand='backlog'"
        )


def separate_items(problem: MultiItemInventory) -> list[SingleItemInventory]:
    """Each item by itself. Its lattice reaches as far as if it paid for all that is shared."""
    shared = problem.truck_cost if isinstance(problem, JointReplenishment) else 0.0
    ends = np.stack(problem.initial_inventory, -1).tolist()
    return [
        setup_cost(
            fixed_cost=float(problem.item_costs[item]) + shared,
            unit_cost=float(problem.unit_costs[item]),
            lead_time=int(problem.lead_times[item]),
            max_order=float(np.ceil(max(demand.mean, 1.0))) * (problem.horizon or 1),
            holding_cost=float(problem.holding_cost[item]),
            shortage_cost=float(problem.shortage_cost[item]),
            demand=demand,
            unmet_demand=problem.unmet_demand,
            initial_inventory=tuple(ends[item]),
            horizon=problem.horizon,
            discount=problem.discount,
        )
        for item, demand in enumerate(problem.demand.items)
    ]


class Relaxation:
    """The problem with what items share at a price, on lattices of about ``POINTS`` points.

    Args:
        problem: one that ``bound_items`` supports.
        items: its items, each by itself.
    """

    def __init__(self, problem: MultiItemInventory, items: list[SingleItemInventory]) -> None:
        self.problem, margin = problem, FIRST_MARGIN[0]
        steps = np.array([lattice_steps(item)[-1] for item in items])
        ends = np.array([extent(item, margin) for item in items])
        steps *= np.maximum(np.round(np.diff(ends)[:, 0] / steps / POINTS), 1.0)
        self._lattice = PricedItems(items, steps, margin)
        self.discounts = problem.discount ** np.arange(self._lattice.horizon)

    def at(self, prices: Prices) -> tuple[float, FloatArray, FloatArray]:
        """The bound at prices, and the expected orders and units (T, n) of each item and period."""
        orders = self._lattice.orders(*_costs_at(self.problem, prices))
        return float(orders.cost.sum() - self.discounts @ prices.refund), orders.setups, orders.units


def _costs_at(problem: MultiItemInventory, prices: Prices) -> tuple[FloatArray, FloatArray]:
    """Costs (T, n) of an order and of a unit, with the prices."""
    return problem.item_costs + prices.setup, problem.unit_costs + prices.unit


def _search(relaxation: Relaxation, shared: SharedPrices, iterations: int) -> Prices:
    """The prices of the best bound that ascent finds."""
    parameters, mean, square = shared.start, np.zeros_like(shared.start), np.zeros_like(shared.start)
    best, highest = shared.prices(parameters), -np.inf
    for iteration in range(1, iterations + 1):
        prices = shared.prices(parameters)
        bound, setups, units = relaxation.at(prices)
        if bound > highest:
            best, highest = prices, bound
        slope = relaxation.discounts[:, None] * shared.slope(parameters, setups, units)
        mean = DECAYS[0] * mean + (1 - DECAYS[0]) * slope
        square = DECAYS[1] * square + (1 - DECAYS[1]) * slope**2
        direction = mean / (1 - DECAYS[0] ** iteration)
        direction /= np.sqrt(square / (1 - DECAYS[1] ** iteration)) + 1e-12
        rate = RATE * min(1.0, 4 * (1 - iteration / iterations))
        parameters = shared.project(parameters + rate * direction)
    return best


def _certified(
    item: SingleItemInventory, step: float, setup: FloatArray, unit: FloatArray
) -> tuple[float, float]:
    """Least cost of an item at costs (T,) of an order and of a unit, and its change when last enlarged."""

    def cost_within(margin: float) -> float:
        lattice = PricedItems([item], np.array([step]), margin)
        return float(lattice.costs(setup[:, None], unit[:, None])[0])

    margin = FIRST_MARGIN[0]
    cost, change = cost_within(margin), np.inf
    for _ in range(ENLARGEMENTS):
        margin, before = 2 * margin, cost
        cost = cost_within(margin)
        change = abs(cost - before)
        if change <= TOLERANCE * max(1.0, abs(cost)):
            break
    return cost, change


lower_bound.register(JointReplenishment, bound_items)
lower_bound.register(CapacitatedLotSizing, bound_items)
