"""Grids of order quantities and of order-up-to levels, scaled to a single-item problem.

Both are derived from the parameters, so that they hold good decisions for a demand of 5 as for one of 2,000:
from the mean and standard deviation of demand, and from the economic order quantity of the regime table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .demand import DiscreteDemand
from .inventory import SingleItemInventory

POINTS = 41
"""Points of a default grid; fewer where whole units are coarser than that."""


def order_levels(problem: SingleItemInventory) -> NDArray[np.float64]:
    """Order-up-to levels in units, ascending; at most ``POINTS``.

    The first is the lowest inventory position there can be, so that ordering nothing is always possible. The
    others are spaced evenly from the mean demand of the lead time to the demand of the lead time and one
    period, plus three standard deviations of it, plus the economic order quantity.
    """
    mean, deviation = _moments(problem)
    lead_time = problem.max_lead_time
    safe = mean * (lead_time + 1) + 3 * deviation * np.sqrt(lead_time + 1)
    spaced = np.linspace(mean * lead_time, safe + problem.economic_order_quantity, POINTS - 1)
    return np.unique(np.append(problem.observation_low[0], _in_whole_units(problem, spaced)))


def order_quantities(problem: SingleItemInventory) -> NDArray[np.float64]:
    """Order quantities in units, ascending: about ``POINTS``, with 0 and the ends of the regimes among them.

    They are spaced evenly from 0 to the demand of one period, plus three standard deviations of it, plus the
    economic order quantity, plus the initial backlog if there is one; no further than the largest order.
    Quantities that no regime admits are projected on the nearest one.
    """
    mean, deviation = _moments(problem)
    regimes = problem.regimes
    backlog = max(-problem.initial_inventory[0], 0.0)
    largest = min(mean + 3 * deviation + problem.economic_order_quantity + backlog, float(regimes.high.max()))
    ends = np.concatenate([regimes.low, regimes.high])
    spaced = _in_whole_units(problem, np.linspace(0.0, largest, POINTS))
    grid = np.concatenate([[0.0], spaced, ends[ends <= largest]])
    return np.unique(regimes.project(regimes.membership(grid), grid))


def _moments(problem: SingleItemInventory) -> tuple[float, float]:
    """Mean and standard deviation of a period's demand, the latter from a sample that is always the same."""
    sample = problem.noise(np.random.default_rng(0).random((1024, problem.horizon)))
    return problem.demand.mean, float(sample.std())


def _in_whole_units(problem: SingleItemInventory, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``values`` rounded to whole units where demand comes in them."""
    demand = problem.demand
    whole = isinstance(demand, DiscreteDemand) and np.array_equal(demand.values, np.rint(demand.values))
    return np.rint(values) if whole else values
