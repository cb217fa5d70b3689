"""Exogenous noise: one description, from which NumPy and torch (any device) draw alike.

Noise turns uniforms into numbers, so the same uniforms give the same noise in every array library.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .distributions import TAIL, quantiles
from .tables import MAX_CELLS, GuideTables, LogitTables

STATIONARY_PERIODS = 1_000_000
"""Periods of an infinite-horizon problem (``horizon=None``) for which observations stay in their bounds."""

ALONE = np.zeros(1, dtype=np.int64)


class Noise(ABC):
    """One number in each period: a function of uniforms.

    Attributes:
        mean: expected value of a period.
        min: the least value of a period.
        max: the largest value of a period.
        max_total: the largest sum of an episode; for an infinite horizon, of ``STATIONARY_PERIODS`` periods.
    """

    mean: float
    min: float
    max: float
    max_total: float

    @abstractmethod
    def sample(self, uniforms: Any) -> Any:
        """Noise of each period, shape (..., horizon), from uniforms in [0, 1) of that shape.

        With an infinite horizon, any number of periods.
        """

    @property
    def periods(self) -> Sequence[Noise]:
        """The noise of each period; a single entry where all periods are alike."""
        return (self,)


class DiscreteNoise(Noise):
    """Independent noise with finitely many values; exact inversion of the distribution function.

    Args:
        values: the values, ascending; shape (n,).
        probabilities: their probabilities; shape (n,).
        horizon: periods in an episode, or None.
    """

    def __init__(
        self, values: NDArray[np.float64], probabilities: NDArray[np.float64], horizon: int | None
    ) -> None:
        self.values = values
        self.probabilities = probabilities / probabilities.sum()
        self.cumulative = np.cumsum(self.probabilities)[:-1]
        self.mean = float(self.values @ self.probabilities)
        self.min, self.max = float(values[0]), float(values[-1])
        self.max_total = (horizon or STATIONARY_PERIODS) * self.max

    def sample(self, uniforms: Any) -> Any:
        """See ``Noise.sample``."""
        return self._tables.sample(uniforms)

    @cached_property
    def _tables(self) -> GuideTables:
        return GuideTables([self.values], [self.cumulative], ALONE)


class ContinuousNoise(Noise):
    """Independent noise with a continuous distribution, by a table of its quantiles.

    The quantile is interpolated linearly between ``cells + 1`` exact quantiles, equally spaced in
    ``log(u / (1 - u))``. For a distribution with a smooth density the error is of the order of 1e-6
    standard deviations with 16,384 cells, and grows with the square of their width; where the density has a
    gap, the gap is bridged over one cell, of probability at most ``15 / cells``.

    Args:
        distribution: a frozen ``scipy.stats`` distribution.
        horizon: periods in an episode, or None.
        cells: cells of the table.
    """

    REACH = float(-np.log(TAIL))

    def __init__(self, distribution: Any, horizon: int | None, cells: int = MAX_CELLS) -> None:
        logits = np.linspace(-self.REACH, self.REACH, cells + 1)
        # Upper quantiles from the survival function: 1 - u would lose the digits of the tail.
        lower, upper = logits[logits < 0], logits[logits >= 0]
        self.quantiles = quantiles(distribution, 1 / (1 + np.exp(-lower)), 1 / (1 + np.exp(upper)))
        self.mean = float(distribution.mean())
        self.min, self.max = float(self.quantiles[0]), float(self.quantiles[-1])
        self.max_total = (horizon or STATIONARY_PERIODS) * self.max

    def resampled(self, cells: int) -> ContinuousNoise:
        """The same noise by a table of so many cells, which need not be as fine."""
        other = copy.copy(self)
        other.__dict__.pop("_tables", None)
        old, new = (np.linspace(-self.REACH, self.REACH, count + 1) for count in (self.cells, cells))
        other.quantiles = np.interp(new, old, self.quantiles)
        return other

    @property
    def cells(self) -> int:
        """Cells of the table."""
        return len(self.quantiles) - 1

    def sample(self, uniforms: Any) -> Any:
        """See ``Noise.sample``."""
        return self._tables.sample(uniforms)

    @cached_property
    def _tables(self) -> LogitTables:
        return LogitTables([self.quantiles], self.REACH, ALONE)
