"""Exogenous noise of several items: one vector in each period."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import NDArray

from .. import traces
from ..checks import shown
from ..reading.arrays import check_values
from ..reading.records import shortened
from .distributions import is_constant, is_distribution, parse
from .single import ContinuousNoise, DiscreteNoise, Noise, Replay, TraceNoise, from_distribution
from .tables import GuideTables, LogitTables, Tables, cells_for


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

        Without an end any number of periods.
        """


class IndependentItems(ItemNoise):
    """Items whose noise is independent of each other and over time."""

    def __init__(self, items: Sequence[Noise]) -> None:
        super().__init__(items)
        self._parts = [
            (columns, _stack([items[j] for j in columns]))
            for kind in (DiscreteNoise, ContinuousNoise)
            if len(columns := np.array([j for j, item in enumerate(items) if isinstance(item, kind)]))
        ]

    def sample(self, uniforms: Any) -> Any:
        """See ``ItemNoise.sample``."""
        if len(self._parts) == 1:
            return self._parts[0][1].sample(uniforms)
        xp, found = array_namespace(uniforms), []
        order = np.argsort(np.concatenate([columns for columns, _ in self._parts]))
        for columns, tables in self._parts:
            which = xp.asarray(columns, device=device(uniforms))
            found.append(tables.sample(xp.take(uniforms, which, axis=-1)))
        return xp.take(xp.concat(found, axis=-1), xp.asarray(order, device=device(uniforms)), axis=-1)


class ItemTraces(ItemNoise):
    """Recorded noise: each episode replays the same periods of all items, as they occurred together.

    Args:
        series: recorded values by period; shape (periods, n).
        horizon, stride, records: as in ``TraceNoise``.
    """

    def __init__(
        self,
        series: NDArray[np.float64],
        horizon: int | None,
        stride: int = 1,
        records: traces.Records | None = None,
    ) -> None:
        super().__init__([TraceNoise(column, horizon, stride) for column in series.T])
        self.records = records
        self.names = None if records is None or records.unnamed else records.items
        self._replay = Replay(series, horizon, stride)

    def sample(self, uniforms: Any) -> Any:
        """See ``ItemNoise.sample``."""
        return self._replay.sample(uniforms)

    @property
    def series(self) -> NDArray[np.float64]:
        """The recorded values by period; shape (periods, n)."""
        return self._replay.series

    @property
    def first_periods(self) -> NDArray[np.int64]:
        """Index in the series of the first period of each window that an episode can be; shape (windows,)."""
        return self._replay.first_periods

    def first_period(self, uniforms: Any) -> Any:
        """Index in the series of the first period of each episode, see ``Replay.first_period``."""
        return self._replay.first_period(uniforms)


def _stack(items: Sequence[Noise]) -> Tables:
    """The tables of items of one kind, each different noise once."""
    different = list({id(item): item for item in items}.values())
    row = {id(item): index for index, item in enumerate(different)}
    rows = np.array([row[id(item)] for item in items], dtype=np.int64)
    discrete = [item for item in different if isinstance(item, DiscreteNoise)]
    if discrete:
        return GuideTables([i.values for i in discrete], [i.cumulative for i in discrete], rows)
    quantiles = [item.quantiles for item in different if isinstance(item, ContinuousNoise)]
    return LogitTables(quantiles, ContinuousNoise.REACH, rows)


def item_records(noise: Any, name: str, low: float = -np.inf) -> Any:
    """Noise as it is given, with what a text, a table or a file stands for, so that it tells how many items.

    Args:
        noise: what ``as_item_noise`` takes.
        name: of the parameter, for errors.
        low: the least value allowed.
    """
    noise = parse(noise, name)
    return traces.recorded(noise, name, low) if isinstance(noise, traces.TABLES_AND_FILES) else noise


def count_items(noise: Any) -> int | None:
    """The number of items that noise tells: by a list of distributions, records, or episodes of items."""
    if isinstance(noise, traces.Records):
        return len(noise.items)
    if _lists_distributions(noise):
        return len(noise)
    return noise.shape[-1] if getattr(noise, "ndim", 0) == 3 else None


def _lists_distributions(noise: Any) -> bool:
    """Whether it is a list with a distribution in it, whose other entries must then be such, or numbers."""
    return isinstance(noise, (list, tuple)) and any(
        is_distribution(entry) or isinstance(entry, Noise) for entry in noise
    )


def as_item_noise(
    noise: Any, items: int, horizon: int | None, *, name: str = "noise", low: float = -np.inf
) -> ItemNoise:
    """The noise of several items described by frozen ``scipy.stats`` distributions or by traces.

    Args:
        noise: one of

            - a distribution or number as ``jumpgym.noise.single.as_noise`` takes them, which all items have
              in common, each with draws of its own;
            - a list of ``items`` of them;
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
    elif _lists_distributions(noise):
        given = noise
    elif isinstance(noise, traces.KINDS):
        return _from_traces(noise, items, horizon, name, low)
    else:
        raise TypeError(
            f"{name}={shown(noise)} must be a frozen scipy.stats distribution, a list of {items} of them, or "
            "traces: an array of shape (episodes, horizon, items) or (periods, items), a pandas DataFrame, "
            "or the path of a CSV file"
        )
    if len(given) != items:
        raise ValueError(
            f"{name}: {len(given)} distributions for {items} items; give one, or one for each item"
        )
    return noise if isinstance(noise, ItemNoise) else IndependentItems(_each(given, horizon, name, low))


def _each(given: Sequence[Any], horizon: int | None, name: str, low: float) -> list[Noise]:
    """The noise of each distribution; equal distributions share one object."""
    keys = [_key(one) for one in given]
    cells = cells_for(len(set(keys)))
    made: dict[Any, Noise] = {}
    for j, (key, one) in enumerate(zip(keys, given, strict=True)):
        which = name if len(set(keys)) == 1 else f"{name} of item {j}"
        if key in made:
            continue
        if isinstance(one, DiscreteNoise):
            made[key] = one
        elif isinstance(one, ContinuousNoise):  # the tables of all must have the same number of cells
            made[key] = one if one.cells == cells else one.resampled(cells)
        elif is_distribution(one) or is_constant(one):
            made[key] = from_distribution(one, horizon, which, low, cells)
        else:
            raise TypeError(
                f"{which}: {shown(one)} must be a frozen scipy.stats distribution, as for the other items"
            )
    return [made[key] for key in keys]


def _key(distribution: Any) -> Any:
    """Equal for two distributions that are surely the same."""
    if is_constant(distribution):
        return float(distribution)
    family = getattr(distribution, "dist", None)
    if family is None or hasattr(family, "xk"):
        return id(distribution)
    key = (type(family), tuple(distribution.args), tuple(sorted(distribution.kwds.items())))
    try:
        hash(key)
    except TypeError:  # parameters that are arrays
        return id(distribution)
    return key


def _from_traces(noise: Any, items: int, horizon: int | None, name: str, low: float) -> ItemTraces:
    data = traces.recorded(noise, name, low)
    if isinstance(data, traces.Records):
        if len(data.items) != items:
            raise ValueError(
                f"{name}: {len(data.items)} items in the records, {shortened(data.items)}, must be as many "
                f"as those of the problem, {items}"
            )
        traces.check_length(name, len(data), horizon)
        return ItemTraces(data.values.copy(), horizon, records=data)
    values = data[:, None] if data.ndim == 1 else data
    if values.ndim not in (2, 3) or values.shape[-1] != items:
        raise ValueError(
            f"{name}: traces of shape {values.shape} must have shape (periods, items) = (any, {items}) "
            f"or (episodes, horizon, items) = (any, {horizon}, {items})"
        )
    check_values(values, name, low, ("row", "item") if values.ndim == 2 else ("episode", "period", "item"))
    if values.ndim == 2:
        traces.check_length(name, len(values), horizon)
        return ItemTraces(values, horizon)
    if horizon is None or values.shape[1] != horizon or len(values) == 0:
        raise ValueError(
            f"{name}: traces of shape {values.shape} must have shape (episodes, horizon, items) = "
            f"(any, {horizon}, {items})"
            + ("; horizon=None takes one series of shape (periods, items)" if horizon is None else "")
        )
    return ItemTraces(values.reshape(-1, items), horizon, horizon)
