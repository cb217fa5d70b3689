"""Search for the best of a family of policies with any number of integer parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, product

import numpy as np

Point = tuple[int, ...]


def descend(
    costs: Callable[[list[Point]], Sequence[float]], coarse: Iterable[Point], strides: Point, starts: int = 4
) -> Point:
    """The point of least cost that descent finds from the best points of a coarse grid.

    From each start the best neighbour, which differs by one stride in one or two coordinates, is followed
    while it is better; then the strides are halved, down to 1. From the best point of all, neighbours that
    differ by 1, 2 or 4 in each of two coordinates are followed in the same way.

    Args:
        costs: of points, in their order; infinite where a point stands for no policy.
        coarse: points of the coarse grid.
        strides: its strides.
        starts: number of points of the grid to start from.
    """
    known: dict[Point, float] = {}

    def best_of(points: Iterable[Point]) -> Point:
        candidates = list(dict.fromkeys(points))
        new = [point for point in candidates if point not in known]
        if new:
            known.update(zip(new, costs(new), strict=True))
        return min(candidates, key=known.__getitem__)

    def follow(point: Point, steps: Point, multiples: Sequence[int]) -> Point:
        moves = _moves(steps, multiples)
        while (best := best_of([point, *(_sum(point, move) for move in moves)])) != point:
            point = best
        return point

    best_of(coarse)
    for start in sorted(known, key=known.__getitem__)[:starts]:
        point, steps = follow(start, strides, [1]), strides
        while max(steps) > 1:
            steps = tuple(max(step // 2, 1) for step in steps)
            point = follow(point, steps, [1])
    return follow(best_of(known), (1,) * len(strides), [1, 2, 4])


def _moves(steps: Point, multiples: Sequence[int]) -> list[Point]:
    """All moves by a multiple of the stride, up or down, in one coordinate or in two."""
    unit = np.diag(steps)
    scales = [sign * multiple for multiple in multiples for sign in (1, -1)]
    one = [a * row for row in unit for a in scales]
    two = [a * row + b * other for row, other in combinations(unit, 2) for a, b in product(scales, scales)]
    return [tuple(move.tolist()) for move in one + two]


def _sum(point: Point, move: Point) -> Point:
    return tuple(a + b for a, b in zip(point, move, strict=True))
