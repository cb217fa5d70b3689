"""Recorded data: reading it, splitting it in time, and cutting it into episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checks
from .reading.arrays import check_values
from .reading.read import FILES, TABLES, read
from .reading.recorded import KINDS, recorded
from .reading.records import Records

__all__ = [
    "KINDS",
    "TABLES_AND_FILES",
    "Records",
    "check_length",
    "episodes",
    "read",
    "recorded",
    "split_series",
]

TABLES_AND_FILES = (*TABLES, *FILES)
"""What ``read`` reads by the names of its columns."""


def check_length(name: str, periods: int, horizon: int | None) -> None:
    """Raise a ValueError if a series of so many periods has no window of ``horizon``, or is empty."""
    if periods < (horizon or 1):
        raise ValueError(
            f"{name}: a series of shape ({periods}, ...) must have at least horizon={horizon} periods"
            if horizon
            else f"{name}: the series is empty"
        )


def split_series(series: Any, evaluate_share: float = 0.3) -> tuple[Any, Any]:
    """Cut recorded data in time: the earlier part to train on, the later part to evaluate on.

    No period is in both, so no window of one shares a period with a window of the other.

    Args:
        series: rows in order of time: a series of shape (periods,) or (periods, items), or whole episodes of
            shape (episodes, horizon) or (episodes, horizon, items); or a pandas object or path, see
            ``read``. A single column becomes 1-D.
        evaluate_share: share of the rows in the later part, in (0, 1); each part has at least one row.

    Returns:
        The two parts: ``Records`` if they were given, otherwise arrays.

    Raises:
        ValueError: if numbers are missing or not finite, or there are fewer than two rows.

    >>> train, evaluate = split_series([5.0, 7.0, 6.0, 9.0], evaluate_share=0.25)
    >>> train, evaluate
    (array([5., 7., 6.]), array([9.]))
    """
    share = checks.number("evaluate_share", evaluate_share, low=0, high=1)
    if not isinstance(series, KINDS):
        raise TypeError(
            f"series={checks.shown(series)} must be an array, a pandas Series or DataFrame, records, or a "
            f"path, not {type(series).__name__}"
        )
    if share in (0, 1):
        raise ValueError(f"evaluate_share={evaluate_share!r} must be a number in (0, 1)")
    if isinstance(series, Records):
        return series.split(share=1 - share)
    values = _values(series)
    if values.ndim == 0 or len(values) < 2:
        raise ValueError(f"series: of shape {values.shape}, it must have at least 2 rows to split")
    first = len(values) - min(max(round(share * len(values)), 1), len(values) - 1)
    return values[:first], values[first:]


def episodes(series: Any, horizon: int, windows: str = "rolling") -> NDArray[np.float64]:
    """Cut one long series into episodes, as ``demand=`` of every environment takes them.

    ``demand=series`` itself gives the rolling windows.

    Args:
        series: of shape (periods,), or (periods, items); or records, a pandas object or a path, see ``read``.
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
    values = _values(series)
    if values.ndim not in (1, 2):
        raise ValueError(f"series: of shape {values.shape}, it must be (periods,) or (periods, items)")
    check_length("series", len(values), horizon)
    cut = np.lib.stride_tricks.sliding_window_view(values, horizon, axis=0)
    return np.ascontiguousarray(np.moveaxis(cut[:: horizon if windows == "whole" else 1], -1, 1))


def _values(series: Any) -> NDArray[np.float64]:
    """Recorded data as an array, in which a single column is 1-D."""
    data = recorded(series, "series")
    values = data.values if isinstance(data, Records) else data
    check_values(values, "series", -np.inf, ("row", "column"))
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
