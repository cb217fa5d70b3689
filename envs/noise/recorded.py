"""Recorded noise: episodes replay consecutive periods of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from ..tracing import index_dtype
from .single import STATIONARY_PERIODS, Noise

if TYPE_CHECKING:
    from .. import traces


class Replay:
    """Windows of a series of one or more columns, one of which each episode replays; see ``TraceNoise``.

    Args:
        series: shape (periods, *columns).
        horizon, stride: as in ``TraceNoise``.
        records: what the series was taken from, or None.
        season: periods of the season. With an infinite horizon, episodes then begin with a season, and whole
            seasons repeat, so that no season is cut where the first period follows the last.

    Attributes:
        mean, max_total: of each column; shape columns.
        rolling: True if the windows are those of one long series; the periods before a window are then its
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
        self.series, self.records = series, records
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


class Replayed:
    """What noise of one item and of several items have in common if they replay a series.

    Attributes:
        replay: the windows of the series, one of which each episode replays.
    """

    replay: Replay

    @property
    def records(self) -> traces.Records | None:
        """What the series was taken from, with the dates of the periods; None if it was an array."""
        return self.replay.records

    @property
    def series(self) -> NDArray[np.float64]:
        """The recorded values by period; shape (periods,), or (periods, n) for n items."""
        return self.replay.series

    @property
    def first_periods(self) -> NDArray[np.int64]:
        """Index in the series of the first period of each window that an episode can be; shape (windows,)."""
        return self.replay.first_periods

    def first_period(self, uniforms: Any) -> Any:
        """Index in the series of the first period of each episode, see ``Replay.first_period``."""
        return self.replay.first_period(uniforms)

    def sample(self, uniforms: Any) -> Any:
        """See ``Noise.sample`` and ``ItemNoise.sample``."""
        return self.replay.sample(uniforms)


class TraceNoise(Replayed, Noise):
    """Recorded noise: each episode replays consecutive periods of a series, from a start drawn uniformly.

    Args:
        series: recorded values by period; shape (periods,).
        horizon: periods in an episode; None for an infinite horizon. An episode then starts in any period,
            and after the last period goes on with the first.
        stride: periods from one start to the next: 1 for rolling windows, ``horizon`` for whole episodes.
        records: what the series was taken from, with the dates of the periods; None if it was an array.
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
        self.replay = Replay(series, horizon, stride, records, season)
        self.mean, self.max_total = float(self.replay.mean), float(self.replay.max_total)
        self.min, self.max = float(series.min()), float(series.max())
