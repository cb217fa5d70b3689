"""The lattice of a single item: which problems have one, its step, its ends, and decisions on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable, RegimeTable, SingleItemInventory, as_problem
from jumpgym.demand import discrete_values

from .bellman import enlarge, is_tight, rows_by_period
from .demand_by_period import largest_mean
from .lattice import common_step, grid_step
from .lattice_demand import standard_deviation
from .long_tails import DEMAND_POINTS, bulk, is_long_tailed, refuse_long_tail, spread
from .refusals import check_size, refuse_traces
from .single_item_pipeline import PipelineProcess
from .single_item_position import PositionProcess, check_position_lattice
from .stock_process import Decision, StockProcess

EXACT_POINTS = {0: 2**18, 1: 1024, 2: 160, 3: 80, 4: 48}
"""Most lattice points of an exact solution, by the dimensions of the pipeline."""

GRID_POINTS = {0: 2**15, 1: 640, 2: 96, 3: 48, 4: 32}
"""Most points of the finer grid of an approximation, by the dimensions of the pipeline."""

LONG_TAIL_POINTS = 100_000
"""Most points of both kinds of lattices without a pipeline, where demand has a long tail."""

LONGEST_LEAD_TIME = 2, 4
"""Longest lead time with lost sales, in periods: over a finite and over an infinite horizon."""

FIRST_MARGIN = {0: 1.0, 1: 0.6, 2: 0.6, 3: 0.5, 4: 0.5}
GROWTH = {0: 2.0, 1: 1.4, 2: 1.4, 3: 1.3, 4: 1.2}
"""How far the first lattice reaches and by how much it is enlarged, by the dimensions of the pipeline."""

Result = TypeVar("Result")


def supported(env: Any) -> SingleItemInventory:
    """The problem of ``env`` if its costs can be computed on a lattice; else NotApplicable."""
    problem = as_problem(env)
    if not isinstance(problem, SingleItemInventory):
        raise NotApplicable(
            f"{type(problem).__name__} is not supported: exact costs exist for SingleItemInventory; "
            "compare with simulated policies (evaluate) instead"
        )
    refuse_traces(problem.demand)
    lead_times = problem.regimes.lead_time
    if lead_times.min() != lead_times.max():
        raise NotApplicable(
            f"lead_time={lead_times.tolist()} of the regimes is not supported: they must be equal, since "
            "orders that overtake each other make the whole pipeline part of the state"
        )
    longest = LONGEST_LEAD_TIME[problem.horizon is None]
    if problem.unmet_demand == "lost" and problem.max_lead_time > longest:
        raise NotApplicable(
            f"lead_time={problem.max_lead_time} with unmet_demand='lost' and horizon={problem.horizon} is "
            "not supported: the state has as many dimensions; lead_time must be at most 2 (4 with "
            "horizon=None), or unmet_demand='backlog'"
        )
    refuse_forced_orders(problem)
    _check_first_lattice(problem)
    return problem


def _check_first_lattice(problem: SingleItemInventory) -> None:
    """Raise NotApplicable if even the first lattice is too large, as it is where demand has a heavy tail."""
    step, dimensions = lattice_steps(problem)[0], pipeline_dimensions(problem)
    low, high = extent(problem, FIRST_MARGIN[dimensions])
    demand = problem.demand
    span, points = (demand.max - demand.min) / step, (high - low) / step
    if is_long_tailed(demand):
        span = min(span, points)
        refuse_long_tail(demand, 2 * (high - low), _most_points(problem, GRID_POINTS), problem.horizon)
    if dimensions:
        check_size(points, span, entries=points * max(points, span))
    else:
        check_position_lattice(problem, step, points)


def refuse_forced_orders(problem: SingleItemInventory) -> None:
    """Raise NotApplicable unless the first regime may order nothing."""
    if problem.regimes.low[0] > 0:
        raise NotApplicable(
            f"regimes: low[0]={problem.regimes.low[0]:g} is not supported: the first regime must be able to "
            "order nothing (low=0), since the stock grows without bound otherwise"
        )


def lattice_steps(problem: SingleItemInventory, levels: Sequence[float] = ()) -> list[float]:
    """The step of the lattice on which the problem is exact; else two steps, the second half the first.

    Args:
        problem: a supported problem.
        levels: further quantities that must lie on the lattice, in units, unless all orders are multiples.
    """
    dimensions = pipeline_dimensions(problem)
    low, high = extent(problem, FIRST_MARGIN[dimensions])
    ends = order_ends(problem.regimes)
    if problem.order_multiple is None:
        ends = np.concatenate([ends, np.abs(np.asarray(levels, dtype=float))])
    fixed_start = problem.initial_inventory[0] == problem.initial_inventory[1]
    values = discrete_values(problem.demand)
    if values is not None:
        start = [problem.initial_inventory[0]] if fixed_start else []
        step = common_step(np.concatenate([ends, start, values]))
        # A uniform start needs a finer lattice, since the value may be concave between points.
        steps = [] if step is None else [step] if fixed_start else [step / 4, step / 8]
        if (
            steps
            and (high - low) / steps[-1] < _most_points(problem, EXACT_POINTS)
            and ((values[-1] - values[0]) / steps[-1] < DEMAND_POINTS or is_long_tailed(problem.demand))
        ):
            return steps
    at_most = 2 * (high - low) / _most_points(problem, GRID_POINTS)
    if is_long_tailed(problem.demand):
        at_most = max(bulk(problem.demand) / 16, at_most)
    else:
        at_most = max(
            standard_deviation(problem.demand) / 32, at_most, 2 * problem.demand.max / DEMAND_POINTS
        )
    step = grid_step(at_most, ends)
    return [step, step / 2]


def _most_points(problem: SingleItemInventory, usual: dict[int, int]) -> int:
    dimensions = pipeline_dimensions(problem)
    return usual[dimensions] if dimensions or not is_long_tailed(problem.demand) else LONG_TAIL_POINTS


def order_ends(regimes: RegimeTable) -> NDArray[np.float64]:
    """Quantities, in units, that must be multiples of the lattice's step, so that all orders lie on it."""
    if regimes.order_multiple is not None:
        return np.array([regimes.order_multiple])
    return np.concatenate([regimes.low, regimes.high])


def certified(
    problem: SingleItemInventory,
    step: float,
    solve_on: Callable[[StockProcess], tuple[NDArray[np.float64], bool, Result]],
    highest: float | None = None,
) -> tuple[NDArray[np.float64], Result]:
    """Solve on a lattice that is enlarged until its ends do not matter, or until it holds all states.

    Args:
        problem: a supported problem.
        step: distance of lattice points, in units.
        solve_on: returns bounds (..., 2) on a cost, whether the bounds are valid in view of the lattice's
            ends, and a further result.
        highest: highest position that can be reached, if it is known.

    Returns:
        The bounds (..., 2), equal up to ``bellman.TOLERANCE`` unless the lattice holds all states, and the
        further result.
    """
    dimensions = pipeline_dimensions(problem)
    process_class = PipelineProcess if dimensions else PositionProcess

    def solve_between(ends: tuple[float, float]) -> tuple[tuple[NDArray[np.float64], Result], bool]:
        low, high = ends
        bounds, holds, result = solve_on(
            process_class(problem, step, floor(low / step), ceil(high / step) + 1)
        )
        return (bounds, result), holds and is_tight(bounds)

    return enlarge(
        solve_between,
        lambda margin: extent(problem, margin, highest),
        FIRST_MARGIN[dimensions],
        GROWTH[dimensions],
    )


def extent(problem: SingleItemInventory, margin: float, highest: float | None = None) -> tuple[float, float]:
    """Lowest and highest position of a lattice, in units; of all states for an infinite margin."""
    start_low, start_high = problem.initial_inventory
    periods = problem.max_lead_time + 1
    multiple = problem.order_multiple or 0.0
    if problem.horizon is None:  # in the long run the position falls by one demand before the next order
        horizon, deep = np.inf, margin * (2 * problem.demand.max + multiple)
    else:
        horizon = problem.horizon
        deep = min(margin * 2 * periods, horizon) * problem.demand.max
        if multiple > 0:
            deep = min(deep + margin * multiple, horizon * problem.demand.max)
        if is_long_tailed(problem.demand):
            # Below what all orders can make up for, the value is a straight line.
            orders = max(horizon - problem.max_lead_time, 0) * float(problem.regimes.largest.max())
            deep = min(deep, max(orders + min(start_low, 0.0), 0.0))
    low = 0.0 if problem.unmet_demand == "lost" else min(start_low, 0.0) - deep
    if highest is not None:
        return low, max(start_high, highest, 0.0)
    largest = float(problem.regimes.high.max())
    most = horizon * largest if largest > 0 else 0.0
    demand = problem.demand
    level = periods * largest_mean(demand) + 6 * np.sqrt(periods) * spread(demand)
    above = margin * (level + 2 * (problem.level_scale - periods * demand.mean) + 1.0 + 2 * multiple)
    return low, max(start_high, 0.0) + min(above, most)


def pipeline_dimensions(problem: SingleItemInventory) -> int:
    """Number of axes that the pipeline adds to the state: 0 where the inventory position is the state."""
    return problem.max_lead_time if problem.unmet_demand == "lost" else 0


class Lattice(Protocol):
    """What ``LatticeRule`` needs of a lattice."""

    step: float

    def locate(self, observation: NDArray[np.float64]) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
        """Index of the state nearest to each observation (m, n), and the excess of its stock, (m,)."""


class LatticeRule:
    """Decides by tables of the best decision in each state of a lattice.

    Between lattice points it takes the regime and the order-up-to level of the nearest point. Quantities are
    projected on the interval of their regime.

    Args:
        problem: a single-item inventory.
        lattice: the lattice.
        decisions: regime and quantity in steps, by state; one table for each period, or a single one for an
            infinite horizon.

    Attributes:
        step: distance of the lattice points, in units.
    """

    def __init__(self, problem: SingleItemInventory, lattice: Lattice, decisions: Sequence[Decision]) -> None:
        self.problem = problem
        self.step = lattice.step
        self._lattice = lattice
        self._decisions = decisions

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal regime (m,) and quantity (m,) at observations (m, n)."""
        states, above = self._lattice.locate(observation)
        regime = np.zeros(len(observation), dtype=np.int64)
        quantity = np.zeros(len(observation))
        for period, rows in rows_by_period(self.problem, observation):
            regimes, quantities = self._decisions[period]
            state = tuple(index[rows] for index in states)
            regime[rows] = regimes[state]
            quantity[rows] = self.step * quantities[state]
        return regime, self.problem.regimes.project(regime, quantity + above)
