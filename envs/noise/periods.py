"""Independent noise with a distribution for each period, and draws from several distributions at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from .single import ContinuousNoise, DiscreteNoise, Noise
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
            which = xp.asarray(columns, device=device(uniforms))
            drawn.append(tables.sample(xp.take(uniforms, which, axis=-1)))
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


def check_periods(given: int, horizon: int) -> None:
    """Raise ValueError unless there are uniforms for as many periods as there are distributions."""
    if given != horizon:
        raise ValueError(f"uniforms for {given} periods must be for {horizon}, one for each distribution")


class PeriodNoise(Noise):
    """Independent noise with a distribution for each period of a finite horizon.

    Args:
        periods: the noise of each period, discrete or continuous.

    Attributes:
        mean: average over the periods.
    """

    def __init__(self, periods: Sequence[Noise]) -> None:
        self._periods = tuple(periods)
        self.mean = float(np.mean([noise.mean for noise in periods]))
        self.min, self.max = min(noise.min for noise in periods), max(noise.max for noise in periods)
        self.max_total = float(sum(noise.max for noise in periods))
        self._columns = Columns(periods)

    @property
    def periods(self) -> Sequence[Noise]:
        """See ``Noise.periods``."""
        return self._periods

    def sample(self, uniforms: Any) -> Any:
        """See ``Noise.sample``."""
        check_periods(uniforms.shape[-1], len(self._periods))
        return self._columns.sample(uniforms)
