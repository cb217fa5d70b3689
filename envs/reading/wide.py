"""Wide tables: a column per item, or a column per period."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .arrange import arranged
from .dates import COUNTED, NotADate, as_counts, headed_by_dates
from .names import is_no_demand, is_time, is_total, may_be_items
from .numbers import find_doubt
from .periods import Axis
from .records import Records, shortened
from .table import Table

UNNAMED = re.compile(r"|index|Unnamed: 0")
"""What a column is called that numbers the rows, in files that pandas has written."""


def is_row_number(table: Table, column: int) -> bool:
    """Whether a column only numbers the rows.

    Raises:
        ValueError: if its name says so, and its numbers leave some out.
    """
    if not UNNAMED.fullmatch(table.title(column)) or table.kind(column) != "numbers":
        return False
    counts = table.counts(column)
    if counts is None or np.any(np.diff(counts) != 1):
        raise table.fault(
            "rows are not numbered one after the other, so some may be missing; if all are there, use "
            "reset_index(drop=True), else give date=",
            column=column,
        )
    return True


def period_columns(table: Table) -> tuple[list[int], Axis] | None:
    """The columns whose names are periods, dates or numbers, and these periods; None if there are none."""
    try:
        dated = headed_by_dates(table.labels, table.options.date_format)
    except NotADate as error:
        raise table.fault(f"names of columns {error.advice}") from None
    if dated is not None:
        return dated
    if not table.named:
        return None
    titles = [table.title(j) for j in range(len(table.labels))]
    places = [j for j, title in enumerate(titles) if COUNTED.fullmatch(title)] or [
        j for j, title in enumerate(titles) if title and as_counts([title]) is not None
    ]
    counts = as_counts([titles[j] for j in places]) if len(places) > 1 else None
    others = [j for j in range(len(titles)) if j not in places and not is_row_number(table, j)]
    if counts is None or np.any(np.diff(counts) != 1):
        return None
    if any(table.kind(j) == "dates" for j in others):
        return None  # the columns are those of items
    if not others and titles[places[0]].isdigit():
        return None  # names that pandas gave
    return places, counts


def read_transposed(table: Table, columns: list[int], periods: Axis) -> Records:
    """Records of a table with a row per item and a column per period."""
    others = [j for j in range(len(table.labels)) if j not in columns and not is_row_number(table, j)]
    for column in others if table.options.item is None else ():
        if table.kind(column) == "dates" or is_time(table.title(column)):
            raise table.fault(
                "holds times, and so do the names of other columns; bring the table into the form of a row "
                "per date",
                column=column,
            )
    names = _names_of_rows(table, others)
    values = table.check_present(numbers_of(table, columns), columns)
    keep = np.ones(len(names), dtype=bool)
    for row, name in enumerate(names):
        if len(names) > 1 and is_total(name):
            check_total(table, values[row], values.sum(axis=0) - values[row], f"row {row}, {name!r},")
            keep[row] = False
    items = tuple(name for name, kept in zip(names, keep, strict=True) if kept)
    repeated = next((row for row, name in enumerate(names) if name in names[:row]), None)
    if repeated is not None:
        raise table.fault(
            f"names item {names[repeated]!r} a second time; give item=, a list of columns whose combination "
            "is unique",
            repeated,
        )
    return arranged(
        table,
        values[keep].T,
        items,
        periods,
        lambda message, place: table.fault(message, column=columns[place]),
    )


def _names_of_rows(table: Table, others: list[int]) -> list[str]:
    named_columns = table.options.item
    if named_columns is not None:
        chosen = [table.find(name, "item") for name in as_list(named_columns)]
    elif len(others) > 1:
        titles = [table.title(j) for j in others]
        raise table.fault(
            f"columns {shortened(titles)} may name the items; give item=, such as item={titles[0]!r} or "
            f"item={titles[:2]!r}"
        )
    elif not others:
        if len(table) > 1:
            raise table.fault("each column is a period, and no column names the items in the rows")
        return ["item 1"]
    else:
        chosen = others
    return item_names(table, chosen)


def item_names(table: Table, columns: Sequence[int]) -> list[str]:
    """The name of the item of each row, from one column or several."""
    parts = []
    for column in columns:
        texts = table.texts(column)
        if "" in texts or "nan" in texts or "None" in texts:
            row = next(row for row, text in enumerate(texts) if text in ("", "nan", "None"))
            raise table.fault("is missing", row, column)
        parts.append(texts)
    return ["/".join(row) for row in zip(*parts, strict=True)]


def read_wide(table: Table) -> Records:
    """Records of a table with a row per period and a column per item."""
    date = _date_column(table)
    others = [j for j in range(len(table.labels)) if j != date and not is_row_number(table, j)]
    table = _without_totals(table, date, others)
    periods = None if date is None else periods_of(table, date)
    columns = _item_columns(table, others)
    values = table.check_present(numbers_of(table, columns), columns)
    columns, values = _without_total_columns(table, columns, values)
    items = tuple(table.title(j) for j in columns)
    if not table.named:
        items = tuple(f"item {k + 1}" for k in range(len(columns)))
    elif items == ("",):
        items = ("item 1",)
    if len(set(items)) < len(items):
        repeated = next(item for item in items if items.count(item) > 1)
        raise table.fault(f"several columns have the name {repeated!r}")
    return arranged(table, values, items, periods, lambda message, row: table.fault(message, row, date))


def _date_column(table: Table) -> int | None:
    """The column of the dates or the numbers of periods; None if there is none."""
    if table.options.date is not None:
        return table.find(table.options.date, "date")
    columns = range(len(table.labels))
    values = {table.find(name, "value") for name in as_list(table.options.value or [])}
    dates = [j for j in columns if table.kind(j) == "dates" and j not in values]
    if len(dates) > 1:
        titles = [table.title(j) for j in dates]
        raise table.fault(f"columns {shortened(titles)} hold dates; give date=, such as date={titles[0]!r}")
    if dates:
        return dates[0]
    # Without dates, words of the calendar or numbered words tell the periods.
    counted = [j for j in columns if table.kind(j) == "text" and table.counts(j) is not None]
    return counted[0] if len(counted) == 1 else None


def periods_of(table: Table, column: int) -> Axis:
    """The dates of a column, or its integers if it counts periods."""
    dates = table.dates(column)
    if dates is not None:
        return dates
    counts = table.counts(column)
    if counts is None:
        entry = next(iter(table.texts(column)), "")
        raise table.fault(
            f"holds neither dates nor numbers of periods, but {entry[:30]!r}; date_format= says how dates "
            "are written",
            column=column,
        )
    return counts


def _without_totals(table: Table, date: int | None, others: Sequence[int]) -> Table:
    """The table without rows of totals, which must be the sums of the rows above."""
    if date is None or table.columns[date].dtype != object:
        return table
    totals = np.array([bool(text) and is_total(text) for text in table.texts(date)])
    if not totals.any():
        return table
    numeric = [j for j in others if table.kind(j) == "numbers"]
    values = numbers_of(table, numeric)
    for row in np.flatnonzero(totals):
        above = values[:row][~totals[:row]].sum(axis=0)
        check_total(table, values[row], above, f"row {row}, {table.texts(date)[row]!r},")
    return table.rows(~totals)


def _item_columns(table: Table, others: list[int]) -> list[int]:
    """The columns of demand: those that are named, or else all, if their names do not speak against it."""
    named_columns = table.options.value
    if named_columns is not None:
        return [table.find(name, "value") for name in as_list(named_columns)]
    for column in others:
        if table.kind(column) == "text":
            entry = next(text for text in table.texts(column) if text)
            if is_time(table.title(column)):
                raise table.fault(
                    f"holds no dates in a usual notation, but {entry[:30]!r}; give date= and date_format=, "
                    "such as date_format='%d.%m.%y'",
                    column=column,
                )
            raise table.fault(
                f"holds text such as {entry[:30]!r}; name the columns of demand by value=, or, if there is a "
                "row per period and item, give layout='long' and item=",
                column=column,
            )
    titles = [table.title(j) for j in others]
    if not others:
        raise table.fault("no column holds numbers")
    likely = next((title for title in titles if not is_no_demand(title)), titles[-1])
    ask = f"{shortened(titles)}: which hold demand? Give value=, such as value={likely!r}"
    if len(others) == 1:
        if is_no_demand(titles[0]):
            raise table.fault(f"column {ask}")
    elif not table.named and table.options.header is None and table.source is not None:
        raise table.fault("the file does not name its columns; give header=False and value=, or name them")
    elif table.named and not may_be_items([title for title in titles if not is_total(title)]):
        raise table.fault(f"columns {ask}")
    return others


def _without_total_columns(
    table: Table, columns: list[int], values: NDArray[np.float64]
) -> tuple[list[int], NDArray[np.float64]]:
    """The columns without those of totals, which must be the sums of the others; all if they were named."""
    totals = np.array([is_total(table.title(j)) for j in columns])
    if table.options.value is not None or len(columns) == 1 or not totals.any():
        return columns, values
    parts = values[:, ~totals]
    for place in np.flatnonzero(totals):
        check_total(table, values[:, place], parts.sum(axis=1), f"column {table.title(columns[place])!r}")
    return [j for j, total in zip(columns, totals, strict=True) if not total], parts


def check_total(table: Table, total: NDArray[np.float64], sums: NDArray[np.float64], what: str) -> None:
    """Raise an error if a column that is called a total is not the sum of the others."""
    if not np.allclose(total, sums, rtol=1e-6, atol=1e-6, equal_nan=True):
        raise table.fault(f"{what} is called a total, and is not the sum of the others; leave it out")


def numbers_of(table: Table, columns: Sequence[int]) -> NDArray[np.float64]:
    """Columns as numbers, NaN where an entry is missing, if there is no doubt how they are written."""
    values = table.numbers(columns)
    doubt = find_doubt([table.columns[j] for j in columns], table.options.notation)
    if doubt is not None:
        column, row = columns[doubt[0]], doubt[1]
        token = str(table.columns[column].iloc[row]).strip()
        raise table.fault(
            f"may be {float(token.replace('.', '', token.count('.') - 1)):g} or {token.replace('.', '')}: "
            f"{token!r}; give decimal='.' or thousands='.'",
            row,
            column,
        )
    return values


def as_list(names: str | Sequence[str]) -> list[str]:
    """One name or several as a list."""
    return [names] if isinstance(names, str) or not isinstance(names, Sequence) else list(names)
