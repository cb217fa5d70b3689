"""Recorded data: reading it, refusing gaps, splitting it in time, and cutting it into episodes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from . import checks
from .reading.records import Records as Records

KINDS = (np.ndarray, pd.DataFrame, pd.Series, list, tuple, str, os.PathLike)
"""What ``read`` takes."""


@dataclass(frozen=True)
class Table:
    """Recorded numbers, not yet checked.

    Attributes:
        name: what errors call them.
        values: the numbers, rows in order of time.
        where: from a row's index to the words that help to find it, or None.
    """

    name: str
    values: NDArray[np.float64]
    where: Callable[[int], str] | None

    def check(self, low: float, axes: tuple[str, ...]) -> None:
        """Raise a ValueError that names the first entry that is missing, not finite, or below ``low``."""
        below = "is negative" if low == 0 else f"is less than {low:g}"
        for problem, wrong in (
            ("is missing or not finite", ~np.isfinite(self.values)),
            (below, self.values < low),
        ):
            if wrong.any():
                place = np.argwhere(wrong)[0]
                named = ", ".join(f"{axis} {index}" for axis, index in zip(axes, place, strict=False))
                found = f" ({self.where(int(place[0]))})" if self.where else ""
                value = self.values[tuple(place)]
                raise ValueError(f"{self.name}: {named} {problem}: {value}{found}")


def read(data: Any, name: str) -> Table:
    """The numbers of an array, a list, a pandas Series or DataFrame, or a CSV file.

    The first line of a CSV file names the columns. A first column without a name, or with words or dates and
    no numbers, names the rows and is no data. Empty lines at the end are ignored; elsewhere they are gaps.

    Args:
        data: one of ``KINDS``.
        name: what errors call it.

    Raises:
        ValueError: if it is not a file that can be read, or not made of numbers.
    """
    where: Callable[[int], str] | None = None
    if isinstance(data, (str, os.PathLike)):
        name = f"{name}={str(data)!r}"
        data = _read_csv(data, name)
        where = _line
    elif isinstance(data, (pd.DataFrame, pd.Series)) and not isinstance(data.index, pd.RangeIndex):
        index = data.index
        where = lambda row: f"index {index[row]}"  # noqa: E731
    try:
        return Table(name, checks.real_array(name, data), where)
    except ValueError as error:
        raise ValueError(f"{name}: traces must be numbers, of equally many in each row: {error}") from error


def _line(row: int) -> str:
    return f"line {row + 2} of the file"


def _read_csv(path: Any, name: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, skip_blank_lines=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: cannot be read as a CSV file: {error}") from error
    header = pd.to_numeric(table.columns.to_series(), errors="coerce").to_numpy()
    if not np.isnan(header).any() and not (header[0] in (0, 1) and np.all(np.diff(header) == 1)):
        raise ValueError(f"{name}: the first line must name the columns, it is {list(table.columns)}")
    last = table.notna().any(axis=1)
    table = table.loc[: last[last].index.max()] if last.any() else table
    if table.shape[1] > 1 and len(table):
        first = table.iloc[:, 0]
        words = first.notna().all() and pd.to_numeric(first, errors="coerce").isna().all()
        if words or str(table.columns[0]).startswith("Unnamed: 0"):
            table = table.iloc[:, 1:]
    return table


def check_length(name: str, periods: int, horizon: int | None) -> None:
    """Raise a ValueError if a series of so many periods has no window of ``horizon``, or is empty."""
    if periods < (horizon or 1):
        raise ValueError(
            f"{name}: a series of shape ({periods}, ...) must have at least horizon={horizon} periods"
            if horizon
            else f"{name}: the series is empty"
        )


def split_series(series: Any, evaluate_share: float = 0.3) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cut recorded data in time: the earlier part to train on, the later part to evaluate on.

    No period is in both, so no window of one shares a period with a window of the other.

    Args:
        series: rows in order of time: a series of shape (periods,) or (periods, items), or whole episodes of
            shape (episodes, horizon) or (episodes, horizon, items); or a pandas object or CSV path, see
            ``read``. A single column becomes 1-D.
        evaluate_share: share of the rows in the later part, in (0, 1); each part has at least one row.

    Returns:
        The two parts.

    Raises:
        ValueError: if numbers are missing or not finite, or there are fewer than two rows.

    >>> train, evaluate = split_series([5.0, 7.0, 6.0, 9.0], evaluate_share=0.25)
    >>> train, evaluate
    (array([5., 7., 6.]), array([9.]))
    """
    share = checks.number("evaluate_share", evaluate_share, low=0, high=1)
    if not isinstance(series, KINDS):
        raise TypeError(
            f"series={series!r} must be an array, a pandas Series or DataFrame, or a CSV path, "
            f"not {type(series).__name__}"
        )
    if share in (0, 1):
        raise ValueError(f"evaluate_share={evaluate_share!r} must be a number in (0, 1)")
    table = read(series, "series")
    table.check(-np.inf, ("row", "column"))
    values = table.values
    if values.ndim == 0 or len(values) < 2:
        raise ValueError(f"{table.name}: of shape {values.shape}, it must have at least 2 rows to split")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    first = len(values) - min(max(round(share * len(values)), 1), len(values) - 1)
    return values[:first], values[first:]


def episodes(series: Any, horizon: int, windows: str = "rolling") -> NDArray[np.float64]:
    """Cut one long series into episodes, as ``demand=`` of every environment takes them.

    ``demand=series`` itself gives the rolling windows.

    Args:
        series: of shape (periods,), or (periods, items); or a pandas object or CSV path, see ``read``.
        horizon: periods in an episode.
        windows: "rolling", one window from each period on, or "whole", consecutive episodes that do not
            overlap; periods at the end that do not fill one are left out.

    Returns:
        Shape (episodes, horizon), or (episodes, horizon, items) if there are several columns.

    Raises:
        ValueError: if numbers are missing or not finite, or the series is shorter than ``horizon``.

    >>> episodes([5.0, 7.0, 6.0, 9.0], horizon=2, windows="whole")
    array([[5., 7.],
           [6., 9.]])
    """
    horizon = checks.integer("horizon", horizon, low=1)
    checks.choice("windows", windows, ("rolling", "whole"))
    table = read(series, "series")
    table.check(-np.inf, ("row", "column"))
    values = table.values
    if values.ndim not in (1, 2):
        raise ValueError(f"{table.name}: of shape {values.shape}, it must be (periods,) or (periods, items)")
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    check_length(table.name, len(values), horizon)
    cut = np.lib.stride_tricks.sliding_window_view(values, horizon, axis=0)
    return np.ascontiguousarray(np.moveaxis(cut[:: horizon if windows == "whole" else 1], -1, 1))
