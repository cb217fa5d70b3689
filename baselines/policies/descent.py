"""The search for the best of a family of policies with integer parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, product
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..evaluation import simulated_costs
from ..policy import Policy

Point = tuple[int, ...]

Progress = Callable[[str], None]
"""What a search calls with a line of text now and then."""

SomePolicy = TypeVar("SomePolicy", bound=Policy)


def descend(
    costs: Callable[[list[Point]], Sequence[float]],
    coarse: Iterable[Point],
    strides: Point,
    starts: int = 4,
    progress: Progress | None = None,
) -> Point:
    """The point of least cost that descent finds from the best points of a coarse grid.

    From each start, the search moves to the best neighbour as long as that is better; neighbours differ by
    one stride in one or two coordinates. Then the strides are halved, down to 1. From the best point found,
    the search goes on in the same way with neighbours that differ by 1, 2 or 4 in one or two coordinates.

    Args:
        costs: function that returns the costs of points, in their order; infinite for a point that stands for
            no policy.
        coarse: points of the coarse grid.
        strides: distances of the points of the coarse grid, by coordinate.
        starts: number of points of the grid to start from.
        progress: see ``Progress``.
    """
    cost_of: dict[Point, float] = {}

    def best_of(points: Iterable[Point]) -> Point:
        candidates = list(dict.fromkeys(points))
        untried = [point for point in candidates if point not in cost_of]
        if untried:
            cost_of.update(zip(untried, costs(untried), strict=True))
            if progress is not None:
                progress(f"{len(cost_of):,} policies compared, least cost {min(cost_of.values()):.6g}")
        return min(candidates, key=cost_of.__getitem__)

    def follow(point: Point, steps: Point, multiples: Sequence[int]) -> Point:
        moves = _moves(steps, multiples)
        while (best := best_of([point, *(_sum(point, move) for move in moves)])) != point:
            point = best
        return point

    best_of(coarse)
    for start in sorted(cost_of, key=cost_of.__getitem__)[:starts]:
        point, steps = follow(start, strides, [1]), strides
        while max(steps) > 1:
            steps = tuple(max(step // 2, 1) for step in steps)
            point = follow(point, steps, [1])
    return follow(best_of(cost_of), (1,) * len(strides), [1, 2, 4])


def best_policy(
    make: Callable[[Point], SomePolicy | None],
    costs: Callable[[list[SomePolicy]], Sequence[float]],
    coarse: Iterable[Point],
    strides: Point,
    starts: int = 4,
    progress: Progress | None = None,
) -> SomePolicy:
    """The policy of least cost that ``descend`` finds.

    Args:
        make: function that returns the policy of a point, or None if the point stands for none.
        costs: function that returns the costs of policies, in their order.
        coarse, strides, starts, progress: see ``descend``.
    """

    def costs_of_points(points: list[Point]) -> list[float]:
        policies = [make(point) for point in points]
        cost_of = iter(costs([policy for policy in policies if policy is not None]))
        return [np.inf if policy is None else float(next(cost_of)) for policy in policies]

    best = make(descend(costs_of_points, coarse, strides, starts, progress))
    assert best is not None, "no point of the coarse grid stands for a policy"
    return best


def mean_costs(policies: Iterable[Policy], state: Any, noise: NDArray[np.float64]) -> list[float]:
    """Mean cost of an episode of each policy, on the same simulated episodes; see ``evaluation.draw``."""
    return [simulated_costs(policy, policy.problem, state, noise).mean for policy in policies]


def _moves(steps: Point, multiples: Sequence[int]) -> list[Point]:
    """All moves by a multiple of the stride, up or down, in one coordinate or in two."""
    unit = np.diag(steps)
    scales = [sign * multiple for multiple in multiples for sign in (1, -1)]
    single = [a * row for row in unit for a in scales]
    double = [a * row + b * other for row, other in combinations(unit, 2) for a, b in product(scales, scales)]
    return [tuple(move.tolist()) for move in single + double]


def _sum(point: Point, move: Point) -> Point:
    return tuple(a + b for a, b in zip(point, move, strict=True))
