"""``read``: recorded demand from files, pandas objects and arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from .. import checks
from .arrays import array_of
from .load import as_table
from .long import read_long
from .records import Records
from .table import Options, Table
from .wide import period_columns, read_transposed, read_wide

FILES = (str, os.PathLike)
TABLES = (pd.DataFrame, pd.Series)
ARRAYS = (np.ndarray, list, tuple)


def read(
    source: Any,
    *,
    layout: Literal["wide", "long"] | None = None,
    date: str | None = None,
    item: str | Sequence[str] | None = None,
    value: str | Sequence[str] | None = None,
    freq: Any = None,
    fill: float | None = None,
    sort: bool = False,
    sep: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    date_format: str | None = None,
    sheet: str | None = None,
    low: float = 0.0,
) -> Records:
    """Read recorded demand; what leaves doubt is refused, with what to say.

    A table is wide, with a row per period and a column per item, or with a row per item and a column per
    period, named by its date (as in the M5 and VN2 competitions); or long, with a row per period and item.
    Columns are chosen by name, or if there is only one that can be meant.

    Args:
        source: path of a CSV file (also .gz, .bz2, .xz, .zip), a Parquet or an Excel file; a pandas Series,
            also with a MultiIndex, or DataFrame; or an array of shape (periods,) or (periods, items).
        layout: "wide" or "long"; None if the columns leave no doubt.
        date: name of the column of dates, or of numbers that count the periods.
        item: name of the column that names the items, or of several whose combination does, joined by "/".
        value: name of the column of demand; in a wide table of several.
        freq: frequency of the dates as in pandas, such as "D", "W-MON" or "MS"; None to infer it.
        fill: what to take, in units, where a period or a number is missing; None to refuse gaps.
        sort: whether to sort by date; if not, dates that do not ascend are refused.
        sep: separator of the fields of a text file; None to infer it from ``,``, ``;``, tab and ``|``.
        decimal: decimal sign, "." or ","; None for ".", except that numbers that all look like 1.250 are
            refused.
        thousands: sign between thousands.
        header: whether the first line of a file names the columns; None to infer it.
        encoding: of a text file; None for UTF-8, or UTF-16 with a byte order mark.
        date_format: how dates are written, as ``strptime`` takes it; None for the usual notations.
        sheet: name of the sheet of an Excel file; needed if there are several.
        low: the least number allowed, in units; ``-inf`` for noise that may be negative.

    Returns:
        The records; rows and columns of totals are left out if they are the sums of the others.

    Raises:
        ValueError: of at most 300 characters, which names the row, line, column and token, and what to do.
        TypeError: if ``source`` is none of these.

    >>> table = pd.DataFrame({"date": ["2024-01-01", "2024-01-02", "2024-01-04"], "sales": [5, 0, 2]})
    >>> read(table, fill=0)
    Records(4 periods from 2024-01-01 to 2024-01-04 (D), items: 'sales')
    """
    options = Options(
        layout,
        date,
        item,
        value,
        freq,
        fill,
        sort,
        sep,
        decimal,
        thousands,
        header,
        encoding,
        date_format,
        sheet,
        low,
    )
    _check(options)
    if isinstance(source, ARRAYS):
        values = array_of(source, "records")
        if values.ndim not in (1, 2):
            raise ValueError(
                f"records of shape {values.shape} must have shape (periods,) or (periods, items)"
            )
        source = pd.DataFrame(values)
    if not isinstance(source, (*FILES, *TABLES)):
        raise TypeError(
            f"records must be a path, a pandas Series or DataFrame, or an array, not {type(source).__name__}"
        )
    return records_of(as_table(source, title(source, "records"), options))


def title(source: Any, name: str) -> str:
    """What errors call a source: the parameter, and for a file its path, of which the end matters."""
    if not isinstance(source, FILES):
        return name
    path = os.fspath(source)
    path = path if isinstance(path, str) else os.fsdecode(path)
    return f"{name}={path if len(path) <= 80 else '...' + path[-77:]!r}"


def records_of(table: Table) -> Records:
    """The records in a table, in the given layout, or else in the only one that is possible.

    Raises:
        ValueError: see ``read``.
    """
    options = table.options
    if len(table.columns) <= table.indexed and table.indexed < 2:
        raise table.fault("the table has no columns")
    if len(table) == 0:
        raise table.fault("the series is empty")
    if options.layout != "long" and options.value is None and options.date is None:
        periods = period_columns(table)
        if periods is not None:
            return read_transposed(table, *periods)
    if options.layout == "long" or (options.layout is None and (options.item is not None or _is_long(table))):
        return read_long(table)
    if options.item is not None:
        raise table.fault(f"item={options.item!r} is for tables with a row per item; give layout='long'")
    return read_wide(table)


def _is_long(table: Table) -> bool:
    """Whether a table can only be long: one column of dates, one of text that names items, one of numbers."""
    if table.indexed > 1:
        return True
    kinds = [table.kind(j) for j in range(len(table.labels))]
    if sorted(kinds) != ["dates", "numbers", "text"]:
        return False
    return bool(table.columns[kinds.index("dates")].duplicated().any())


def _check(options: Options) -> None:
    if options.layout is not None:
        checks.choice("layout", options.layout, ("wide", "long"))
    for name in ("sort", "header"):
        value = getattr(options, name)
        if value is not None:
            checks.choice(name, value, (True, False))
    low = options.low if options.low == -np.inf else checks.number("low", options.low)
    if options.fill is not None:
        checks.number("fill", options.fill, low=max(low, -checks.LARGEST))
    options.notation  # noqa: B018 - raises if the signs are wrong
