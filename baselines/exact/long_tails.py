"""Demand whose tail is orders of magnitude longer than its bulk, as that of ``scipy.stats.lognorm(2)``.

No lattice resolves the bulk and covers the tail, and none needs to. Below a lattice that is deep enough, the
value of a position is a straight line, or constant for lost sales. So demand that takes every position of the
lattice below it counts by its probability and its mean alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from jumpgym import NotApplicable
from jumpgym.demand import ContinuousDemand, Demand, DiscreteDemand

from .lattice_demand import Weights, demand_weights, standard_deviation

DEMAND_POINTS = 2**14
"""Most lattice points of one period's demand, unless its tail is cut."""

LONG_TAIL = DEMAND_POINTS / 64
"""Least ratio of the largest demand to its standard deviation at which its tail counts as long.

A lattice of ``DEMAND_POINTS`` for the demand of a period is then coarser than 1/32 of the deviation."""

MANY_POINTS = 2**12
"""Lattice points of a period's demand from which on Fourier transforms take the place of products."""


def is_long_tailed(demand: Demand) -> bool:
    """Whether a lattice that covers all values of demand is too coarse for most of them."""
    return demand.max > LONG_TAIL * standard_deviation(demand) > 0


def bulk(demand: Demand) -> float:
    """The demand that a period exceeds with probability 10 %, in units; the mean of all periods."""
    different = {id(period): period for period in demand.periods}
    level = {key: float(period.sample(np.array([0.9]))[0]) for key, period in different.items()}
    return float(np.mean([level[id(period)] for period in demand.periods]))


def spread(demand: Demand) -> float:
    """The standard deviation of demand, in units, or what stands for it where a long tail makes it large."""
    deviation = standard_deviation(demand)
    if not is_long_tailed(demand):
        return deviation
    return min(deviation, 2 * max(bulk(demand), demand.mean))


def refuse_long_tail(demand: Demand, width: float, most: int, horizon: int | None) -> None:
    """Raise NotApplicable if a lattice of so many points is too coarse for the bulk of a long-tailed demand.

    Args:
        demand: the demand.
        width: width of the lattice, in units, times the points that the bulk takes at least.
        most: most points of the lattice.
        horizon: of the problem.
    """
    points = width / bulk(demand) if bulk(demand) > 0 else 0.0
    if points > most:
        wide = "give a horizon" if horizon is None else "allow smaller orders or a shorter horizon"
        raise NotApplicable(
            f"demand: its values span up to {demand.max:.3g}, 90 % of them only {bulk(demand):.3g}, and a "
            f"lattice for both has {points:,.0f} points, more than {most:,}. Cut the tail, as by "
            f"scipy.stats.truncate, {wide}, or compare simulated policies (evaluate)"
        )


def cut_weights(demand: Demand, step: float, last: int) -> tuple[Weights, float]:
    """Demand as weights of lattice points, see ``demand_weights``, where what lies beyond one is put on it.

    Args:
        demand: the demand of a period.
        step: distance of lattice points, in units.
        last: the point at which demand is cut, in steps.

    Returns:
        The weights, and the mean of demand beyond the point, in units, by which the cut lowers the mean.
    """
    level = step * last
    if isinstance(demand, DiscreteDemand):
        beyond = float(demand.probabilities @ np.maximum(demand.values - level, 0.0))
        cut = DiscreteDemand(np.minimum(demand.values, level), demand.probabilities, None)
        return demand_weights(cut, step), beyond
    assert isinstance(demand, ContinuousDemand)
    last = min(last, int(np.ceil(demand.max / step)))
    first = min(int(np.floor(demand.min / step)), last)
    mean = _mean_beyond(demand, step * np.arange(first - 1, last + 1, dtype=np.float64))
    # Second differences of x -> E max(demand - x, 0) are expectations of hat functions. Unlike those of
    # E max(x - demand, 0), they keep the digits of the tail.
    weights = np.maximum(np.diff(np.append(mean, mean[-1]), n=2) / step, 0.0)
    return (first, weights / weights.sum()), float(mean[-1])


def _mean_beyond(demand: ContinuousDemand, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """E max(demand - x, 0) for the demand that is simulated: uniform between neighbouring table entries."""
    quantiles, cells = demand.quantiles, demand.cells
    mass = np.diff(1 / (1 + np.exp(-np.linspace(-demand.REACH, demand.REACH, cells + 1))))
    mass = np.where(np.arange(cells) < cells / 2, mass, mass[::-1])  # differences near 1 lose their digits
    mass = np.append(1 - mass.sum(), mass)  # what lies outside the table is put on its first entry
    middle = np.append(quantiles[0], (quantiles[:-1] + quantiles[1:]) / 2)
    mass_from = np.append(np.cumsum(mass[::-1])[::-1], [0.0, 0.0])
    moment_from = np.append(np.cumsum((mass * middle)[::-1])[::-1], [0.0, 0.0])
    cell = np.searchsorted(quantiles, x, side="left")  # x lies in (quantiles[cell - 1], quantiles[cell]]
    following = np.where(cell == 0, 0, cell + 1)
    inside = np.clip(cell, 1, cells)
    above = np.where((cell >= 1) & (cell <= cells), quantiles[inside] - x, 0.0)
    width = np.maximum(quantiles[inside] - quantiles[inside - 1], 1e-300)
    return moment_from[following] - mass_from[following] * x + mass[inside] * above**2 / (2 * width)


class FourierExpectation:
    """As ``lattice_demand.Expectation``, by Fourier transforms, for demand of many points.

    An error of rounding is relative to the largest value of the function, so the function must not have
    values that stand for infinity.

    Args:
        weights: demand on the lattice.

    Attributes:
        reach: number of points below the lattice at which the function must be known.
    """

    def __init__(self, weights: Weights) -> None:
        first, self._probabilities = weights
        self._span = len(self._probabilities) - 1
        self.reach = first + self._span
        self._transforms: dict[int, NDArray[np.complex128]] = {}

    def __call__(self, below: NDArray[np.float64], f: NDArray[np.float64]) -> NDArray[np.float64]:
        """E f(y - demand), shape (..., n), from f on the lattice (..., n) and ``below`` it (..., reach)."""
        size = f.shape[-1]
        values = np.concatenate([below, f], axis=-1)[..., : self._span + size]
        length = next_fast_len(self._span + size, real=True)
        if length not in self._transforms:
            self._transforms[length] = rfft(self._probabilities, length)
        product = rfft(values, length) * self._transforms[length]
        return irfft(product, length)[..., self._span : self._span + size]
