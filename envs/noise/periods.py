"""Independent noise with a distribution for each period, and draws from several distributions at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from .single import STATIONARY_PERIODS, ContinuousNoise, DiscreteNoise, Noise
from .tables import GuideTables, LogitTables, Tables


class Columns:
    """Draws from n distributions, one for each entry of the last axis.

    Args:
        noises: the n distributions. The tables of continuous ones have the same number of cells.
    """

    def __init__(self, noises: Sequence[Noise]) -> None:
        self._parts = [
            (columns, _stack([noises[j] for j in columns]))
            for kind in (DiscreteNoise, ContinuousNoise)
            if len(columns := np.array([j for j, noise in enumerate(noises) if isinstance(noise, kind)]))
        ]

    def sample(self, uniforms: Any) -> Any:
        """Draws (..., n) from uniforms in [0, 1) of that shape."""
        if len(self._parts) == 1:
            return self._parts[0][1].sample(uniforms)
        xp, drawn = array_namespace(uniforms), []
        order = np.argsort(np.concatenate([columns for columns, _ in self._parts]))
        for columns, tables in self._parts:
            indices = xp.asarray(columns, device=device(uniforms))
            drawn.append(tables.sample(xp.take(uniforms, indices, axis=-1)))
        return xp.take(xp.concat(drawn, axis=-1), xp.asarray(order, device=device(uniforms)), axis=-1)


def _stack(noises: Sequence[Noise]) -> Tables:
    """The tables of noises of one kind, each different one once."""
    different = list({id(noise): noise for noise in noises}.values())
    row = {id(noise): index for index, noise in enumerate(different)}
    rows = np.array([row[id(noise)] for noise in noises], dtype=np.int64)
    discrete = [noise for noise in different if isinstance(noise, DiscreteNoise)]
    if discrete:
        return GuideTables(
            [noise.values for noise in discrete], [noise.cumulative for noise in discrete], rows
        )
    quantiles = [noise.quantiles for noise in different if isinstance(noise, ContinuousNoise)]
    return LogitTables(quantiles, ContinuousNoise.REACH, rows)


class Repeated:
    """Draws from distributions that differ by period, and that repeat where the horizon is infinite.

    Args:
        columns: the noise of each period and item, period by period.
        periods: number of periods.
        repeats: True if period ``periods`` is like the first again, and so on forever.
    """

    def __init__(self, columns: Sequence[Noise], periods: int, repeats: bool) -> None:
        self._columns, self._periods, self._repeats = Columns(columns), periods, repeats
        self._width = len(columns) // periods

    def sample(self, uniforms: Any) -> Any:
        """Draws from uniforms (..., periods * items); the first ones are of the first period.

        Raises:
            ValueError: unless there are as many periods as distributions, or they repeat.
        """
        given, row = uniforms.shape[-1], self._periods * self._width
        if given == row:
            return self._columns.sample(uniforms)
        if not self._repeats:
            raise ValueError(
                f"uniforms for {given // self._width} periods must be for {self._periods}, one for each "
                "distribution"
            )
        xp, batch, rows = array_namespace(uniforms), uniforms.shape[:-1], -(-given // row)
        filler = xp.zeros((*batch, rows * row - given), dtype=uniforms.dtype, device=device(uniforms))
        whole = xp.reshape(xp.concat([uniforms, filler], axis=-1), (*batch, rows, row))
        return xp.reshape(self._columns.sample(whole), (*batch, rows * row))[..., :given]


class PeriodNoise(Noise):
    """Independent noise with a distribution for each period.

    Args:
        periods: the noise of each period, discrete or continuous.
        horizon: number of periods, as many as there are distributions; None if they repeat forever.

    Attributes:
        mean: average over the periods.
        repeats: True if they repeat forever.
    """

    def __init__(self, periods: Sequence[Noise], horizon: int | None) -> None:
        self._periods = tuple(periods)
        self.repeats = horizon is None
        self.mean = float(np.mean([noise.mean for noise in periods]))
        self.min, self.max = min(noise.min for noise in periods), max(noise.max for noise in periods)
        total = float(sum(noise.max for noise in periods))
        self.max_total = total if horizon is not None else STATIONARY_PERIODS * self.max
        self._draws = Repeated(periods, len(periods), self.repeats)

    @property
    def periods(self) -> Sequence[Noise]:
        """See ``Noise.periods``."""
        return self._periods

    def sample(self, uniforms: Any) -> Any:
        """See ``Noise.sample``."""
        return self._draws.sample(uniforms)
