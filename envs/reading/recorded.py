"""Recorded noise as parameters of environments take it: read where the columns leave no doubt."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .arrays import array_of
from .load import as_table
from .read import ARRAYS, FILES, TABLES, records_of, title
from .records import Records
from .table import LONGEST_ERROR, Options, Table, fault
from .wide import is_row_number, numbers_of, period_columns

KINDS = (Records, *TABLES, *ARRAYS, *FILES)
"""What recorded noise may be."""

OPTION = re.compile(rf"\b({'|'.join(field.name for field in fields(Options))})=")
"""An option of ``read`` in an error."""

ADVICE = "; these are options of jumpgym.traces.read"


def recorded(data: Any, name: str, low: float = -np.inf) -> Records | NDArray[np.float64]:
    """Recorded noise, as records if it is a table with items, else as an array.

    Args:
        data: one of ``KINDS``.
        name: what errors call it.
        low: the least number allowed in records and tables; those in arrays are not checked.

    Returns:
        An array for arrays and lists, of their shape, and for tables of episodes: with a column per period
        (episodes, horizon), with the columns ``episode`` and ``period`` and one per item (episodes, horizon,
        items). Records for all else.

    Raises:
        ValueError: if it cannot be read, or if its columns leave doubt, see ``jumpgym.traces.read``.
    """
    if isinstance(data, Records):
        _check_records(data, name, low)
        return data
    if isinstance(data, ARRAYS):
        return array_of(data, name)
    try:
        table = as_table(data, title(data, name), Options(low=low))
        episodes = _episodes_in(table)
        return records_of(table) if episodes is None else episodes
    except ValueError as error:
        text = str(error)
        if not OPTION.search(text.removeprefix(f"{name}=")):
            raise
        raise ValueError(text[: LONGEST_ERROR - len(ADVICE)] + ADVICE) from None


def _check_records(records: Records, name: str, low: float) -> None:
    for problem, wrong in (
        ("not finite", ~np.isfinite(records.values)),
        ("negative" if low == 0 else f"less than {low:g}", records.values < low),
    ):
        if wrong.any():
            row, item = (int(index) for index in np.argwhere(wrong)[0])
            location = f"{records.period_name(row)}, item {records.items[item]!r}"
            raise fault(name, f"{location} is {problem}: {records.values[row, item]}")


def _episodes_in(table: Table) -> NDArray[np.float64] | None:
    """The episodes in a table; None if it is a series, with a row per period or a row per item."""
    titles = [table.title(j) for j in range(len(table.labels))]
    if titles[:2] == ["episode", "period"] and len(titles) > 2:
        return _by_episode_and_period(table, list(range(2, len(titles))))
    columns = [j for j in range(len(titles)) if j >= table.indexed and not is_row_number(table, j)]
    if table.indexed > 1 or not columns or any(table.kind(j) != "numbers" for j in columns):
        return None
    numbers = [str(start + k) for start in (0, 1) for k in range(len(columns))]
    as_array = not table.named or [titles[j] for j in columns] in (
        numbers[: len(columns)],
        numbers[len(columns) :],
    )
    if table.source is not None and not table.named:
        return None
    if not (as_array and (table.indexed == 0 or is_row_number(table, 0))):
        periods = period_columns(table)
        if (
            periods is None
            or periods[0] != columns
            or isinstance(periods[1], pd.DatetimeIndex)
            or len(table) == 1
        ):
            return None
        if table.indexed and not is_row_number(table, 0):
            return None
    return table.check_present(numbers_of(table, columns), columns)


def _by_episode_and_period(table: Table, columns: list[int]) -> NDArray[np.float64]:
    """Episodes (episodes, horizon, items) of a table with a row for each episode and period, in order."""
    places = table.numbers([0, 1])
    horizon = int(places[:, 1].max(initial=-1)) + 1
    episodes = len(table) // max(horizon, 1)
    expected = np.indices((episodes, horizon)).reshape(2, -1).T
    if not np.array_equal(places, expected):
        size = min(len(places), len(expected))
        differ = (places[:size] != expected[:size]).any(axis=1)
        row = int(differ.argmax()) if differ.any() else max(size - 1, 0)
        raise table.fault("rows must be ordered by episode and period, both from 0, with none left out", row)
    values = table.check_present(numbers_of(table, columns), columns)
    return values.reshape(episodes, horizon, len(columns))
