"""Stock on a lattice: its step, demand and costs on it, expectations, and minima over sliding windows."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, gcd, lcm
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from jumpgym import NotApplicable
from jumpgym.demand import ContinuousDemand, Demand, DiscreteDemand, PeriodDemand

Weights = tuple[int, NDArray[np.float64]]
"""A distribution on a lattice: its first point, in steps, and the weights of this and the next points."""

LARGEST_DENOMINATOR = 10_000
"""Floating-point numbers are recognised as fractions up to this denominator."""

ROUNDING = 1e-9
"""Numbers count as equal if they differ by less than this, in steps or relatively."""


MOST_DEMAND_POINTS = 2**17
"""Most lattice points of one period's demand."""

MOST_ENTRIES = 2**27
"""Most entries of a matrix of transitions, and of the arrays that make it: 1 GiB each."""

MOST_OPERATIONS = 2e12
"""Most multiplications of a backward induction: some minutes."""


def check_size(
    points: float,
    demand_points: float,
    *,
    entries: float = 0.0,
    operations: float = 0.0,
    name: str = "demand",
) -> None:
    """Raise NotApplicable before memory is taken that a heavy tail or a fine step would need.

    Args:
        points: number of lattice points.
        demand_points: number of lattice points of one period's demand.
        entries: number of entries of the largest array.
        operations: number of multiplications.
        name: of the parameter, for errors.
    """
    if demand_points > MOST_DEMAND_POINTS or entries > MOST_ENTRIES or operations > MOST_OPERATIONS:
        raise NotApplicable(
            f"{name}: its values span {demand_points:,.0f} steps, on a lattice of {points:,.0f} points, too "
            "many to compute. Cut the tail, as by scipy.stats.truncate, take larger units, or compare "
            "simulated policies (evaluate)"
        )


def refuse_traces(*noises: Any, name: str = "demand") -> None:
    """Raise NotApplicable unless every noise is a distribution, or a list of them that ends."""
    if any(isinstance(noise, PeriodDemand) and noise.repeats for noise in noises):
        raise NotApplicable(
            f"{name}: a season that repeats without an end (horizon=None) is not supported, since decisions "
            "then depend on its phase. Give a horizon, or compare simulated policies (evaluate)"
        )
    periods = [period for noise in noises for period in noise.periods]
    if not all(isinstance(period, DiscreteDemand | ContinuousDemand) for period in periods):
        raise NotApplicable(
            f"{name}: traces are not supported. The periods of a trace depend on each other, so stock and "
            "period do not make a state; pass a frozen scipy.stats distribution fitted to the traces, or "
            "compare policies on them with evaluate"
        )


def refuse_remainders(
    values: NDArray[np.float64] | None, multiple: float | None, start: tuple[float, float], name: str = ""
) -> None:
    """Raise NotApplicable if the stock's remainder by a step of demand and of orders can never change.

    Then the average cost over an infinite horizon depends on where the stock starts.

    Args:
        values: the values of demand, in units; None if it is continuous.
        multiple: order multiple, in units; None if there is none.
        start: interval of the initial stock, in units.
        name: of the item, for errors.
    """
    if multiple is None or values is None:
        return
    step = common_step([*values, multiple])
    if step is not None and any(abs(end / step - round(end / step)) > ROUNDING for end in start):
        raise NotApplicable(
            f"initial_inventory={start}{name} with horizon=None is not supported: demand and order_multiple="
            f"{multiple:g} are multiples of {step:g}, so the average cost depends on the start; give a "
            f"multiple of {step:g}, or a horizon"
        )


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
            total = total[0] + following[0], np.convolve(total[1], following[1])
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


def stride_argmin(values: NDArray[np.float64], width: int, stride: int) -> NDArray[np.int64]:
    """As ``window_argmin``, of ``values[..., i : i + width + 1 : stride]``."""
    if stride == 1:
        return window_argmin(values, width)
    size = values.shape[-1]
    blocks = -(-size // stride)
    padded = np.full((*values.shape[:-1], blocks * stride), np.inf)
    padded[..., :size] = values
    by_residue = np.swapaxes(padded.reshape(*values.shape[:-1], blocks, stride), -1, -2)
    target = window_argmin(by_residue, width // stride) * stride + np.arange(stride)[:, None]
    return np.swapaxes(target, -1, -2).reshape(padded.shape)[..., :size]


def window_argmin(values: NDArray[np.float64], width: int) -> NDArray[np.int64]:
    """Index of the first minimum of ``values[..., i : i + width + 1]`` for each i, shape (..., n).

    The windows of the last indices end with the lattice. The minimum over a window is the lesser of the
    minima over the rest of its first block and over the start of its second one (van Herk 1992; Gil and
    Werman 1993).
    """
    size = values.shape[-1]
    block = min(width + 1, size)
    blocks = -(-(size + block - 1) // block)
    padded = np.full((*values.shape[:-1], blocks * block), np.inf)
    padded[..., :size] = values
    grid = padded.reshape(*values.shape[:-1], blocks, block)
    index = np.arange(blocks * block).reshape(blocks, block)

    least = np.minimum.accumulate(grid, axis=-1)
    is_new = np.ones(grid.shape, dtype=bool)
    is_new[..., 1:] = grid[..., 1:] < least[..., :-1]
    up_to = np.maximum.accumulate(np.where(is_new, index, 0), axis=-1).reshape(padded.shape)

    least = np.minimum.accumulate(grid[..., ::-1], axis=-1)
    is_new[..., 1:] = grid[..., -2::-1] <= least[..., :-1]
    onwards = np.where(is_new, index[:, ::-1], blocks * block)
    onwards = np.minimum.accumulate(onwards, axis=-1)[..., ::-1].reshape(padded.shape)

    first, second = onwards[..., :size], up_to[..., block - 1 : block - 1 + size]
    is_second = np.take_along_axis(padded, second, -1) < np.take_along_axis(padded, first, -1)
    return np.where(is_second, second, first)
