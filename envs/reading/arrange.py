"""Periods in order of time, none twice and none missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .periods import Axis, grid_of
from .records import Records, day
from .table import Table


def arranged(
    table: Table,
    values: NDArray[np.float64],
    items: tuple[str, ...],
    periods: Axis | None,
    fault: Callable[[str, int], ValueError],
) -> Records:
    """Records of values by period and item, in the order of the table.

    Args:
        table: where they are from.
        values: shape (periods, items), without gaps.
        items: names of the items.
        periods: their dates, or integers that grow by 1; None if nothing says when they were.
        fault: the error of a message about a period of some index.

    Raises:
        ValueError: if periods are not ascending, unless they are to be sorted; if one is there twice; or if
            one is missing, unless it is to be filled.
    """
    options = table.options
    if periods is None:
        if options.freq is not None or options.sort:
            raise table.fault("freq= and sort= need a column of dates; give date=")
        return Records(values, items, source=table.source)
    repeated = pd.Index(periods).duplicated()
    if repeated.any():
        row = int(repeated.argmax())
        raise fault(f"has {said(periods[row])} a second time", row)
    falls = np.flatnonzero(periods[1:] < periods[:-1])
    if len(falls):
        if not options.sort:
            row = int(falls[0]) + 1
            raise fault(f"has {said(periods[row])} after {said(periods[row - 1])}; sort=True sorts", row)
        order = np.argsort(periods)
        periods, values = periods[order], values[order]
    grid = full_grid(table, periods)
    if len(grid) > len(periods):
        _check_gaps(table, periods, grid)
        filled = np.full((len(grid), len(items)), options.filling)
        filled[pd.Index(grid).get_indexer(pd.Index(periods))] = values
        values = filled
    return as_records(table, values, items, grid)


def full_grid(table: Table, periods: Axis) -> Axis:
    """All periods from the first to the last of ascending ones, see ``grid_of``."""
    try:
        return grid_of(periods, table.options.freq)
    except ValueError as error:
        raise table.fault(str(error)) from None


def _check_gaps(table: Table, periods: Axis, grid: Axis) -> None:
    """Raise an error that names the first period of the grid that is missing, unless it is to be filled."""
    missing = ~np.isin(np.asarray(grid), np.asarray(periods))
    if missing.any() and table.options.fill is None:
        count = int(missing.sum())
        also = f", and {count - 1:,} more" if count > 1 else ""
        raise table.fault(f"{said(grid[int(missing.argmax())])} is missing{also}{remedy(grid)}")


def remedy(grid: Axis) -> str:
    """What to do about a period of the grid that is missing, for an error."""
    if not isinstance(grid, pd.DatetimeIndex):
        return "; fill=0 takes 0 there"
    return f" at freq={grid.freqstr!r}; fill=0 takes 0 there, freq= says which periods there are"


def as_records(table: Table, values: NDArray[np.float64], items: tuple[str, ...], grid: Axis) -> Records:
    """Records of a full grid of periods."""
    if isinstance(grid, pd.DatetimeIndex):
        return Records(values, items, grid, grid.freqstr, table.source)
    return Records(values, items, source=table.source)


def said(period: Any) -> str:
    """A period as people write it."""
    return day(period) if isinstance(period, pd.Timestamp) else f"period {period}"
