"""Which lattice a single-item inventory is solved on, and how far it reaches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory, as_problem
from jumpgym.demand import DiscreteDemand, TraceDemand

from .lattice import common_step, grid_step, standard_deviation
from .pipeline_process import PipelineProcess
from .stock_process import LOWER, UPPER, PositionProcess, StockProcess

TOLERANCE = 1e-9
"""Largest difference of the two bounds that is left, relative to the cost."""

EXACT_POINTS = {0: 2**18, 1: 1024, 2: 160, 3: 80, 4: 48}
"""Most lattice points of an exact solution, by lead time for lost sales, under 0 for the position."""

GRID_POINTS = {0: 2**15, 1: 640, 2: 96, 3: 48, 4: 32}
"""The like for the finer grid of an approximation."""

LONGEST_LEAD_TIME = 2, 4
"""Longest lead time of lost sales, in periods: with an end, and without one."""

FIRST_MARGIN = {0: 1.0, 1: 0.6, 2: 0.6, 3: 0.5, 4: 0.5}
GROWTH = {0: 2.0, 1: 1.4, 2: 1.4, 3: 1.3, 4: 1.2}
"""How far the first lattice reaches, and by how much it is enlarged; less in more dimensions."""

DEMAND_POINTS = 2**14
"""Most lattice points of one period's demand."""

Result = TypeVar("Result")


def supported(env: Any) -> SingleItemInventory:
    """The problem of ``env``, if its costs can be computed on a lattice.

    Raises:
        NotImplementedError: naming what is not supported and what to do instead.
    """
    problem = as_problem(env)
    if not isinstance(problem, SingleItemInventory):
        raise NotImplementedError(
            f"{type(problem).__name__} is not supported: exact costs exist for SingleItemInventory; "
            "compare with simulated policies (evaluate) instead"
        )
    if isinstance(problem.demand, TraceDemand):
        raise NotImplementedError(
            "demand: traces are not supported: the periods of a trace depend on each other, so stock and "
            "period are not a state; pass a frozen scipy.stats distribution fitted to them, or compare "
            "policies on the traces with evaluate"
        )
    lead_times = problem.regimes.lead_time
    if lead_times.min() != lead_times.max():
        raise NotImplementedError(
            f"lead_time={lead_times.tolist()} of the regimes is not supported: they must be equal, since "
            "orders that overtake each other make the whole pipeline part of the state"
        )
    longest = LONGEST_LEAD_TIME[problem.horizon is None]
    if problem.unmet_demand == "lost" and problem.max_lead_time > longest:
        raise NotImplementedError(
            f"lead_time={problem.max_lead_time} with unmet_demand='lost' and horizon={problem.horizon} is "
            "not supported: the state has as many dimensions; lead_time must be at most 2 (4 with "
            "horizon=None), or unmet_demand='backlog'"
        )
    if problem.regimes.low[0] > 0:
        raise NotImplementedError(
            f"regimes: low[0]={problem.regimes.low[0]:g} is not supported: the first regime must be able to "
            "order nothing (low=0), since the stock grows without bound otherwise"
        )
    return problem


def lattice_steps(problem: SingleItemInventory, levels: Sequence[float] = ()) -> list[float]:
    """One step on which the problem is exact, or else two, the second half of the first.

    Args:
        problem: a supported problem.
        levels: further quantities that must lie on the lattice, in units.
    """
    dimensions = pipeline_dimensions(problem)
    low, high = extent(problem, FIRST_MARGIN[dimensions])
    ends = np.concatenate(
        [problem.regimes.low, problem.regimes.high, np.abs(np.asarray(levels, dtype=float))]
    )
    fixed_start = problem.initial_inventory[0] == problem.initial_inventory[1]
    if isinstance(problem.demand, DiscreteDemand):
        start = [problem.initial_inventory[0]] if fixed_start else []
        values = problem.demand.values
        step = common_step(np.concatenate([ends, start, values]))
        # A uniform start is averaged on finer lattices, between whose points the value may be concave.
        steps = [] if step is None else [step] if fixed_start else [step / 4, step / 8]
        if (
            steps
            and (high - low) / steps[-1] < EXACT_POINTS[dimensions]
            and (values[-1] - values[0]) / steps[-1] < DEMAND_POINTS
        ):
            return steps
    at_most = max(
        standard_deviation(problem.demand) / 32,
        2 * (high - low) / GRID_POINTS[dimensions],
        2 * problem.demand.max / DEMAND_POINTS,
    )
    step = grid_step(at_most, ends)
    return [step, step / 2]


def certified(
    problem: SingleItemInventory,
    step: float,
    run: Callable[[StockProcess], tuple[NDArray[np.float64], bool, Result]],
    highest: float | None = None,
) -> tuple[NDArray[np.float64], Result]:
    """``run`` on a lattice that is enlarged until its ends do not matter, or hold all that can be reached.

    Args:
        problem: a supported problem.
        step: distance of lattice points, in units.
        run: from a process, bounds (..., 2) of a cost, whether its ends bear out the bounds, and a result.
        highest: highest position that can be reached, where it is known.

    Returns:
        The bounds (..., 2), equal to within ``TOLERANCE`` unless all is reached, and the result.
    """
    dimensions = pipeline_dimensions(problem)
    kind = PipelineProcess if dimensions else PositionProcess
    margin = FIRST_MARGIN[dimensions]
    while True:
        low, high = extent(problem, margin, highest)
        everything = (low, high) == extent(problem, np.inf, highest)
        bounds, holds, result = run(kind(problem, step, floor(low / step), ceil(high / step) + 1))
        gap = np.abs(bounds[..., UPPER] - bounds[..., LOWER])
        if everything or (holds and np.all(gap <= TOLERANCE * np.maximum(1.0, np.abs(bounds[..., UPPER])))):
            return bounds, result
        margin *= GROWTH[dimensions]


def extent(problem: SingleItemInventory, margin: float, highest: float | None = None) -> tuple[float, float]:
    """Lowest and highest position of a lattice, in units; ``margin`` infinite: all that can be reached."""
    start_low, start_high = problem.initial_inventory
    periods = problem.max_lead_time + 1
    if problem.horizon is None:  # the position falls by one demand before the next order, in the long run
        horizon, deep = np.inf, margin * 2 * problem.demand.max
    else:
        horizon = problem.horizon
        deep = min(margin * 2 * periods, horizon) * problem.demand.max
    low = 0.0 if problem.unmet_demand == "lost" else min(start_low, 0.0) - deep
    if highest is not None:
        return low, max(start_high, highest, 0.0)
    largest = float(problem.regimes.high.max())
    most = horizon * largest if largest > 0 else 0.0
    demand = problem.demand
    level = periods * demand.mean + 6 * np.sqrt(periods) * standard_deviation(demand)
    above = margin * (level + 2 * (problem.level_scale - periods * demand.mean) + 1.0)
    return low, max(start_high, 0.0) + min(above, most)


def pipeline_dimensions(problem: SingleItemInventory) -> int:
    """Axes that the pipeline adds to the state: none where the inventory position is one."""
    return problem.max_lead_time if problem.unmet_demand == "lost" else 0
