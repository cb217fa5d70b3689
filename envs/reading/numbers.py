"""Columns of numbers: from tokens of text files and from the columns of pandas."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .. import checks

NUMBER_LIKE = re.compile(r"[+-]?(?:\d[\d.,'\u00a0\u202f ]*|[.,]\d+)(?:[eE][+-]?\d+)?")
"""What may be a number in one of the notations in use, or not."""

GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
"""A number that can be read with a decimal point and with points between thousands."""


class NotANumber(ValueError):
    """An entry of a column that is no number.

    Attributes:
        row: its index in the column.
        token: what is there.
        advice: what to do about it, or "".
    """

    def __init__(self, row: int, token: Any, advice: str = "") -> None:
        super().__init__(row, token, advice)
        self.row, self.token, self.advice = row, token, advice


@dataclass(frozen=True)
class Notation:
    """How numbers are written in text.

    Attributes:
        decimal: the decimal sign, "." or ","; None for ".", or "," if thousands have the point.
        thousands: the sign between thousands, or None.
    """

    decimal: str | None = None
    thousands: str | None = None

    def __post_init__(self) -> None:
        if self.decimal is not None:
            checks.choice("decimal", self.decimal, (".", ","))
        if self.thousands is not None:
            checks.choice("thousands", self.thousands, (".", ",", "'", " ", "\u00a0", "\u202f", "_"))
            if self.thousands == self.point:
                raise ValueError(f"thousands={self.thousands!r} must differ from the decimal sign")

    @property
    def point(self) -> str:
        """The decimal sign."""
        return self.decimal or ("," if self.thousands == "." else ".")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        point = re.escape(self.point)
        plain = rf"(?:\d+(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"
        if self.thousands is None:
            return re.compile(rf"[+-]?{plain}", re.ASCII)
        grouped = rf"\d{{1,3}}(?:{re.escape(self.thousands)}\d{{3}})+(?:{point}\d*)?"
        return re.compile(rf"[+-]?(?:{grouped}|{plain})", re.ASCII)

    def parse(self, token: str) -> float | None:
        """The number that a token stands for, or None if it stands for none."""
        if not self._pattern.fullmatch(token):
            return None
        if self.thousands:
            token = token.replace(self.thousands, "")
        return float(token.replace(self.point, "."))

    def advice(self, token: str) -> str:
        """What to do about a token that is no number in this notation."""
        signs = sorted(set(token) & set(".,'\u00a0\u202f "))
        if not NUMBER_LIKE.fullmatch(token) or not signs:
            return ""
        if "," in signs and self.point == ".":
            return "give decimal=',' or thousands=','"
        return f"give thousands={next((sign for sign in signs if sign != self.point), signs[0])!r}"


def as_floats(column: pd.Series, notation: Notation) -> NDArray[np.float64]:
    """A column as numbers, NaN where an entry is missing.

    Raises:
        NotANumber: for the first entry that is neither a number nor missing.
    """
    if pd.api.types.is_numeric_dtype(column.dtype) and column.dtype.kind in "iuf":
        return column.to_numpy(np.float64, na_value=np.nan)
    floats = np.empty(len(column))
    for row, entry in enumerate(column.tolist()):
        number = _number(entry, notation)
        if number is None:
            raise NotANumber(row, entry, notation.advice(entry.strip()) if isinstance(entry, str) else "")
        floats[row] = number
    return floats


def _number(entry: Any, notation: Notation) -> float | None:
    """The number that an entry is, NaN if it is missing, None if it is neither."""
    if isinstance(entry, str):
        token = entry.strip()
        return notation.parse(token) if token else np.nan
    if isinstance(entry, (Real, Decimal)) and not isinstance(entry, (bool, np.bool_, np.timedelta64)):
        return float(entry)
    return np.nan if is_missing(entry) else None


def is_missing(entry: Any) -> bool:
    """Whether an entry of a table is empty."""
    if isinstance(entry, str):
        return not entry.strip()
    return entry is None or entry is pd.NA or entry is pd.NaT or (isinstance(entry, float) and entry != entry)


def find_doubt(columns: Iterable[pd.Series], notation: Notation) -> tuple[int, int] | None:
    """Where a number may have a decimal point or one between thousands, as (column, row); None if nowhere.

    There is no doubt if the notation says which, or if any number in the columns can have a decimal point
    only.
    """
    first = None
    if notation.decimal is not None or notation.thousands is not None:
        return None
    for index, column in enumerate(columns):
        if column.dtype.kind in "iuf":
            continue
        for row, entry in enumerate(column.tolist()):
            if isinstance(entry, str) and "." in entry:
                if not GROUPED.fullmatch(entry.strip()):
                    return None
                first = first or (index, row)
    return first
