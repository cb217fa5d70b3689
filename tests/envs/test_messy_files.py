"""Generated files of all kinds: each is read as it was meant, or refused; none is read as something else."""

import csv
import dataclasses
import functools
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import event, given, settings
from hypothesis import strategies as st

from jumpgym.traces import read

FREQUENCIES = ("D", "W-MON", "W-SUN", "MS", "ME", "QS-JAN", "YS-JAN", "h")
DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%b %d, %Y", "%Y%m%d")
NAMES = (
    "A",
    "B",
    "C",
    "bread",
    "Milch",
    "Äpfel",
    "SKU 17",
    "SKU 18",
    "sales_north",
    "sales_south",
    "100234",
    "7",
)
NO_NUMBERS = ("n.a.", "-", "", "NaN", "?", "-5", "1_000", "five", "inf", "#N/A", "12 kg", "0x10", "1e999")
NO_DEMAND = {"price": "9.99", "store_id": "17", "week": "3", "promo": "1", "shop": "Berlin"}


@dataclasses.dataclass(frozen=True)
class Messy:
    """A table that was meant, and how somebody wrote it."""

    values: Any
    items: tuple[str, ...]
    freq: str | None
    layout: str
    date_format: str
    separator: str
    decimal: str
    thousands: str
    header: bool
    encoding: str
    newline: str
    quoted: bool
    blank_end: bool
    fault: str
    extra: str | None
    place: int
    token: str

    @functools.cached_property
    def dates(self):
        if self.freq is None:
            return None
        return pd.date_range("2023-01-01", periods=len(self.values), freq=self.freq)

    @functools.cached_property
    def called(self) -> list[str]:
        """How the periods are written."""
        if self.dates is None:
            return [str(period) for period in range(len(self.values))]
        hours = " %H:%M" if self.freq == "h" else ""
        return list(self.dates.strftime(self.date_format + hours))

    def number(self, value: float) -> str:
        text = f"{value:,.3f}".rstrip("0").rstrip(".")
        return text.translate(str.maketrans({",": self.thousands or None, ".": self.decimal}))

    @property
    def middle(self) -> int:
        """A period that is neither the first nor the last."""
        return 1 + self.place % (len(self.values) - 2)

    def cells(self) -> list[list[str]]:
        """The rows of a table in its layout, the names of its columns first."""
        numbers = [[self.number(value) for value in row] for row in self.values]
        if self.fault == "token":
            numbers[self.place % len(numbers)][self.place % len(self.items)] = self.token
        dated = self.dates is not None
        periods = self.order()
        if self.layout == "transposed":
            rows = [["product", *(self.called[t] for t in periods)]]
            return rows + [[item, *(numbers[t][k] for t in periods)] for k, item in enumerate(self.items)]
        if self.layout == "long":
            rows = [["date", "product", "sold"]]
            return rows + [
                [self.called[t], item, numbers[t][k]] for k, item in enumerate(self.items) for t in periods
            ]
        rows = [[*(["date"] if dated else []), *self.items]]
        return rows + [[*([self.called[t]] if dated else []), *numbers[t]] for t in periods]

    def order(self) -> list[int]:
        periods = list(range(len(self.values)))
        if self.fault == "gap":
            periods.remove(self.middle)
        elif self.fault == "twice":
            periods.insert(self.place % len(periods), periods[self.place % len(periods)])
        elif self.fault == "order":
            periods.reverse()
        return periods

    def write(self, folder: str) -> Path:
        rows = self.cells()
        if self.extra is not None:
            rows = [[*row, self.extra if k == 0 else NO_DEMAND[self.extra]] for k, row in enumerate(rows)]
        if not self.header:
            rows = rows[1:]
        if self.fault == "blank":
            rows.insert(len(rows) // 2, [])
        text = io.StringIO(newline="")
        quoting = csv.QUOTE_ALL if self.quoted else csv.QUOTE_MINIMAL
        csv.writer(text, delimiter=self.separator, lineterminator=self.newline, quoting=quoting).writerows(
            rows
        )
        content = text.getvalue() + self.newline * 2 * self.blank_end
        path = Path(folder) / "messy.csv"
        path.write_bytes(content.encode(self.encoding, errors="replace"))
        return path

    @property
    def told(self) -> dict[str, Any]:
        """All that a person who knows the file would say."""
        options: dict[str, Any] = {
            "sep": self.separator,
            "decimal": self.decimal,
            "thousands": self.thousands or None,
            "header": self.header,
            "encoding": self.encoding,
            "layout": "long" if self.layout == "long" else "wide",
        }
        if self.freq is not None:
            hours = " %H:%M" if self.freq == "h" else ""
            options |= {"freq": self.freq, "date_format": self.date_format + hours}
        numbered = [f"column {k + 1}" for k in range(max(3, 1 + len(self.items)))]
        if self.layout == "long":
            columns = ("date", "product", "sold") if self.header else numbered
            options |= dict(zip(("date", "item", "value"), columns, strict=False))
        elif self.layout == "transposed":
            options["item"] = "product"
        elif self.freq is not None:
            columns = ["date", *self.items] if self.header else numbered
            options |= {"date": columns[0], "value": columns[1 : 1 + len(self.items)]}
        else:
            options["value"] = list(self.items) if self.header else numbered[: len(self.items)]
        return options


@st.composite
def messy_files(draw):
    layout = draw(st.sampled_from(["wide", "wide", "transposed", "long"]))
    freq = draw(st.sampled_from(FREQUENCIES if layout != "wide" else (*FREQUENCIES, None)))
    # A column without dates may begin with digits as its name, or with a word as its first number: nobody can
    # know. The first is read as a number, as most files have it, the second as a name.
    names = NAMES if freq else NAMES[:-2]
    items = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    digits = draw(st.sampled_from([0, 0, 1, 3]))
    largest = draw(st.sampled_from([3, 90, 9_000]))
    count = draw(st.integers(4, 12))
    seed = draw(st.integers(0, 10**6))
    values = np.round(np.random.default_rng(seed).uniform(0, largest, (count, len(items))), digits)
    separator = draw(st.sampled_from([",", ";", "\t", "|"]))
    decimal = draw(st.sampled_from([".", ".", ","]))
    thousands = draw(st.sampled_from(["", "", "'", "." if decimal == "," else ","]))
    dated = ["order", "gap", "twice"] if freq else []
    fault = draw(st.sampled_from(["", "", "", "token", "blank", *dated]))
    extra = draw(st.sampled_from([None, None, None, *NO_DEMAND]))
    return Messy(
        values=values,
        items=tuple(items),
        freq=freq,
        layout=layout,
        date_format=draw(st.sampled_from(DATE_FORMATS[: -1 if freq == "h" else None])),
        separator=separator,
        decimal=decimal,
        thousands=thousands,
        header=layout == "transposed" or draw(st.sampled_from([True, True, False])),
        encoding=draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        newline=draw(st.sampled_from(["\n", "\r\n"])),
        quoted=draw(st.booleans()),
        blank_end=draw(st.booleans()),
        fault=fault,
        extra=extra,
        place=draw(st.integers(0, 100)),
        token=draw(st.sampled_from([token for token in NO_NUMBERS if freq or token != "five"])),
    )


def check_meant(messy, records, values=None):
    """Whether what was read is what was meant."""
    meant = messy.values if values is None else values
    np.testing.assert_allclose(records.values, meant, atol=1e-9)
    if messy.dates is None:
        assert records.dates is None
    else:
        assert records.dates.equals(messy.dates)
    if messy.header or messy.layout == "long":
        assert records.items == messy.items


def try_read(path, **options):
    """The records, or None if the file was refused in a sentence."""
    try:
        return read(path, **options)
    except ValueError as error:
        message = str(error)
    assert len(message) <= 300, message
    assert "messy.csv" in message, message
    return None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(messy_files())
def test_a_messy_file_is_read_as_it_was_meant_or_refused(messy):
    with tempfile.TemporaryDirectory() as folder:
        path = messy.write(folder)
        records = try_read(path)
        event("read" if records is not None else "refused")
        if records is not None:
            assert not messy.fault, f"{messy.fault} was not noticed:\n{path.read_bytes()!r}\n{records.values}"
            check_meant(messy, records)
        if messy.fault in ("token", "blank", "twice"):
            assert try_read(path, **messy.told) is None
        else:
            check_told(messy, path)


def check_told(messy, path):
    """A file without faults is read if all is said that can be said."""
    options = messy.told
    if messy.fault == "order":
        options["sort"] = True
    if messy.fault == "gap":
        options["fill"] = 0
    values = messy.values.copy()
    if messy.fault == "gap":
        values[messy.middle] = 0
    check_meant(messy, read(path, **options), values)
