"""Exogenous noise of several items: one vector in each period."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from ..checks import shown
from .described import each_noise, lists_distributions
from .distributions import is_constant, is_distribution, parse
from .periods import Columns, PeriodNoise, Repeated
from .recorded import Replay, Replayed, TraceNoise
from .single import Noise

if TYPE_CHECKING:
    from .. import traces


class ItemNoise(ABC):
    """Noise of n items: a function of uniforms.

    Attributes:
        items: the noise of each item by itself.
        names: names of the items; None if they have none.
        mean, min, max, max_total: as in ``Noise``, of each item; shape (n,).
    """

    names: tuple[str, ...] | None = None

    def __init__(self, items: Sequence[Noise]) -> None:
        self.items = list(items)
        self.mean, self.min, self.max, self.max_total = (
            np.array([getattr(item, name) for item in items]) for name in ("mean", "min", "max", "max_total")
        )

    @abstractmethod
    def sample(self, uniforms: Any) -> Any:
        """Noise of each period and item, shape (..., horizon, n), from uniforms in [0, 1) of that shape.

        With an infinite horizon, any number of periods.
        """


class IndependentItems(ItemNoise):
    """Items whose noise is independent of each other and over time."""

    def __init__(self, items: Sequence[Noise]) -> None:
        super().__init__(items)
        by_period = [item for item in items if isinstance(item, PeriodNoise)]
        self._draws: Columns | Repeated
        self._changes = bool(by_period)
        if not by_period:
            self._draws = Columns(items)
        else:
            count = len(by_period[0].periods)
            lists = [item.periods if isinstance(item, PeriodNoise) else [item] * count for item in items]
            columns = [noise for period in zip(*lists, strict=True) for noise in period]
            self._draws = Repeated(columns, count, by_period[0].repeats)

    def sample(self, uniforms: Any) -> Any:
        """See ``ItemNoise.sample``."""
        if not self._changes:
            return self._draws.sample(uniforms)
        xp = array_namespace(uniforms)
        flat = xp.reshape(uniforms, (*uniforms.shape[:-2], uniforms.shape[-2] * uniforms.shape[-1]))
        return xp.reshape(self._draws.sample(flat), uniforms.shape)


class ItemTraces(Replayed, ItemNoise):
    """Recorded noise: each episode replays the same periods of all items, as they occurred together.

    Args:
        series: recorded values by period; shape (periods, n).
        horizon, stride, records, season: as in ``TraceNoise``.
    """

    def __init__(
        self,
        series: NDArray[np.float64],
        horizon: int | None,
        stride: int = 1,
        records: traces.Records | None = None,
        season: int | None = None,
    ) -> None:
        super().__init__([TraceNoise(column, horizon, stride) for column in series.T])
        self.names = None if records is None or records.unnamed else records.items
        self.replay = Replay(series, horizon, stride, records, season)


def item_records(noise: Any, name: str, low: float = -np.inf) -> Any:
    """Noise as it is given, with texts, tables and files read, so that the items can be counted.

    Args:
        noise: what ``as_item_noise`` takes.
        name: of the parameter, for errors.
        low: the least value allowed.
    """
    noise = parse(noise, name)
    if _needs_no_pandas(noise):
        return noise
    from .. import traces

    return traces.recorded(noise, name, low) if isinstance(noise, traces.TABLES_AND_FILES) else noise


def count_items(noise: Any) -> int | None:
    """The number of items that noise implies: by a list of distributions, records, or episodes of items."""
    if lists_distributions(noise):
        return len(noise)
    if _needs_no_pandas(noise):
        return noise.shape[-1] if getattr(noise, "ndim", 0) == 3 else None
    from .. import traces

    return len(noise.items) if isinstance(noise, traces.Records) else None


def _needs_no_pandas(noise: Any) -> bool:
    """Whether it is surely no table, file or records, whose modules take half a second to import pandas."""
    known = (type(None), list, tuple, np.ndarray, Noise, ItemNoise)
    return isinstance(noise, known) or is_distribution(noise) or is_constant(noise)


def as_item_noise(
    noise: Any,
    items: int,
    horizon: int | None,
    *,
    name: str = "noise",
    low: float = -np.inf,
    season: int | None = None,
) -> ItemNoise:
    """The noise of several items described by frozen ``scipy.stats`` distributions or by traces.

    Args:
        noise: one of

            - a distribution or number as ``jumpgym.noise.described.as_noise`` takes them, which all items
              have in common, each with draws of its own;
            - a list of ``items`` of them. In place of any of these may be a list of ``horizon`` distributions
              or numbers, one for each period of that item. A list that is not nested is always one for each
              item, also where there are as many periods as items;
            - one long series of shape (periods, items), of which an episode is a window of ``horizon``
              consecutive periods, any of them; with ``horizon=None`` it starts in any period and after the
              last goes on with the first;
            - episodes, of shape (episodes, horizon, items), each replayed whole.

            In traces the items keep their correlation. Two axes are always periods by items. Traces are an
            array, a list, ``Records``, a pandas DataFrame, or the path of a file; tables and files are read
            if they leave no doubt, see ``jumpgym.traces.read``.
        items: number of items.
        horizon: periods in an episode; None for an infinite horizon.
        name: of the parameter, for errors.
        low: the least value allowed.
        season: see ``as_noise``.

    Raises:
        TypeError: if it is none of these.
        ValueError: if there is not one for each item, a value can lie below ``low``, or traces have gaps or
            the wrong shape.

    With more than 64 different distributions the tables of continuous ones are coarser: with 1,000 they have
    1,024 cells each, and an error of some 3e-4 standard deviations (see ``ContinuousNoise``).
    """
    noise = parse(noise, name)
    if isinstance(noise, ItemNoise):
        given: Any = noise.items
    elif is_distribution(noise) or is_constant(noise) or isinstance(noise, Noise):
        given = [noise] * items
    elif lists_distributions(noise):
        given = noise
    else:
        return _from_traces(noise, items, horizon, name, low, season)
    if len(given) != items:
        raise ValueError(
            f"{name}: {len(given)} distributions for {items} items; give one, or one for each item. "
            "For one in each period, give a list of them for each item, [[...], [...]]"
        )
    if isinstance(noise, ItemNoise):
        return noise
    each = each_noise(given, horizon, name, low, season)
    return IndependentItems([PeriodNoise(one, horizon) if isinstance(one, list) else one for one in each])


def _from_traces(
    noise: Any, items: int, horizon: int | None, name: str, low: float, season: int | None
) -> ItemTraces:
    from .. import traces
    from ..reading.arrays import check_values
    from ..reading.records import shortened

    if not isinstance(noise, traces.KINDS):
        raise TypeError(
            f"{name}={shown(noise)} must be a frozen scipy.stats distribution, a list of {items} of them, or "
            "traces: an array of shape (episodes, horizon, items) or (periods, items), a pandas DataFrame, "
            "or the path of a CSV file"
        )
    data = traces.recorded(noise, name, low)
    if isinstance(data, traces.Records):
        if len(data.items) != items:
            raise ValueError(
                f"{name}: {len(data.items)} items in the records, {shortened(data.items)}, must be as many "
                f"as those of the problem, {items}"
            )
        traces.check_length(name, len(data), horizon)
        return ItemTraces(data.values.copy(), horizon, records=data, season=season)
    values = data[:, None] if data.ndim == 1 else data
    if values.ndim not in (2, 3) or values.shape[-1] != items:
        raise ValueError(
            f"{name}: traces of shape {values.shape} must have shape (periods, items) = (any, {items}) "
            f"or (episodes, horizon, items) = (any, {horizon}, {items})"
        )
    check_values(values, name, low, ("row", "item") if values.ndim == 2 else ("episode", "period", "item"))
    if values.ndim == 2:
        traces.check_length(name, len(values), horizon)
        return ItemTraces(values, horizon, season=season)
    if horizon is None or values.shape[1] != horizon or len(values) == 0:
        raise ValueError(
            f"{name}: traces of shape {values.shape} must have shape (episodes, horizon, items) = "
            f"(any, {horizon}, {items})"
            + ("; horizon=None takes one series of shape (periods, items)" if horizon is None else "")
        )
    return ItemTraces(values.reshape(-1, items), horizon, horizon)
