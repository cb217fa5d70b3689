"""Dates: reading them in the notations in use, and the periods that a column or a header counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .numbers import NUMBER_LIKE, is_missing

DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y"),
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y"),
)
TIMES = ("", " %H:%M", " %H:%M:%S", "T%H:%M", "T%H:%M:%S")
MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%Y %b", "%b %Y", "%Y %B", "%B %Y", "%Y-%b", "%b-%Y")
FORMATS = (*(day + time for time in TIMES for day in DAYS), *MONTHS)
"""Notations of dates that no number has."""

FIELDS = {
    **{"%Y": r"\d{4}", "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]{3,9}"},
    **dict.fromkeys(("%m", "%d", "%H", "%M", "%S"), r"\d{1,2}"),
}
SHAPES = {
    form: re.compile(re.sub("%[A-Za-z]", lambda field: FIELDS[field[0]], form.replace(".", r"\.")))
    for form in FORMATS
}
"""What a date in each notation looks like; to look is much faster than to parse."""

ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.+")
PART = re.compile(r"(\d{4})[- ]?([WQM])(\d{1,2})|(Q)(\d)[- ](\d{4})", re.IGNORECASE)
"""A week, a quarter or a month of a year, such as 2024-W05, 2024Q1, Q1 2024 or 2024M01."""

COMPACT = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
"""A date as YYYYMMDD."""

WORDS = (
    ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    (
        *("january", "february", "march", "april", "may", "june"),
        *("july", "august", "september", "october", "november", "december"),
    ),
)
"""The words of the calendar, of which three letters are enough."""

DOTTED = re.compile(r"\d{1,4}\.\d{1,2}\.\d{1,4}(?:[ T].*)?")
"""A date with points, which are no decimal points."""

COUNTED = re.compile(r"(d|day|w|wk|week|m|month|t|p|period|q|quarter|y|year|)[ _-]?(\d{1,6})", re.IGNORECASE)
"""A period by its number, such as 3, d_3 or week 3."""


class NotADate(ValueError):
    """An entry of a column that is no date, although others are.

    Attributes:
        row: its index in the column.
        advice: what to do about it, or "".
    """

    def __init__(self, row: int, advice: str = "") -> None:
        super().__init__(row, advice)
        self.row, self.advice = row, advice


def as_dates(entries: Sequence[Any], date_format: str | None = None) -> pd.DatetimeIndex | None:
    """Entries as dates; None if most of them are no dates.

    Args:
        entries: strings, dates or periods of pandas, ``datetime`` objects.
        date_format: as ``strptime`` takes it, for strings; None for any of the notations in use.

    Raises:
        NotADate: for the first entry that is no date or missing although most are dates, or if the notation
            leaves doubt, such as 01/02/2024.
    """
    codes, unique = pd.factorize(np.array(_objects(entries), dtype=object), use_na_sentinel=False)
    tokens = [entry.strip() if isinstance(entry, str) else entry for entry in unique]
    parsed = _parse(tokens, date_format)
    if parsed is None:
        return None
    if parsed.hasnans:
        raise NotADate(int(parsed.isna()[codes].argmax()))
    return parsed[codes]


def headed_by_dates(
    labels: Sequence[Any], date_format: str | None
) -> tuple[list[int], pd.DatetimeIndex] | None:
    """Which of the names of columns are dates, and these dates; None if fewer than two are.

    Raises:
        NotADate: if the notation leaves doubt.
    """
    places = [j for j, label in enumerate(labels) if _may_be_date(label, date_format)]
    parsed = _parse([labels[j] for j in places], date_format) if len(places) > 1 else None
    if parsed is None or np.count_nonzero(parsed.notna()) < 2:
        return None
    return [j for j, date in zip(places, parsed, strict=True) if date is not pd.NaT], parsed.dropna()


def _may_be_date(label: Any, date_format: str | None) -> bool:
    if not isinstance(label, str):
        return hasattr(label, "year")
    token = label.strip()
    if date_format is not None:
        return not _strict([token], date_format).hasnans
    if COMPACT.fullmatch(token):
        return True
    return any(map(str.isdigit, token)) and (
        not NUMBER_LIKE.fullmatch(token) or bool(DOTTED.fullmatch(token))
    )


def _objects(entries: Sequence[Any]) -> list[Any]:
    return [str(entry) if isinstance(entry, (int, np.integer)) else entry for entry in entries]


def _parse(tokens: list[Any], date_format: str | None) -> pd.DatetimeIndex | None:
    """Different entries as dates, NaT for those that are none; None if most are none."""
    entries = [token for token in tokens if not is_missing(token)]
    texts = [token for token in entries if isinstance(token, str)]
    readings: list[pd.DatetimeIndex]
    if not entries:
        return None
    if len(texts) < len(entries):
        readings = [_from_objects(tokens)]
    elif date_format is not None:
        readings = [_strict(tokens, date_format)]
    else:
        # A notation that does not suit the first few entries does not suit most of them.
        probe = [token for token in texts[:5] if any(map(str.isdigit, token))]
        readings = [_strict(tokens, form) for form in FORMATS if any(map(SHAPES[form].fullmatch, probe))]
        readings += [
            parse(tokens)
            for shape, parse in ((ISO_TIME, _iso_times), (COMPACT, _compact), (PART, _parts_of_years))
            if any(map(shape.fullmatch, probe))
        ]
        if not readings:
            return None
    counts = [np.count_nonzero(reading.notna()) for reading in readings]
    if 2 * max(counts) < len(entries):
        return None
    best = readings[int(np.argmax(counts))]
    for reading, count in zip(readings, counts, strict=True):
        if count == max(counts) and not reading.equals(best):
            row = int((reading != best).argmax())
            raise NotADate(row, "could be day/month or month/day; give date_format=, such as '%d/%m/%Y'")
    return best


def _strict(tokens: list[Any], date_format: str) -> pd.DatetimeIndex:
    texts = [token if isinstance(token, str) else None for token in tokens]
    return pd.DatetimeIndex(
        pd.to_datetime(pd.Series(texts, dtype=object), format=date_format, errors="coerce")
    )


def _from_objects(tokens: list[Any]) -> pd.DatetimeIndex:
    """Dates of ``datetime`` objects and periods of pandas, without time zone."""
    plain = [token.to_timestamp() if isinstance(token, pd.Period) else token for token in tokens]
    dated = [token if hasattr(token, "year") and hasattr(token, "day") else None for token in plain]
    return pd.DatetimeIndex([pd.Timestamp(token).tz_localize(None) if token else pd.NaT for token in dated])


def _iso_times(tokens: list[Any]) -> pd.DatetimeIndex:
    """Dates with time of day and fractions or a common offset from UTC, as ISO 8601 has them."""
    texts = [token if isinstance(token, str) and ISO_TIME.fullmatch(token) else None for token in tokens]
    try:
        dates = pd.DatetimeIndex(
            pd.to_datetime(pd.Series(texts, dtype=object), format="ISO8601", errors="coerce")
        )
    except ValueError:  # several offsets
        return _nothing(tokens)
    return dates.tz_localize(None)


def _compact(tokens: list[Any]) -> pd.DatetimeIndex:
    if all(isinstance(token, str) and COMPACT.fullmatch(token) for token in tokens):
        return _strict(tokens, "%Y%m%d")
    return _nothing(tokens)


def _parts_of_years(tokens: list[Any]) -> pd.DatetimeIndex:
    """Dates of the first day of ISO weeks, quarters and months."""
    dates = []
    for token in tokens:
        date = None
        if isinstance(token, str) and (match := PART.fullmatch(token)):
            year, kind, number = match.group(1, 2, 3) if match[1] else match.group(6, 4, 5)
            date = _first_day(int(year), kind.upper(), int(number))
        dates.append(date)
    return pd.DatetimeIndex([pd.NaT if date is None else date for date in dates])


def _first_day(year: int, kind: str, number: int) -> pd.Timestamp | None:
    try:
        if kind == "W":
            return pd.Timestamp.fromisocalendar(year, number, 1)
        return pd.Timestamp(year, 3 * number - 2 if kind == "Q" else number, 1)
    except ValueError:
        return None


def _nothing(tokens: list[Any]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([pd.NaT] * len(tokens))


def as_counts(entries: Sequence[Any]) -> NDArray[np.int64] | None:
    """Periods as integers, which grow by 1 from one period to the next; None if the entries count nothing.

    They are counted by numbers (1, 2, ...), numbered words (d_1, week 2), or words of the calendar (mon, tue;
    may, june), which start again after the last.
    """
    tokens = [_as_token(entry) for entry in entries]
    matches = [COUNTED.fullmatch(token) for token in tokens]
    if all(matches):
        if len({match[1].lower() for match in matches if match}) == 1:
            return np.array([int(match[2]) for match in matches if match], dtype=np.int64)
        return None
    for words in WORDS:
        places = [_place(token.lower(), words) for token in tokens]
        if all(place is not None for place in places):
            cycle = np.array(places, dtype=np.int64)
            # The next word of the same name is that of the next cycle, so only an equal word does not go on.
            steps = np.diff(cycle) % len(words)
            return np.concatenate([cycle[:1], cycle[0] + np.cumsum(steps)])
    return None


def _as_token(entry: Any) -> str:
    if isinstance(entry, (float, np.floating)) and float(entry).is_integer():
        entry = int(entry)
    return str(entry).strip()


def _place(token: str, words: Sequence[str]) -> int | None:
    if len(token) < 3:
        return None
    return next((place for place, word in enumerate(words) if word.startswith(token)), None)
