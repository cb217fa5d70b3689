"""The exact optimum of single-item inventory without an end: relative value iteration on a lattice."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, gmres

from jumpgym import SingleItemInventory

from .certified import FIRST_MARGIN, GROWTH, TOLERANCE, extent, lattice_steps, pipeline_dimensions
from .lattice import standard_deviation
from .lattice_policy import Decision, Optimum
from .pipeline_process import PipelineProcess
from .stock_process import PositionProcess, StockProcess

DAMPING = 0.9
"""Share of the way that value iteration moves."""

FIRST_STEPS = 8
"""Steps of value iteration where a policy's evaluation did not help; twice as many each time."""

MOST_BACKUPS = 2000
"""Then the recursion stops, with the bound that is reached."""

LARGE, ROUGH = 100_000, 1e-7
"""Pairs of state and choice from which on the recursion stops at this relative half width, not 1e-9."""

SAME = 10
"""Two lattices give the same cost if it differs by at most this many tolerances."""

MOST_CHOICES = 60_000_000
"""Most pairs of state and choice on a lattice."""


def solve_stationary(problem: SingleItemInventory) -> Optimum:
    """Minimise the average cost (discount 1), or the expected discounted cost, without an end.

    The states and the lattice are those of ``solve_single_item``.

    **Recursion.** For any function h of the state, with T the Bellman operator, the optimal average cost lies
    between the least and the greatest value of Th - h (Odoni 1969), and the optimal discounted cost between h
    plus those over 1 - discount (MacQueen 1966). The recursion is policy iteration whose equations are solved
    by GMRES, to a part of their size; where that does not narrow the bounds, it is damped value iteration,
    which converges also where optimal policies are periodic. So ``error_bound`` holds however h was found.

    **Cut.** Stock that would leave the lattice below is moved to its lowest point, which bounds the cost from
    below, since far down more stock never costs more; nothing is ordered beyond the upper end, or, for lost
    sales with a lead time, beyond a largest order. The lattice is enlarged in all directions until the cost
    no longer changes (by a relative 1e-8, on large lattices 1e-6); the last change is added to
    ``error_bound``.

    Args:
        problem: a problem that ``certified.supported`` admits, with ``horizon=None``.

    Raises:
        ValueError: if no policy keeps up with demand, so that the average cost is infinite.
        NotImplementedError: if the lattice needed is too large.

    References:
        - A. R. Odoni (1969), On finding the maximal gain for Markov decision processes, Operations Research
          17(5).
        - J. MacQueen (1966), A modified dynamic programming method for Markovian decision problems, Journal
          of Mathematical Analysis and Applications 14(1).
        - M. L. Puterman (1994), Markov Decision Processes, sections 6.6 and 8.5.
    """
    _check_finite(problem)
    costs = []
    for step in lattice_steps(problem):
        process, solution, bound = _enlarged(problem, step)
        costs.append(solution.cost)
    return Optimum(problem, process, [solution.decision], costs[-1], bound, abs(costs[-1] - costs[0]))


@dataclass
class _Solution:
    """One backup of h, and what it tells.

    Attributes:
        relative: h, up to a constant; shape (1, *states).
        change: Th - h, of that shape.
        decision: the choices that attain T.
        cost, half_width: the middle and half the width of the bounds of the cost.
    """

    relative: NDArray[np.float64]
    change: NDArray[np.float64]
    decision: Decision
    cost: float
    half_width: float


def _enlarged(problem: SingleItemInventory, step: float) -> tuple[StockProcess, _Solution, float]:
    """The solution on a lattice beyond which nothing changes, and the bound on its error."""
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
        if difference <= SAME * _tolerance(larger, extended):
            return process, solution, solution.half_width + difference


def _process(problem: SingleItemInventory, step: float, margin: float) -> StockProcess:
    low, high = extent(problem, margin)
    regimes = problem.regimes
    first, last = floor(low / step), ceil(max(high, float(regimes.low.max())) / step) + 1
    dimensions = pipeline_dimensions(problem)
    # Sensible orders: those of a constant demand, and what variation adds.
    usual = 2 * problem.economic_order_quantity + 4 * standard_deviation(problem.demand)
    largest = min(max(margin * usual, float(regimes.low.max())), float(regimes.high.max()))
    most = min(ceil(largest / step) + 1, last - first)
    choices = (last - first + 1) * (most + 1) ** dimensions
    if choices > MOST_CHOICES:
        raise NotImplementedError(
            f"lead_time={problem.max_lead_time}, unmet_demand={problem.unmet_demand!r}: a lattice of step "
            f"{step:g} has {choices:,} states and choices, more than {MOST_CHOICES:,}; take demand and "
            "regimes in larger units"
        )
    if dimensions:
        return PipelineProcess(problem, step, first, last, most)
    return PositionProcess(problem, step, first, last)


def _iterate(process: StockProcess, solution: _Solution) -> _Solution:
    """The recursion, from one solution to one within the tolerance."""
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
    """Half width of the bounds at which the recursion stops."""
    choices = solution.relative.size
    if isinstance(process, PipelineProcess):
        choices *= len(process.quantities)
    return (ROUGH if choices > LARGE else TOLERANCE) * max(1.0, abs(solution.cost))


def _solution(process: StockProcess, relative: NDArray[np.float64]) -> _Solution:
    discount = process.problem.discount
    relative = relative - relative.flat[-1]  # keeps the numbers small, so that their digits count
    value, regime, quantity = process.best(process.after_order(relative, 0))
    change = value - relative
    least, greatest = float(change.min()), float(change.max())
    middle, half_width = (least + greatest) / 2, (greatest - least) / 2
    if discount < 1:
        middle = float(process.at_start(relative + middle / (1 - discount))[0])
        half_width /= 1 - discount
    return _Solution(relative, change, (regime, quantity), middle, half_width)


def _correction(process: StockProcess, solution: _Solution) -> NDArray[np.float64]:
    """What h lacks, up to a constant, to be the decisions' relative value: (I - discount P) d = change."""
    expectation = process.transition(solution.decision[1])
    size = solution.change.size

    def lacks(d: NDArray[np.float64]) -> NDArray[np.float64]:
        # The last term makes the equations regular at discount 1: it stands for the average cost.
        return d - process.problem.discount * (expectation @ d) + d[-1]

    operator = LinearOperator((size, size), matvec=lacks, dtype=float)
    correction, _ = gmres(operator, solution.change.ravel(), rtol=1e-3, restart=30, maxiter=2)
    return correction.reshape(solution.change.shape)


def _extend(values: NDArray[np.float64], process: StockProcess, larger: StockProcess) -> NDArray[np.float64]:
    """Values of a lattice on a larger one, outside those of its nearest points."""
    shape = larger.terminal().shape
    positions = np.clip(np.arange(shape[1]) + larger.low - process.low, 0, values.shape[1] - 1)
    orders = (np.minimum(np.arange(n), m - 1) for n, m in zip(shape[2:], values.shape[2:], strict=True))
    return values[np.ix_(np.arange(1), positions, *orders)]


def _check_finite(problem: SingleItemInventory) -> None:
    most, mean = float(problem.regimes.high.max()), problem.demand.mean
    keeps_up = most > mean or (most == mean and standard_deviation(problem.demand) == 0)
    must = problem.unmet_demand == "backlog" and problem.shortage_cost > 0 and problem.discount == 1
    if must and not keeps_up:
        raise ValueError(
            f"horizon=None: orders of at most {most:g} a period cannot keep up with a mean demand of "
            f"{mean:g}, so the average cost is infinite; allow larger orders, or set horizon= or discount="
        )
