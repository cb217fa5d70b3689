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
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from .. import traces
from ..tracing import index_dtype
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

        Without an end any number of periods.
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


class TraceNoise(Noise):
    """Recorded noise: each episode replays consecutive periods of a series, from a start drawn uniformly.

    Args:
        series: recorded values by period; shape (periods,).
        horizon: periods in an episode; None for an infinite horizon. An episode then starts in any period,
            and after the last period goes on with the first.
        stride: periods from one start to the next: 1 for rolling windows, ``horizon`` for whole episodes.
        records: what the series was taken from, if it was; with the dates of the periods.
        season: see ``Replay``.
    """

    def __init__(
        self,
        series: NDArray[np.float64],
        horizon: int | None,
        stride: int = 1,
        records: traces.Records | None = None,
        season: int | None = None,
    ) -> None:
        self.records = records
        self._replay = Replay(series, horizon, stride, records, season)
        self.mean, self.max_total = float(self._replay.mean), float(self._replay.max_total)
        self.min, self.max = float(series.min()), float(series.max())

    def sample(self, uniforms: Any) -> Any:
        """See ``Noise.sample``."""
        return self._replay.sample(uniforms)

    @property
    def replay(self) -> Replay:
        """The windows of the series, one of which each episode replays."""
        return self._replay

    @property
    def series(self) -> NDArray[np.float64]:
        """The recorded values by period; shape (periods,)."""
        return self._replay.series

    @property
    def first_periods(self) -> NDArray[np.int64]:
        """Index in the series of the first period of each window that an episode can be; shape (windows,)."""
        return self._replay.first_periods

    def first_period(self, uniforms: Any) -> Any:
        """Index in the series of the first period of each episode, see ``Replay.first_period``."""
        return self._replay.first_period(uniforms)


class Replay:
    """Episodes of a series of one or more columns; see ``TraceNoise``.

    Args:
        series: shape (periods, *columns).
        horizon, stride: as in ``TraceNoise``.
        records: what the series was taken from, or None.
        season: periods of the season. With an infinite horizon, episodes then begin with a season, and whole
            seasons repeat, so that no season is cut where the first period follows the last.

    Attributes:
        mean, max_total: of each column; shape columns.
        rolling: whether the windows are those of one long series, so that periods before a window are its
            past.
        phase_of_first: periods of the season that have elapsed before the first period of the series.

    Raises:
        ValueError: if the horizon is infinite and there is no whole season in the series.
    """

    def __init__(
        self,
        series: NDArray[np.float64],
        horizon: int | None,
        stride: int,
        records: traces.Records | None = None,
        season: int | None = None,
    ) -> None:
        self.series = series
        self.rolling = horizon is None or stride == 1
        self.phase_of_first = 0 if records is None or season is None else records.phase(season)
        self._first, self._length = 0, len(series)
        self.stride = stride
        if horizon is None:
            if season is not None:
                self._first = -self.phase_of_first % season
                self._length = max(len(series) - self._first, 0) // season * season
                self.stride = season
            if self._length == 0:
                raise ValueError(
                    f"season={season}: with horizon=None the records must hold a whole season, and they have "
                    f"{len(series)} periods, of which the season begins in number {self._first}"
                )
            self.starts = self._length // self.stride
            self.mean, self.max_total = series.mean(axis=0), STATIONARY_PERIODS * series.max(axis=0)
        else:
            episodes = np.lib.stride_tricks.sliding_window_view(series, horizon, axis=0)[::stride]
            self.starts = len(episodes)
            totals = episodes.sum(axis=-1)
            self.mean, self.max_total = totals.mean(axis=0) / horizon, totals.max(axis=0)

    @property
    def first_periods(self) -> NDArray[np.int64]:
        """Index in the series of the first period of each window; shape (starts,)."""
        return self._first + self.stride * np.arange(self.starts, dtype=np.int64)

    def first_period(self, uniforms: Any) -> Any:
        """Index in the series of the first period of the episodes that ``sample`` returns for these uniforms.

        With records, ``records.dates[first_period]`` is its date, so the phase of a season follows from it.

        Args:
            uniforms: shape (..., horizon, *columns), those that ``sample`` takes.

        Returns:
            Integers of shape (...,).
        """
        return self._first + self._start(uniforms)

    def _start(self, uniforms: Any) -> Any:
        """Number of periods from the first start to that of the episodes, shape (...,)."""
        xp = array_namespace(uniforms)
        columns = self.series.ndim - 1
        return self.stride * xp.astype(uniforms[(..., 0, *(0,) * columns)] * self.starts, index_dtype(xp))

    def sample(self, uniforms: Any) -> Any:
        """Values of each period, from uniforms of shape (..., horizon, *columns)."""
        xp = array_namespace(uniforms)
        series = xp.asarray(self.series, dtype=uniforms.dtype, device=device(uniforms))
        columns = self.series.ndim - 1
        start = self._start(uniforms)
        period = xp.arange(uniforms.shape[-1 - columns], dtype=start.dtype, device=device(uniforms))
        row = self._first + (start[..., None] + period) % self._length
        return xp.reshape(xp.take(series, xp.reshape(row, (-1,)), axis=0), uniforms.shape)
