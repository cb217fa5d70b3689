"""Periods of one frequency: what it is, and which periods are missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .records import day

MONTHS = (1, 2, 3, 4, 6, 12)
DAYS = (1, 7, 14, 28)
USUAL = {
    *(pd.Timedelta(hours=hours) for hours in (1, 2, 3, 4, 6, 8, 12)),
    *(pd.Timedelta(minutes=minutes) for minutes in (1, 5, 10, 15, 20, 30)),
}
"""Distances between periods that are taken without being asked for: in months, in days, or shorter."""

MOST_PERIODS = 1_000_000
"""Most periods of a grid of dates."""

MANY_WEEKDAYS = 20
"""With so many dates and none on a weekend, it is doubtful whether weekends are periods."""

MANY_EQUAL_STEPS = 8
"""With so many dates at equal distances, unusual distances are taken, too, such as every third day."""

Axis = pd.DatetimeIndex | NDArray[np.int64]
"""Periods: their dates, or integers that grow by 1."""


def grid_of(periods: Axis, freq: Any) -> Axis:
    """All periods from the first to the last.

    Args:
        periods: some of them, ascending and unique.
        freq: frequency of dates as pandas takes it; None to infer it.

    Raises:
        ValueError: if they are of no single frequency, or not of ``freq``; without the name of the data.
    """
    if not isinstance(periods, pd.DatetimeIndex):
        if freq is not None:
            raise ValueError(f"freq={freq!r} needs dates, and the periods are only counted")
        return np.arange(periods[0], periods[-1] + 1)
    if freq is not None:
        return _of_frequency(periods, freq)
    if len(periods) == 1:
        return periods
    step = _step(periods)
    grid = None if step is None else _range(periods, step)
    if grid is not None and len(grid) == len(periods):
        return grid
    for other in _other_steps(periods):
        complete = _range(periods, other)
        if complete.equals(periods):
            return complete
    if grid is None:
        raise ValueError(_irregular(periods))
    if len(periods) >= MANY_WEEKDAYS and step == pd.offsets.Day() and not _weekends(periods):
        raise ValueError("all weekends and some other days are missing; give freq='B' (weekdays) or freq='D'")
    return grid


def _other_steps(periods: pd.DatetimeIndex) -> list[Any]:
    """Further frequencies that are taken if no period is missing."""
    equal = [periods[1] - periods[0]] if len(periods) >= MANY_EQUAL_STEPS else []
    return [pd.offsets.BDay(), pd.offsets.BMonthBegin(), pd.offsets.BMonthEnd(), *equal]


def _weekends(periods: pd.DatetimeIndex) -> bool:
    return bool(periods.day_of_week.max() > 4)


def _of_frequency(periods: pd.DatetimeIndex, freq: Any) -> pd.DatetimeIndex:
    try:
        offset = pd.tseries.frequencies.to_offset(freq)
    except (TypeError, ValueError) as error:
        raise ValueError(f"freq={freq!r} is no frequency; give one such as 'D', 'W-MON' or 'MS'") from error
    grid = _range(periods, offset)
    outside = ~periods.isin(grid)
    if outside.any():
        raise ValueError(
            f"{day(periods[int(outside.argmax())])} is no date of freq={freq!r} from {day(periods[0])}"
        )
    return grid


def _range(periods: pd.DatetimeIndex, offset: Any) -> pd.DatetimeIndex:
    days = (periods[-1] - periods[0]) / pd.Timedelta(days=1)
    longest = MOST_PERIODS * (
        pd.Timedelta(offset) / pd.Timedelta(days=1) if isinstance(offset, pd.offsets.Tick) else 1
    )
    if days > longest:
        raise ValueError(f"from {day(periods[0])} to {day(periods[-1])} there are too many periods")
    return pd.date_range(periods[0], periods[-1], freq=offset)


def _step(periods: pd.DatetimeIndex) -> Any:
    """The longest usual distance of which all others are multiples, as an offset; None if there is none."""
    times_of_day = periods - periods.normalize()
    if (times_of_day == times_of_day[0]).all():
        by_month = _month_offset(periods)
        if by_month is not None:
            months = int(np.gcd.reduce(np.diff(periods.year * 12 + periods.month)))
            return by_month(months if months in MONTHS else 1, int(periods[0].month))
        days = int(np.gcd.reduce(np.diff(periods.normalize()).astype("timedelta64[D]").astype(np.int64)))
        if days % 7 == 0:
            weeks = days // 7 if days in DAYS else 1
            return pd.offsets.Week(weeks, weekday=int(periods.day_of_week[0]))
        return pd.offsets.Day(1)
    step = pd.Timedelta(int(np.gcd.reduce(np.diff(periods.as_unit("ns").asi8))), unit="ns")
    return pd.tseries.frequencies.to_offset(step) if step in USUAL else None


def _month_offset(periods: pd.DatetimeIndex) -> Callable[[int, int], Any] | None:
    """The kind of offset, of months and first month, if all dates are of one day of the month; else None."""
    if (periods.day == 1).all():
        kinds: tuple[Any, ...] = pd.offsets.MonthBegin, pd.offsets.QuarterBegin, pd.offsets.YearBegin
    elif periods.is_month_end.all():
        kinds = pd.offsets.MonthEnd, pd.offsets.QuarterEnd, pd.offsets.YearEnd
    elif (periods.day == periods.day[0]).all() and len(periods) > 2:
        return lambda months, first: pd.DateOffset(months=months)
    else:
        return None

    def offset(months: int, first: int) -> Any:
        if months == 12:
            return kinds[2](month=first)
        return kinds[1](startingMonth=(first - 1) % 3 + 1) if months == 3 else kinds[0](months)

    return offset


def _irregular(periods: pd.DatetimeIndex) -> str:
    steps = np.diff(periods)
    change = int((steps != steps[0]).argmax())
    return (
        f"dates have no single frequency: {day(periods[change])} is followed by {day(periods[change + 1])}; "
        "give freq=, such as freq='D'"
    )
