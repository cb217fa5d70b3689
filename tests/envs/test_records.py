"""Records: what holds recorded demand, and its split in time."""

import numpy as np
import pandas as pd
import pytest

from jumpgym.traces import Records

DATES = pd.date_range("2024-01-01", periods=10, freq="W-MON")
VALUES = np.arange(20.0).reshape(10, 2)
RECORDS = Records(VALUES, ("A", "B"), DATES)


def test_they_are_frozen_and_keep_the_frequency():
    assert (RECORDS.freq, len(RECORDS), RECORDS.items) == ("W-MON", 10, ("A", "B"))
    with pytest.raises(ValueError, match="read-only"):
        RECORDS.values[0, 0] = 3.0
    source = VALUES.copy()
    records = Records(source, ("A", "B"))
    source[0, 0] = 99.0
    assert records.values[0, 0] == 0.0


@pytest.mark.parametrize("share", [0.001, 0.1, 0.37, 0.5, 0.7, 0.999])
def test_no_period_is_in_both_parts(share):
    earlier, later = RECORDS.split(share=share)
    assert len(earlier) == min(max(round(10 * share), 1), 9)
    np.testing.assert_array_equal(np.concatenate([earlier.values, later.values]), VALUES)
    assert earlier.dates.append(later.dates).equals(DATES)
    assert earlier.dates[-1] < later.dates[0]
    assert earlier.freq == later.freq == "W-MON"


@pytest.mark.parametrize(("date", "first"), [("2024-01-08", 1), ("2024-01-09", 2), ("2024-03-04", 9)])
def test_a_split_by_date_puts_the_date_into_the_later_part(date, first):
    earlier, later = RECORDS.split(date=date)
    assert (len(earlier), later.dates[0]) == (first, DATES[first])
    assert later.dates[0] >= pd.Timestamp(date) > earlier.dates[-1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RECORDS.split(), "give either share=, such as share=0.7, or date="),
        (lambda: RECORDS.split(share=0.5, date="2024-02-01"), "give either share="),
        (lambda: RECORDS.split(share=1), r"share=1 must be a number in \(0, 1\)"),
        (lambda: RECORDS.split(date="2024-01-01"), "must be after 2024-01-01, the first date"),
        (lambda: RECORDS.split(date="2025-01-01"), "at most 2024-03-04, the last"),
        (lambda: RECORDS.split(date="soon"), "date='soon' must be a date"),
        (lambda: Records(VALUES, ("A", "B")).split(date="2024-02-01"), "have no dates; give share="),
        (lambda: Records(VALUES[:1], ("A", "B")).split(share=0.5), "at least 2 periods"),
        (lambda: RECORDS.select("C"), "item 'C' is not one of 'A', 'B'"),
        (lambda: Records(VALUES, ("A", "A")), "the name 'A' is given twice"),
        (lambda: Records(VALUES, ("A",)), r"must have shape \(periods, items\)"),
        (lambda: Records(VALUES, ("A", "B"), DATES[::-1]), "one for each of 10 periods, ascending"),
        (lambda: Records(VALUES, ("A", "B"), DATES[1:]), "9 are given; there must be one for each"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_items_are_selected_in_the_order_given():
    np.testing.assert_array_equal(RECORDS.select("B").values, VALUES[:, 1:])
    assert RECORDS.select("B", "A").items == ("B", "A")
