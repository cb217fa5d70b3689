"""Grids of quantities and of levels for discretised actions, scaled to the problem.

For a single item both are derived from the parameters, so that they hold good decisions for a demand of 5 as
for one of 2,000: from the mean and standard deviation of demand, and from the economic order quantity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..demand import discrete_values
from ..problem import HindsightProblem
from ..problems.multiples import to_multiples
from ..problems.single_item import SingleItemInventory

POINTS = 41
"""Points of a default grid; fewer where whole units are coarser than that."""

OUTPUTS = (-2.0, 4.0)
"""Range of dimensionless levels, which ``HindsightProblem.quantity_from`` maps to quantities."""


def order_levels(problem: HindsightProblem) -> list[NDArray[np.float64]]:
    """Levels of each quantity, ascending; at most ``POINTS``.

    For a single item these are order-up-to levels in units. The first is the lowest inventory position there
    can be, so that ordering nothing is always possible. The others are spaced evenly from the mean demand of
    the lead time to the demand of the lead time and one period, plus three standard deviations of it, plus
    the economic order quantity. Elsewhere they are dimensionless, spaced evenly over ``OUTPUTS``.
    """
    if not isinstance(problem, SingleItemInventory):
        return [np.linspace(*OUTPUTS, POINTS)] * len(problem.layout.quantity_gate)
    mean, deviation = _moments(problem)
    lead_time = problem.max_lead_time
    safe = mean * (lead_time + 1) + 3 * deviation * np.sqrt(lead_time + 1)
    spaced = np.linspace(mean * lead_time, safe + problem.economic_order_quantity, POINTS - 1)
    return [np.unique(np.append(problem.observation_low[0], _in_whole_units(problem, spaced)))]


def order_quantities(problem: HindsightProblem) -> list[NDArray[np.float64]]:
    """Values of each quantity in units, ascending: about ``POINTS``, with 0 and the ends of the intervals.

    For a single item they are spaced evenly from 0 to the demand of one period, plus three standard
    deviations of it, plus the economic order quantity, plus the initial backlog if there is one; no further
    than the largest order. Elsewhere evenly over what any regime admits, at most twice the quantity's scale
    from 0. Quantities that no regime admits are projected on the nearest one.
    """
    layout = problem.layout
    if not isinstance(problem, SingleItemInventory):
        scale = 2 * np.maximum.reduceat(problem.quantity_scale, layout.quantity_start)
        low = np.maximum(layout.quantity_low, -scale)
        high = np.minimum(layout.quantity_high, scale)
        ends = np.split(np.stack([layout.low, layout.high]), layout.quantity_start[1:], axis=1)
        grids = [
            np.concatenate([np.linspace(bottom, top, POINTS), end[(end >= bottom) & (end <= top)], [0.0]])
            for bottom, top, end in zip(low, high, ends, strict=True)
        ]
        grids = [_admitted(grid, *end) for grid, end in zip(grids, ends, strict=True)]
        if layout.multiple is not None:
            multiples = layout.multiple[layout.quantity_start]
            grids = [to_multiples(grid, multiple) for grid, multiple in zip(grids, multiples, strict=True)]
        return [np.unique(grid) for grid in grids]
    mean, deviation = _moments(problem)
    regimes = problem.regimes
    backlog = max(-problem.initial_inventory[0], 0.0)
    largest = min(mean + 3 * deviation + problem.economic_order_quantity + backlog, float(regimes.high.max()))
    ends_of_regimes = np.concatenate([regimes.low, regimes.high])
    spaced = _in_whole_units(problem, np.linspace(0.0, largest, POINTS))
    grid = np.concatenate([[0.0], spaced, ends_of_regimes[ends_of_regimes <= largest]])
    return [np.unique(regimes.project(regimes.membership(grid), grid))]


def checked_grids(problem: HindsightProblem, name: str, values: Sequence[Any]) -> list[NDArray[np.float64]]:
    """The grids that a user gave: one, or with several quantities one for each.

    Raises:
        ValueError: if a grid is empty, not ascending or not finite, naming the parameter.
    """
    count = len(problem.layout.quantity_gate)
    grids = [values] if count == 1 else list(values)
    if len(grids) != count:
        raise ValueError(f"{name}: {len(grids)} grids must be {count}, one for each quantity")
    return [_grid(name, grid) for grid in grids]


def _grid(name: str, values: Any) -> NDArray[np.float64]:
    grid = checks.real_array(name, values)
    if grid.ndim != 1 or len(grid) == 0 or not np.all(np.isfinite(grid)) or np.any(np.diff(grid) <= 0):
        raise ValueError(
            f"{name}={values!r} must be a list of finite numbers in ascending order, without repetition"
        )
    return grid


def _admitted(
    values: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The nearest point of any of the intervals to each of ``values``."""
    inside: NDArray[np.float64] = np.clip(values[:, None], low, high)
    nearest = np.abs(inside - values[:, None]).argmin(axis=1, keepdims=True)
    return np.take_along_axis(inside, nearest, axis=1)[:, 0]


def _moments(problem: SingleItemInventory) -> tuple[float, float]:
    """Mean and standard deviation of a period's demand, the latter from a sample that is always the same."""
    sample = problem.noise(np.random.default_rng(0).random((1024, problem.horizon or 64)))
    return problem.demand.mean, float(sample.std())


def _in_whole_units(problem: SingleItemInventory, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``values`` rounded to whole units where demand comes in them."""
    demand = discrete_values(problem.demand)
    whole = demand is not None and np.array_equal(demand, np.rint(demand))
    return np.rint(values) if whole else values
