"""Records: recorded demand that knows its items, dates and frequency."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import checks

MOST_NAMES = 6
"""Most names that an error shows."""

_PERIODS = {
    **{code: code for code in ("min", "h", "D", "W")},
    **{f"{unit}{end}": unit for unit in "MQY" for end in "SE"},
}
"""The pandas period that belongs to a frequency of dates."""


@dataclass(frozen=True, eq=False)
class Records:
    """Recorded numbers by period and item, which ``jumpgym.traces.read`` returns and ``demand=`` takes.

    Attributes:
        values: units in each period of each item, in order of time and read-only; shape (periods, items).
        items: name of each item, all different; items without names are ``"item 1"``, ``"item 2"``, ...
        dates: date of each period, ascending and of frequency ``freq``; None if the periods have no dates.
        freq: frequency of the dates as a pandas alias, such as "D", "W-MON" or "MS"; None without dates.
        source: path of the file, or None.
        before: numbers recorded before the first period, from which ``split`` cut these records, or None;
            shape (earlier periods, items). They are the past of the first periods, see ``demand_history`` of
            the inventories.

    Raises:
        ValueError: if the shapes do not agree, names or dates repeat, or dates are not ascending.

    >>> records = Records([[5.0], [7.0], [6.0], [9.0]], ("A",), pd.date_range("2024-01-01", periods=4))
    >>> records
    Records(4 periods from 2024-01-01 to 2024-01-04 (D), items: 'A')
    >>> earlier, later = records.split(share=0.75)
    >>> later
    Records(1 period, 2024-01-04 (D), items: 'A')
    """

    values: NDArray[np.float64]
    items: tuple[str, ...]
    dates: pd.DatetimeIndex | None = None
    freq: str | None = None
    source: str | None = None
    before: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        values.flags.writeable = False
        items = tuple(self.items)
        if values.ndim != 2 or values.shape[1] != len(items) or 0 in values.shape:
            raise ValueError(
                f"values of shape {values.shape} must have shape (periods, items) = (1 or more, {len(items)})"
            )
        if len(set(items)) < len(items):
            repeated = next(item for item in items if items.count(item) > 1)
            raise ValueError(f"items: the name {repeated!r} is given twice; each item needs its own")
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "items", items)
        if self.dates is None:
            return
        if len(self.dates) != len(values) or not (
            self.dates.is_monotonic_increasing and self.dates.is_unique
        ):
            raise ValueError(
                f"dates: {len(self.dates)} are given; there must be one for each of {len(values)} "
                "periods, ascending"
            )
        if self.freq is None:
            object.__setattr__(self, "freq", self.dates.freqstr)

    def __len__(self) -> int:
        """Number of periods."""
        return len(self.values)

    def __repr__(self) -> str:
        count, periods = len(self.items), len(self)
        when = ""
        if self.dates is not None:
            first, last = day(self.dates[0]), day(self.dates[-1])
            when = f", {first}" if periods == 1 else f" from {first} to {last}"
            when += f" ({self.freq})" if self.freq else ""
        names = ", ".join(map(repr, self.items[:3])) + (f", ... ({count} in all)" if count > 3 else "")
        source = f", source={self.source!r}" if self.source else ""
        return f"Records({periods:,} period{'s' * (periods > 1)}{when}, items: {names}{source})"

    @property
    def unnamed(self) -> bool:
        """Whether the items have no names but those that are given to items without one."""
        return self.items == tuple(f"item {k + 1}" for k in range(len(self.items)))

    def period_name(self, period: int) -> str:
        """What to call a period, counted from 0: its date if there is one."""
        return f"period {period}" if self.dates is None else day(self.dates[period])

    def select(self, *items: str) -> Records:
        """Return the records of some of the items, in the order given.

        Raises:
            ValueError: if there is no such item, naming those there are.
        """
        unknown = [item for item in items if item not in self.items]
        if unknown or not items:
            raise ValueError(
                f"item {unknown[0]!r} is not one of {shortened(self.items)}" if unknown else "name an item"
            )
        columns = [self.items.index(item) for item in items]
        before = None if self.before is None else self.before[:, columns]
        return replace(self, values=self.values[:, columns], items=items, before=before)

    def phase(self, season: int) -> int:
        """Periods of a season that have elapsed before the first period.

        Dates by minutes, hours, days, weeks, months, quarters or years are counted from 1970 on, so that
        records read from several files agree. Otherwise the first season begins with the first period that
        was recorded, before any ``split``.
        """
        if self.dates is not None and self.freq is not None:
            offset = pd.tseries.frequencies.to_offset(self.freq)
            alias = _PERIODS.get(offset.rule_code.split("-")[0])
            if alias is not None:
                period = pd.Period(self.dates[0], freq=offset.rule_code if alias == "W" else alias)
                return int(period.ordinal // offset.n % season)
        return (0 if self.before is None else len(self.before)) % season

    def split(self, *, share: float | None = None, date: Any = None) -> tuple[Records, Records]:
        """Cut the records in time into an earlier and a later part; no period is in both.

        Args:
            share: share of the periods in the earlier part, in (0, 1), rounded to whole periods.
            date: first date that belongs to the later part, as pandas reads it (``"2024-01-01"``).

        Returns:
            The earlier and the later part, each of at least one period.

        Raises:
            ValueError: unless exactly one of both is given, or if a part would be empty.
        """
        if (share is None) == (date is None):
            raise ValueError("split: give either share=, such as share=0.7, or date=, such as '2024-01-01'")
        if len(self) < 2:
            raise ValueError("split: there must be at least 2 periods")
        if share is not None:
            if checks.number("share", share, low=0, high=1) in (0, 1):
                raise ValueError(f"share={share!r} must be a number in (0, 1)")
            first = min(max(round(share * len(self)), 1), len(self) - 1)
        else:
            first = self._first_from(date)
        return self._part(slice(None, first)), self._part(slice(first, None))

    def _first_from(self, date: Any) -> int:
        """Index of the first period at or after a date."""
        if self.dates is None:
            raise ValueError(f"split: date={date!r}, but these records have no dates; give share=")
        try:
            start = pd.Timestamp(date)
        except (TypeError, ValueError) as error:
            raise ValueError(f"split: date={date!r} must be a date, such as '2024-01-01'") from error
        first = int(self.dates.searchsorted(start))
        if pd.isna(start) or not 0 < first < len(self):
            raise ValueError(
                f"split: date={date!r} must be after {day(self.dates[0])}, the first date, and at most "
                f"{day(self.dates[-1])}, the last"
            )
        return first

    def _part(self, rows: slice) -> Records:
        dates = None if self.dates is None else self.dates[rows]
        before = self.before
        if rows.start is not None:
            earlier = self.values[: rows.start]
            before = earlier if before is None else np.concatenate([before, earlier])
        return replace(self, values=self.values[rows], dates=dates, before=before)


def day(date: pd.Timestamp) -> str:
    """A date as people write it, with the time of day if there is one."""
    return date.strftime("%Y-%m-%d" if date == date.normalize() else "%Y-%m-%d %H:%M:%S")


def shortened(names: Any) -> str:
    """Some names for an error, as ``'A', 'B', ... (40 in all)``."""
    names = list(names)
    shown = ", ".join(
        repr(name) if len(str(name)) < 30 else f"{str(name)[:26]!r}..." for name in names[:MOST_NAMES]
    )
    return shown + (f", ... ({len(names):,} in all)" if len(names) > MOST_NAMES else "")
