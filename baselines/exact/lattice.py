"""Stock on a lattice: the step, demand on it, expectations over it, and minima over sliding windows."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, gcd, lcm
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jumpgym.demand import ContinuousDemand, Demand, DiscreteDemand

LARGEST_DENOMINATOR = 10_000
"""Fractions with larger denominators are not recognised in floating-point numbers."""

ROUNDING = 1e-9
"""Numbers that differ by less than this, in steps or relatively, are taken as equal."""


def common_step(numbers: Any) -> float | None:
    """The largest step of which all the numbers are multiples; None if they have none, or only a tiny one."""
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
    """A step not above ``at_most``; the ends, or at least the smallest positive one, are multiples of it."""
    positive = ends[ends > 0]
    if not positive.size:
        return at_most
    unit = common_step(positive)
    whole = unit if unit is not None and unit >= at_most else float(positive.min())
    return whole / ceil(whole / at_most)


def standard_deviation(demand: Demand) -> float:
    """Standard deviation of one period's demand, in units."""
    first, probabilities = demand_weights(demand, max(demand.max, 1.0) / 4096)
    values = (first + np.arange(len(probabilities))) * max(demand.max, 1.0) / 4096
    variance = float(probabilities @ values**2) - float(probabilities @ values) ** 2
    return max(variance, 0.0) ** 0.5


def demand_weights(demand: Demand, step: float) -> tuple[int, NDArray[np.float64]]:
    """Demand as weights of the lattice points ``(first + k) * step``.

    The weight of a point is the expectation of the hat function around it, so the mean is preserved, and the
    expectation of a function that is linear between lattice points is exact. Atoms on the lattice stay whole.

    Returns:
        first, and the weights, shape (points,).
    """
    if isinstance(demand, DiscreteDemand):
        place = demand.values / step
        below = np.floor(place + ROUNDING)
        above = np.where(place - below < ROUNDING, 0.0, place - below)
        index = (below - below[0]).astype(int)
        weights = np.zeros(index[-1] + 2)
        np.add.at(weights, index, demand.probabilities * (1 - above))
        np.add.at(weights, index + 1, demand.probabilities * above)
        return int(below[0]), weights if weights[-1] > 0 else weights[:-1]
    assert isinstance(demand, ContinuousDemand)
    first = int(np.floor(demand.quantiles[0] / step))
    last = int(np.ceil(demand.quantiles[-1] / step))
    points = step * np.arange(first - 1, last + 2, dtype=np.float64)
    # Second differences of x -> E max(x - demand, 0) are expectations of hat functions.
    weights = np.maximum(np.diff(_expected_excess(demand, points), n=2) / step, 0.0)
    return first, weights / weights.sum()


def _expected_excess(demand: ContinuousDemand, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """E max(x - demand, 0) of the demand that is simulated: uniform between neighbouring table entries."""
    quantiles = demand.quantiles
    levels = 1 / (1 + np.exp(-np.linspace(-demand.REACH, demand.REACH, demand.cells + 1)))
    mass = np.diff(levels, prepend=0.0)  # below the table's first entry lies an atom on it
    middle = np.append(quantiles[0], (quantiles[:-1] + quantiles[1:]) / 2)
    width = np.append(0.0, np.diff(quantiles))
    cell = np.searchsorted(quantiles, x, side="left")  # x lies in (quantiles[cell - 1], quantiles[cell]]
    mass_below = np.append(0.0, np.cumsum(mass))[cell]
    moment_below = np.append(0.0, np.cumsum(mass * middle))[cell]
    inside = np.clip(cell, 1, demand.cells)
    into = np.where((cell >= 1) & (cell <= demand.cells), x - quantiles[inside - 1], 0.0)
    partial = mass[inside] * into**2 / (2 * np.maximum(width[inside], 1e-300))
    return mass_below * x - moment_below + partial


def sum_weights(weights: tuple[int, NDArray[np.float64]], count: int) -> tuple[int, NDArray[np.float64]]:
    """Weights of the sum of ``count`` independent demands."""
    first, total = weights
    for _ in range(count - 1):
        total = np.convolve(total, weights[1])
    return count * first, total


def stock_cost(
    points: NDArray[np.float64],
    step: float,
    weights: tuple[int, NDArray[np.float64]],
    holding_cost: float,
    shortage_cost: float,
) -> NDArray[np.float64]:
    """E of holding and shortage cost after the demand, from stock ``points`` (n,) in units."""
    first, probabilities = weights
    demand = step * (first + np.arange(len(probabilities)))
    below = np.searchsorted(demand, points + step * ROUNDING, side="right")
    mass = np.append(0.0, np.cumsum(probabilities))[below]
    moment = np.append(0.0, np.cumsum(probabilities * demand))[below]
    left = mass * points - moment
    return holding_cost * left + shortage_cost * (left - points + probabilities @ demand)


class Expectation:
    """Expectation of a function of stock after demand: y -> E f(y - demand), on a lattice.

    Written as products of blocks with a banded Toeplitz matrix, which is faster than a convolution, and
    unlike a Fourier transform keeps all digits where f spans many orders of magnitude.

    Args:
        weights: demand on the lattice.
    """

    BLOCK = 128

    def __init__(self, weights: tuple[int, NDArray[np.float64]]) -> None:
        first, probabilities = weights
        self.reach = first + len(probabilities) - 1
        """Lattice points below the lattice's end that ``f`` must be known on."""
        self._span = len(probabilities) - 1
        offset = np.arange(self.BLOCK + self._span)[:, None] - np.arange(self.BLOCK)
        inside = (offset >= 0) & (offset <= self._span)
        self._toeplitz = np.where(inside, probabilities[np.clip(self._span - offset, 0, self._span)], 0.0)

    def __call__(self, below: NDArray[np.float64], f: NDArray[np.float64]) -> NDArray[np.float64]:
        """E f(y - demand), shape (..., n), from f on the lattice (..., n) and on ``reach`` points below."""
        size = f.shape[-1]
        blocks = -(-size // self.BLOCK)
        padded = np.zeros((*f.shape[:-1], blocks * self.BLOCK + self._span))
        known = min(self.reach + size, size + self._span)
        padded[..., :known] = np.concatenate([below, f], axis=-1)[..., :known]
        windows = sliding_window_view(padded, self.BLOCK + self._span, axis=-1)[..., :: self.BLOCK, :]
        rows = windows.reshape(-1, windows.shape[-1]) @ self._toeplitz
        return rows.reshape(*f.shape[:-1], -1)[..., :size]


def window_argmin(values: NDArray[np.float64], width: int) -> NDArray[np.int64]:
    """Index of the first minimum of ``values[..., i : i + width + 1]`` for each i, shape (..., n).

    The windows of the last indices are cut at the end. A minimum over a window is one over the rest of its
    first block and one over the start of its second (van Herk 1992; Gil and Werman 1993).
    """
    size = values.shape[-1]
    block = min(width + 1, size)
    blocks = -(-(size + block - 1) // block)
    padded = np.full((*values.shape[:-1], blocks * block), np.inf)
    padded[..., :size] = values
    grid = padded.reshape(*values.shape[:-1], blocks, block)
    place = np.arange(blocks * block).reshape(blocks, block)

    least = np.minimum.accumulate(grid, axis=-1)
    is_new = np.ones(grid.shape, dtype=bool)
    is_new[..., 1:] = grid[..., 1:] < least[..., :-1]
    up_to = np.maximum.accumulate(np.where(is_new, place, 0), axis=-1).reshape(padded.shape)

    least = np.minimum.accumulate(grid[..., ::-1], axis=-1)
    is_new[..., 1:] = grid[..., -2::-1] <= least[..., :-1]
    onwards = np.where(is_new, place[:, ::-1], blocks * block)
    onwards = np.minimum.accumulate(onwards, axis=-1)[..., ::-1].reshape(padded.shape)

    first, second = onwards[..., :size], up_to[..., block - 1 : block - 1 + size]
    is_second = np.take_along_axis(padded, second, -1) < np.take_along_axis(padded, first, -1)
    return np.where(is_second, second, first)
