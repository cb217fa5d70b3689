"""Tables as they are given, before anything is known of their layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from itertools import islice
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .dates import COMPACT, DOTTED, NotADate, as_counts, as_dates
from .names import is_time
from .numbers import NUMBER_LIKE, NotANumber, Notation, as_floats, is_missing
from .records import day, shortened

LONGEST_ERROR = 300
"""Most characters of an error."""

SAMPLE = 100
"""Number of entries that decide whether a column holds numbers, dates or text."""


@dataclass(frozen=True)
class Options:
    """What the caller of ``read`` says about the table; see there."""

    layout: str | None = None
    date: str | None = None
    item: str | Sequence[str] | None = None
    value: str | Sequence[str] | None = None
    freq: Any = None
    fill: float | None = None
    sort: bool = False
    sep: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    header: bool | None = None
    encoding: str | None = None
    date_format: str | None = None
    sheet: str | None = None
    low: float = 0.0

    @property
    def filling(self) -> float:
        """What to take where a number is missing; NaN if nothing is said."""
        return np.nan if self.fill is None else float(self.fill)

    @cached_property
    def notation(self) -> Notation:
        """How numbers are written."""
        return Notation(self.decimal, self.thousands)


@dataclass(frozen=True)
class Table:
    """Columns of equal length with their names.

    Attributes:
        name: what errors call it.
        labels: names of the columns: strings, or what pandas has there, such as dates.
        columns: the columns.
        options: what the caller says.
        place: words that help to find a row.
        named: whether the columns have names.
        indexed: number of leading columns that are the index of a pandas object.
        source: path of the file, or None.
        separator: of the fields of a text file; None if there is none.
    """

    name: str
    labels: tuple[Any, ...]
    columns: tuple[pd.Series, ...]
    options: Options
    place: Callable[[int], str]
    named: bool = True
    indexed: int = 0
    source: str | None = None
    separator: str | None = None

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.columns[0]) if self.columns else 0

    def fault(self, message: str, row: int | None = None, column: int | None = None) -> ValueError:
        """An error that says where it is."""
        where = [] if row is None else [f"row {row}"]
        if column is not None:
            where.append(f"column {self.title(column)!r}")
        position = "" if row is None else self.place(row)
        words = [", ".join(where), message, f"({position})" if position else ""]
        return fault(self.name, " ".join(filter(None, words)))

    def title(self, column: int) -> str:
        """The name of a column as text."""
        label = self.labels[column]
        if isinstance(label, tuple):
            return "/".join(map(str, label))
        return day(label) if isinstance(label, pd.Timestamp) else str(label).strip()

    def find(self, name: str, parameter: str) -> int:
        """The one column of a name."""
        matches = [j for j in range(len(self.labels)) if self.title(j) == str(name)]
        if len(matches) != 1:
            titles = shortened([self.title(j) for j in range(len(self.labels))])
            problem = f"{len(matches)} columns have" if matches else "no column has"
            raise self.fault(f"{parameter}={name!r}: {problem} this name; the columns are {titles}")
        return matches[0]

    def kind(self, column: int) -> str:
        """What a column holds by most of its entries: "numbers", "dates", "text" or "nothing"."""
        return self._kinds[column]

    @cached_property
    def _kinds(self) -> list[str]:
        return [self._kind(j) for j in range(len(self.columns))]

    def _kind(self, column: int) -> str:
        entries = self.columns[column]
        if entries.dtype.kind in "iuf":
            sample, kind = list(entries.head(SAMPLE)), "numbers"
        else:
            sample = list(islice((e for e in entries.tolist() if not is_missing(e)), SAMPLE))
            kind = kind_of(sample)
        if kind == "numbers" and is_time(self.title(column)):
            return "dates" if all(COMPACT.fullmatch(str(entry)) for entry in sample) else kind
        return kind

    def numbers(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """Columns as numbers of at least ``options.low``, shape (rows, columns), NaN where one is missing."""
        values = np.empty((len(self), len(columns)))
        for j, column in enumerate(columns):
            try:
                values[:, j] = as_floats(self.columns[column], self.options.notation)
            except NotANumber as error:
                advice = ""
                if error.advice:
                    separator = f", the separator {self.separator!r}" if self.separator else ""
                    point = self.options.notation.point
                    advice = f" (the decimal sign is {point!r}{separator}); {error.advice}"
                message = f"is not a number: {_short(error.token)}{advice}"
                raise self.fault(message, error.row, column) from None
        wrong = values < self.options.low if np.isfinite(self.options.low) else np.zeros(values.shape, bool)
        for problem, places in (("not finite", np.isinf(values)), (self._too_low, wrong)):
            if places.any():
                row, j = (int(index) for index in np.argwhere(places)[0])
                raise self.fault(f"is {problem}: {values[row, j]}", row, columns[j])
        return values

    @property
    def _too_low(self) -> str:
        return "negative" if self.options.low == 0 else f"less than {self.options.low:g}"

    def check_present(self, values: NDArray[np.float64], columns: Sequence[int]) -> NDArray[np.float64]:
        """The numbers of columns, with missing ones filled as ``options.fill`` says."""
        missing = np.isnan(values)
        if missing.any() and self.options.fill is None:
            row, j = (int(index) for index in np.argwhere(missing)[0])
            count = f", and {missing.sum() - 1:,} more" if missing.sum() > 1 else ""
            raise self.fault(f"is missing{count}; fill=0 takes 0 there", row, columns[j])
        return np.where(missing, self.options.filling, values)

    def dates(self, column: int) -> pd.DatetimeIndex | None:
        """A column as dates; None if most of its entries are none."""
        try:
            entries = self.columns[column]
            return as_dates(entries.tolist(), self.options.date_format)  # type: ignore[arg-type]
        except NotADate as error:
            entry = entries.iloc[error.row]
            problem = "is missing" if is_missing(entry) else f"is no date as the others are: {_short(entry)}"
            if error.advice:
                problem = f"has {_short(entry)}, which {error.advice}"
            raise self.fault(problem, error.row, column) from None

    def counts(self, column: int) -> NDArray[np.int64] | None:
        """A column as numbered periods; None if it numbers nothing."""
        return as_counts(self.columns[column].tolist())  # type: ignore[arg-type]

    def texts(self, column: int) -> list[str]:
        """The entries of a column as text, whole numbers without a point."""
        return [
            entry.strip() if isinstance(entry, str) else _number_as_text(entry)
            for entry in self.columns[column].tolist()
        ]

    def rows(self, keep: NDArray[np.bool_] | slice) -> Table:
        """Some of the rows."""
        index = np.arange(len(self))[keep]
        place = self.place
        columns = tuple(column.iloc[index].reset_index(drop=True) for column in self.columns)
        return replace(self, columns=columns, place=lambda row: place(int(index[row])))


def kind_of(sample: Sequence[Any]) -> str:
    """What most entries are: "numbers", "dates" or "text"; "nothing" if there are none."""
    if not len(sample):
        return "nothing"
    if 2 * sum(map(_is_like_a_number, sample)) >= len(sample):
        return "numbers"
    try:
        return "text" if as_dates(sample) is None else "dates"
    except NotADate:
        return "dates"


def _is_like_a_number(entry: Any) -> bool:
    if isinstance(entry, str):
        token = entry.strip()
        return bool(NUMBER_LIKE.fullmatch(token)) and not DOTTED.fullmatch(token)
    return isinstance(entry, (Real, Decimal)) and not isinstance(entry, (bool, np.bool_, np.timedelta64))


def fault(name: str, message: str) -> ValueError:
    """A ValueError of at most ``LONGEST_ERROR`` characters."""
    text = f"{name}: {message}"
    return ValueError(text if len(text) <= LONGEST_ERROR else text[: LONGEST_ERROR - 3] + "...")


def _number_as_text(entry: Any) -> str:
    return str(int(entry)) if isinstance(entry, float) and entry.is_integer() else str(entry)


def _short(entry: Any) -> str:
    text = repr(entry)
    return text if len(text) <= 40 else text[:36] + "..."
