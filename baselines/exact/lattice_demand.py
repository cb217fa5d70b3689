"""Demand on a lattice of stocks: its weights, expectations over it, and the stock costs after it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from jumpgym.demand import ContinuousDemand, Demand, DiscreteDemand

from .lattice import ROUNDING
from .refusals import check_size

Weights = tuple[int, NDArray[np.float64]]
"""A distribution on a lattice: its first point, in steps, and the weights of this and the next points."""

MANY_PRODUCTS = 2**26
"""Products of two weights from which on their convolution is computed by Fourier transforms."""


def standard_deviation(demand: Demand) -> float:
    """Standard deviation of one period's demand, in units; the quadratic mean where periods differ."""
    if len(demand.periods) > 1:
        different = {id(period): period for period in demand.periods}
        deviation = {key: standard_deviation(period) for key, period in different.items()}
        return float(np.mean([deviation[id(period)] ** 2 for period in demand.periods])) ** 0.5
    first, probabilities = demand_weights(demand, max(demand.max, 1.0) / 4096)
    values = (first + np.arange(len(probabilities))) * max(demand.max, 1.0) / 4096
    variance = float(probabilities @ values**2) - float(probabilities @ values) ** 2
    return max(variance, 0.0) ** 0.5


def demand_weights(demand: Demand, step: float, name: str = "demand") -> Weights:
    """The demand of one period as weights of the lattice points ``(first + k) * step``.

    The weight of a point is the expectation of the hat function around it. This preserves the mean, and the
    expectation of a function that is linear between lattice points is exact. A probability on a lattice
    point stays there.

    Raises:
        NotApplicable: if they are too many; ``name`` is that of the parameter.
    """
    span = (demand.max - demand.min) / step
    check_size(span, span, name=name)
    if isinstance(demand, DiscreteDemand):
        position = demand.values / step
        below = np.floor(position + ROUNDING)
        above = np.where(position - below < ROUNDING, 0.0, position - below)
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
    """E max(x - demand, 0) for the demand that is simulated: uniform between neighbouring table entries."""
    quantiles = demand.quantiles
    levels = 1 / (1 + np.exp(-np.linspace(-demand.REACH, demand.REACH, demand.cells + 1)))
    mass = np.diff(levels, prepend=0.0)  # what lies below the first entry of the table is put on it
    middle = np.append(quantiles[0], (quantiles[:-1] + quantiles[1:]) / 2)
    width = np.append(0.0, np.diff(quantiles))
    cell = np.searchsorted(quantiles, x, side="left")  # x lies in (quantiles[cell - 1], quantiles[cell]]
    mass_below = np.append(0.0, np.cumsum(mass))[cell]
    moment_below = np.append(0.0, np.cumsum(mass * middle))[cell]
    inside = np.clip(cell, 1, demand.cells)
    into = np.where((cell >= 1) & (cell <= demand.cells), x - quantiles[inside - 1], 0.0)
    partial = mass[inside] * into**2 / (2 * np.maximum(width[inside], 1e-300))
    return mass_below * x - moment_below + partial


def demand_matrix(size: int, weights: Weights, linear: bool = False) -> NDArray[np.float64]:
    """Matrix (size, size) that takes a function of the stock after demand to its expectation before demand.

    Row i belongs to the stock before demand.

    Args:
        size: number of lattice points.
        weights: demand on the lattice.
        linear: whether the function is continued beyond both ends of the lattice by straight lines; by
            default it is constant below the lower end, and demand must not be negative.
    """
    first, probabilities = weights
    check_size(size, len(probabilities), entries=size * max(size, len(probabilities)))
    row = np.arange(size)[:, None]
    left = row - (first + np.arange(len(probabilities)))
    matrix = np.zeros((size, size))
    if not linear:
        np.add.at(matrix, (row, np.maximum(left, 0)), probabilities)
        return matrix
    inside = np.clip(left, 0, size - 2)
    np.add.at(matrix, (row, inside), probabilities * (1 - (left - inside)))
    np.add.at(matrix, (row, inside + 1), probabilities * (left - inside))
    return matrix


def stock_costs(
    points: NDArray[np.float64],
    step: float,
    weights: Sequence[Weights],
    holding_cost: float,
    shortage_cost: float,
) -> list[NDArray[np.float64]]:
    """Expected holding and shortage cost (n,) after the first, the second, ... of some periods of demand.

    No order changes any of them but the last, if the periods are those until it has arrived.
    """
    costs, total = [], weights[0]
    for following in (*weights[1:], None):
        costs.append(stock_cost(points, step, total, holding_cost, shortage_cost))
        if following is not None:
            is_long = len(total[1]) * len(following[1]) > MANY_PRODUCTS
            convolve = fftconvolve if is_long else np.convolve
            total = total[0] + following[0], convolve(total[1], following[1])
    return costs


def stock_cost(
    points: NDArray[np.float64], step: float, weights: Weights, holding_cost: float, shortage_cost: float
) -> NDArray[np.float64]:
    """Expected holding and shortage cost (n,) after demand, from stock ``points`` (n,) in units."""
    first, probabilities = weights
    demand = step * (first + np.arange(len(probabilities)))
    below = np.searchsorted(demand, points + step * ROUNDING, side="right")
    mass = np.append(0.0, np.cumsum(probabilities))[below]
    moment = np.append(0.0, np.cumsum(probabilities * demand))[below]
    left = mass * points - moment
    return holding_cost * left + shortage_cost * (left - points + probabilities @ demand)


class Expectation:
    """Expectation of a function of the stock after demand, y -> E f(y - demand), on a long lattice.

    It multiplies blocks with a banded Toeplitz matrix. That is faster than a convolution, and unlike a
    Fourier transform it keeps all digits where f spans many orders of magnitude.

    Args:
        weights: demand on the lattice.

    Attributes:
        reach: number of points below the lattice at which ``f`` must be known.
    """

    BLOCK = 128

    def __init__(self, weights: Weights) -> None:
        first, probabilities = weights
        self.reach = first + len(probabilities) - 1
        self._span = len(probabilities) - 1
        offset = np.arange(self.BLOCK + self._span)[:, None] - np.arange(self.BLOCK)
        inside = (offset >= 0) & (offset <= self._span)
        self._toeplitz = np.where(inside, probabilities[np.clip(self._span - offset, 0, self._span)], 0.0)

    def __call__(self, below: NDArray[np.float64], f: NDArray[np.float64]) -> NDArray[np.float64]:
        """E f(y - demand), shape (..., n), from f on the lattice (..., n) and ``below`` it (..., reach)."""
        size = f.shape[-1]
        blocks = -(-size // self.BLOCK)
        padded = np.zeros((*f.shape[:-1], blocks * self.BLOCK + self._span))
        filled = min(self.reach + size, size + self._span)
        padded[..., :filled] = np.concatenate([below, f], axis=-1)[..., :filled]
        windows = sliding_window_view(padded, self.BLOCK + self._span, axis=-1)[..., :: self.BLOCK, :]
        rows = windows.reshape(-1, windows.shape[-1]) @ self._toeplitz
        return rows.reshape(*f.shape[:-1], -1)[..., :size]
