"""Lattices of stocks: their step, the nearest point, and the weights of the points at the start."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_DENOMINATOR = 10_000
"""Floating-point numbers are recognised as fractions up to this denominator."""

ROUNDING = 1e-9
"""Numbers count as equal if they differ by less than this, in steps or relatively."""


def common_step(numbers: Any) -> float | None:
    """The largest step of which all numbers are multiples; None if there is none, or only a tiny one."""
    values = np.unique(np.asarray(numbers, dtype=float))
    fractions = [Fraction(value).limit_denominator(LARGEST_DENOMINATOR) for value in values.tolist()]
    if not np.allclose([float(fraction) for fraction in fractions], values, rtol=1e-12, atol=1e-12):
        return None
    denominator = lcm(*(fraction.denominator for fraction in fractions))
    if denominator > LARGEST_DENOMINATOR:
        return None
    common = gcd(*(fraction.numerator * (denominator // fraction.denominator) for fraction in fractions))
    return common / denominator if common else 1.0


def grid_step(at_most: float, ends: NDArray[np.float64]) -> float:
    """A step of at most ``at_most`` that divides the positive ends, or at least the smallest of them."""
    positive = ends[ends > 0]
    if not positive.size:
        return at_most
    unit = common_step(positive)
    whole = unit if unit is not None and unit >= at_most else float(positive.min())
    return whole / ceil(whole / at_most)


def start_weights(points: NDArray[np.float64], step: float, ends: tuple[float, float]) -> NDArray[np.float64]:
    """Weights (n,) of lattice points for the mean over a uniform start of a function linear between them."""
    low, high = ends
    inside = points[(points > low) & (points < high)]
    start = np.concatenate([[low], inside, [high]])
    if low == high:
        shares = np.array([1.0, 0.0])
    else:
        shares = (np.diff(start, append=high) + np.diff(start, prepend=low)) / 2 / (high - low)
    position = np.clip((start - points[0]) / step, 0, len(points) - 1)
    left = np.floor(position + ROUNDING).astype(int)
    above = np.where(position - left < ROUNDING, 0.0, position - left)
    weights = np.zeros(len(points) + 1)
    np.add.at(weights, left, shares * (1 - above))
    np.add.at(weights, left + 1, shares * above)
    return weights[:-1]


def nearest_index(values: NDArray[np.float64], step: float, low: int, size: int) -> NDArray[np.int64]:
    """Index of the lattice point nearest to each value, on ``size`` points from ``low * step`` on."""
    # Clipped before the cast, since integers overflow for values far out of range.
    return np.clip(np.round(values / step) - low, 0, size - 1).astype(np.int64)
