"""Long tables: a row per period and item."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .arrange import as_records, full_grid, remedy, said
from .names import is_attribute, is_no_demand, is_total
from .periods import Axis
from .records import Records, shortened
from .table import Table
from .wide import as_list, is_row_number, item_names, numbers_of, periods_of


def read_long(table: Table) -> Records:
    """Records of a table with a row per period and item, in the columns named or the only ones possible."""
    free = [j for j in range(len(table.labels)) if not is_row_number(table, j)]
    date = _chosen(table, "date", [j for j in free if table.kind(j) == "dates"], needed=False)
    if date is None and table.options.date is None:
        date = _counting_level(table, free)
    if table.options.item is not None:
        items = [table.find(name, "item") for name in as_list(table.options.item)]
    else:
        kinds = ("text",) if date is None or date >= table.indexed else ("text", "numbers")
        levels = range(table.indexed) if table.indexed > 1 else free
        possible = [j for j in levels if j in free and j != date and not is_attribute(table.title(j))]
        candidates = [j for j in possible if table.kind(j) in kinds]
        items = [j for j in [_chosen(table, "item", candidates)] if j is not None]
    used = {date, *items}
    value = _chosen(table, "value", [j for j in free if j not in used and table.kind(j) == "numbers"])
    assert value is not None
    if table.options.value is None and is_no_demand(table.title(value)):
        raise table.fault(f"column {table.title(value)!r} may not hold demand; give value=, the column of it")
    names = item_names(table, items)
    codes, unique = pd.factorize(np.array(names, dtype=object))
    total = next((name for name in unique if is_total(name)), None)
    if total is not None and len(unique) > 1:
        raise table.fault(
            f"the item {total!r} is a total of others; leave its rows out", names.index(total), items[0]
        )
    values = table.check_present(numbers_of(table, [value]), [value])[:, 0]
    if date is None:
        return _by_order(table, codes, values, tuple(unique))
    return _by_period(table, date, codes, values, tuple(unique))


def _chosen(table: Table, parameter: str, candidates: list[int], needed: bool = True) -> int | None:
    """The column that a parameter names, or the only candidate."""
    name = getattr(table.options, parameter)
    if name is not None:
        names = as_list(name)
        if len(names) != 1:
            raise table.fault(f"{parameter}={name!r} must be one column in a long table")
        return table.find(names[0], parameter)
    if len(candidates) == 1:
        return candidates[0]
    if not candidates and not needed:
        return None
    possible = shortened([table.title(j) for j in candidates]) or "none"
    columns = shortened([table.title(j) for j in range(len(table.labels))])
    raise table.fault(f"give {parameter}=, the column of it; possible are {possible} of {columns}")


def _counting_level(table: Table, free: list[int]) -> int | None:
    """The level of a MultiIndex that counts periods, if it is the only one with numbers."""
    levels = [j for j in free if j < table.indexed and table.kind(j) == "numbers"]
    return levels[0] if table.indexed > 1 and len(levels) == 1 else None


def _by_order(table: Table, codes: np.ndarray, values: np.ndarray, items: tuple[str, ...]) -> Records:
    """Records without dates, whose rows are in order of time for each item."""
    counts = np.bincount(codes)
    if table.options.freq is not None or table.options.sort:
        raise table.fault("freq= and sort= need a column of dates; give date=")
    if counts.min() != counts.max():
        raise table.fault(
            f"item {items[counts.argmin()]!r} has {counts.min()} rows and {items[counts.argmax()]!r} has "
            f"{counts.max()}; give date=, the column that says which periods they are"
        )
    return Records(
        values[np.argsort(codes, kind="stable")].reshape(len(items), -1).T, items, source=table.source
    )


def _by_period(
    table: Table, date: int, codes: np.ndarray, values: np.ndarray, items: tuple[str, ...]
) -> Records:
    periods: Axis = periods_of(table, date)
    columns, period_of_row = np.unique(np.asarray(periods), return_inverse=True)
    unique: Axis = pd.DatetimeIndex(columns) if isinstance(periods, pd.DatetimeIndex) else columns
    cells = period_of_row * len(items) + codes
    repeated = pd.Series(cells).duplicated()
    if repeated.any():
        row = int(repeated.argmax())
        raise table.fault(
            f"has {said(periods[row])} a second time for item {items[codes[row]]!r}; add up such rows, or "
            "give item=, several columns",
            row,
            date,
        )
    by_item = np.argsort(codes, kind="stable")
    falls = (np.diff(codes[by_item]) == 0) & (np.diff(period_of_row[by_item]) < 0)
    if falls.any() and not table.options.sort:
        row = int(by_item[1:][falls].min())
        raise table.fault(
            f"has {said(periods[row])} of item {items[codes[row]]!r} after a later one; sort=True sorts",
            row,
            date,
        )
    grid = full_grid(table, unique)
    filled = np.full((len(grid), len(items)), np.nan)
    rows = pd.Index(grid).get_indexer(pd.Index(unique))
    filled[rows[period_of_row], codes] = values
    missing = np.isnan(filled)
    if missing.any() and table.options.fill is None:
        row, item = (int(index) for index in np.argwhere(missing)[0])
        also = f", and {missing.sum() - 1:,} more" if missing.sum() > 1 else ""
        raise table.fault(f"{said(grid[row])} of item {items[item]!r} is missing{also}{remedy(grid)}")
    return as_records(table, np.where(missing, table.options.filling, filled), items, grid)
