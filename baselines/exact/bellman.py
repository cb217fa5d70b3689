"""What the dynamic programmes share: bounds, enlarging and refining a lattice, decisions by period."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem

from .result import Optimum

LOWER, UPPER = 0, -1
"""Indices of the two rows of a value function: a lower bound, and the cost of a policy. They may coincide."""

TOLERANCE = 1e-9
"""Largest difference of the two bounds, relative to the cost, at which they count as equal."""

Ends = TypeVar("Ends")
Result = TypeVar("Result")
Step = TypeVar("Step")


def is_tight(bounds: NDArray[np.float64]) -> bool:
    """Whether lower and upper bounds (..., 2) of costs agree to a relative ``TOLERANCE``."""
    lower, upper = bounds[..., LOWER], bounds[..., UPPER]
    return bool(np.all(np.abs(upper - lower) <= TOLERANCE * np.maximum(1.0, np.abs(upper))))


def enlarge(
    solve_on: Callable[[Ends], tuple[Result, bool]],
    extent: Callable[[float], Ends],
    margin: float,
    growth: float,
) -> Result:
    """Solve on larger and larger lattices until the result does not depend on their ends.

    The last lattice holds all states that can be reached; its result is returned in any case.

    Args:
        solve_on: returns the result on a lattice with the given ends, and whether the lattice is large
            enough.
        extent: returns the ends for a margin; for an infinite margin, those of all states that can be
            reached.
        margin: margin of the first lattice.
        growth: factor by which the margin grows.
    """
    everything = extent(np.inf)
    while True:
        ends = extent(margin)
        result, is_large_enough = solve_on(ends)
        if is_large_enough or np.array_equal(ends, everything):  # type: ignore[arg-type]
            return result
        margin *= growth


def refine(solve_on: Callable[[Step], Optimum], steps: Sequence[Step]) -> Optimum:
    """The optimum on the finest of several lattices, with an estimate of its discretisation error.

    The estimate is the difference to the cost on the coarsest lattice. It is not a bound. With a single
    lattice, on which the problem must be exact, it is 0.

    Args:
        solve_on: returns the optimum on a lattice of the given step.
        steps: steps of the lattices, the finest last.
    """
    optima = [solve_on(step) for step in steps]
    return replace(optima[-1], discretisation_error=abs(optima[-1].cost - optima[0].cost))


def span_bounds(change: NDArray[np.float64], discount: float) -> tuple[float, float]:
    """Middle and half width of the bounds on the optimal cost that follow from one step of value iteration.

    Let ``change`` be ``T h - h``, where T is the Bellman operator and h is any function of the state. At
    discount 1 the least and the greatest value of ``change`` bound the average cost (Odoni 1969). At a
    smaller discount, divided by ``1 - discount``, they bound the difference between the optimal cost and h
    (MacQueen 1966).

    References:
        - A. R. Odoni (1969), On finding the maximal gain for Markov decision processes, Operations Research
          17(5).
        - J. MacQueen (1966), A modified dynamic programming method for Markovian decision problems, Journal
          of Mathematical Analysis and Applications 14(1).
    """
    least, greatest = float(change.min()), float(change.max())
    divisor = 1 - discount if discount < 1 else 1.0
    return (least + greatest) / 2 / divisor, (greatest - least) / 2 / divisor


def append_decision(decisions: list[Any], decision: Any) -> None:
    """Append a tuple of arrays, or the last tuple again if it is equal: over a long horizon many are."""
    repeated = bool(decisions) and all(map(np.array_equal, decision, decisions[-1]))
    decisions.append(decisions[-1] if repeated else decision)


def rows_by_period(
    problem: HindsightProblem, observation: NDArray[np.float64]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Each period that occurs in observations (m, d), with a mask (m,) of the observations in that period.

    With an infinite horizon, all observations are in period 0.
    """
    if problem.horizon is None:
        yield 0, np.ones(len(observation), dtype=bool)
        return
    period = np.clip(np.round(observation[:, -1]), 0, problem.horizon - 1).astype(int)
    for index in np.unique(period):
        yield int(index), period == index


def midpoints(ends: tuple[float, float], count: int = 512) -> NDArray[np.float64]:
    """Midpoints (count,) of ``count`` equal parts of an interval, for means over a uniform initial state."""
    low, high = ends
    return low + (high - low) * (np.arange(count) + 0.5) / count


def cheapest(
    options: Iterable[tuple[Any, Any]], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.int16], NDArray[np.int32]]:
    """The least cost in each state, the index of the option with that cost, and the option's quantity.

    Args:
        options: cost and quantity of each option, both of a shape that broadcasts to ``shape``. Among equally
            cheap options, the first one counts.
        shape: shape of the states.
    """
    value = np.full(shape, np.inf)
    option = np.zeros(shape, dtype=np.int16)
    quantity = np.zeros(shape, dtype=np.int32)
    for index, (cost, steps) in enumerate(options):
        better = cost < value
        np.copyto(value, cost, where=better)
        np.copyto(quantity, steps, where=better, casting="unsafe")
        option[better] = index
    return value, option, quantity
