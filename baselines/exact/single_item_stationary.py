"""The exact optimum of single-item inventory over an infinite horizon: policy iteration on a lattice."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, gmres

from jumpgym import NotApplicable, SingleItemInventory
from jumpgym.demand import discrete_values

from .bellman import TOLERANCE, refine, span_bounds
from .lattice_demand import standard_deviation
from .refusals import refuse_remainders
from .result import Optimum
from .single_item_lattice import (
    FIRST_MARGIN,
    GROWTH,
    LatticeRule,
    extent,
    lattice_steps,
    pipeline_dimensions,
)
from .single_item_pipeline import PipelineProcess
from .single_item_position import PositionProcess
from .stock_process import Decision, StockProcess

DAMPING = 0.9
"""Step length of value iteration."""

FIRST_STEPS = 8
"""Steps of value iteration after policy iteration made no progress; they double each time."""

MOST_BACKUPS = 2000
"""Most applications of the Bellman operator; ``error_bound`` is then what has been reached."""

MANY_CHOICES, LOOSE_TOLERANCE = 100_000, 1e-7
"""Beyond ``MANY_CHOICES`` pairs of state and choice, the iteration stops at ``LOOSE_TOLERANCE``."""

EQUAL_COSTS = 10
"""The costs on two lattices count as equal if they differ by at most this many tolerances."""

MOST_CHOICES = 60_000_000
"""Most pairs of state and choice on a lattice."""


def solve_stationary(problem: SingleItemInventory) -> Optimum:
    """Minimise the average cost (discount 1) or the expected discounted cost over an infinite horizon.

    The states and the lattice are those of ``solve_single_item``.

    **Iteration.** Any function of the state gives bounds on the optimal cost, see ``bellman.span_bounds``, so
    ``error_bound`` holds however the function was found. The function comes from policy iteration, whose
    equations GMRES solves approximately. Where this does not narrow the bounds, steps of damped value
    iteration follow, which converge even if optimal policies are periodic.

    **Ends of the lattice.** Stock that would fall below the lattice is moved to its lowest point. This bounds
    the cost from below, since at low stocks a larger stock never costs more. Nothing is ordered beyond the
    upper end or, for lost sales with a lead time, beyond a largest order. The lattice is enlarged in all
    directions until the cost no longer changes (by a relative 1e-8, on large lattices 1e-6). The last change
    is added to ``error_bound``.

    Args:
        problem: an infinite-horizon problem that ``single_item_lattice.supported`` admits.

    Raises:
        ValueError: if no policy keeps up with demand, so that the average cost is infinite.
        NotApplicable: if the lattice that is needed is too large.

    References:
        - M. L. Puterman (1994), Markov Decision Processes, sections 6.6 and 8.5.
    """
    _check_finite(problem)
    if problem.unmet_demand == "backlog":
        values = discrete_values(problem.demand)
        refuse_remainders(values, problem.order_multiple, problem.initial_inventory)

    def solve_at(step: float) -> Optimum:
        process, solution, bound = _enlarged(problem, step)
        return Optimum(problem, LatticeRule(problem, process, [solution.decision]), solution.cost, bound)

    return refine(solve_at, lattice_steps(problem))


@dataclass
class _Solution:
    """A function h of the state, and what one application of the Bellman operator T to it gives.

    Attributes:
        relative: h, up to a constant, shape (1, *states).
        change: ``T h - h``, of the same shape.
        decision: the decision in each state that attains ``T h``.
        cost, half_width: middle and half width of the bounds on the optimal cost.
    """

    relative: NDArray[np.float64]
    change: NDArray[np.float64]
    decision: Decision
    cost: float
    half_width: float


def _enlarged(problem: SingleItemInventory, step: float) -> tuple[StockProcess, _Solution, float]:
    """The solution on a lattice that is so large that nothing changes any more, and its error bound."""
    margin, growth = (table[pipeline_dimensions(problem)] for table in (FIRST_MARGIN, GROWTH))
    process = _process(problem, step, margin)
    solution = _solution(process, process.terminal())
    while True:
        solution = _iterate(process, solution)
        margin *= growth
        larger = _process(problem, step, margin)
        extended = _iterate(larger, _solution(larger, _extend(solution.relative, process, larger)))
        difference = abs(extended.cost - solution.cost)
        process, solution = larger, extended
        if difference <= EQUAL_COSTS * _tolerance(larger, extended):
            return process, solution, solution.half_width + difference


def _process(problem: SingleItemInventory, step: float, margin: float) -> StockProcess:
    low, high = extent(problem, margin)
    regimes = problem.regimes
    first, last = floor(low / step), ceil(max(high, float(regimes.least.max())) / step) + 1
    dimensions = pipeline_dimensions(problem)
    # Sensible orders are those for a constant demand, with an allowance for its variation.
    usual = 2 * problem.economic_order_quantity + 4 * standard_deviation(problem.demand)
    usual += 2 * (problem.order_multiple or 0.0)
    largest = min(max(margin * usual, float(regimes.least.max())), float(regimes.largest.max()))
    most = min(ceil(largest / step) + 1, last - first)
    choices = (last - first + 1) * (most + 1) ** dimensions
    if choices > MOST_CHOICES:
        raise NotApplicable(
            f"lead_time={problem.max_lead_time}, unmet_demand={problem.unmet_demand!r}: a lattice of step "
            f"{step:g} has {choices:,} states and choices, more than {MOST_CHOICES:,}; take demand and "
            "regimes in larger units"
        )
    if dimensions:
        return PipelineProcess(problem, step, first, last, most)
    return PositionProcess(problem, step, first, last)


def _iterate(process: StockProcess, solution: _Solution) -> _Solution:
    """Iterate from one solution to one within the tolerance."""
    backups, steps = 0, FIRST_STEPS

    def done() -> bool:
        return solution.half_width <= _tolerance(process, solution) or backups >= MOST_BACKUPS

    while not done():
        trial = _solution(process, solution.relative + _correction(process, solution))
        backups += 1
        if trial.half_width < solution.half_width / 4:
            solution = trial
            continue
        for _ in range(steps):
            if done():
                break
            solution = _solution(process, solution.relative + DAMPING * solution.change)
            backups += 1
        steps *= 2
    return solution


def _tolerance(process: StockProcess, solution: _Solution) -> float:
    """Half width of the bounds at which the iteration stops."""
    choices = solution.relative.size
    if isinstance(process, PipelineProcess):
        choices *= len(process.quantities)
    return (LOOSE_TOLERANCE if choices > MANY_CHOICES else TOLERANCE) * max(1.0, abs(solution.cost))


def _solution(process: StockProcess, relative: NDArray[np.float64]) -> _Solution:
    discount = process.problem.discount
    relative = relative - relative.flat[-1]  # keeps the numbers small, so that their digits count
    value, decision = process.best(process.after_order(relative, 0))
    change = value - relative
    middle, half_width = span_bounds(change, discount)
    if discount < 1:
        middle = float(process.at_start(relative + middle)[0])
    return _Solution(relative, change, decision, middle, half_width)


def _correction(process: StockProcess, solution: _Solution) -> NDArray[np.float64]:
    """Approximate d with (I - discount P) d = change: h + d is the decisions' value, up to a constant."""
    expectation = process.transition(solution.decision[1])
    size = solution.change.size

    def left_side(d: NDArray[np.float64]) -> NDArray[np.float64]:
        # The last term makes the equations regular at discount 1: it stands for the average cost.
        return d - process.problem.discount * (expectation @ d) + d[-1]

    operator = LinearOperator((size, size), matvec=left_side, dtype=float)
    correction, _ = gmres(operator, solution.change.ravel(), rtol=1e-3, restart=30, maxiter=2)
    return correction.reshape(solution.change.shape)


def _extend(values: NDArray[np.float64], process: StockProcess, larger: StockProcess) -> NDArray[np.float64]:
    """Values on a larger lattice; outside the smaller one they are those of its nearest points."""
    shape = larger.terminal().shape
    positions = np.clip(np.arange(shape[1]) + larger.low - process.low, 0, values.shape[1] - 1)
    orders = (np.minimum(np.arange(n), m - 1) for n, m in zip(shape[2:], values.shape[2:], strict=True))
    return values[np.ix_(np.arange(1), positions, *orders)]


def _check_finite(problem: SingleItemInventory) -> None:
    most, mean = float(problem.regimes.largest.max()), problem.demand.mean
    keeps_up = most > mean or (most == mean and standard_deviation(problem.demand) == 0)
    must = problem.unmet_demand == "backlog" and problem.shortage_cost > 0 and problem.discount == 1
    if must and not keeps_up:
        raise ValueError(
            f"horizon=None: orders of at most {most:g} a period cannot keep up with a mean demand of "
            f"{mean:g}, so the average cost is infinite; allow larger orders, or set horizon= or discount="
        )
